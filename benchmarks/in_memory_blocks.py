"""Blocks of 10 MB that are in memory: `Incremental` costs next to nothing over the bare loop."""

from __future__ import annotations

import statistics

import dask.array as da
import numpy as np
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import StandardScaler

from benchmarks._claims import Row, in_turns, main
from incremental import Incremental

N_BLOCKS, N_ROWS, N_FEATURES = 30, 62_500, 20  # 62,500 rows of 20 float64: 10 MB


def run() -> list[Row]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N_BLOCKS * N_ROWS, N_FEATURES))
    y = (X[:, 0] > 0).astype(int)
    lazy_X, lazy_y = da.from_array(X, chunks=(N_ROWS, -1)), da.from_array(y, chunks=N_ROWS)
    slices = [slice(start, start + N_ROWS) for start in range(0, len(X), N_ROWS)]

    def sgd_loop() -> None:
        model = SGDClassifier(random_state=0)
        for rows in slices:
            model.partial_fit(X[rows], y[rows], classes=[0, 1])

    def sgd() -> None:
        Incremental(SGDClassifier(random_state=0), classes=[0, 1]).fit(lazy_X, lazy_y)

    def scaler_loop() -> None:
        model = StandardScaler()
        for rows in slices:
            model.partial_fit(X[rows])

    def scaler() -> None:
        Incremental(StandardScaler()).fit(lazy_X)

    found = []
    for name, ours, loop in [
        ("SGDClassifier", sgd, sgd_loop),
        ("StandardScaler", scaler, scaler_loop),
    ]:
        ratio = statistics.median(mine / bare for mine, bare in in_turns(9, ours, loop))
        claim = f"{name} on blocks of 10 MB in memory: time over the loop on NumPy slices"
        found.append(Row(claim, ratio, 1.05))
    return found


if __name__ == "__main__":
    main(run)
