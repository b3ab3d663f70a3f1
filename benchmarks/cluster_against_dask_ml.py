"""Three workers: time, and memory of all workers, of `dask_ml.wrappers.Incremental` and of ours.

Blocks load faster than they are learned, so that whoever does not wait holds them all.
"""

from __future__ import annotations

from importlib.util import find_spec

from benchmarks._claims import Row, fastest, main
from benchmarks._clusters import Sleeping, blocks, cluster, most_live
from incremental import Incremental

N_BLOCKS, N_ROWS = 60, 2_000
BLOCK = N_ROWS * 100 * 8


def run() -> list[Row]:
    claim = "cluster, 60 blocks of 1.6 MB: {} over that of dask_ml.wrappers.Incremental"
    if find_spec("dask_ml") is None:
        claim += " (dask-ml is not installed)"
        return [Row(claim.format("time"), None, 1.0), Row(claim.format("memory"), None, 0.3)]
    import dask_ml.wrappers

    theirs = {"shuffle_blocks": False, "assume_equal_chunks": True}
    with cluster() as client:

        def fit(Kind, **options) -> None:
            X, y = blocks(N_BLOCKS, 0.01, N_ROWS)
            assert Kind(Sleeping(0.05), **options).fit(X, y).estimator_.n_seen_ == len(X)

        def ours() -> None:
            fit(Incremental)

        def dask_ml_s() -> None:
            fit(dask_ml.wrappers.Incremental, **theirs)

        ours()
        mine, other = fastest(2, ours, dask_ml_s)
        memory = [most_live(client, BLOCK // 2, function) for function in (ours, dask_ml_s)]
    return [
        Row(claim.format("time"), mine / other, 1.0),
        Row(claim.format("memory"), memory[0] / memory[1], 0.3),
    ]


if __name__ == "__main__":
    main(run)
