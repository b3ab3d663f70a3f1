"""Estimators that need the smallest and the largest value of each column, and nothing else."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sklearn.preprocessing import KBinsDiscretizer
from sklearn.utils import check_array

from incremental._data.values import concatenate
from incremental._summaries.base import Summaries, parameters
from incremental._summaries.few import in_form, no_rows


class Range(NamedTuple):
    """The smallest and the largest value of each column."""

    form: Any
    #: Of shape (0, n_columns) without rows, else of shape (2, n_columns).
    ends: np.ndarray
    n_rows: int


class Extremes(Summaries):
    """KBinsDiscretizer with uniform bins, SplineTransformer with uniform knots.

    Equal to ``fit`` on all rows (of a KBinsDiscretizer, ``fit`` with ``subsample=None``): both are
    fitted on two rows that have the extreme values.
    """

    def refusal(self, estimator: Any) -> str | None:
        is_discretizer = isinstance(estimator, KBinsDiscretizer)
        name, bins = ("strategy", "bins") if is_discretizer else ("knots", "knots")
        if getattr(estimator, name) == "uniform":
            return None
        return (
            f"needs the quantiles of all rows, which are no sums, for its {bins}. Use "
            f"{name}='uniform', or compute the quantiles in a sketch (dask.dataframe's quantile) "
            "or a sample."
        )

    def block(self, estimator: Any, X: Any, y: Any = None) -> Range:
        # None but the zeros of a SplineTransformer's `handle_missing` takes NaN.
        allows_nan = getattr(estimator, "handle_missing", "error") == "zeros"
        found = check_array(X, ensure_min_samples=0, ensure_all_finite=not allows_nan)
        return Range(no_rows(X), _ends(found), len(found))

    def merge(self, estimator: Any, first: Range, second: Range) -> Range:
        form = concatenate([first.form, second.form])
        ends = np.concatenate([first.ends, second.ends])
        return Range(form, _ends(ends), first.n_rows + second.n_rows)

    def fit(self, estimator: Any, summary: Range) -> None:
        X = in_form(summary.form, summary.ends[: summary.n_rows])  # some need two rows
        if isinstance(estimator, KBinsDiscretizer):
            with parameters(estimator, subsample=None):
                estimator.fit(X)
        else:
            estimator.fit(X)


def _ends(X: np.ndarray) -> np.ndarray:
    return np.stack([np.fmin.reduce(X), np.fmax.reduce(X)]) if len(X) else X
