"""Three workers, 24 blocks of 50 ms to load and to learn, several models: one scan for all of them.

No schedule is faster than all waiting divided by the threads, or than the longest chain: a block
that is loaded, and all that one model learns.  The same models by hand, each a chain of
``dask.delayed`` over the same blocks in one graph, say what the machine can do.

In memory are blocks of 8 MB: how many different ones there are on the cluster at once.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from copy import deepcopy
from typing import Any

import dask
import dask.array as da
import distributed
import joblib
import numpy as np
from sklearn.base import BaseEstimator

from benchmarks._claims import Row, in_turns, main
from benchmarks._clusters import N_WORKERS, cluster, most_live
from incremental import Incremental

N_BLOCKS, SECONDS, N_ROWS = 24, 0.05, 100


def load(number: int, log: str, seconds: float, n_rows: int) -> np.ndarray:
    with open(log, "a") as file:
        file.write(f"{number}\n")
    time.sleep(seconds)
    return np.full((n_rows, 100), float(number))


class Chained(BaseEstimator):
    """Depends on the order of its blocks, and takes its time to learn, but no processor."""

    def __init__(self, start: float = 0.0, seconds: float = 0.0):
        self.start = start
        self.seconds = seconds

    def partial_fit(self, X: Any, y: Any = None) -> Chained:
        time.sleep(self.seconds)
        self.total_ = 0.9 * getattr(self, "total_", self.start) + X.sum()
        return self


def data(
    log: str, n_blocks: int = N_BLOCKS, seconds: float = SECONDS, n_rows: int = N_ROWS
) -> da.Array:
    loading = dask.delayed(load, pure=True)
    blocks = [loading(number, log, seconds, n_rows) for number in range(n_blocks)]
    return da.concatenate([da.from_delayed(block, (n_rows, 100), float) for block in blocks])


def fit(model: Any, X: da.Array) -> float:
    return Incremental(model).fit(X).total_


def in_one_scan(n_models: int, X: da.Array, seconds: float = SECONDS) -> list[float]:
    with joblib.parallel_config("incremental"):
        fits = (joblib.delayed(fit)(Chained(i, seconds), X) for i in range(n_models))
        return joblib.Parallel()(fits)


def learn(model: Chained, X: np.ndarray) -> Chained:
    return deepcopy(model).partial_fit(X)


def by_hand(n_models: int, X: da.Array) -> list[float]:
    learning = dask.delayed(learn)
    models: list[Any] = [Chained(i, SECONDS) for i in range(n_models)]
    for block in X.to_delayed().ravel():
        models = [learning(model, block) for model in models]
    return list(dask.compute(*[model.total_ for model in models]))


def rows(n_models: int, target: float) -> list[Row]:
    found: dict[str, list[float]] = {}
    loads = []

    def one_scan() -> None:
        with tempfile.NamedTemporaryFile("r") as log:
            found["one scan"] = in_one_scan(n_models, data(log.name))
            loads.append(len(log.read().split()))

    def hand() -> None:
        found["by hand"] = by_hand(n_models, data(os.devnull))

    turns = in_turns(3, one_scan, hand)
    if found["one scan"] != found["by hand"]:
        raise AssertionError(found)
    chain = SECONDS + N_BLOCKS * SECONDS
    ideal = max(chain, N_BLOCKS * SECONDS * (1 + n_models) / N_WORKERS)
    claim = f"cluster, one scan, {n_models} models of 24 blocks:"
    return [
        Row(f"{claim} time over the ideal", statistics.median(t for t, _ in turns) / ideal, target),
        Row(f"{claim} loads", max(loads), N_BLOCKS),
        Row(
            f"{claim} time over one graph by hand", statistics.median(a / b for a, b in turns), 1.2
        ),
    ]


def memory(client: distributed.Client) -> Row:
    n_rows, size = 10_000, 8_000_000

    def most_blocks(n_models: int) -> float:
        X = data(os.devnull, n_rows=n_rows)
        return most_live(client, size // 2, lambda: in_one_scan(n_models, X)) / size

    claim = "cluster, one scan, 12 models: blocks in memory over those of one model"
    return Row(claim, most_blocks(12) / most_blocks(1), 1.5)


def run() -> list[Row]:
    with cluster() as client:
        in_one_scan(3, data(os.devnull, 6, 0.0), 0.0)
        found = [row for n, target in ((2, 1.3), (6, 1.15), (12, 1.1)) for row in rows(n, target)]
        return [*found, memory(client)]


if __name__ == "__main__":
    main(run)
