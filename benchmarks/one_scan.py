"""A search in one scan: reads, processor time, memory, models that learn side by side."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

import dask
import dask.array as da
import joblib
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV, KFold, check_cv

from benchmarks._claims import MB, Row, fastest, in_fresh_process, main, peak, start_peak
from incremental import Incremental

N_ROWS, N_FEATURES, N_FOLDS = 20_000, 50, 5
ALPHAS = np.logspace(-6, -1, 8)

_reads: Counter[int] = Counter()
_lock = threading.Lock()


def block(number: int, n_rows: int) -> np.ndarray:
    with _lock:
        _reads[number] += 1
    return np.random.default_rng(number).random((n_rows, N_FEATURES))


def data(n_blocks: int, n_rows: int = N_ROWS) -> tuple[da.Array, np.ndarray]:
    """Return X in blocks, and y in memory."""
    load = dask.delayed(block, pure=True)
    shape = (n_rows, N_FEATURES)
    X = da.concatenate([da.from_delayed(load(i, n_rows), shape, float) for i in range(n_blocks)])
    y = (X[:, 0] > 0.5).astype(int).compute()
    _reads.clear()
    return X, y


def search(model: Any, grid: dict[str, Any], X: Any, y: Any, n_jobs: int | None = None) -> Any:
    """Fit a grid search, in one scan if `n_jobs` is given."""
    found = GridSearchCV(Incremental(model), grid, cv=N_FOLDS, refit=False)
    if n_jobs is None:
        return found.fit(X, y)
    with joblib.parallel_config("incremental", n_jobs=n_jobs):
        return found.fit(X, y)


def sgd() -> tuple[Any, dict[str, Any]]:
    return SGDClassifier(random_state=0), {"estimator__alpha": ALPHAS}


def reads() -> int:
    """Count reads for 40 blocks, 8 candidates and 5 folds."""
    X, y = data(40, n_rows=100)
    search(*sgd(), X, y, n_jobs=2)
    return sum(_reads.values())


def processor_times() -> tuple[float, float]:
    """Return the processor time of one scan over that of a search without it, and of a loop."""
    X, y = data(20)
    one, without, loop = fastest(
        3,
        lambda: search(*sgd(), X, y, n_jobs=1),
        lambda: search(*sgd(), X, y),
        lambda: by_hand(X, y),
        clock=time.process_time,
    )
    return one / without, one / loop


class Waiting(ClassifierMixin, BaseEstimator):
    """A classifier that takes its time to learn, but no processor."""

    def __init__(self, seconds: float = 0.0, number: int = 0):
        self.seconds = seconds
        self.number = number

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Waiting:
        time.sleep(self.seconds)
        self.classes_ = np.asarray(classes)
        return self

    def predict(self, X: Any) -> np.ndarray:
        return np.zeros(len(X), dtype=int)


#: How long a model takes for a block.
SECONDS = 0.02


def side_by_side(n_jobs: int) -> float:
    """Return the time of 40 models that wait while they learn over that of the waiting alone."""
    X, y = data(20, n_rows=100)
    start = time.perf_counter()
    search(Waiting(SECONDS), {"estimator__number": range(8)}, X, y, n_jobs=n_jobs)
    n_turns = 8 * N_FOLDS * 20 * (N_FOLDS - 1) / N_FOLDS
    return (time.perf_counter() - start) / (n_turns * SECONDS / n_jobs)


def by_hand(X: da.Array, y: np.ndarray) -> list[Any]:
    """Read each block once and train all models on it, as somebody would write it."""
    folds = list(check_cv(N_FOLDS, y, classifier=True).split(np.zeros(len(y)), y))
    models = [[SGDClassifier(random_state=0, alpha=a) for a in ALPHAS] for _ in folds]
    masks = [np.isin(np.arange(len(y)), train) for train, _ in folds]
    start = 0
    hits = np.zeros((N_FOLDS, len(ALPHAS)))
    for learns in (True, False):
        start = 0
        for part in X.blocks:
            rows = part.compute()
            stop = start + len(rows)
            for fold, mask in enumerate(masks):
                which = mask[start:stop] == learns
                if not which.any():
                    continue
                some, labels = rows[which], y[start:stop][which]
                for i, model in enumerate(models[fold]):
                    if learns:
                        model.partial_fit(some, labels, classes=[0, 1])
                    else:
                        hits[fold, i] += (model.predict(some) == labels).sum()
            start = stop
    return models


def over_by_hand() -> float:
    """Return the time of one scan over that of a loop by hand, both learning in one thread."""
    X, y = data(20)
    one, loop = fastest(3, lambda: search(*sgd(), X, y, n_jobs=1), lambda: by_hand(X, y))
    return one / loop


def memory(n_candidates: str, n_folds: str) -> float:
    """Return the peak over idle in MB of a search; of a single fit without one if there is none.

    Less what scikit-learn holds of its own until a search ends, which is not of blocks: a copy of
    the labels of both sets for each fit, and the positions of both sets for each fold.
    """
    X, y = data(40)
    before = start_peak()
    if n_candidates == "0":
        Incremental(SGDClassifier(random_state=0)).fit(X, y)
    else:
        grid = {"estimator__alpha": np.logspace(-6, -1, int(n_candidates))}
        found = GridSearchCV(
            Incremental(SGDClassifier(random_state=0)), grid, cv=KFold(int(n_folds)), refit=False
        )
        with joblib.parallel_config("incremental"):
            found.fit(X, y)
    copies = int(n_candidates) * int(n_folds) * y.nbytes
    positions = int(n_folds) * len(y) * np.dtype(np.intp).itemsize
    return (peak() - before - copies - positions) / MB


def run() -> list[Row]:
    claim = "search in one scan, 8 candidates and 5 folds:"
    over_plain, over_loop = processor_times()
    alone, few, many = (
        in_fresh_process("benchmarks.one_scan", "--measure", *n) for n in ((0, 0), (2, 4), (16, 5))
    )
    return [
        Row(f"{claim} reads of 40 blocks", reads(), 80),
        Row(f"{claim} processor time over that without", over_plain, 0.4),
        Row(f"{claim} processor time over a loop by hand that reads once", over_loop, 1.15),
        Row(f"{claim} time over a loop by hand that reads once", over_by_hand(), 1.15),
        *(
            Row(
                f"{claim} blocks that take 20 ms, {n} threads, over learning", side_by_side(n), 1.15
            )
            for n in (1, 2, 4, 8)
        ),
        Row("search in one scan, 8 fits: peak over idle, over that of one fit", few / alone, 2),
        Row("search in one scan, 80 fits: peak over idle, over that of one fit", many / alone, 2),
    ]


if __name__ == "__main__":
    main(run, memory)
