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

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import copy_context
from typing import Any

from incremental._engines.scan.tasks import Call, Task
from incremental._engines.scan.threads import Threads

#: Answers requests.
Serve = Callable[[list[Any]], list[Any]]


class Session(Threads):
    """Tasks that meet; as a context, it ends when all of them have.

    Parameters
    ----------
    n_jobs : int
        How many tasks run at a time.
    most_alive : int
        How many tasks have a thread at a time; but at least one of each call has.
    serving : callable
        Returns a context, for as long as there may be meetings, of what answers requests and
        returns those that are left for the next meeting.
    computed : object, default=None
        What its tasks have in common besides.
    """

    def __init__(
        self,
        n_jobs: int,
        most_alive: int,
        serving: Callable[[], AbstractContextManager[Serve]],
        computed: Any = None,
    ):
        super().__init__(n_jobs, most_alive)
        self.computed = computed
        self._serving = serving
        #: Calls that have tasks to add.
        self._n_adding = 0
        #: What is asked for and not answered yet.
        self._requests: list[Any] = []
        #: Whether there are no more meetings.
        self._is_over = False
        # In the context of the caller: dask's annotations and its current client are parts of it.
        self._meetings = threading.Thread(
            target=copy_context().run, args=(self._meet,), name="incremental-meetings", daemon=True
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
                self._changed.notify_all()

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
            if not task.waits:
                return
            self._pause()
        task.may_run.acquire()
        task.check()

    def _all_wait(self) -> bool:
        return bool(self._requests) and not self._n_busy and not self._n_adding

    def _meet(self) -> None:
        """Hold the meetings of the session, one after the other."""
        with self._serving() as serve:
            while True:
                with self.lock:
                    while not (self._is_over or self._all_wait()):
                        self._changed.wait()
                    if self._is_over:
                        return
                self._meet_once(serve)  # whose variables do not hold blocks until the next meeting

    def _meet_once(self, serve: Serve) -> None:
        with self.lock:
            wanted = [r for r in self._requests if not r.task.call.is_aborted]
            self._requests = []
        wanted.sort(key=lambda request: request.task.place)  # not by arrival, which is chance
        try:
            left = serve(wanted)
        except BaseException as error:
            left = []
            for request in wanted:
                request.fail(error)
        with self.lock:
            self._requests = left + self._requests
