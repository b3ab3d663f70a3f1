"""What the tests of clusters share: estimators that leave traces, numbered blocks."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager

import dask
import dask.array as da
import distributed
import numpy as np
from distributed.diagnostics.plugin import SchedulerPlugin
from sklearn.base import BaseEstimator


class Log:
    """A file that processes write lines to, whoever of them dies."""

    def __init__(self, path):
        self.path = str(path)

    def add(self, line):
        with open(self.path, "a") as file:
            file.write(f"{line} {os.getpid()}\n")

    def lines(self):
        try:
            with open(self.path) as file:
                return [tuple(map(float, line.split())) for line in file]
        except FileNotFoundError:
            return []

    def wait_for(self, n):
        while len(lines := self.lines()) < n:
            time.sleep(0.005)
        return lines


class Traced(BaseEstimator):
    """Depends on the order of blocks; logs each block that it learns, and where."""

    def __init__(self, log=None, seconds=0.0, fail_once_at=None):
        self.log = log
        self.seconds = seconds
        self.fail_once_at = fail_once_at

    def partial_fit(self, X, y=None):
        first = float(X[0, 0])
        self.total_ = 0.9 * getattr(self, "total_", 0.0) + X.sum()
        if self.log is not None:
            again = first in [line[0] for line in self.log.lines()]
            self.log.add(first)
            if first == self.fail_once_at and not again:
                raise OSError("half-way through updating the model")
        self.n_seen_ = getattr(self, "n_seen_", 0) + len(X)
        time.sleep(self.seconds)
        return self

    def predict(self, X):
        return np.full(len(X), self.total_)


def numbered(n_blocks, n_rows=5):
    """Return blocks whose first value is their number, and their values."""
    X = np.random.default_rng(0).random((n_blocks * n_rows, 3))
    X[::n_rows, 0] = np.arange(n_blocks)
    blocks = [X[i * n_rows : (i + 1) * n_rows] for i in range(n_blocks)]
    lazy = [
        da.from_delayed(dask.delayed(load)(i, block), block.shape, float)
        for i, block in enumerate(blocks)
    ]
    return da.concatenate(lazy), blocks


def load(i, values):
    return values


def classification(n_blocks=12, n_rows=20):
    X = da.random.default_rng(0).random((n_blocks * n_rows, 4), chunks=(n_rows, 4))
    return X, (X[:, 0] > X[:, 1]).astype(int)


@contextmanager
def no_failure_allowed(client):
    """Give a task up that has killed its worker once."""

    def allow(n, dask_scheduler):
        before, dask_scheduler.allowed_failures = dask_scheduler.allowed_failures, n
        return before

    before = client.run_on_scheduler(allow, 0)
    try:
        yield
    finally:
        client.run_on_scheduler(allow, before)


class Sizes(SchedulerPlugin):
    """Logs how many workers there are when one comes or goes."""

    def __init__(self, log):
        self.log = log

    def add_worker(self, scheduler, worker):
        self.log.add(len(scheduler.workers))

    def remove_worker(self, scheduler, worker, **kwargs):
        self.log.add(len(scheduler.workers))


class Eventful(Traced):
    """Something happens at one block, once for each process if `marker` is a new file."""

    def __init__(self, at=None, event=None, marker=None):
        super().__init__()
        self.at = at
        self.event = event
        self.marker = marker

    def partial_fit(self, X, y=None):
        if X[0, 0] == self.at and not (self.marker and os.path.exists(self.marker)):
            if self.marker:
                open(self.marker, "w").close()
            self.event()
        return super().partial_fit(X)


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)


def start_cluster(**options):
    return distributed.LocalCluster(
        n_workers=3, threads_per_worker=1, processes=True, dashboard_address=":0", **options
    )
