"""What learns from summaries of blocks, and what all of these have in common."""

from __future__ import annotations

import dask
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.impute import SimpleImputer
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, OrdinalEncoder, TargetEncoder

from incremental._summaries.table import OF_SCIKIT_LEARN, summaries_of
from tests.summaries.common import compare, cut, learned, same_state

TEXTS = ["CountVectorizer", "TfidfVectorizer"]


def made(kind):
    if kind is KBinsDiscretizer:
        return kind(strategy="uniform", subsample=None)
    return kind()


def blocks_for(kind, lengths):
    """Return blocks that an estimator takes, and those of y."""
    n = sum(lengths)
    X = np.arange(2.0 * n).reshape(n, 2) % 5
    if kind.__name__ in TEXTS:
        X = [f"w{i} w" for i in range(n)]
    elif kind.__name__ == "DictVectorizer":
        X = [{f"w{i}": 1} for i in range(n)]
    stops = np.cumsum(lengths)[:-1]
    return cut(X, stops), cut(np.arange(n) % 2, stops)


@pytest.mark.parametrize("kind", OF_SCIKIT_LEARN, ids=lambda kind: kind.__name__)
def test_each_learns_in_blocks_what_it_learns_from_all_rows(kind):
    compare(made(kind), *blocks_for(kind, [5, 0, 7, 1]), ulps=8)


@pytest.mark.parametrize("kind", OF_SCIKIT_LEARN, ids=lambda kind: kind.__name__)
@pytest.mark.filterwarnings("ignore")
def test_without_any_row_the_error_is_that_of_fit(kind):
    compare(made(kind), *blocks_for(kind, [0, 0]))


@pytest.mark.parametrize("kind", OF_SCIKIT_LEARN, ids=lambda kind: kind.__name__)
def test_a_summary_holds_no_block(kind):
    blocks, ys = blocks_for(kind, [50_000])
    how = summaries_of(made(kind))
    summary = how.block(made(kind), blocks[0], ys[0])
    arrays = [value for value in leaves(summary) if isinstance(value, np.ndarray)]
    assert all(getattr(value.base, "nbytes", 0) < 100_000 for value in arrays)


def leaves(value):
    if isinstance(value, (tuple, list)):
        for one in value:
            yield from leaves(one)
    elif hasattr(value, "columns") and hasattr(value, "n_rows"):
        yield from leaves(value.columns)
    else:
        yield value


def test_frames_keep_their_names_and_lists_are_taken():
    frame = pd.DataFrame({"a": [1.0, 2.0, np.nan], "b": [1.0, np.nan, 5.0]})
    found = compare(SimpleImputer(add_indicator=True), cut(frame, [2]))
    assert found.get_feature_names_out().tolist()[:2] == ["a", "b"]
    compare(OneHotEncoder(), [[["a", 1]], [["b", 2]]])
    compare(SimpleImputer(), [[[1, 2.0]], [[3, 4]]])
    compare(SelectKBest(f_classif, k=1), [[[1, 2.0]], [[3, 4], [5, 3]]], [[0], [1, 0]])


def test_frames_of_sparse_columns_are_counted():
    frame = pd.DataFrame({"a": pd.arrays.SparseArray([0, 1, 1])})
    compare(OrdinalEncoder(max_categories=2), cut(frame, [2]))
    compare(SimpleImputer(strategy="most_frequent"), cut(frame, [2]))


@pytest.mark.parametrize("kind", [OneHotEncoder, OrdinalEncoder, SimpleImputer])
def test_columns_that_grow_without_end_are_noticed(kind):
    frame = pd.DataFrame({"few": [1, 1, 1, 1], "id": ["a", "b", "c", "d"]}).astype(object)
    estimator = kind(strategy="most_frequent") if kind is SimpleImputer else kind()
    with dask.config.set({"incremental.most-values": 4}):
        with pytest.raises(ValueError, match="at most 4 .*'id' has 4 so far.*most-values"):
            learned(estimator, cut(frame, [2]))


class Range(BaseEstimator):
    """An estimator of somebody else."""

    def block_summary(self, X, y=None):
        return [*X.min(axis=0), *X.max(axis=0)]

    def merge_summaries(self, first, second):
        return [min(first[0], second[0]), max(first[1], second[1])]

    def fit_summary(self, summary):
        self.range_ = summary


def test_an_estimator_may_say_itself_how_it_learns():
    found = learned(Range(), [np.array([[1], [2]]), np.array([[0]]), np.array([[5]])])
    assert found.range_ == [0, 5]


def test_what_is_derived_may_learn_otherwise():
    class Mine(OneHotEncoder): ...

    assert summaries_of(Mine()) is summaries_of(SGDClassifier()) is None
    assert summaries_of(TargetEncoder()) is None


def test_parameters_are_given_back_where_fit_fails():
    encoder = OneHotEncoder(min_frequency=2, drop=["z"])
    same = clone(encoder)
    with pytest.raises(ValueError, match="z"):
        how = summaries_of(encoder)
        how.fit(encoder, how.block(encoder, np.array([["a"], ["b"]])))
    assert encoder.get_params() == same.get_params()
    same_state(clone(encoder), same)
