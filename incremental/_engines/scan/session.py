"""Where the fits of a session meet.

A session has tasks, each in a thread of its own.  At most `n_jobs` of them run at a time.  A task
that needs blocks or values asks for them and waits.  When all tasks wait, what they have asked for
is merged and computed once, which is a meeting: values first, and then one scan that hands each
block to all who need it.

::

    task 1  ... asks --------- waits --.          .- learns block 0, block 1, ... - asks for scores
    task 2  ... asks ------ waits -----+- meeting +- learns block 0, block 1, ... - asks for scores
    task 3  ......... asks - waits ----'          '- learns block 0, block 1, ... - asks for scores

A task that waits for tasks of its own (a search within a task) is absent: nobody waits for it.

Notes
-----
Thread-safety: whatever changes the state of a session does so with its lock held.  Who makes a task
run again counts it as running at once, and not the task itself when it wakes up: otherwise thread 1
answers a task, thread 2, the last that runs, waits before the answered task wakes up, and a meeting
begins without it.
"""

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


class Task:
    """A function that runs in a thread of its own.

    Parameters
    ----------
    session : Session
        Whose task it is.
    parent : Task or None
        The task that waits for it.
    """

    def __init__(self, session: Session, parent: Task | None):
        self.session = session
        self.parent = parent
        #: Its place among all tasks: by whom they are asked for, then by their order.
        self.place: tuple[int, ...] = (*(parent.place if parent else ()), session.next_number())
        #: Whether it is not needed any more, by itself.
        self.aborted = False
        #: Whether it waits for an answer.
        self.waits = False
        #: Whether it has an open stream: what it computes meanwhile, it computes alone.
        self.streams = False
        #: Who of those that are ready runs first: the smallest.
        self.priority: tuple[int, ...] = ()
        self.wakes_up = threading.Condition(session.lock)

    @property
    def is_aborted(self) -> bool:
        """Say whether it, or a task that waits for it, is not needed any more."""
        return self.aborted or (self.parent is not None and self.parent.is_aborted)


_running = threading.local()


def current_task() -> Task | None:
    """Return the task that the calling thread runs, if any."""
    return getattr(_running, "task", None)


class Session:
    """Tasks that meet.

    Parameters
    ----------
    n_jobs : int
        How many tasks run at a time.
    most_alive : int
        How many tasks have a thread at a time, but for those that others wait for.
    serve : callable
        ``serve(requests)`` answers requests, and returns those that are left for the next meeting.
    """

    def __init__(self, n_jobs: int, most_alive: int, serve: Callable[[list[Any]], list[Any]]):
        self.lock = threading.RLock()
        self.n_jobs = n_jobs
        self._most_alive = most_alive
        self._serve = serve
        #: Tasks that are begun, and neither wait nor are absent nor have ended.
        self._n_busy = 0
        #: Calls that have tasks to add.
        self._n_adding = 0
        #: Whether a meeting is under way.
        self._meets = False
        self._requests: list[Any] = []
        #: How many more tasks may run.
        self._n_free = n_jobs
        #: Those that would run if they might: priority, number, what lets them.
        self._ready: list[tuple[Any, int, threading.Event]] = []
        self._numbers = itertools.count()
        #: Those that have begun, and their threads.
        self._alive: dict[Task, threading.Thread] = {}
        self._later: deque[tuple[Task, threading.Thread]] = deque()

    # Tasks

    def next_number(self) -> int:
        """Return another number each time, in rising order."""
        return next(self._numbers)

    def start(self, task: Task, run: Callable[[], None]) -> None:
        """Run a task in a thread of its own, if there are too many, after others have ended."""
        thread = threading.Thread(
            target=self._run, args=(task, run), name="incremental-fit", daemon=True
        )
        with self.lock:
            if task.parent is None and len(self._alive) >= self._most_alive:
                self._later.append((task, thread))
            else:
                self._begin(task, thread)

    def _begin(self, task: Task, thread: threading.Thread) -> None:
        self._alive[task] = thread
        self._n_busy += 1
        thread.start()

    def _run(self, task: Task, run: Callable[[], None]) -> None:
        _running.task = task
        self._acquire(())
        try:
            run()
        finally:
            with self.lock:
                del self._alive[task]
                if self._later and len(self._alive) < self._most_alive:
                    self._begin(*self._later.popleft())
                self._pause()

    def _pause(self) -> None:
        """Take note that a task no longer runs."""
        if self._ready:
            heapq.heappop(self._ready)[-1].set()
        else:
            self._n_free += 1
        self._n_busy -= 1
        self._meet_if_all_wait()

    def _acquire(self, priority: tuple[int, ...]) -> None:
        """Wait until the calling task may run."""
        with self.lock:
            if self._n_free:
                self._n_free -= 1
                return
            event = threading.Event()
            heapq.heappush(self._ready, (priority, next(self._numbers), event))
        event.wait()

    # Meetings

    @contextmanager
    def adding(self) -> Iterator[None]:
        """Let no meeting begin before all tasks are added."""
        with self.lock:
            self._n_adding += 1
        try:
            yield
        finally:
            with self.lock:
                self._n_adding -= 1
                self._meet_if_all_wait()

    @contextmanager
    def absent(self) -> Iterator[None]:
        """Let others run, and meet, while the calling task waits for tasks of its own."""
        with self.lock:
            self._pause()
        try:
            yield
        finally:
            with self.lock:
                self._n_busy += 1
            self._acquire(())

    def ask(self, request: Any) -> None:
        """Put a request to the next meeting."""
        with self.lock:
            if request.task.is_aborted:
                raise Aborted
            self._requests.append(request)

    def wait(self, task: Task, is_answered: Callable[[], bool]) -> None:
        """Let others run until the calling task has an answer.

        Raises
        ------
        Aborted
            If the task is not needed any more.
        """
        with self.lock:
            if not (is_answered() or task.is_aborted):
                task.waits = True
                self._pause()
                while task.waits:
                    task.wakes_up.wait()
                paused = True
            else:
                paused = False
        if paused:
            self._acquire(task.priority)
        if task.is_aborted:
            raise Aborted

    def wake(self, task: Task) -> None:
        """Let a task go on that has an answer now."""
        with self.lock:
            if task.waits:
                task.waits = False
                self._n_busy += 1
                task.wakes_up.notify()

    def _meet_if_all_wait(self) -> None:
        if self._n_busy or self._n_adding or self._meets or not self._requests:
            return
        self._meets = True
        requests, self._requests = self._requests, []
        threading.Thread(
            target=self._meeting, args=(requests,), name="incremental-meeting", daemon=True
        ).start()

    def _meeting(self, requests: list[Any]) -> None:
        left: list[Any] = []
        try:
            # Not in the order of arrival, which is chance.
            wanted = [r for r in requests if not r.task.is_aborted]
            left = self._serve(sorted(wanted, key=lambda request: request.task.place))
        except BaseException as error:
            for request in requests:
                request.fail(error)
        finally:
            with self.lock:
                self._meets = False
                self._requests = left + self._requests
                self._meet_if_all_wait()

    # The end

    def abort(self, parent: Task | None) -> None:
        """Let all tasks of a parent end: when they wait, or ask for something."""
        with self.lock:
            self._later = deque(one for one in self._later if one[0].parent is not parent)
            for task in self._alive:
                task.aborted = task.aborted or task.parent is parent
            for task in self._alive:
                if task.is_aborted:
                    self.wake(task)

    def join(self, parent: Task | None) -> None:
        """Wait until all tasks of a parent have ended."""
        with self.lock:
            threads = [thread for task, thread in self._alive.items() if task.parent is parent]
        for thread in threads:
            thread.join()
