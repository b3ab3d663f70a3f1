"""Random searches with faults, nesting and aborts, with and without the backend."""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
import warnings
from contextlib import contextmanager

import dask
import dask.array as da
import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    ShuffleSplit,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from incremental import Incremental
from tests.engines.scan.same import plain, with_backend

pytestmark = pytest.mark.soak

#: Seconds after which a case is taken for one that hangs if it has used less than `LEAST` of the
#: processor in them: on a busy machine one that does not hang may take minutes.
DEADLINE = 120
LEAST = 0.1


class Gone(BaseException):
    """What no tool of scikit-learn records as a bad fit."""


class Failing(SGDClassifier):
    """Fails when it learns from a block of which a row has been named."""

    def __init__(self, alpha=1e-4, random_state=0, at=None, error=ValueError, loss="log_loss"):
        super().__init__(alpha=alpha, random_state=random_state, loss=loss)
        self.at = at
        self.error = error

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        if self.at is not None and self.at in X[:, 0]:
            raise self.error("no more")
        return super().partial_fit(X, y, classes=classes, sample_weight=sample_weight)


class Case:
    """A random use of scikit-learn.

    Parameters
    ----------
    seed : int
        Says which one.
    """

    def __init__(self, seed):
        self.rng = rng = np.random.default_rng(seed)
        self.n_blocks = int(rng.integers(2, 8))
        self.n_rows = int(rng.integers(8, 20))
        self.fails_at = int(rng.integers(self.n_blocks)) if rng.random() < 0.2 else None
        self.loader_error = [OSError, Gone][int(rng.random() < 0.2)]
        values = [self.values(i) for i in range(self.n_blocks)]
        self.in_memory = np.concatenate(values)
        X = da.concatenate(
            [
                da.from_delayed(dask.delayed(self.load)(i), value.shape, float)
                for i, value in enumerate(values)
            ]
        )
        self.X = [X, X, X, X - X.mean(0), X.rechunk((7, 3))][rng.integers(5)]
        labels = (self.in_memory[:, 0] + self.in_memory[:, 1] > 1).astype(int)
        self.y = labels if rng.random() < 0.6 else da.from_array(labels, chunks=self.n_rows)
        self.tool = self.random_tool()
        self.options = {
            "n_jobs": [None, 1, 2, 3, 5][rng.integers(5)],
        }

    def values(self, i):
        return np.random.default_rng(i).random((self.n_rows, 3))

    def load(self, i):
        if i == self.fails_at:
            raise self.loader_error(f"block {i}")
        return self.values(i)

    def random_model(self):
        rng = self.rng
        bad = None
        if rng.random() < 0.25:
            bad = self.in_memory[rng.integers(len(self.in_memory)), 0]
        error = Gone if rng.random() < 0.3 else ValueError
        learner = [
            lambda: Failing(at=bad, error=error),
            lambda: GaussianNB(),
            lambda: make_pipeline(StandardScaler(), Failing(at=bad, error=error)),
            lambda: make_pipeline(StandardScaler(copy=False), SGDClassifier(random_state=0)),
            lambda: OneVsRestClassifier(SGDClassifier(random_state=0)),
        ][rng.integers(5)]()
        return Incremental(
            learner,
            max_iter=int(rng.integers(1, 3)),
            shuffle=bool(rng.random() < 0.3),
            random_state=0,
            batch_size=[None, None, 5, 30][rng.integers(4)],
            prefetch=[None, 0, 1][rng.integers(3)],
        )

    def random_tool(self):
        rng, X, y, model = self.rng, self.X, self.y, self.random_model()
        n = int(rng.integers(2, 4))
        cv = [
            KFold(n),
            StratifiedKFold(n),
            KFold(n, shuffle=True, random_state=0),
            TimeSeriesSplit(n),
            ShuffleSplit(n, random_state=0),
        ][rng.integers(5)]
        error_score = [np.nan, "raise"][int(rng.random() < 0.3)]
        scoring = [None, None, "accuracy", ["accuracy", "f1"]][rng.integers(4)]
        one = None if isinstance(scoring, list) else scoring
        grid = {"max_iter": [1, 2, 3]}
        dispatch = {"pre_dispatch": ["2*n_jobs", "all", 2, 5][rng.integers(4)]}

        refit = bool(rng.random() < 0.5)

        def search(X, y, model=model):
            search = GridSearchCV(
                model, grid, cv=cv, error_score=error_score, scoring=one, refit=refit, **dispatch
            )
            return search.fit(X, y)

        def nested():
            inner = GridSearchCV(model, grid, cv=2, error_score=error_score, **dispatch)
            return cross_val_score(inner, X, y, cv=cv, error_score=error_score, **dispatch)

        def within():
            """Searches as tasks of a call of joblib, one of which may fail."""
            tasks = [joblib.delayed(search)(X, y, clone(model)) for _ in range(3)]
            return joblib.Parallel()(tasks)

        return [
            lambda: search(X, y),
            lambda: cross_validate(
                model, X, y, cv=cv, scoring=scoring, error_score=error_score, return_estimator=True
            ),
            lambda: cross_val_predict(model, X, y, cv=3),
            lambda: learning_curve(model, X, y, cv=cv, error_score=error_score),
            nested,
            within,
        ][rng.integers(6)]


def outcome(call):
    """Return what a call gives, or the type of its error."""
    with warnings.catch_warnings():
        # Filters are those of all threads: while one of them moves "ignore" to the front, as many
        # functions of libraries do, another one sees what is below, which pytest makes errors.
        warnings.resetwarnings()
        warnings.simplefilter("ignore")
        try:
            return plain(call())
        except (Exception, Gone) as error:
            return type(error).__name__


def state():
    scheduler = dask.config.get("scheduler", None)
    fuse = dask.config.get("optimization.fuse.active", None)
    threads = [t.name for t in threading.enumerate() if t.name.startswith("incremental")]
    return scheduler, fuse, list(warnings.filters), warnings.showwarning, threads


@contextmanager
def no_hang():
    """End the process, and say where each thread is, if nothing goes on within."""
    done = threading.Event()

    def watch():
        spent = time.process_time()
        while not done.wait(DEADLINE):
            spent, before = time.process_time(), spent
            if spent - before < LEAST:
                faulthandler.dump_traceback(sys.__stderr__)
                os._exit(1)

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        done.set()
        watching.join()


def run(seed):
    with no_hang():
        case = Case(seed)
        before = state()
        alone = outcome(case.tool)
        assert state() == before
        together = outcome(lambda: with_backend(case.tool, **case.options))
        assert state() == before
        # Of several errors, the one that is raised is that of the fit that is the first to fail.
        if not (isinstance(alone, str) and isinstance(together, str)):
            assert together == alone, f"seed {seed}"
    return alone


def test_random_searches_with_faults_give_what_they_give_without_the_backend():
    seconds = float(os.environ.get("INCREMENTAL_SOAK_SECONDS", 3600))
    seed = int(os.environ.get("INCREMENTAL_SOAK_SEED", 0))
    interval = sys.getswitchinterval()
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            print(f"seed {seed}", flush=True)
            sys.setswitchinterval([1e-6, interval][seed % 2])
            with dask.config.set(scheduler=["threads", "synchronous"][seed % 5 == 0]):
                run(seed)
            seed += 1
    finally:
        sys.setswitchinterval(interval)
