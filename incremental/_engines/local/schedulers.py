"""dask's local schedulers, each as a way to compute one window."""

from __future__ import annotations

import contextvars
import multiprocessing.pool
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import dask
import dask.local
import dask.multiprocessing
import dask.threaded
from dask.base import get_scheduler
from dask.system import CPU_COUNT
from dask.typing import Key

from incremental._compat import max_workers
from incremental._engines.base import Prefetch
from incremental._engines.budget import Budget, make_budget
from incremental._engines.execute import execute, execute_whole, execute_with
from incremental._engines.local.memory import free_memory
from incremental._planning.windows import Window


class Scheduler:
    """Computes windows, each in one go, and graphs as a whole.

    Parameters
    ----------
    get : callable
        A scheduler of dask's: ``get(graph, keys)``.
    run : callable
        ``run(tasks, inputs, outputs)`` computes one window.
    pool : Executor or None
        Runs windows in the background; None computes them in the foreground.
    workers : int
        How many windows the pool computes at once.

    Notes
    -----
    `stop` is looked at between two tasks, so that a consumer that goes away waits for one task of
    each worker at most.
    """

    def __init__(self, get: Callable, run: Callable, pool: Executor | None, workers: int):
        self.get = get
        self.pool = pool
        self.workers = workers
        self._run = run

    def budget(self, prefetch: Prefetch) -> Budget:
        """Return how much may be ahead of the consumer; nothing without a pool."""
        if self.pool is None:
            prefetch = 0
        return make_budget(prefetch, self.workers, free_memory)

    @property
    def in_this_process(self) -> bool:
        """Say whether tasks see what others have changed in memory."""
        return self._run is execute

    def compute(
        self,
        window: Window,
        inputs: Mapping[Key, Any],
        stop: threading.Event,
        hooks: Mapping[str, Callable],
    ) -> dict[Key, Any]:
        """Return the outputs of `window`."""
        return self._run(window.tasks, inputs, window.outputs, stop=stop, **hooks)

    def submit(self, function: Callable, *args: Any):
        """Call `function` in the background, in the context of the caller."""
        assert self.pool is not None
        return self.pool.submit(contextvars.copy_context().run, function, *args)


@contextmanager
def open_scheduler(get: Callable) -> Iterator[Scheduler]:
    """Yield a scheduler for one of dask's, or for any other ``get``.

    No thread or process that it starts outlives the context; a pool from dask's configuration is
    used as it is and left alone.
    """
    configured = dask.config.get("pool", None)
    workers = dask.config.get("num_workers", None) or CPU_COUNT
    if isinstance(configured, multiprocessing.pool.Pool):
        configured = dask.local.MultiprocessingPoolExecutor(configured)
    if configured is not None:
        workers = max_workers(configured) or workers
    if get is dask.get or get is dask.local.get_sync:
        yield Scheduler(get, execute, None, 1)
    elif get is dask.threaded.get:
        if configured is not None:
            yield Scheduler(get, execute, configured, workers)
        else:
            with _threads(workers) as pool:
                yield Scheduler(partial(get, pool=pool), execute, pool, workers)
    elif get is dask.multiprocessing.get:
        with _processes(configured, workers) as processes, _threads(workers) as pool:
            in_processes = partial(get, pool=processes, num_workers=workers)
            yield Scheduler(in_processes, partial(execute_whole, in_processes), pool, workers)
    else:
        with _threads(workers) as pool:
            yield Scheduler(get, partial(execute_with, get), pool, workers)


def scheduler_of(collections: list[Any]) -> Callable:
    """Return the ``get`` that dask would compute `collections` with."""
    try:
        return get_scheduler(collections=collections[:1])
    except RuntimeError as error:
        if "asynchronous" not in str(error):
            raise
        raise RuntimeError(
            "The active client must be one that waits. Got one that is asynchronous, in its event "
            "loop; leave the loop with await asyncio.to_thread(model.fit, X, y), let a worker wait "
            "with await client.submit(model.fit, X, y), or use Client(asynchronous=False)."
        ) from error


def client_of(get: Callable) -> Any:
    """Return the client of distributed that a scheduler is a method of; None if it is of none."""
    distributed = sys.modules.get("distributed")  # where it is not imported, there is no client
    client = getattr(get, "__self__", None)
    return client if distributed and isinstance(client, distributed.Client) else None


@contextmanager
def _threads(workers: int) -> Iterator[Executor]:
    pool = ThreadPoolExecutor(workers, thread_name_prefix="incremental")
    # All threads now: one that Ctrl-C interrupts while it starts would not be waited for.
    started = threading.Barrier(workers + 1)
    try:
        for _ in range(workers):
            pool.submit(started.wait)
        started.wait()
        yield pool
    finally:
        started.abort()  # else those that wait for the others would be waited for
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _processes(configured: Executor | None, workers: int) -> Iterator[Executor]:
    if configured is not None:
        yield configured
        return
    pool = ProcessPoolExecutor(
        workers,
        mp_context=dask.multiprocessing.get_context(),
        initializer=partial(
            dask.multiprocessing.initialize_worker_process,
            dask.config.get("multiprocessing.initializer", None),
        ),
    )
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
