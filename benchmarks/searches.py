"""Searches side by side on three workers: scikit-learn's in one scan, and dask-ml's.

Each block takes 50 ms to load.  "Tiny" data are 12 blocks of 160 kB, 6 candidates and 3 folds;
"small" ones 24 blocks of 3 MB, 8 candidates and 5 folds.  There is no refit.  Both fit in the
memory of one worker, where dask-ml's `GridSearchCV` puts the rows of each fold together, and its
`HyperbandSearchCV` keeps all of them on the cluster; the searches in one scan hold a few blocks,
and read each of them once a pass and once for all scores.

Every candidate of a grid makes one pass.  Halving makes up to 4; Hyperband, whose candidates are
drawn, learns from at most as many blocks as there are.  The scores are those of the best candidate
on rows that it has not learned.
"""

from __future__ import annotations

import sys
import time
import warnings
from importlib.util import find_spec
from typing import Any, NamedTuple

import dask
import dask.array as da
import distributed
import joblib
import numpy as np
from scipy.stats import loguniform
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, KFold

from benchmarks._claims import Row, main
from benchmarks._clusters import cluster
from incremental import Incremental

SECONDS, MAX_ITER = 0.05, 4


class Case(NamedTuple):
    """How much data, how many fits, and how often a search runs."""

    n_blocks: int
    n_rows: int
    n_columns: int
    n_candidates: int
    n_folds: int
    n_runs: int

    @property
    def alphas(self) -> list[float]:
        return np.logspace(-6, -1, self.n_candidates).tolist()


class Found(NamedTuple):
    """What came of a search."""

    seconds: float
    score: float

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s (score {self.score:.3f})"


CASES = {"tiny": Case(12, 1_000, 20, 6, 3, 3), "small": Case(24, 10_000, 40, 8, 5, 1)}


def load(number: int, n_rows: int, n_columns: int) -> np.ndarray:
    time.sleep(SECONDS)
    return np.random.default_rng(number).normal(size=(n_rows, n_columns))


def data(case: Case) -> tuple[da.Array, np.ndarray]:
    loading = dask.delayed(load, pure=True)
    shape = case.n_rows, case.n_columns
    blocks = [da.from_delayed(loading(i, *shape), shape, float) for i in range(case.n_blocks)]
    X = da.concatenate(blocks)
    noise = np.random.default_rng(0).normal(size=len(X))
    return X, (X[:, :10].sum(axis=1).compute() + noise > 0).astype(int)


def in_one_scan(search: type, case: Case, X: Any, y: Any, **options: Any) -> float:
    model = Incremental(SGDClassifier(random_state=0), classes=[0, 1])
    grid = {"estimator__alpha": case.alphas}
    found = search(model, grid, cv=KFold(case.n_folds), refit=False, **options)
    with joblib.parallel_config("incremental"):
        found.fit(X, y)
    return max(found.cv_results_["mean_test_score"])


def grid_here(case: Case, X: Any, y: Any) -> float:
    return in_one_scan(GridSearchCV, case, X, y)


def halving_here(case: Case, X: Any, y: Any) -> float:
    return in_one_scan(HalvingGridSearchCV, case, X, y, resource="max_iter", max_resources=MAX_ITER)


def grid_of_dask_ml(case: Case, X: Any, y: Any) -> float:
    from dask_ml.model_selection import GridSearchCV

    model = SGDClassifier(random_state=0, max_iter=1, tol=None)
    options = {"cv": KFold(case.n_folds), "refit": False, "scheduler": "distributed"}
    search = GridSearchCV(model, {"alpha": case.alphas}, **options).fit(X, y)
    return max(search.cv_results_["mean_test_score"])


def hyperband_of_dask_ml(case: Case, X: Any, y: Any) -> float:
    from dask_ml.model_selection import HyperbandSearchCV

    search = HyperbandSearchCV(
        SGDClassifier(random_state=0),
        {"alpha": loguniform(min(case.alphas), max(case.alphas))},
        max_iter=case.n_blocks,
        random_state=0,
    )
    # dask from 2025 on refuses the default client of a search that runs in the client's loop.
    with dask.config.set(scheduler=distributed.get_client().get):
        search.fit(X, da.from_array(y, chunks=X.chunks[:1]), classes=[0, 1])
    return search.best_score_


#: By what they are called: a search of scikit-learn in one scan, and its like of dask-ml.
PAIRS = {
    "GridSearchCV": (grid_here, grid_of_dask_ml),
    "halving, and Hyperband": (halving_here, hyperband_of_dask_ml),
}


def measure(search: Any, case: Case, X: Any, y: Any) -> Found:
    """Return the time and the score of a search, the fastest run after a small one."""
    few = case._replace(n_blocks=2 * case.n_folds)
    n_rows = few.n_blocks * case.n_rows
    search(few, X[:n_rows], y[:n_rows])
    found = []
    for _ in range(case.n_runs):
        start = time.perf_counter()
        score = search(case, X, y)
        found.append(Found(time.perf_counter() - start, score))
    return min(found)


def rows(name: str, case: Case) -> list[Row]:
    X, y = data(case)
    result = []
    for pair, (ours, theirs) in PAIRS.items():
        here = measure(ours, case, X, y)
        there = measure(theirs, case, X, y) if find_spec("dask_ml") else None
        claim = f"cluster, {name} data, {pair}: {here} in one scan, {there or 'not'} with dask-ml"
        print(claim, file=sys.stderr)
        ratio = here.seconds / there.seconds if there else None
        result.append(Row(f"{claim}, time over that", ratio, 1.0))
        lost = there.score - here.score if there else None
        result.append(Row(f"{claim}, score below that", lost, 0.01))
    return result


def run() -> list[Row]:
    warnings.filterwarnings("ignore", message="Sending large graph")
    with cluster():
        return [row for name, case in CASES.items() for row in rows(name, case)]


if __name__ == "__main__":
    main(run)
