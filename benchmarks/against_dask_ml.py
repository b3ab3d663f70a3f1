"""10,000 small blocks: time and memory of `dask_ml.wrappers.Incremental` and of ours.

The model learns in no time, so that the wrappers are compared and not scikit-learn with itself.
"""

from __future__ import annotations

import time
from importlib.util import find_spec
from typing import Any

import dask.array as da
import numpy as np

from benchmarks._claims import MB, Row, in_fresh_process, main, peak, start_peak
from benchmarks.tiny_blocks import RunningMean

N_ROWS = 20


def measure(package: str, n_blocks: str) -> dict[str, Any]:
    """Return the seconds and the peak memory in MB of one fit."""
    if package == "incremental":
        from incremental import Incremental

        options = {}
    else:
        from dask_ml.wrappers import Incremental

        options = {"shuffle_blocks": False, "assume_equal_chunks": True}

    def fit(n_blocks: int):
        X = da.arange(n_blocks * N_ROWS, chunks=N_ROWS, dtype=float)[:, None] + np.zeros(5)
        return Incremental(RunningMean(), **options).fit(X, X[:, 0])

    fit(3)
    idle = start_peak()
    start = time.perf_counter()
    model = fit(int(n_blocks))
    seconds = time.perf_counter() - start
    used = (peak() - idle) / MB
    learned = [model.estimator_.n_seen_, float(model.estimator_.total_)]
    return {"seconds": seconds, "MB": used, "learned": learned}


def run() -> list[Row]:
    claim = "10,000 blocks, {} over that of dask_ml.wrappers.Incremental"
    if find_spec("dask_ml") is None:
        claim += " (dask-ml is not installed)"
        return [Row(claim.format("time"), None, 0.15), Row(claim.format("memory"), None, 0.1)]
    ours = [in_fresh_process(__spec__.name, "--measure", "incremental", 10_000) for _ in range(3)]
    theirs = in_fresh_process(__spec__.name, "--measure", "dask_ml", 10_000)
    assert all(found["learned"] == theirs["learned"] for found in ours)
    seconds, memory = (min(found[name] for found in ours) for name in ("seconds", "MB"))
    return [
        Row(claim.format("time"), seconds / theirs["seconds"], 0.15),
        Row(claim.format("memory"), memory / theirs["MB"], 0.1),
    ]


if __name__ == "__main__":
    main(run, measure)
