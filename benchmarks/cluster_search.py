"""Three workers: GridSearchCV through joblib, 8 fits at once against one after the other."""

from __future__ import annotations

import time

import joblib
from sklearn.model_selection import GridSearchCV

from benchmarks._claims import Row, main
from benchmarks._clusters import Sleeping, blocks, cluster
from incremental import Incremental

N_RUNS = 20


def run() -> list[Row]:
    X, y = blocks(16, 0.02, 100)
    y = y.compute()
    search = GridSearchCV(
        Incremental(Sleeping(0.05), scoring="r2"),
        {"estimator__seconds": [0.05, 0.051, 0.052, 0.053]},
        cv=2,
        scoring=lambda model, X, y: float(model.estimator_.n_seen_),
        refit=False,
    )
    with cluster():
        search.set_params(param_grid={"estimator__seconds": [0.0]}).fit(X, y)
        search.set_params(param_grid={"estimator__seconds": [0.05, 0.051, 0.052, 0.053]})
        start = time.perf_counter()
        search.fit(X, y)
        alone = time.perf_counter() - start
        found = []
        for _ in range(N_RUNS):
            start = time.perf_counter()
            with joblib.parallel_config("dask"):
                search.fit(X, y)
            found.append(time.perf_counter() - start)
    claim = "cluster, GridSearchCV of 8 fits: time with joblib's dask backend over one by one"
    return [
        Row(claim, sorted(found)[N_RUNS // 2] / alone, 1.0),
        Row(f"{claim}, the slowest of {N_RUNS} runs", max(found) / alone, 1.0),
    ]


if __name__ == "__main__":
    main(run)
