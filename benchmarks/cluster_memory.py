"""Three workers, loading ten times as fast as learning: blocks in memory, however many there are.

With 5 blocks ahead, two windows are 10, and 3 more may just have been computed.
"""

from __future__ import annotations

from benchmarks._claims import Row, main
from benchmarks._clusters import N_WORKERS, Sleeping, blocks, cluster, most_live
from incremental import Incremental

N_ROWS, PREFETCH = 2_000, 5
BLOCK = N_ROWS * 100 * 8


def run() -> list[Row]:
    with cluster() as client:

        def held(n_blocks: int) -> float:
            X, y = blocks(n_blocks, 0.003, N_ROWS)
            model = Incremental(Sleeping(0.03), prefetch=PREFETCH)
            return most_live(client, BLOCK // 2, lambda: model.fit(X, y)) / BLOCK

        few, many = held(60), held(600)
    limit = 2 * PREFETCH + N_WORKERS
    return [
        Row("cluster, 60 blocks, slow fit, prefetch 5: most blocks in memory", few, limit),
        Row("cluster, 600 blocks, slow fit, prefetch 5: most blocks in memory", many, limit),
        Row("cluster: blocks in memory of 600 over those of 60", many / few, 1.1),
    ]


if __name__ == "__main__":
    main(run)
