"""A million tiny blocks in one fit: seconds, and memory over that of the process before.

The data are dask arrays, and lists of ``Delayed``, each of which has a graph of its own.
Of those, 200,000 take 750 MB: 310 the list itself, 130 a task for each block of X and as much for
y, and the rest their graph while it is made, and then the windows.

Half of the time for arrays is dask's: it orders the tasks that it has fused anew for each block.
"""

from __future__ import annotations

import time
from typing import Any

import dask
import dask.array as da
import numpy as np

from benchmarks._claims import MB, Row, in_fresh_process, main, peak, start_peak
from benchmarks.tiny_blocks import RunningMean
from incremental import Incremental

N_ROWS = 2


def load(i: int) -> np.ndarray:
    return np.full((N_ROWS, 1), float(i))


def make(kind: str, n_blocks: int) -> tuple[Any, Any]:
    if kind == "arrays":
        X = da.ones((n_blocks * N_ROWS, 1), chunks=(N_ROWS, 1)) + 1
        return X, X[:, 0]
    loader = dask.delayed(load, pure=False)
    blocks = [loader(i) for i in range(n_blocks)]
    return blocks, blocks


def measure(kind: str, n_blocks: str) -> dict[str, float]:
    """Return the seconds and the peak memory in MB of one fit, and of making the data."""
    n = int(n_blocks)
    Incremental(RunningMean()).fit(*make(kind, 3))
    idle = start_peak()
    start = time.perf_counter()
    X, y = make(kind, n)
    made = time.perf_counter()
    data = (peak() - idle) / MB
    model = Incremental(RunningMean()).fit(X, y)
    assert model.n_seen_ == n * N_ROWS
    return {
        "seconds": time.perf_counter() - made,
        "MB": (peak() - idle) / MB,
        "seconds of the data": made - start,
        "MB of the data": data,
    }


def run() -> list[Row]:
    rows = []
    for kind in ("arrays", "Delayed"):
        for n_blocks, target in ((200_000, 600), (1_000_000, 3_000)):
            found = in_fresh_process(__spec__.name, "--measure", kind, n_blocks)
            claim = f"{n_blocks:,} blocks, {kind}:"
            rows.append(Row(f"{claim} MB over idle", found["MB"], target))
            each = found["seconds"] / n_blocks * 1e6
            rows.append(Row(f"{claim} microseconds a block", each, 120))
    return rows


if __name__ == "__main__":
    main(run, measure)
