"""What fills missing values in, or marks them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.impute import MissingIndicator
from sklearn.utils import check_array

from incremental._data.values import concatenate, rows
from incremental._summaries.base import Summaries
from incremental._summaries.distinct import Table, assemble, table
from incremental._summaries.encoders import check_values, once
from incremental._summaries.few import as_array, no_rows, sparse_frame
from incremental._summaries.sums import Sum, column_sums

FLOATS = (np.float64, np.float32, np.float16)


def checked(estimator: Any, X: Any, dtype: Any = None) -> Any:
    """Return an array, or a sparse matrix, as these estimators make one of X."""
    value = estimator.missing_values
    allows_nan = _is_nan(value) or (_is_na(value) and not isinstance(estimator, MissingIndicator))
    return check_array(
        as_array(X),
        accept_sparse="csc",
        dtype=dtype,
        ensure_all_finite="allow-nan" if allows_nan else True,
        ensure_min_samples=0,
        estimator=estimator,
    )


def _is_nan(value: Any) -> bool:
    return isinstance(value, (float, np.floating)) and bool(np.isnan(value))


def _is_na(value: Any) -> bool:
    return type(value).__name__ == "NAType"  # pandas.NA


def missing(X: Any, value: Any) -> np.ndarray:
    """Say which values of an array are missing, by scikit-learn's `missing_values`.

    Examples
    --------
    >>> missing(np.array(["a", None, np.nan], dtype=object), np.nan)
    array([False, False,  True])
    """
    if _is_na(value):
        import pandas as pd

        return pd.isna(X)
    if _is_nan(value):
        return (X != X).astype(bool)
    return np.broadcast_to(value == X, X.shape).astype(bool)


def patterns(estimator: Any, X: Any, dtype: Any = None) -> Any:
    """Return two rows: one with values that are there, one with missing ones, as far as X has any.

    Examples
    --------
    >>> patterns(
    ...     MissingIndicator(), np.array([[1.0, np.nan], [np.nan, np.nan], [3.0, np.nan]])
    ... )
    array([[ 1., nan],
           [nan, nan]])
    """
    found = checked(estimator, X, dtype)
    mask = missing(found.data if sp.issparse(found) else found, estimator.missing_values)
    return _patterns(X, found, mask)


def _patterns(X: Any, found: Any, mask: np.ndarray) -> Any:
    """Return the same of the array, or sparse matrix, that was made of X.

    Of a sparse matrix, `mask` is that of its stored values.
    """
    if found.shape[0] == 0:
        return found if sp.issparse(X) else no_rows(X)
    if sp.issparse(found):
        few = _patterns_of_sparse(found, mask)
        return sparse_frame(few, X.columns) if hasattr(X, "iloc") else few
    there, lost = mask.argmin(axis=0), mask.argmax(axis=0)
    pairs = np.stack([there, np.where(mask.any(axis=0), lost, there)], axis=1)
    if not hasattr(X, "iloc"):
        return np.stack([found[pair, i] for i, pair in enumerate(pairs)], axis=1)
    return assemble([X.iloc[pair, i] for i, pair in enumerate(pairs)], X.columns)


def _patterns_of_sparse(X: Any, mask: np.ndarray) -> Any:
    """Return the same of a sparse matrix, whose zeros are there."""
    columns = X.tocoo().col
    n_lost = np.bincount(columns[mask], minlength=X.shape[1])
    # The last value that is stored stands for all: scikit-learn asks if there is any.
    _, last = np.unique(columns[~mask][::-1], return_index=True)
    there = np.flatnonzero(~mask)[::-1][last]
    lost = np.flatnonzero(mask)[:1].repeat(np.count_nonzero(n_lost))
    empty = np.flatnonzero(mask)[:1].repeat(np.count_nonzero(n_lost == X.shape[0]))
    places = np.concatenate([there, empty, lost])
    at = np.concatenate([columns[there], *map(np.flatnonzero, (n_lost == X.shape[0], n_lost))])
    which = np.repeat([0, 1], [len(there) + len(empty), len(lost)])
    return type(X)((X.data[places], (which, at)), shape=(2, X.shape[1]))


class Pattern(Summaries):
    """MissingIndicator: which columns have missing values; equal to ``fit`` on all rows."""

    def block(self, estimator: Any, X: Any, y: Any = None) -> Any:
        return patterns(estimator, X)

    def merge(self, estimator: Any, first: Any, second: Any) -> Any:
        return patterns(estimator, concatenate([first, second]))

    def fit(self, estimator: Any, summary: Any) -> None:
        estimator.fit(summary)


class Means(NamedTuple):
    """What is needed for means: `rows` have the dtypes, and what is missing."""

    rows: Any
    sums: Sum
    counts: np.ndarray


class _Mean(Summaries):
    """The means of what is there, of sums that lose nothing.

    Within one unit in the last place of the mean of all rows; scikit-learn's own is further off.
    """

    def block(self, estimator: Any, X: Any, y: Any = None) -> Means:
        found = checked(estimator, X, FLOATS)
        if sp.issparse(found):
            mask = missing(found.data, estimator.missing_values)
            n_missing = np.bincount(found.tocoo().col[mask], minlength=found.shape[1])
            filled = found.copy()
            filled.data[mask] = 0
        else:
            mask = missing(found, estimator.missing_values)
            n_missing = mask.sum(axis=0)
            filled = np.where(mask, 0, found)
        sums = column_sums(filled.astype(np.float64, copy=False))
        return Means(_patterns(X, found, mask), sums, found.shape[0] - n_missing)

    def merge(self, estimator: Any, first: Means, second: Means) -> Means:
        few = patterns(estimator, concatenate([first.rows, second.rows]), FLOATS)
        return Means(few, first.sums + second.sums, first.counts + second.counts)

    def fit(self, estimator: Any, summary: Means) -> None:
        estimator.fit(summary.rows)
        there = summary.counts > 0
        estimator.statistics_[there] = summary.sums.value[there] / summary.counts[there]


class _MostFrequent(Summaries):
    """The most frequent values; equal to ``fit`` on all rows."""

    def block(self, estimator: Any, X: Any, y: Any = None) -> Table:
        return table(X, accept_sparse=True)

    def merge(self, estimator: Any, first: Table, second: Table) -> Table:
        return first.merge(second)

    def fit(self, estimator: Any, summary: Table) -> None:
        X = once(summary)
        found = checked(estimator, X)
        mask = missing(found, estimator.missing_values)
        columns = []
        for i, column in enumerate(summary.columns):
            n = len(column.counts)
            there = np.flatnonzero(~mask[:n, i])
            lost = np.flatnonzero(mask[:n, i])
            if len(there):
                ties = there[column.counts[there] == column.counts[there].max()]
                there = ties[[_first(estimator, found[ties, i])]]
            pair = [*there[:1], *lost[:1]]
            columns.append(rows(column.values, np.array([*pair, *pair], int)[:2]))
        few = assemble(columns, summary.names)
        estimator.fit(sp.csc_array(few) if summary.is_sparse else few)

    def check_size(self, estimator: Any, summary: Table) -> None:
        check_values(estimator, summary, "values")


def _first(estimator: Any, ties: np.ndarray) -> int:
    """Return the place of the one among equally frequent values that scikit-learn takes."""
    if len(ties) == 1:
        return 0
    chosen = clone(estimator).set_params(add_indicator=False).fit(ties[:, None]).statistics_[0]
    return int(np.flatnonzero(ties == chosen)[0])


class Imputers(Summaries):
    """SimpleImputer: means, most frequent values, constants, and which columns have missing ones.

    Means are within one unit in the last place of those of all rows, the rest is equal.
    """

    _STRATEGIES: dict[str, Summaries] = {
        "mean": _Mean(),
        "most_frequent": _MostFrequent(),
        "constant": Pattern(),
    }

    def refusal(self, estimator: Any) -> str | None:
        strategy = estimator.strategy
        if isinstance(strategy, str) and strategy in self._STRATEGIES:
            return None
        if strategy == "median":
            return (
                "needs the medians of all rows, which are no sums. Use strategy='mean' or "
                "'most_frequent', or a constant that was found in a sample, or in a sketch such "
                "as that of dask.dataframe's quantile(0.5)."
            )
        return (
            "has a strategy that needs to see all rows. Use strategy='mean', 'most_frequent' or "
            "'constant'."
        )

    def block(self, estimator: Any, X: Any, y: Any = None) -> Any:
        return self._STRATEGIES[estimator.strategy].block(estimator, X, y)

    def merge(self, estimator: Any, first: Any, second: Any) -> Any:
        return self._STRATEGIES[estimator.strategy].merge(estimator, first, second)

    def fit(self, estimator: Any, summary: Any) -> None:
        self._STRATEGIES[estimator.strategy].fit(estimator, summary)

    def check_size(self, estimator: Any, summary: Any) -> None:
        self._STRATEGIES[estimator.strategy].check_size(estimator, summary)
