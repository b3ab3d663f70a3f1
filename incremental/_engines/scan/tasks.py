"""Tasks of a session, whose they are, and how many of them run at a time."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Aborted(BaseException):
    """A task is not needed any more.

    It is no Exception, so that whoever records the errors of fits does not take it for one.
    """


class Call:
    """Tasks that somebody waits for: those of one call of ``joblib.Parallel``.

    Parameters
    ----------
    session : Session
        Where they meet others.
    parent : Task or None
        Who waits for them; None is somebody outside of the session.
    """

    def __init__(self, session: Any, parent: Task | None):
        self.session = session
        self.parent = parent
        #: Whether they are not needed any more, or have all ended.
        self.is_over = False
        #: How many have a thread.
        self.n_alive = 0
        #: Those that have none yet, and what they are to run.
        self.later: deque[tuple[Task, Callable[[], None]]] = deque()

    @property
    def is_aborted(self) -> bool:
        """Say whether they, or a task that waits for them, are not needed any more."""
        return self.is_over or (self.parent is not None and self.parent.call.is_aborted)


class Task:
    """A function that runs in a thread of its own.

    Parameters
    ----------
    call : Call
        Whose task it is.
    """

    def __init__(self, call: Call):
        self.call = call
        self.session = call.session
        above = call.parent.place if call.parent else ()
        #: Its place among all tasks: by whom they are asked for, then by their order.
        self.place: tuple[int, ...] = (*above, self.session.next_number())
        #: Whether it waits for an answer.
        self.waits = False
        #: Whether it must not wait for others, for they may wait for it.
        self.is_alone = False
        #: Who of those that are ready runs first: the smallest.
        self.priority: tuple[int, ...] = ()
        #: Released when it may run; held by whoever waits for that.
        self.may_run = threading.Lock()
        self.may_run.acquire()

    def check(self) -> None:
        """Raise `Aborted` if the task is not needed any more."""
        if self.call.is_aborted:
            raise Aborted

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let what the task computes be computed without the others."""
        before, self.is_alone = self.is_alone, True
        try:
            yield
        finally:
            self.is_alone = before


_running = threading.local()


def current_task() -> Task | None:
    """Return the task that the calling thread runs, if any."""
    return getattr(_running, "task", None)


def set_current_task(task: Task) -> None:
    """Say which task the calling thread runs."""
    _running.task = task


class Slots:
    """Let at most `n` tasks run at a time, those with the smallest priority first.

    Parameters
    ----------
    n : int
        How many.

    Notes
    -----
    Thread-safety: whoever calls has the lock of the session.  A task that is ready has a place
    before its thread wakes up, so that the thread does so once, when it may run.
    """

    def __init__(self, n: int):
        #: How many more may run.
        self._n_free = n
        #: Those that would run if they might: priority, number, task.
        self._ready: list[tuple[tuple[int, ...], int, Task]] = []
        self._numbers = itertools.count()

    def add(self, task: Task, priority: tuple[int, ...] = ()) -> None:
        """Let a task run as soon as there is a place for it."""
        if self._n_free:
            self._n_free -= 1
            task.may_run.release()
        else:
            heapq.heappush(self._ready, (priority, next(self._numbers), task))

    def leave(self) -> None:
        """Let another task run."""
        if self._ready:
            heapq.heappop(self._ready)[-1].may_run.release()
        else:
            self._n_free += 1
