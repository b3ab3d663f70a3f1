"""The joblib backend "incremental": the fits of a search, in one scan."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from typing import Any

import dask.array as da
from joblib import cpu_count
from joblib.parallel import FallbackToBackend, ParallelBackendBase, SequentialBackend

from incremental._compat import with_arguments
from incremental._data.selectable import Selectable
from incremental._engines.local.schedulers import client_of
from incremental._engines.scan.joining import joined
from incremental._engines.scan.scanning import serving
from incremental._engines.scan.session import Session
from incremental._engines.scan.tasks import Call, Task, current_task

#: How many fits are alive at a time: each has a thread.
MOST_ALIVE = 500


class IncrementalBackend(ParallelBackendBase):
    """Runs tasks in threads whose fits read each source block once for all of them.

    Notes
    -----
    A backend may serve several calls of ``joblib.Parallel`` at once (generators), and is not told
    which one it is asked for.  So this one hands each on to a backend of its own, `_OfOneCall`.
    """

    uses_threads = True
    supports_sharedmem = True
    supports_retrieve_callback = True
    default_n_jobs = -1

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return how many tasks run at a time."""
        if n_jobs == 0:
            raise ValueError("n_jobs must not be 0. Got 0; pass -1 for all cores.")
        if n_jobs is None:
            return 1
        return n_jobs if n_jobs > 0 else max(1, cpu_count() + 1 + n_jobs)

    def configure(self, n_jobs: int = 1, parallel: Any = None, **options: Any) -> int:
        task = current_task()
        # The task of a generator would compute itself while it counts as one that only waits.
        if task is not None and (task.is_alone or parallel.return_generator):
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        return self._configure(n_jobs, parallel)

    def _configure(self, n_jobs: int, parallel: Any) -> int:
        raise FallbackToBackend(_OfOneCall(nesting_level=self.nesting_level))

    def apply_async(self, func: Callable[[], Any], callback: Any = None) -> Future:
        """Do what joblib before 1.5 calls so, and requires of each backend."""
        return self.submit(func, callback)

    def get_nested_backend(self) -> tuple[ParallelBackendBase, int | None]:
        return IncrementalBackend(nesting_level=(self.nesting_level or 0) + 1), None


class _OfOneCall(IncrementalBackend):
    """Runs the tasks of one call of ``joblib.Parallel`` at a time."""

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return the number, but at least 2: for one, joblib asks no backend."""
        return max(2, super().effective_n_jobs(n_jobs))

    def _configure(self, n_jobs: int, parallel: Any) -> int:
        if isinstance(parallel.pre_dispatch, str):  # an integer says how many are to be alive
            parallel.pre_dispatch = "all"
        self._n_jobs = super().effective_n_jobs(n_jobs)
        return self.effective_n_jobs(n_jobs)

    def start_call(self) -> None:
        parent = current_task()
        with ExitStack() as stack:
            if parent is None:
                computed = stack.enter_context(joined())
                if computed.get is not None and client_of(computed.get):
                    from incremental._engines.cluster.engine import out_of_the_way

                    stack.enter_context(out_of_the_way())
                session = stack.enter_context(Session(self._n_jobs, MOST_ALIVE, serving, computed))
            else:
                session = parent.session
            #: The tasks.
            self._call = Call(session, parent)
            #: Arrays that tasks are given, by their identities, with those that stand for them.
            self._selectable: dict[int, tuple[Any, Any]] = {}
            #: What is to be left for meetings to begin.
            self._adding = ExitStack()
            self._adding.enter_context(session.adding(self._call))
            #: What is to be left when the call ends.
            self._opened = stack.pop_all()

    def submit(self, func: Callable[[], Any], callback: Any = None) -> Future:
        future: Future = Future()
        if callback is not None:
            future.add_done_callback(callback)
        task = Task(self._call)
        # Candidates select the same rows of the same X.
        func = with_arguments(func, self._as_selectable)
        context = copy_context()  # dask's annotations and its current client are parts of it

        def run() -> None:
            try:
                task.check()
                result = context.run(func)
            except BaseException as error:
                task.is_alone = True
                future.set_exception(error)
            else:
                # joblib adds the next task here, with a lock held that others need.
                task.is_alone = True
                future.set_result(result)

        try:
            self._call.session.start(task, run)
        except RuntimeError as error:  # there can be no more threads: who has added it has to know
            future.set_exception(error)
        return future

    def _as_selectable(self, value: Any) -> Any:
        if not isinstance(value, da.Array):
            return value
        return self._selectable.setdefault(id(value), (value, Selectable.of(value)))[1]

    def retrieve_result_callback(self, out: Future) -> Any:
        return out.result()

    @contextmanager
    def retrieval_context(self) -> Iterator[None]:
        with self._call.session.absent(self._call):
            self._adding.close()
            yield

    def stop_call(self) -> None:
        with self._opened:
            self._adding.close()
            self._call.session.join(self._call)
        del self._call, self._opened, self._adding, self._selectable

    def abort_everything(self, ensure_ready: bool = True) -> None:
        self._call.session.abort(self._call)
