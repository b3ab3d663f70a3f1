"""Tiny blocks: what `Incremental` costs per block, and that it is the same for 100,000 blocks.

Of computed blocks, 11 microseconds are two tasks of dask's, over what NumPy takes for the same.
"""

from __future__ import annotations

import dask.array as da
import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

from benchmarks._claims import Row, fastest, main
from incremental import Incremental

N_ROWS = 10


class RunningMean(RegressorMixin, BaseEstimator):
    """Learns in well under a microsecond, so that the rest of the time is ours."""

    n_seen_ = 0
    total_ = 0.0

    def fit(self, X, y):
        self.n_seen_, self.total_ = 0, 0.0
        return self.partial_fit(X, y)

    def partial_fit(self, X, y):
        self.n_seen_ += len(X)
        self.total_ += y[0]
        return self


def extra_cost(kind: str, n_blocks: int, repeat: int) -> float:
    """Return the microseconds that a block costs over a loop without dask."""
    n_rows = n_blocks * N_ROWS
    if kind == "in memory":
        X, y = np.ones((n_rows, 2)), np.ones(n_rows)
        lazy_X, lazy_y = da.from_array(X, chunks=(N_ROWS, -1)), da.from_array(y, chunks=N_ROWS)
    else:
        lazy_X, lazy_y = da.ones((n_rows, 2), chunks=(N_ROWS, -1)), da.ones(n_rows, chunks=N_ROWS)

    def ours() -> None:
        model = Incremental(RunningMean()).fit(lazy_X, lazy_y)
        assert model.n_seen_ == n_rows

    def loop() -> None:
        model = RunningMean()
        for start in range(0, n_rows, N_ROWS):
            if kind == "in memory":
                model.partial_fit(X[start : start + N_ROWS], y[start : start + N_ROWS])
            else:
                model.partial_fit(np.ones((N_ROWS, 2)), np.ones(N_ROWS))

    mine, bare = fastest(repeat, ours, loop)
    return (mine - bare) / n_blocks * 1e6


def run() -> list[Row]:
    rows = []
    for kind in ("in memory", "computed"):
        extra_cost(kind, 1_000, 1)  # imports and first-time costs
        few, many = extra_cost(kind, 1_000, 10), extra_cost(kind, 100_000, 2)
        claim = f"tiny blocks, {kind}:"
        cost = f"{claim} microseconds a block over the loop"
        rows += [
            Row(f"{cost}, 1,000 blocks", few, 40),
            Row(f"{cost}, 100,000 blocks", many, 40),
            Row(f"{claim} cost of one of 100,000 over one of 1,000", many / few, 1.2),
        ]
    return rows


if __name__ == "__main__":
    main(run)
