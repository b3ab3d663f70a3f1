"""Blocks of any size: memory stays within the bytes that `prefetch` names, and one block more."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from benchmarks._claims import MB, Row, in_fresh_process, main, peak, start_peak
from incremental import Incremental

N_FEATURES, BUDGET = 100, 60 * MB
#: What reading takes for a while, and what the allocator keeps.
REST = 100 * MB


class SlowMean(TransformerMixin, BaseEstimator):
    """Learns more slowly than the blocks are made."""

    def partial_fit(self, X: Any, y: Any = None) -> SlowMean:
        time.sleep(0.03)
        self.mean_ = np.asarray(X).mean(axis=0)
        return self


def load(number: int, size: int) -> np.ndarray:
    """Return a block of so many MB."""
    return np.full((size * MB // (8 * N_FEATURES), N_FEATURES), float(number))


def frame(number: int, size: int) -> pd.DataFrame:
    return pd.DataFrame(load(number, size), columns=[f"x{i}" for i in range(N_FEATURES)])


def delayed(sizes: list[int]) -> Any:
    return [dask.delayed(load)(*block) for block in enumerate(sizes)]


def array(sizes: list[int]) -> Any:
    n_rows = [size * MB // (8 * N_FEATURES) for size in sizes]
    blocks = zip(delayed(sizes), n_rows, strict=True)
    return da.concatenate([da.from_delayed(x, (n, N_FEATURES), float) for x, n in blocks])


def frames(sizes: list[int]) -> Any:
    return dd.from_map(frame, range(len(sizes)), sizes, meta=frame(0, 0))


ONE_LARGE = [8] * 40 + [80] + [8] * 40
GROWING = [1 + i for i in range(60)]
CASES: dict[str, tuple[Callable[[list[int]], Any], list[int]]] = {
    "arrays of 8 MB with one of 80 MB": (array, ONE_LARGE),
    "loaders of 8 MB with one of 80 MB": (delayed, ONE_LARGE),
    "a loader whose blocks grow from 1 to 60 MB": (delayed, GROWING),
    "frames of unknown size, 30 MB": (frames, [30] * 30),
}


def measure(case: str, prefetch: str) -> float:
    """Return the peak over idle in bytes."""
    make, sizes = CASES[case]
    with dask.config.set(scheduler="threads", num_workers=2):
        Incremental(SlowMean(), prefetch=prefetch).fit(make([0, 1, 0, 1]))
        before = start_peak()
        Incremental(SlowMean(), prefetch=prefetch).fit(make(sizes))
    return peak() - before


def run() -> list[Row]:
    found = []
    for case, (_, sizes) in CASES.items():
        allowed = BUDGET + max(sizes) * MB + REST
        used = in_fresh_process("benchmarks.memory_in_bytes", "--measure", case, f"{BUDGET} B")
        claim = f"{case}, prefetch '60 MB': peak over the size, the largest block and 100 MB"
        found.append(Row(claim, used / allowed, 1.0))
    return found


if __name__ == "__main__":
    main(run, measure)
