"""Where blocks are computed: the scheduler that dask is configured with."""

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
from dask.callbacks import Callback
from dask.system import CPU_COUNT
from dask.task_spec import DataNode, Task

from incremental._planning.windows import Graph, Key, Window

#: The key of the error in the results of a window that failed half-way.
FAILURE = "incremental-failure"


class Stopped(Exception):
    """The consumer of a stream has gone; raised in the background only."""


class Runner:
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

    Attributes
    ----------
    client : distributed.Client or None
        Of the cluster that learns, too.

    Notes
    -----
    `stop` is looked at between two tasks, so that a consumer that goes away waits for one task of
    each worker at most.
    """

    def __init__(self, get: Callable, run: Callable, pool: Executor | None, workers: int):
        self.get = get
        self.pool = pool
        self.workers = workers
        self.client: Any = None
        self._run = run

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
def open_runner(collections: list[Any]) -> Iterator[Runner]:
    """Yield a runner for the scheduler that dask would compute `collections` with.

    No thread or process that it starts outlives the context; a pool from dask's configuration is
    used as it is and left alone.
    """
    get = _scheduler_of(collections)
    configured = dask.config.get("pool", None)
    workers = dask.config.get("num_workers", None) or CPU_COUNT
    if isinstance(configured, multiprocessing.pool.Pool):
        configured = dask.local.MultiprocessingPoolExecutor(configured)
    if configured is not None:
        workers = getattr(configured, "_max_workers", None) or workers
    if get is dask.get or get is dask.local.get_sync:
        yield Runner(get, execute, None, 1)
    elif get is dask.threaded.get:
        if configured is not None:
            yield Runner(get, execute, configured, workers)
        else:
            with _threads(workers) as pool:
                yield Runner(partial(get, pool=pool), execute, pool, workers)
    elif get is dask.multiprocessing.get:
        with _processes(configured, workers) as processes, _threads(workers) as pool:
            in_processes = partial(get, pool=processes, num_workers=workers)
            yield Runner(in_processes, partial(_execute_whole, in_processes), pool, workers)
    elif collections and (client := _client_of(get)) is not None:
        from incremental._engines.cluster import feed as _cluster  # needs distributed

        with _cluster.open_runner(client) as runner:
            yield runner
    else:
        with _threads(workers) as pool:
            yield Runner(get, partial(_execute_with, get), pool, workers)


def _scheduler_of(collections: list[Any]) -> Callable:
    try:
        return get_scheduler(collections=collections[:1]) or dask.get
    except RuntimeError as error:
        if "asynchronous" not in str(error):
            raise
        raise RuntimeError(
            "The active client must be one that waits. Got one that is asynchronous, in its event "
            "loop; leave the loop with await asyncio.to_thread(model.fit, X, y), let a worker wait "
            "with await client.submit(model.fit, X, y), or use Client(asynchronous=False)."
        ) from error


def _client_of(get: Callable) -> Any:
    """Return the client of distributed that a scheduler is a method of."""
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


def execute(
    tasks: Graph,
    inputs: Mapping[Key, Any],
    outputs: set[Key],
    *,
    stop: threading.Event | None = None,
    before: Callable[[Key], None] | None = None,
    after: Callable[[Key, Any], None] | None = None,
) -> dict[Key, Any]:
    """Compute `tasks` in their order, each value let go after its last use.

    If one fails after some outputs are there, these are returned with the error under `FAILURE`,
    so that the blocks before the failing one are not lost.

    Examples
    --------
    >>> from dask.task_spec import DataNode, Task, TaskRef
    >>> tasks = {"a": DataNode("a", [1, 2]), "b": Task("b", len, TaskRef("a"))}
    >>> execute(tasks, {}, {"b"})
    {'b': 2}
    """
    values = dict(inputs)
    done = {key: inputs[key] for key in outputs if key in inputs}
    last = {d: key for key, task in tasks.items() for d in task.dependencies}
    for key, task in tasks.items():
        if stop is not None and stop.is_set():
            raise Stopped
        if before is not None:
            before(key)
        try:
            values[key] = task(values)
        except Exception as error:
            if not done:
                raise
            return {**done, FAILURE: error}
        if key in outputs:
            done[key] = values[key]
        if after is not None:
            after(key, values[key])
        for dependency in task.dependencies:
            if last[dependency] == key:
                values.pop(dependency, None)
    return {key: done[key] for key in outputs}


def _execute_with(get: Callable, tasks, inputs, outputs, **hooks) -> dict[Key, Any]:
    """Compute a window by a scheduler that is not one of dask's own."""
    keys = list(outputs)
    graph = dict(tasks)
    graph.update((key, DataNode(key, value)) for key, value in inputs.items())
    return _watched(tasks, lambda: dict(zip(keys, get(graph, keys), strict=True)), **hooks)


def _execute_whole(get: Callable, tasks, inputs, outputs, **hooks) -> dict[Key, Any]:
    """Compute a window as one task, so that only its outputs travel between processes."""
    whole = {"window": Task("window", partial(execute, tasks, inputs, outputs))}
    return _watched(tasks, lambda: get(whole, "window"), **hooks)


def _watched(tasks, compute: Callable, *, stop=None, before=None, after=None) -> dict[Key, Any]:
    """Report the tasks of a window that is computed elsewhere, all when it begins and ends."""
    for key in tasks if before is not None else ():
        before(key)
    values = compute()
    for key in tasks if after is not None else ():
        after(key, values.get(key))
    return values


#: Two threads must not both take the active callbacks.
_SWAPPING = threading.Lock()


class Watch:
    """Tells dask's local diagnostics about a stream as if one scheduler had run it all."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.lock = threading.Lock()
        with _SWAPPING:
            self.callbacks, Callback.active = Callback.active, set()
        self.state: dict[str, Any] = {
            "ready": set(graph),
            "waiting": {},
            "running": set(),
            "finished": set(),
            "released": set(),
            "cache": {},
            "dependencies": {key: set(task.dependencies) for key, task in graph.items()},
        }
        for start, start_state, *_ in self.callbacks:
            if start:
                start(graph)
            if start_state:
                start_state(graph, self.state)

    def before(self, key: Key) -> None:
        with self.lock:
            self.state["ready"].discard(key)
            self.state["running"].add(key)
            for _, _, pretask, _, _ in self.callbacks:
                if pretask:
                    pretask(key, self.graph, self.state)

    def after(self, key: Key, value: Any) -> None:
        with self.lock:
            self.state["running"].discard(key)
            self.state["finished"].add(key)
            for _, _, _, posttask, _ in self.callbacks:
                if posttask:
                    posttask(key, value, self.graph, self.state, threading.get_ident())

    def finish(self, failed: bool) -> None:
        if self.callbacks:  # else another thread has them, and gives them back
            Callback.active = self.callbacks
        for *_, finish in self.callbacks:
            if finish:
                finish(self.graph, self.state, failed)
