"""Three workers, 2,000 tiny blocks that are learned in no time: what a block costs."""

from __future__ import annotations

import dask.array as da

from benchmarks._claims import Row, fastest, main
from benchmarks._clusters import cluster
from benchmarks.tiny_blocks import N_ROWS, RunningMean
from incremental import Incremental

N_BLOCKS = 2_000


def run() -> list[Row]:
    X = da.ones((N_BLOCKS * N_ROWS, 2), chunks=(N_ROWS, -1))
    y = da.ones(N_BLOCKS * N_ROWS, chunks=N_ROWS)
    with cluster():
        few = 20 * N_ROWS
        Incremental(RunningMean()).fit(X[:few], y[:few])
        (seconds,) = fastest(2, lambda: Incremental(RunningMean()).fit(X, y))
    return [Row("cluster, 2,000 tiny blocks: milliseconds a block", seconds / N_BLOCKS * 1e3, 5)]


if __name__ == "__main__":
    main(run)
