"""Searches side by side on three workers: dask-ml's, and scikit-learn's in one scan.

12 blocks of 50 ms to load, 6 candidates, 3 folds, no refit; halving makes up to 4 passes.  The
`GridSearchCV` of dask-ml puts the rows of a fold together in the memory of one worker, which these
data allow.  The scores are those of the best candidate on held-out rows.  Where
`HyperbandSearchCV` fails it is left out: with dask 2026.8.0, that of dask-ml 2025.1.0 does so for
every estimator ("asynchronous Client in a synchronous context").
"""

from __future__ import annotations

import sys
import time
from importlib.util import find_spec
from typing import Any

import dask
import dask.array as da
import joblib
import numpy as np
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, KFold

from benchmarks._claims import Row, main
from benchmarks._clusters import cluster
from incremental import Incremental

ALPHAS = np.logspace(-6, -1, 6).tolist()


def load(number: int) -> np.ndarray:
    time.sleep(0.05)
    return np.random.default_rng(number).normal(size=(1_000, 20))


def data(n_blocks: int) -> tuple[da.Array, np.ndarray]:
    loading = dask.delayed(load, pure=True)
    blocks = [da.from_delayed(loading(i), (1_000, 20), float) for i in range(n_blocks)]
    X = da.concatenate(blocks)
    return X, (X[:, 0] + X[:, 1] / 2 > X[:, 2]).astype(int).compute()


def searches() -> dict[str, tuple[Any, dict[str, Any]]]:
    """Return what is compared, by name: a search, and what its `fit` is given."""
    model = Incremental(SGDClassifier(random_state=0), classes=[0, 1])
    grid = {"estimator__alpha": ALPHAS}
    options: dict[str, Any] = {"cv": KFold(3), "refit": False}
    passes = {"resource": "max_iter", "max_resources": 4, **options}
    found: dict[str, tuple[Any, dict[str, Any]]] = {
        "GridSearchCV": (GridSearchCV(model, grid, **options), {}),
        "HalvingGridSearchCV": (HalvingGridSearchCV(model, grid, **passes), {}),
    }
    if find_spec("dask_ml"):
        from dask_ml import model_selection

        options["scheduler"] = "distributed"
        bare = SGDClassifier(random_state=0)
        found["dask-ml's GridSearchCV"] = model_selection.GridSearchCV(model, grid, **options), {}
        found["dask-ml's HyperbandSearchCV"] = (
            model_selection.HyperbandSearchCV(bare, {"alpha": ALPHAS}, max_iter=9, random_state=0),
            {"classes": [0, 1]},
        )
    return found


def measure(search: Any, X: da.Array, y: np.ndarray, params: dict[str, Any]) -> float | None:
    """Return the seconds of a search, and say its score; None if it fails."""
    name = f"{type(search).__module__.split('.')[0]} {type(search).__name__}"
    ours = name.startswith("sklearn")
    start = time.perf_counter()
    try:
        with joblib.parallel_config("incremental" if ours else "threading"):
            search.fit(X, da.from_array(y, chunks=1_000) if params else y, **params)
    except Exception as error:
        print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
        return None
    seconds = time.perf_counter() - start
    score = max(search.cv_results_["test_score" if params else "mean_test_score"])
    print(f"{name}: {seconds:.2f} s, score {score:.4f}", file=sys.stderr)
    return seconds


def run() -> list[Row]:
    with cluster():
        small, large = data(3), data(12)
        found: dict[str, float | None] = {}
        for name, (search, params) in searches().items():
            measure(search, *small, params)
            found[name] = measure(search, *large, params)
    return [
        Row(_claim(ours, theirs, found), _over(found[ours], found.get(theirs)), 1.0)
        for theirs in ("dask-ml's GridSearchCV", "dask-ml's HyperbandSearchCV")
        for ours in ("GridSearchCV", "HalvingGridSearchCV")
    ]


def _claim(ours: str, theirs: str, found: dict[str, float | None]) -> str:
    why = "" if found.get(theirs) else ", which fails or is not installed"
    return f"cluster, {ours} in one scan: time over {theirs}{why}"


def _over(ours: float | None, theirs: float | None) -> float | None:
    return ours / theirs if ours and theirs else None


if __name__ == "__main__":
    main(run)
