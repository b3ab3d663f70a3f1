"""Where the fits of a session meet.

A session has tasks, each in a thread of its own.  At most `n_jobs` of them run at a time.  A task
that needs blocks or values asks for them and waits.  When all tasks wait, what they have asked for
is merged and computed once, which is a meeting: values first, and then one scan that hands each
block to all who need it.

::

    task 1  ... asks --------- waits --.          .- learns block 0, block 1, ... - asks for scores
    task 2  ... asks ------ waits -----+- meeting +- learns block 0, block 1, ... - asks for scores
    task 3  ......... asks - waits ----'          '- learns block 0, block 1, ... - asks for scores

A task that waits for tasks of its own (a search within a task) is absent: nobody waits for it.  A
task that others may wait for (it has a block, or a lock of joblib's) is alone: it never waits.

Notes
-----
Thread-safety: whatever changes the state of a session does so with its lock held.  Who makes a task
run again counts it as running at once, and not the task itself when it wakes up: otherwise thread 1
answers a task, thread 2, the last that runs, waits before the answered task wakes up, and a meeting
begins without it.

Ctrl-C may interrupt the main thread anywhere.  So that nothing is lost then, it starts tasks and
waits for them, and never runs one: meetings have a thread of their own from the beginning.
"""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from incremental._engines.scan.tasks import Call, Slots, Task, set_current_task


class Session:
    """Tasks that meet; as a context, it ends when all of them have.

    Parameters
    ----------
    n_jobs : int
        How many tasks run at a time.
    most_alive : int
        How many tasks have a thread at a time; but at least one of each call has.
    serve : callable
        ``serve(requests)`` answers requests, and returns those that are left for the next meeting.
    computed : object, default=None
        What its tasks have in common besides.
    """

    def __init__(
        self,
        n_jobs: int,
        most_alive: int,
        serve: Callable[[list[Any]], list[Any]],
        computed: Any = None,
    ):
        self.lock = threading.RLock()
        self.n_jobs = n_jobs
        self.computed = computed
        self._most_alive = most_alive
        self._serve = serve
        #: Tasks that are begun, and neither wait nor are absent nor have ended.
        self._n_busy = 0
        #: Calls that have tasks to add.
        self._n_adding = 0
        self._requests: list[Any] = []
        self._slots = Slots(n_jobs, self.lock)
        self._numbers = itertools.count()
        #: Tasks that have a thread, in the order of their beginning.
        self._alive: dict[Task, None] = {}
        self._threads: set[threading.Thread] = set()
        #: Calls some of whose tasks have no thread yet.
        self._with_more: dict[Call, None] = {}
        #: Told when a meeting may begin, and when a task has ended.
        self._changed = threading.Condition(self.lock)
        self._is_over = False
        self._meetings = threading.Thread(
            target=self._meet, name="incremental-meetings", daemon=True
        )

    def __enter__(self) -> Session:
        try:
            self._meetings.start()
        except BaseException:  # Ctrl-C, and the thread may run already
            self._end()
            raise
        return self

    def __exit__(self, kind: Any, *exception: Any) -> None:
        threads = self._end()
        if kind is None:  # else somebody does not want to wait
            for thread in threads:
                thread.join()

    def _end(self) -> list[threading.Thread]:
        with self.lock:
            self._is_over = True
            self._changed.notify_all()
            return [*self._threads, self._meetings]

    # Tasks

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
            self._threads.add(threading.current_thread())
        following: tuple[Task, Callable[[], None]] | None = (task, run)
        while following is not None:
            task, run = following
            set_current_task(task)
            self._slots.acquire(())
            try:
                run()
            except BaseException:  # of a callback: nobody else would hear of it
                threading.excepthook(
                    threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread()))
                )
            following = self._ended(task)
            del run
        with self.lock:
            self._threads.discard(threading.current_thread())

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
            self._slots.release()
            self._changed.notify_all()
            return following

    def _pause(self) -> None:
        """Take note that a task does not run for a while."""
        self._n_busy -= 1
        self._slots.release()
        self._meet_if_all_wait()

    # Meetings

    @contextmanager
    def adding(self, call: Call) -> Iterator[None]:
        """Let no meeting begin before all tasks of a call are added.

        Who adds them is alone: it may compute something for each (labels, to split by them).
        """
        with self.lock:
            self._n_adding += 1
        try:
            with call.parent.alone() if call.parent else nullcontext():
                yield
        finally:
            with self.lock:
                self._n_adding -= 1
                self._meet_if_all_wait()

    @contextmanager
    def absent(self, call: Call) -> Iterator[None]:
        """Let others run, and meet, while a task waits for tasks of its own."""
        if call.parent is None:
            yield
            return
        with self.lock:
            self._pause()
        try:
            yield
        finally:
            with self.lock:
                self._n_busy += 1
            self._slots.acquire(())

    def ask(self, request: Any) -> None:
        """Put a request to the next meeting."""
        with self.lock:
            request.task.check()
            self._requests.append(request)

    def wait(self, task: Task, is_answered: Callable[[], bool]) -> None:
        """Let others run until the calling task has an answer.

        Raises
        ------
        Aborted
            If the task is not needed any more.
        """
        with self.lock:
            task.check()
            task.waits = not is_answered()
            paused = task.waits
            if paused:
                self._pause()
            while task.waits:
                task.wakes_up.wait()
        if paused:
            self._slots.acquire(task.priority)
            task.check()

    def wake(self, task: Task) -> None:
        """Let a task go on that has an answer now."""
        with self.lock:
            if task.waits:
                task.waits = False
                self._n_busy += 1
                task.wakes_up.notify()

    def _meet_if_all_wait(self) -> None:
        if self._all_wait():
            self._changed.notify_all()

    def _all_wait(self) -> bool:
        return bool(self._requests) and not self._n_busy and not self._n_adding

    def _meet(self) -> None:
        """Hold the meetings of the session, one after the other."""
        while True:
            with self.lock:
                while not (self._is_over or self._all_wait()):
                    self._changed.wait()
                if self._is_over:
                    return
            self._meet_once()  # whose variables do not hold blocks until the next meeting

    def _meet_once(self) -> None:
        with self.lock:
            wanted = [r for r in self._requests if not r.task.call.is_aborted]
            self._requests = []
        wanted.sort(key=lambda request: request.task.place)  # not by arrival, which is chance
        try:
            left = self._serve(wanted)
        except BaseException as error:
            left = []
            for request in wanted:
                request.fail(error)
        with self.lock:
            self._requests = left + self._requests

    # The end

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
