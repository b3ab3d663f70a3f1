"""Encoders that find their categories block by block, against ``fit`` on all rows."""

from __future__ import annotations

import dask
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from tests.conftest import examples
from tests.summaries.common import compare, cut, learned
from tests.summaries.strategies import booleans, floats, frames, ints, objects, texts


@st.composite
def encoders(draw):
    frequency = draw(st.sampled_from([None, None, 1, 2, 3, 5, 0.2, 0.5]))
    most = draw(st.sampled_from([None, None, 1, 2, 3]))
    params = {"min_frequency": frequency, "max_categories": most}
    if draw(st.booleans()):
        params["drop"] = draw(st.sampled_from([None, "first", "if_binary"]))
        params["handle_unknown"] = draw(st.sampled_from(["error", "ignore", "infrequent_if_exist"]))
        return OneHotEncoder(**params)
    if draw(st.booleans()):
        params |= {"handle_unknown": "use_encoded_value", "unknown_value": -1}
    return OrdinalEncoder(**params, encoded_missing_value=draw(st.sampled_from([np.nan, -2, 1])))


@given(encoders(), frames())
@examples(40)
def test_categories_of_frames_are_those_of_all_rows(encoder, blocks):
    if encoder.min_frequency is not None or encoder.max_categories is not None:
        # scikit-learn counts missing dates as one category or as several, by NumPy's version.
        assume(not any(b.select_dtypes("datetime").isna().any(axis=None) for b in blocks))
    compare(encoder, blocks)


@given(encoders(), st.one_of(ints, floats, texts, objects, booleans))
@examples(50)
def test_categories_of_arrays_are_those_of_all_rows(encoder, blocks):
    compare(encoder, blocks)


@pytest.mark.parametrize("encoder", [OneHotEncoder, OrdinalEncoder])
def test_given_categories_are_counted(encoder):
    params = {"handle_unknown": "ignore"}
    if encoder is OrdinalEncoder:
        params = {"handle_unknown": "use_encoded_value", "unknown_value": -1}
    X = np.array(list("aaabbcccccdz"), dtype=object)[:, None]
    made = encoder(categories=[list("dcbax")], min_frequency=2, **params)
    found = compare(made, cut(X, [3, 7]))
    assert found.infrequent_categories_[0].tolist() == ["d", "x"]


def test_categories_are_counted_whatever_transformers_return_elsewhere():
    frame = pd.DataFrame({"city": ["Bonn", "Ulm", "Bonn", "Jena"]})
    with config_context(transform_output="pandas"):
        found = compare(OneHotEncoder(min_frequency=2, sparse_output=False), cut(frame, [3]))
    assert found.infrequent_categories_[0].tolist() == ["Jena", "Ulm"]


def test_rows_that_stand_for_all_are_few():
    # 50 values of 49 rows each, and 49 of 50 rows each: no fewer rows tell them apart.
    frame = pd.DataFrame({"rare": np.arange(2_450) % 50, "frequent": np.arange(2_450) % 49})
    encoder = OneHotEncoder(min_frequency=50, handle_unknown="infrequent_if_exist")
    compare(encoder, cut(frame, [1_000]))
    with dask.config.set({"incremental.most-values": 100}):
        with pytest.raises(ValueError, match=r"at most 400 .* needs 2450: .*\['rare'\] .*hash"):
            learned(encoder, cut(frame, [1_000]))
