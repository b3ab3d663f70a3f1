"""Fast loader, slow model: memory holds a few blocks, however many there are."""

from __future__ import annotations

import time

import dask
import dask.array as da
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from benchmarks._claims import Row, in_fresh_process, main, peak, start_peak
from incremental import Incremental

N_ROWS, N_FEATURES, PREFETCH = 20_000, 100, 4
BLOCK = N_ROWS * N_FEATURES * 8  # 16 MB


class SlowMean(TransformerMixin, BaseEstimator):
    """Learns more slowly than the blocks are made."""

    def partial_fit(self, X, y=None):
        time.sleep(0.03)
        self.mean_ = X.mean(axis=0)
        return self


def measure(n_blocks: str) -> float:
    """Return the peak memory of a fit over that of the idle process, in blocks."""
    n_rows = int(n_blocks) * N_ROWS
    warm = da.ones((20, N_FEATURES), chunks=(10, -1))
    Incremental(SlowMean(), prefetch=PREFETCH).fit(warm)
    idle = start_peak()
    X = da.random.default_rng(0).integers(0, 9, (n_rows, N_FEATURES), chunks=(N_ROWS, -1))
    with dask.config.set(scheduler="threads", num_workers=2):
        Incremental(SlowMean(), prefetch=PREFETCH).fit(X)
    return (peak() - idle) / BLOCK


def run() -> list[Row]:
    assert np.dtype(int).itemsize == 8
    few, many = (in_fresh_process(__spec__.name, "--measure", n) for n in (50, 500))
    claim = "blocks of 16 MB: peak memory in blocks over idle, prefetch 4"
    return [
        Row(f"50 {claim}", few, PREFETCH + 4),
        Row(f"500 {claim}", many, PREFETCH + 4),
        Row("peak memory for 500 blocks over that for 50", many / few, 1.1),
    ]


if __name__ == "__main__":
    main(run, measure)
