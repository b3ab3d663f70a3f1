"""What fills missing values in, or marks them, against ``fit`` on all rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.impute import MissingIndicator, SimpleImputer

from incremental._summaries.table import summaries_of
from tests.conftest import examples
from tests.summaries.common import compare, cut, learned
from tests.summaries.strategies import (
    booleans,
    doubles,
    floats,
    frames,
    ints,
    objects,
    sparse,
    texts,
)

BLOCKS = st.one_of(
    ints, floats, texts, objects, booleans, frames(), frames(["int", "float"]), frames(["text"])
)


@st.composite
def imputers(draw):
    return SimpleImputer(
        strategy=draw(st.sampled_from(["mean", "most_frequent", "constant"])),
        missing_values=draw(st.sampled_from([np.nan, np.nan, None, 1, "a", pd.NA])),
        add_indicator=draw(st.booleans()),
        keep_empty_features=draw(st.booleans()),
    )


@given(imputers(), BLOCKS)
@examples(60)
@pytest.mark.filterwarnings("ignore")
def test_imputers_learn_what_they_learn_from_all_rows(imputer, blocks):
    compare(imputer, blocks, ulps=4)


@given(imputers(), st.one_of(doubles, ints).flatmap(sparse))
@examples(30)
@pytest.mark.filterwarnings("ignore")
def test_imputers_learn_from_sparse_matrices(imputer, blocks):
    compare(imputer, blocks, ulps=4)


@pytest.mark.parametrize(
    "estimator",
    [SimpleImputer(), SimpleImputer(add_indicator=True), MissingIndicator(features="all")],
)
def test_frames_of_sparse_columns_keep_their_names(estimator):
    X = pd.DataFrame({"a": [1.0, np.nan, 0, 0, 2, 0], "b": [0.0, 3, 0, 0, np.nan, 0]})
    found = compare(estimator, cut(X.astype(pd.SparseDtype("float", 0.0)), [2, 3, 3]), ulps=4)
    assert found.feature_names_in_.tolist() == ["a", "b"]


@given(
    st.sampled_from([np.nan, None, 1, "a"]),
    st.sampled_from(["missing-only", "all"]),
    st.one_of(BLOCKS, doubles.flatmap(sparse)),
)
@examples(40)
@pytest.mark.filterwarnings("ignore")
def test_indicators_mark_the_columns_that_have_missing_values_anywhere(value, features, blocks):
    compare(MissingIndicator(missing_values=value, features=features), blocks)


def test_the_mean_is_that_of_the_exact_sum():
    X = np.array([[1e16], [1.0], [1.0], [-1e16], [np.nan], [1.0]])
    found = learned(SimpleImputer(), cut(X, [1, 3]))
    assert found.statistics_ == [0.6]


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.filterwarnings("ignore:Skipping features")
def test_columns_that_are_missing_everywhere_are_learned_as_by_fit(keep):
    X = np.array([[1.0, np.nan], [1.0, np.nan], [2.0, np.nan]])
    for strategy in ("mean", "most_frequent"):
        compare(SimpleImputer(strategy=strategy, keep_empty_features=keep), cut(X, [1]))


@pytest.mark.parametrize("strategy", ["median", np.max])
def test_what_is_no_sum_is_refused_and_something_else_named(strategy):
    imputer = SimpleImputer(strategy=strategy)
    assert "strategy='mean'" in summaries_of(imputer).refusal(imputer)
