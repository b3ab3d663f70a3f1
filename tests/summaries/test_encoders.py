"""Encoders that find their categories block by block, against ``fit`` on all rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from tests.summaries.common import compare, cut

NUMBERS = st.sampled_from([0, 1, 2, 3, 10, -5])
FLOATS = st.sampled_from([0.0, 1.0, 2.5, -1.0, np.nan])
TEXTS = st.sampled_from(["a", "b", "cc", "ddd", "é"])
#: Values of a column and the dtypes that it may have in a block.
KINDS = {
    "int": (NUMBERS, ["int64", "int8", "Int64", "float64", object]),
    "float": (FLOATS, ["float64", "float32", "Float64", object]),
    "text": (st.one_of(TEXTS, st.none()), ["str", object, "category", "string"]),
    "bool": (st.booleans(), ["bool", "boolean", object]),
    "mixed": (st.one_of(NUMBERS, TEXTS), [object]),
    "missing": (st.sampled_from([None, np.nan, "a"]), [object]),
}


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


@st.composite
def frames(draw):
    n = draw(st.integers(1, 12))
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=3))
    stops = sorted(draw(st.lists(st.integers(0, n), max_size=3)))
    columns = [draw(st.lists(KINDS[kind][0], min_size=n, max_size=n)) for kind in kinds]
    blocks = []
    for part in cut(list(range(n)), stops):
        one = {}
        for i, (kind, column) in enumerate(zip(kinds, columns, strict=True)):
            dtype = draw(st.sampled_from(KINDS[kind][1]))
            one[f"c{i}"] = pd.Series([column[j] for j in part], dtype=object).astype(dtype)
        blocks.append(pd.DataFrame(one))
    return blocks


@given(encoders(), frames())
@settings(max_examples=150, deadline=None)
def test_categories_of_frames_are_those_of_all_rows(encoder, blocks):
    compare(encoder, blocks)


@st.composite
def arrays(draw):
    n = draw(st.integers(1, 12))
    values, dtypes = draw(
        st.sampled_from(
            [
                (NUMBERS, ["int64", "int8", "uint8", "float64"]),
                (FLOATS, ["float64", "float32"]),
                (TEXTS, ["U3", "U5", object]),
                (st.booleans(), [bool]),
                (st.one_of(TEXTS, st.none(), st.just(np.nan)), [object]),
            ]
        )
    )
    n_columns = draw(st.integers(1, 3))
    rows = draw(st.lists(st.tuples(*[values] * n_columns), min_size=n, max_size=n))
    X = np.array([list(row) for row in rows], dtype=object)
    X = np.maximum(X, 0) if values is NUMBERS else X
    stops = sorted(draw(st.lists(st.integers(0, n), max_size=3)))
    return [part.astype(draw(st.sampled_from(dtypes))) for part in cut(X, stops)]


@given(encoders(), arrays())
@settings(max_examples=150, deadline=None)
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
