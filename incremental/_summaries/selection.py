"""Selections of columns by a number for each: variances, and tests of each column against y."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.feature_selection import chi2, f_classif, f_regression, r_regression
from sklearn.utils import check_array, check_X_y, column_or_1d

from incremental._compat import num_samples
from incremental._data.values import concatenate
from incremental._summaries.base import RAISE_THE_LIMIT, Summaries, most_values, parameters
from incremental._summaries.few import in_form, no_rows
from incremental._summaries.scores import Chi2, FClassif, FRegression, RRegression, Score
from incremental._summaries.sums import Moments, moments

SPARSE = ("csr", "csc")


class Spread(NamedTuple):
    """The moments of each column, and its extreme values (NaN if there is any)."""

    form: Any
    moments: Moments
    low: np.ndarray
    high: np.ndarray
    n_rows: int


class Variances(Summaries):
    """VarianceThreshold: variances within a few units in the last place of the exact ones."""

    def block(self, estimator: Any, X: Any, y: Any = None) -> Spread:
        found = check_array(
            X,
            accept_sparse=SPARSE,
            dtype=np.float64,
            ensure_all_finite="allow-nan",
            ensure_min_samples=0,
        )
        n = found.shape[0]
        if not n:
            low, high = np.full((2, found.shape[1]), [[np.inf], [-np.inf]])
        elif sp.issparse(found):
            low, high = (np.asarray(a.todense()).ravel() for a in (found.min(0), found.max(0)))
        else:
            low, high = found.min(axis=0), found.max(axis=0)
        return Spread(no_rows(X), moments(found), low, high, n)

    def merge(self, estimator: Any, first: Spread, second: Spread) -> Spread:
        return Spread(
            concatenate([first.form, second.form]),
            first.moments + second.moments,
            np.minimum(first.low, second.low),
            np.maximum(first.high, second.high),
            first.n_rows + second.n_rows,
        )

    def fit(self, estimator: Any, summary: Spread) -> None:
        variances = summary.moments.variances
        if estimator.threshold == 0:  # constant columns have no variance, whatever was rounded
            variances = np.fmin(variances, summary.high - summary.low)
        wide = np.isfinite(variances) & (variances > estimator.threshold)
        # Values that are as far apart as scikit-learn asks for, where they are.
        apart = np.where(wide, 1 + estimator.threshold, 0)
        some = np.stack([apart, -apart])[: summary.n_rows]
        estimator.fit(in_form(summary.form, some))
        estimator.variances_ = variances


class Rated(NamedTuple):
    """The sums that columns are rated by."""

    form: Any
    n_rows: int
    sums: Any


#: By the functions that they compute.
SCORES: dict[Any, Score] = {
    chi2: Chi2(),
    f_classif: FClassif(),
    f_regression: FRegression(),
    r_regression: RRegression(),
}


class Univariate(Summaries):
    """SelectKBest and its kin: the scores of `SCORES`, which say how exact they are."""

    def refusal(self, estimator: Any) -> str | None:
        if estimator.score_func in SCORES:
            return None
        name = getattr(estimator.score_func, "__name__", str(estimator.score_func))
        names = ", ".join(function.__name__ for function in SCORES)
        return f"rates columns by {name}, which needs to see all rows. Use one of {names}."

    def block(self, estimator: Any, X: Any, y: Any = None) -> Rated:
        form = no_rows(X)
        if num_samples(X):
            X, y = check_X_y(X, y, accept_sparse=SPARSE, multi_output=True)
        else:
            X = check_array(X, accept_sparse=SPARSE, ensure_min_samples=0)
        sums = SCORES[estimator.score_func].block(X.astype(np.float64), column_or_1d(y))
        return Rated(form, X.shape[0], sums)

    def merge(self, estimator: Any, first: Rated, second: Rated) -> Rated:
        form = concatenate([first.form, second.form])
        sums = SCORES[estimator.score_func].merge(first.sums, second.sums)
        return Rated(form, first.n_rows + second.n_rows, sums)

    def fit(self, estimator: Any, summary: Rated) -> None:
        score = SCORES[estimator.score_func]
        n = min(summary.n_rows, 1)
        X = in_form(summary.form, np.zeros((n, summary.form.shape[1])))
        # The estimator's own ``fit`` is given the scores instead of the rows.
        with parameters(estimator, score_func=lambda X, y: score.finish(summary.sums)):
            estimator.fit(X, np.zeros(n))

    def check_size(self, estimator: Any, summary: Rated) -> None:
        n = SCORES[estimator.score_func].n_classes(summary.sums)
        if n * summary.form.shape[1] > most_values():
            raise ValueError(
                f"{type(estimator).__name__} keeps at most {most_values()} sums, but y has {n} "
                f"classes so far, for each of {summary.form.shape[1]} columns. Use f_regression "
                f"if y is a number, or fewer columns. {RAISE_THE_LIMIT}"
            )
