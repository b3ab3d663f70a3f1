"""What the benchmarks on a cluster share: three worker processes, and a count of live blocks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import dask
import dask.array as da
import distributed
import numpy as np
from distributed.comm import tcp
from distributed.diagnostics.plugin import SchedulerPlugin
from distributed.utils import nbytes
from sklearn.base import BaseEstimator, RegressorMixin

N_WORKERS = 3


@contextmanager
def cluster() -> Iterator[distributed.Client]:
    """Yield the client of three workers of one thread that have imported what they need."""
    with (
        dask.config.set({"distributed.worker.memory.terminate": False}),
        distributed.LocalCluster(
            n_workers=N_WORKERS, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as running,
        distributed.Client(running) as client,
    ):
        client.run(__import__, "incremental")
        yield client


class Sleeping(RegressorMixin, BaseEstimator):
    """Learns for so many seconds, without computing."""

    n_seen_ = 0

    def __init__(self, seconds=0.0):
        self.seconds = seconds

    def fit(self, X, y):
        self.n_seen_ = 0
        return self.partial_fit(X, y)

    def partial_fit(self, X, y):
        time.sleep(self.seconds)
        self.n_seen_ += len(X)
        return self


def load(number: int, seconds: float, n_rows: int) -> np.ndarray:
    time.sleep(seconds)
    return np.full((n_rows, 100), float(number))


def blocks(n_blocks: int, seconds: float, n_rows: int) -> tuple[da.Array, da.Array]:
    """Return X and y of blocks that take so long to load."""
    loading = dask.delayed(load, pure=False)
    X = da.concatenate(
        [
            da.from_delayed(loading(number, seconds, n_rows), shape=(n_rows, 100), dtype=float)
            for number in range(n_blocks)
        ]
    )
    return X, X[:, 0]


@dataclass
class Traffic:
    """What this process has received and sent, in bytes."""

    received: int = 0
    sent: int = 0


@contextmanager
def traffic() -> Iterator[Traffic]:
    """Count the bytes of all messages that this process, its client above all, exchanges meanwhile.

    Notes
    -----
    The kernel's count of what a process has read, ``/proc/self/io``, is without that of sockets.
    """
    found = Traffic()
    read, write = tcp.from_frames, tcp.to_frames

    async def counting_read(frames, *args, **kwargs):
        found.received += sum(map(nbytes, frames))
        return await read(frames, *args, **kwargs)

    async def counting_write(*args, **kwargs):
        frames = await write(*args, **kwargs)
        found.sent += sum(map(nbytes, frames))
        return frames

    tcp.from_frames, tcp.to_frames = counting_read, counting_write
    try:
        yield found
    finally:
        tcp.from_frames, tcp.to_frames = read, write


class Live(SchedulerPlugin):
    """Counts the tasks whose results are in memory, by the size that their workers report."""

    name = "live"

    def __init__(self, at_least: int):
        self.at_least = at_least
        self.live: dict = {}
        self.most = 0

    def start(self, scheduler):
        self.scheduler = scheduler

    def transition(self, key, start, finish, *args, **kwargs):
        if finish == "memory":
            task = self.scheduler.tasks.get(key)
            if task is not None and task.get_nbytes() >= self.at_least:
                self.live[key] = task.get_nbytes()
                self.most = max(self.most, sum(self.live.values()))
        elif start == "memory":
            self.live.pop(key, None)


def most_live(client: distributed.Client, at_least: int, function) -> int:
    """Return the most bytes that results of `at_least` bytes have had on the cluster meanwhile."""
    client.register_plugin(Live(at_least), name="live")
    try:
        function()
        return client.run_on_scheduler(_most)
    finally:
        client.unregister_scheduler_plugin("live")


def _most(dask_scheduler) -> int:
    return dask_scheduler.plugins["live"].most
