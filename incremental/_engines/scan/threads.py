"""Threads that tasks run in: how many there are, how many run, and how they end."""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from incremental._engines.scan.tasks import Call, Slots, Task, current_task, set_current_task


class Threads:
    """Runs tasks, each in a thread of its own.

    Parameters
    ----------
    n_jobs : int
        How many tasks run at a time.
    most_alive : int
        How many tasks have a thread at a time; but at least one of each call has.
    """

    def __init__(self, n_jobs: int, most_alive: int):
        self.lock = threading.RLock()
        self.n_jobs = n_jobs
        self._most_alive = most_alive
        self._slots = Slots(n_jobs)
        self._numbers = itertools.count()
        #: Tasks that have a thread, in the order of their beginning.
        self._alive: dict[Task, None] = {}
        #: How many of them neither wait nor are absent.
        self._n_busy = 0
        #: All that have begun, but for some that have ended.
        self._threads: list[threading.Thread] = []
        #: Calls some of whose tasks have no thread yet.
        self._with_more: dict[Call, None] = {}
        #: Told when fewer tasks are busy.
        self._changed = threading.Condition(self.lock)

    def next_number(self) -> int:
        """Return another number each time, in rising order."""
        return next(self._numbers)

    def start(self, task: Task, run: Callable[[], None]) -> None:
        """Run a task in a thread of its own; if there are too many, in that of one that ends.

        Of an aborted call, which may get a task still by another that just ends, it is run here:
        `run` is to see to that, and raises nothing.
        """
        call = task.call
        with self.lock:
            if not call.is_aborted:
                if len(self._alive) < self._most_alive or not call.n_alive:
                    try:
                        return self._begin(task, run)
                    except RuntimeError:  # there can be no more threads
                        if not call.n_alive:
                            raise
                call.later.append((task, run))
                self._with_more[call] = None
                return None
        return run()

    def _begin(self, task: Task, run: Callable[[], None]) -> None:
        thread = threading.Thread(
            target=self._run, args=(task, run), name="incremental-fit", daemon=True
        )
        self._count(task, 1)
        try:
            thread.start()
        except BaseException:  # Ctrl-C, too, and the thread may run already
            self._count(task, -1)
            raise

    def _count(self, task: Task, n: int) -> None:
        """Take note that a task begins (`n` is 1) or has ended (-1)."""
        if n > 0:
            self._alive[task] = None
        else:
            del self._alive[task]
        task.call.n_alive += n
        self._n_busy += n

    def _run(self, task: Task, run: Callable[[], None]) -> None:
        with self.lock:
            if task not in self._alive:  # Ctrl-C has come meanwhile
                return
            # They are waited for in the end: one that has run its last task still has to end.
            self._threads.append(threading.current_thread())
            if len(self._threads) > 2 * self._most_alive:
                self._threads = [thread for thread in self._threads if thread.is_alive()]
        following: tuple[Task, Callable[[], None]] | None = (task, run)
        while following is not None:
            task, run = following
            set_current_task(task)
            with self.lock:
                self._slots.add(task)
            task.may_run.acquire()
            try:
                run()
            except BaseException:  # of a callback: nobody else would hear of it
                threading.excepthook(
                    threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread()))
                )
            following = self._ended(task)
            del run

    def _ended(self, task: Task) -> tuple[Task, Callable[[], None]] | None:
        """Take note that a task has ended; return one that begins in its thread."""
        with self.lock:
            self._count(task, -1)
            call: Call | None = task.call
            assert call is not None
            if call.n_alive or not call.later:  # else this is its only thread
                has_room = len(self._alive) < self._most_alive
                call = next(iter(self._with_more), None) if has_room else None
            following = None
            if call is not None:
                following = call.later.popleft()
                if not call.later:
                    del self._with_more[call]
                self._count(following[0], 1)
            self._slots.leave()
            self._changed.notify_all()
            return following

    def _pause(self) -> None:
        """Take note that a task does not run for a while."""
        self._n_busy -= 1
        self._slots.leave()
        if not self._n_busy:
            self._changed.notify_all()

    @contextmanager
    def absent(self, call: Call) -> Iterator[None]:
        """Let others run, and meet, while a task waits for tasks of its own."""
        task = call.parent
        if task is None:
            yield
            return
        with self.lock:
            self._pause()
        try:
            yield
        finally:
            with self.lock:
                self._n_busy += 1
                self._slots.add(task)
            task.may_run.acquire()

    @contextmanager
    def elsewhere(self) -> Iterator[None]:
        """Let others run while a task waits for a cluster; nobody meets without it."""
        task = current_task()
        assert task is not None
        with self.lock:
            self._slots.leave()
        try:
            yield
        finally:
            with self.lock:
                self._slots.add(task)
            task.may_run.acquire()

    def wake(self, task: Task) -> None:
        """Let a task go on that has an answer now."""
        with self.lock:
            if task.waits:
                task.waits = False
                self._n_busy += 1
                self._slots.add(task, task.priority)

    def abort(self, call: Call) -> None:
        """Let all tasks of a call end: when they wait, or ask for something."""
        with self.lock:
            call.is_over = True
            for task in self._alive:
                if task.waits and task.call.is_aborted:
                    self.wake(task)
            dropped: list[Callable[[], None]] = []
            for other in [c for c in self._with_more if c.is_aborted]:
                dropped += [run for _, run in other.later]
                other.later.clear()
                del self._with_more[other]
        for run in dropped:  # whoever waits for such a task hears that it is aborted
            run()

    def join(self, call: Call) -> None:
        """Wait until all tasks of a call have ended; it gets no more."""
        self.abort(call)
        with self.absent(call), self.lock:
            while call.n_alive:
                self._changed.wait()
