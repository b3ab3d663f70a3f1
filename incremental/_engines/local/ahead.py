"""Windows that are computed ahead of the consumer, at most so many at once."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, NoReturn

import dask
from dask.typing import Key
from dask.utils import format_bytes

from incremental._data.blocks import Blocks
from incremental._data.values import n_bytes
from incremental._engines.budget import Budget
from incremental._engines.execute import FAILURE, Stopped
from incremental._engines.local.diagnostics import Watch
from incremental._engines.local.room import Room
from incremental._engines.local.schedulers import Scheduler
from incremental._planning.windows import Window
from incremental.exceptions import NOT_COMPUTED, BlockError, describe

#: What it costs to have a window computed by the pool instead of in the foreground, in seconds:
#: the bookkeeping of a future, and two threads that take turns.
HAND_OVER = 1e-4


class Debt:
    """Says whether windows are worth a hand-over to the pool.

    Windows that are cheaper than that are computed in the foreground, each when it is asked for.
    Which ones are is not known before they are computed, so each window adds a debt, its time, of
    which only the largest counts, and pays off one hand-over.  While there is debt, the pool
    computes.  So a load that turns slow is computed in the foreground once, not twice, and whatever
    the order of cheap and slow ones, the time that is not overlapped is at most one hand-over for
    each window: no more than the pool would cost.

    Examples
    --------
    >>> debt = Debt(hand_over=1.0, at_first=0.0)
    >>> debt.add(3.0)  # a slow window: the pool computes the next two
    >>> for _ in range(3):
    ...     print(debt.is_left)
    ...     debt.add(0.5)
    True
    True
    False
    """

    def __init__(self, hand_over: float = HAND_OVER, at_first: float = 64 * HAND_OVER):
        # At first nothing is known yet: these go to the pool.
        self._hand_over = hand_over
        self._seconds = at_first
        self._lock = threading.Lock()

    @property
    def is_left(self) -> bool:
        """Say whether the pool computes the next window."""
        return self._seconds > 0

    def add(self, seconds: float) -> None:
        """Take note of what a window has cost: wall time, for a load that waits is overlapped."""
        with self._lock:
            self._seconds = max(0.0, max(self._seconds, seconds) - self._hand_over)


class Ahead:
    """The windows that are computed, or being computed, and not handed over yet.

    Parameters
    ----------
    scheduler : Scheduler
        Computes them.
    budget : Budget
        How many they may be, and how large.
    watch : Watch or None
        Is told about each task.
    """

    def __init__(self, scheduler: Scheduler, budget: Budget, watch: Watch | None):
        self.scheduler = scheduler
        self.budget = budget
        #: Windows with blocks, each with what the pool makes of it, or with what computes it here.
        self.running: deque[tuple[Window, Future | Callable[[], dict[Key, Any]]]] = deque()
        #: How many blocks of these are not handed over yet.
        self.n_blocks = 0
        #: Where windows with blocks that the pool computes wait until they fit into memory.
        self._room = Room(budget)
        #: How many of these were started, and how many the consumer has taken.
        self._n_started = self._n_taken = 0
        #: Whether the window that the consumer has taken is one of these.
        self._is_in_room = False
        #: Bytes of the first block that has any, if that was not known before: for an error.
        self.size = 0
        #: Set when the consumer has gone.
        self._stop = threading.Event()
        #: The values of windows without blocks, and how many windows still need them.
        self._carried: dict[Window, Future] = {}
        self._users: dict[Window, int] = {}
        # A pool that the user configured may have prepared its threads for the work.
        self._always_pool = dask.config.get("pool", None) is not None
        self._debt = Debt()
        #: Whom `execute` tells about each task.
        self._hooks: dict[str, Callable] = {}
        if watch is not None:
            self._hooks = {"before": watch.before, "after": watch.after}

    def fill(self, waiting: deque[Window], blocks: Blocks) -> None:
        """Start windows for as long as there is room."""
        in_foreground = self._in_foreground
        while waiting and self._has_room(waiting, in_foreground):
            window = waiting.popleft()
            job = self._job(window)
            in_pool = not (in_foreground or window.is_computed)
            if not window.blocks:
                self._carried[window] = self.scheduler.submit(job) if in_pool else _now(job)
                self._users[window] = window.n_users
                continue
            source: Future | Callable = job
            if in_pool:
                known = sum(blocks.n_bytes(position) for position in window.blocks)
                self._room.expect(self._n_started, known)
                source = self.scheduler.submit(self._when_it_fits, job, self._n_started)
                self._n_started += 1
            self.running.append((window, source))
            self.n_blocks += len(window.blocks)

    @property
    def _in_foreground(self) -> bool:
        return self.budget.n_blocks == 0 or not (self._debt.is_left or self._always_pool)

    def _has_room(self, waiting: deque[Window], in_foreground: bool) -> bool:
        """Say whether the next window may be started; one without blocks, if that after it may."""
        if not self.running:
            return self.n_blocks == 0 or not in_foreground
        if in_foreground:
            return False
        size = next((len(window.blocks) for window in waiting if window.blocks), 0)
        return self.n_blocks + size <= self.budget.n_blocks

    def _job(self, window: Window) -> Callable[[], dict[Key, Any]]:
        """Return what computes a window; values that no other window needs are let go with it."""
        inputs = {key: self._carried[lender] for key, lender in window.inputs.items()}
        for lender in set(window.inputs.values()) if inputs else ():
            self._users[lender] -= 1
            if not self._users[lender]:
                del self._carried[lender], self._users[lender]
        return partial(self._compute, window, inputs)

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
        result = self.scheduler.compute(window, values, self._stop, self._hooks)
        self._debt.add(time.perf_counter() - start)
        return result

    def _when_it_fits(self, job: Callable[[], dict[Key, Any]], number: int) -> dict[Key, Any]:
        self._room.enter(number)
        result = job()
        self._room.fill(number, sum(map(n_bytes, result.values())))
        return result

    def next(self, blocks: Blocks) -> tuple[Window, dict[Key, Any]]:
        """Return the next window and its values, or raise the error of its first block."""
        window, source = self.running[0]
        try:
            result = source.result() if isinstance(source, Future) else source()
        except Exception as error:
            self.fail(blocks, window.blocks, error)
        self.running.popleft()
        self._is_in_room = isinstance(source, Future)
        if self._is_in_room:
            self._room.take(self._n_taken)
            self._n_taken += 1
        return window, result

    def hand_over(self, window: Window, position: int) -> None:
        """Take note that the consumer gets a block of the window that it has taken."""
        self.n_blocks -= 1
        if self._is_in_room and position == window.blocks[-1]:
            self._room.leave(self._n_taken - 1)

    def fail(self, blocks: Blocks, positions: Sequence[int], error: BaseException) -> NoReturn:
        """Raise the error that says which block could not be computed."""
        if isinstance(error, BlockError):  # it knows better
            raise error
        numbers = [blocks.numbers[i] for i in positions]
        which = (
            f"Block {numbers[0]}" if len(numbers) == 1 else f"Blocks {numbers[0]} to {numbers[-1]}"
        )
        message = f"{which} {NOT_COMPUTED}: {describe(error)}"
        if isinstance(error, MemoryError):
            largest = max(self.size, *(blocks.n_bytes(i) for i in positions))
            size = (
                f"A block has {format_bytes(largest)}"
                if largest
                else "How large it is, is not known"
            )
            message += (
                f". {size}; besides the one that is learned, {self.budget} are in memory. Set a "
                "smaller prefetch, or cut X into smaller blocks (rechunk, repartition)."
            )
        raise BlockError(message, numbers[0]) from error

    def close(self) -> None:
        """Cancel what waits; what runs ends with its current task."""
        self._stop.set()
        self._room.close()
        sources = [*(source for _, source in self.running), *self._carried.values()]
        futures = [source for source in sources if isinstance(source, Future)]
        self.running.clear()
        self._carried.clear()
        for future in futures:
            future.cancel()
        for future in futures:
            if not future.cancelled():
                future.exception()


def _now(job: Callable[[], dict[Key, Any]]) -> Future:
    """Compute a window in the foreground; its error is that of whoever needs it."""
    future: Future = Future()
    try:
        future.set_result(job())
    except Exception as error:
        future.set_exception(error)
    return future
