"""Selections of columns from sums of blocks, against ``fit`` on all rows."""

from __future__ import annotations

import dask
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.feature_selection import (
    GenericUnivariateSelect,
    SelectFdr,
    SelectFpr,
    SelectFwe,
    SelectKBest,
    SelectPercentile,
    VarianceThreshold,
    chi2,
    f_classif,
    f_regression,
    mutual_info_classif,
    r_regression,
)

from incremental._summaries.table import summaries_of
from tests.conftest import examples, first_seed
from tests.summaries.common import compare, cut, learned
from tests.summaries.strategies import (
    COUNTS,
    arrays,
    counts,
    floats,
    frames,
    ints,
    sparse,
)

BLOCKS = st.one_of(ints, counts, floats, floats.flatmap(sparse), frames(["int", "float"]))


@given(st.sampled_from([0.0, 0.5]), BLOCKS)
@examples(40)
@pytest.mark.filterwarnings("ignore")
def test_variances_are_those_of_all_rows(threshold, blocks):
    compare(VarianceThreshold(threshold), blocks, ulps=16)


def test_variances_lose_nothing_beside_a_large_mean():
    rng = np.random.default_rng(first_seed())
    X = 1e9 + rng.integers(0, 8, (1_000, 3)) / 8
    exact = [np.var([int(8 * (x - 1e9)) for x in column]) / 64 for column in X.T]
    found = learned(VarianceThreshold(), cut(X, [100, 101, 600]))
    np.testing.assert_allclose(found.variances_, exact, rtol=4 * np.finfo(float).eps)


@st.composite
def with_targets(draw, blocks, targets, dtype):
    blocks = draw(blocks)
    ys = [draw(st.lists(targets, min_size=len(b), max_size=len(b))) for b in blocks]
    return blocks, [np.array(y, dtype=dtype) for y in ys]


# Of narrower dtypes scikit-learn's own sums are of 32-bit floats.
wide = arrays(COUNTS, ["int64", "float64"])
NUMBERED = with_targets(st.one_of(wide, frames(["count"])), st.sampled_from([0, 1, 2]), float)
NAMED = with_targets(wide, st.sampled_from(["x", "y"]), object)


def some_of(Score, **params):
    return st.sampled_from(
        [
            SelectKBest(Score, k=1),
            SelectPercentile(Score, percentile=50),
            SelectFpr(Score),
            SelectFdr(Score),
            SelectFwe(Score),
            GenericUnivariateSelect(Score, mode="k_best", param=1),
        ]
    )


@given(st.sampled_from([chi2, f_classif]).flatmap(some_of), st.one_of(NUMBERED, NAMED))
@examples(40)
@pytest.mark.filterwarnings("ignore")
def test_scores_of_classes_are_those_of_all_rows(selector, blocks):
    compare(selector, *blocks, ulps=16)


@given(st.sampled_from([f_classif, chi2]), NUMBERED)
@examples(40)
@pytest.mark.filterwarnings("ignore")
def test_scores_of_classes_are_equal_where_sums_are_of_integers(score, blocks):
    Xs, ys = blocks
    if score is chi2:  # scikit-learn multiplies a sparse matrix by 1 / n where there are more
        ys = [y > 0 for y in ys]
    compare(SelectKBest(score, k=1), Xs, ys)


@given(st.sampled_from([f_classif, f_regression, r_regression, chi2]), st.integers(0, 99))
@examples(15)
def test_scores_of_floats_are_those_of_all_rows(score, seed):
    rng = np.random.default_rng(seed)
    n, k = rng.integers(20, 60), rng.integers(1, 5)
    X = rng.random((n, k)) * 10.0 ** rng.integers(-3, 4, k)
    y = (
        rng.integers(0, 3, n)
        if score in (chi2, f_classif)
        else X[:, 0] / X[:, 0].max() + rng.random(n)
    )
    stops = np.sort(rng.integers(0, n, 3))
    for form in (np.asarray, sp.csr_array, pd.DataFrame):
        selector = SelectKBest(score, k=1)
        blocks, ys = cut(form(X), stops), cut(y, stops)
        found = learned(selector, blocks, ys)
        whole = clone(selector).fit(form(X), y)
        np.testing.assert_allclose(found.scores_, whole.scores_, rtol=1e-11)
        if whole.pvalues_ is None:
            assert found.pvalues_ is None
        else:
            np.testing.assert_allclose(found.pvalues_, whole.pvalues_, rtol=1e-9, atol=1e-300)


def test_correlations_lose_nothing_beside_large_means():
    rng = np.random.default_rng(first_seed())
    X, y = rng.integers(0, 100, (500, 3)), rng.integers(0, 100, 500)
    exact = SelectKBest(r_regression, k=1).fit(X, y).scores_
    found = learned(SelectKBest(r_regression, k=1), cut(X + 1e9, [50, 51]), cut(y + 1e9, [50, 51]))
    np.testing.assert_allclose(found.scores_, exact, rtol=1e-12)


@pytest.mark.parametrize("score", [f_regression, r_regression, f_classif])
@pytest.mark.filterwarnings("ignore")
def test_constant_columns_are_rated_as_by_fit(score):
    X = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 5.0], [1.0, 3.0]])
    y = np.array([0.0, 1.0, 1.0, 0.0])
    compare(SelectKBest(score, k=1), cut(X, [1]), cut(y, [1]), ulps=8)


def test_constant_columns_are_named():
    X, y = np.ones((4, 1)), np.array([0, 1, 0, 1])
    with pytest.warns(UserWarning, match="Features .0. are constant"):
        learned(SelectKBest(f_classif, k=1), cut(X, [1]), cut(y, [1]))


@pytest.mark.parametrize(
    ("score", "X", "y"),
    [
        (chi2, [[1.0], [-1.0]], [0, 1]),
        (chi2, [[1.0], [1.0]], [0.5, 1.5]),
        (f_classif, [[1.0], [np.nan]], [0, 1]),
        (f_classif, [["a"], ["b"]], [0, 1]),
        (f_regression, [[1.0], [2.0]], ["a", "b"]),
        (f_classif, [[1.0], [2.0]], [None, None]),
    ],
)
def test_what_fit_refuses_is_refused(score, X, y):
    compare(SelectKBest(score, k=1), cut(np.array(X), [1]), cut(np.array(y, dtype=object), [1]))


def test_counts_below_zero_are_refused():
    with pytest.raises(ValueError, match="must be non-negative"):
        learned(SelectKBest(chi2, k=1), [np.array([[1.0], [-1.0]])], [np.array([0, 1])])


def test_a_selection_without_y_is_refused():
    with pytest.raises(ValueError, match="y"):
        learned(SelectKBest(f_classif, k=1), [np.ones((2, 1))])


def test_scores_that_are_no_sums_are_refused_and_others_named():
    selector = SelectKBest(mutual_info_classif)
    assert "f_classif" in summaries_of(selector).refusal(selector)


def test_classes_without_end_are_noticed():
    X, y = np.ones((4, 2)), np.arange(4)
    with dask.config.set({"incremental.most-values": 7}):
        with pytest.raises(ValueError, match="at most 7 sums, but y has 4 classes"):
            learned(SelectKBest(f_classif, k=1), cut(X, [2]), cut(y, [2]))
