"""Three workers, 60 blocks of 100 ms to load and 100 ms to learn: as long as the fits alone.

No schedule is faster than all fits one after the other, or all loads divided by the threads.  The
load before the first fit is 2 % of that.  dask's scheduler takes 4 % between two steps where it has
nothing else to do (a chain of tasks that sleep, without loads); with these loads in one graph, that
chain takes 27 % longer than its steps.
"""

from __future__ import annotations

import statistics

from benchmarks._claims import Row, in_turns, main
from benchmarks._clusters import N_WORKERS, Sleeping, blocks, cluster
from incremental import Incremental

N_BLOCKS, SECONDS = 60, 0.1


def run() -> list[Row]:
    X, y = blocks(N_BLOCKS, SECONDS, 100)
    bound = max(N_BLOCKS * SECONDS, N_BLOCKS * SECONDS / N_WORKERS)
    with cluster():
        Incremental(Sleeping()).fit(X[:300], y[:300])
        turns = in_turns(3, lambda: Incremental(Sleeping(SECONDS)).fit(X, y))
    measured = statistics.median(seconds for (seconds,) in turns)
    claim = "cluster, 60 blocks of 100 ms: time over the longer of all fits and loads per thread"
    return [Row(claim, measured / bound, 1.05)]


if __name__ == "__main__":
    main(run)
