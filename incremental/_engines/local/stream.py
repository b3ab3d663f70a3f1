"""Compute blocks ahead of the consumer and hand them over in order."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import InitVar, dataclass, replace
from functools import cached_property, partial
from typing import Any, NoReturn

import dask
import numpy as np
from dask.callbacks import Callback
from dask.sizeof import sizeof
from dask.task_spec import DataNode
from dask.utils import disable_gc, format_bytes, key_split

from incremental._data.blocks import Blocks
from incremental._engines.local.schedulers import FAILURE, Runner, Stopped, Watch
from incremental._planning.windows import (
    Graph,
    Key,
    Trace,
    Window,
    cull,
    presorted,
    stages,
    trace,
    windows,
)
from incremental.exceptions import BlockError, describe


@dataclass
class Plan:
    """Blocks and the windows that compute them; good for any number of passes."""

    blocks: Blocks
    traced: InitVar[Trace | None] = None

    def __post_init__(self, traced: Trace | None) -> None:
        self._traced = traced

    @cached_property
    def windows(self) -> list[Window]:
        """The windows, in the order of the blocks."""
        graph, keys = self.blocks.graph, self.blocks.keys
        with disable_gc():  # see `plan`
            return windows(graph, keys, self._traced or trace(graph, keys))

    def shuffled(self, rng: np.random.Generator) -> list[int]:
        """Return the positions of the blocks in another order.

        Blocks of one window stay together, so that their source is still read once.
        """
        order: list[int] = []
        for group in self._groups(rng):
            order.extend(rng.permutation(group).tolist())
        return order

    def held_out(self, fraction: float, rng: np.random.Generator) -> tuple[list[int], list[int]]:
        """Return the positions of the blocks to keep, and of about that fraction of them, drawn.

        Blocks of one window stay together where that leaves some on both sides, so that no source
        is read for both.
        """
        n_blocks = len(self.blocks)
        wanted = min(max(1, round(fraction * n_blocks)), n_blocks - 1)
        drawn: set[int] = set()
        for group in self._groups(rng):
            if len(drawn) + len(group) <= wanted:
                drawn.update(group)
        if not drawn:
            drawn.update(rng.permutation(n_blocks)[:wanted].tolist())
        return [i for i in range(n_blocks) if i not in drawn], sorted(drawn)

    def _groups(self, rng: np.random.Generator) -> Iterator[list[int]]:
        groups = [list(window.blocks) for window in self.windows if window.blocks]
        for i in rng.permutation(len(groups)):
            yield groups[i]


def plan(blocks: Blocks, runner: Runner) -> Plan:
    """Cut the graph of `blocks` into windows.

    What all blocks need of all blocks (a mean) is computed here, once, and its value put in its
    place.

    Raises
    ------
    BlockError
        If such a value cannot be computed; its block is 0, since nothing can be learned.

    Notes
    -----
    Values that depend on each other are computed one after the other, each in a pass of its own:
    in one graph the second would have to hold every source that it shares with the first.
    """
    if runner.client is None:  # a cluster may know the tasks by these keys
        graph = {key: presorted(task) for key, task in blocks.graph.items()}
        blocks = replace(blocks, graph=graph)
    shared: set[Key] = set()
    # A plan makes many objects that stay: a collection in between would look at all of them, again
    # and again, and find nothing.  Not so where values are computed, which may leave garbage.
    with disable_gc():
        traced = trace(blocks.graph, blocks.keys)
        graph = dict(blocks.graph) if traced.hoistable else blocks.graph
        while found := traced.hoistable:
            shared |= found
            graph.update((key, DataNode(key, None)) for key in found)
            traced = trace(graph, blocks.keys)
    if shared:
        graph = dict(blocks.graph)
        for keys in stages(graph, shared):
            graph.update(_compute_shared(graph, keys, runner))
        blocks = replace(blocks, graph=graph)
    return Plan(blocks, traced)


def _compute_shared(graph: Graph, keys: list[Key], runner: Runner) -> dict[Key, DataNode]:
    try:
        values = runner.get(cull(graph, keys), keys)
    except Exception as error:
        names = ", ".join(sorted({key_split(key) for key in keys}))
        raise BlockError(
            f"A value that all blocks need ({names}) could not be computed, so that no block was "
            f"learned: {describe(error)}",
            0,
        ) from error
    return {key: DataNode(key, value) for key, value in zip(keys, values, strict=True)}


@contextmanager
def stream(
    planned: Plan,
    runner: Runner,
    *,
    prefetch: int | None = None,
) -> Iterator[Iterator[tuple[int, dict[str, Any]]]]:
    """Yield an iterator over the computed blocks.

    Parameters
    ----------
    planned : Plan
        What to compute, in this order.
    runner : Runner
        Where to compute it.
    prefetch : int, default=None
        At most so many blocks are computed, or being computed, ahead of the one that the consumer
        has; None means two more than the runner has workers, 0 means in the foreground.  A window
        that is larger (a source that holds many blocks) is computed while the one before it is
        consumed, and one that costs less than a hand-over to the pool when it is asked for.

    Raises
    ------
    BlockError
        If a block cannot be computed, after all blocks before it were handed over.

    Notes
    -----
    When the context is left, however it is left, waiting work is cancelled and running work ends
    with its current task.
    """
    if runner.client is not None:
        from incremental._engines.cluster import feed as _cluster  # needs distributed

        assert isinstance(runner, _cluster.ClusterRunner)
        with _cluster.stream(planned, runner, prefetch=prefetch) as computed:
            yield computed
        return
    blocks = planned.blocks
    watch = (
        Watch(cull(blocks.graph, [k for b in blocks.keys for k in b])) if Callback.active else None
    )
    if prefetch is None:
        prefetch = runner.workers + 2
    ahead = _Ahead(runner, prefetch if runner.pool is not None else 0, watch)
    failed = True
    try:
        yield _hand_over(planned, ahead)
        failed = False
    finally:
        ahead.close()
        if watch is not None:
            watch.finish(failed)


def _hand_over(planned: Plan, ahead: _Ahead) -> Iterator[tuple[int, dict[str, Any]]]:
    blocks, numbers = planned.blocks, planned.blocks.numbers
    waiting = deque(planned.windows)
    while True:
        ahead.fill(waiting)
        if not ahead.running:
            return
        window, result = ahead.next(blocks)
        values = dict(result)
        result.clear()  # the future holds it, too
        last = {key: position for position in window.blocks for key in blocks.keys[position]}
        for position in window.blocks:
            keys = blocks.keys[position]
            if FAILURE in values and not all(key in values for key in keys):
                ahead.fail(blocks, [position], values[FAILURE])
            block = {name: values[key] for name, key in zip(blocks.names, keys, strict=True)}
            if not ahead.size and not _n_bytes(blocks, position):
                ahead.size = sizeof(block)
            for key in keys:  # let go when no later block of the window is the same value
                if last[key] == position:
                    values.pop(key, None)
            ahead.n_blocks -= 1
            ahead.fill(waiting)
            yield numbers[position], block
            del block


#: What it costs to have a window computed by the pool instead of in the foreground, in seconds:
#: the bookkeeping of a future, and two threads that take turns.
HAND_OVER = 1e-4


class _Ahead:
    """The windows that are computed, or being computed, and not handed over yet.

    Windows that are cheaper than a hand-over to the pool are computed in the foreground, each when
    it is asked for.  Which ones are is not known before they are computed, so a window that takes
    longer leaves a debt, its time, which every window after it pays off by one hand-over; there is
    debt as long as windows are slow, and while there is, the pool computes.  So a load that turns
    slow is computed in the foreground once, not twice, and whatever the order of cheap and slow
    ones, the time that is not overlapped is at most one hand-over for each window: no more than
    the pool would cost.
    """

    def __init__(self, runner: Runner, prefetch: int, watch: Watch | None):
        self.runner = runner
        self.prefetch = prefetch
        self.running: deque[tuple[Window, Any]] = deque()
        self.n_blocks = 0
        #: Bytes of the first block that has any, if that was not known before: for an error.
        self.size = 0
        self._stop = threading.Event()
        self._carried: dict[Window, Any] = {}
        self._users: dict[Window, int] = {}
        # A pool that the user configured may have prepared its threads for the work.
        self._always_pool = dask.config.get("pool", None) is not None
        self._debt = 64 * HAND_OVER  # nothing is known yet: the first ones go to the pool
        self._measuring = threading.Lock()
        self._hooks: dict[str, Callable] = {}
        if watch is not None:
            self._hooks = {"before": watch.before, "after": watch.after}

    def fill(self, waiting: deque[Window]) -> None:
        """Start windows for as long as there is room."""
        while waiting and self._has_room(len(self._next_with_blocks(waiting).blocks)):
            window = waiting.popleft()
            self.n_blocks += len(window.blocks)
            future = self._start(window)
            if window.blocks:
                self.running.append((window, future))
            else:
                self._carried[window] = future
                self._users[window] = window.n_users

    @property
    def _in_foreground(self) -> bool:
        return self.prefetch == 0 or not (self._debt or self._always_pool)

    @staticmethod
    def _next_with_blocks(waiting: deque[Window]) -> Window:
        return next((window for window in waiting if window.blocks), waiting[0])

    def _has_room(self, size: int) -> bool:
        if self._in_foreground:
            return self.n_blocks == 0 and not self.running
        return self.n_blocks + size <= self.prefetch or not self.running

    def _start(self, window: Window) -> Future | _Later:
        inputs = {key: self._carried[lender] for key, lender in window.inputs.items()}
        for lender in set(window.inputs.values()):
            self._users[lender] -= 1
            if not self._users[lender]:
                del self._carried[lender], self._users[lender]
        job = partial(self._compute, window, inputs)
        if not self._in_foreground and not window.is_computed:
            return self.runner.submit(job)
        return _Later(job) if window.blocks else _now(job)

    def _compute(self, window: Window, inputs: dict[Key, Future]) -> dict[Key, Any]:
        # An earlier window that this one waits for has been started before it, by the same pool,
        # first in first out; so there is always one that does not wait.
        if self._stop.is_set():
            raise Stopped
        values = {}
        for key, future in inputs.items():
            lent = future.result()
            if key not in lent:
                raise lent[FAILURE]
            values[key] = lent[key]
        inputs.clear()
        start = time.perf_counter()
        result = self.runner.compute(window, values, self._stop, self._hooks)
        self._measured(time.perf_counter() - start)
        return result

    def _measured(self, seconds: float) -> None:
        # Wall time, not that of the processor: a load that waits is worth overlapping most.
        with self._measuring:
            self._debt = max(0.0, max(self._debt, seconds) - HAND_OVER)

    def next(self, blocks: Blocks) -> tuple[Window, dict[Key, Any]]:
        window, future = self.running[0]
        try:
            result = future.result()
        except Exception as error:
            self.fail(blocks, window.blocks, error)
        self.running.popleft()
        return window, result

    def fail(self, blocks: Blocks, positions: Sequence[int], error: BaseException) -> NoReturn:
        """Raise the error that says which block could not be computed."""
        if isinstance(error, BlockError):  # it knows better
            raise error
        numbers = [blocks.numbers[i] for i in positions]
        which = (
            f"Block {numbers[0]}" if len(numbers) == 1 else f"Blocks {numbers[0]} to {numbers[-1]}"
        )
        message = f"{which} could not be computed: {describe(error)}"
        if isinstance(error, MemoryError):
            n_bytes = max(self.size, *(_n_bytes(blocks, i) for i in positions))
            size = (
                f"A block has {format_bytes(n_bytes)}"
                if n_bytes
                else "How large it is, is not known"
            )
            message += (
                f". {size}; besides the one that is learned, up to prefetch={self.prefetch} are in "
                "memory. Set a smaller prefetch, or cut X into smaller blocks (rechunk, "
                "repartition)."
            )
        raise BlockError(message, numbers[0]) from error

    def close(self) -> None:
        self._stop.set()
        futures = [future for _, future in self.running] + list(self._carried.values())
        self.running.clear()
        self._carried.clear()
        for future in futures:
            future.cancel()
        for future in futures:
            if not future.cancelled():
                future.exception()


def _n_bytes(blocks: Blocks, position: int) -> int:
    """Return the bytes of a block of X, 0 if they are not known before it is computed."""
    n_rows = blocks.lengths[position]
    if blocks.promise is None or n_rows is None:
        return 0
    shape, dtype = blocks.promise
    return int(n_rows * np.prod(shape) * dtype.itemsize)


class _Later:
    """A window that is computed in the foreground, when it is asked for."""

    def __init__(self, job):
        self._job = job

    def result(self):
        return self._job()

    def cancel(self) -> bool:
        return True

    def cancelled(self) -> bool:
        return True


def _now(job) -> Future:
    future: Future = Future()
    try:
        future.set_result(job())
    except Exception as error:
        future.set_exception(error)
    return future
