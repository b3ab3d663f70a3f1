"""The joblib backend "incremental": the fits of a search, in one scan."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from typing import Any

from joblib import cpu_count
from joblib.parallel import ParallelBackendBase, SequentialBackend

from incremental._engines.scan.joining import joined
from incremental._engines.scan.scanning import serve
from incremental._engines.scan.session import Session, Task, current_task

#: How many fits are alive at a time: each has a thread.
MOST_ALIVE = 500


class _Call:
    """A call of ``joblib.Parallel``: some tasks, and who waits for them.

    Parameters
    ----------
    parent : Task or None
        Who has called; None is somebody outside of any session.
    n_jobs : int
        How many tasks run at a time, if the session is new.
    """

    def __init__(self, parent: Task | None, n_jobs: int):
        self.parent = parent
        self.n_jobs = n_jobs
        self.session: Session | None = None
        #: Lets meetings begin.
        self.adding = ExitStack()
        #: What ends with the call.
        self.opened = ExitStack()


class IncrementalBackend(ParallelBackendBase):
    """Runs tasks in threads whose fits read each source block once for all of them.

    Parameters
    ----------
    nesting_level : int, default=None
        As joblib has it.
    """

    uses_threads = True
    supports_sharedmem = True
    supports_retrieve_callback = True
    default_n_jobs = -1

    def __init__(self, nesting_level: int | None = None, **options: Any):
        super().__init__(nesting_level=nesting_level, **options)
        self._calls: weakref.WeakKeyDictionary[Any, _Call] = weakref.WeakKeyDictionary()
        self._local = threading.local()

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return how many tasks run at a time; 1 becomes 2, or joblib would run them in turn."""
        if n_jobs == 0:
            raise ValueError("n_jobs must not be 0. Got 0; pass -1 for all cores.")
        if n_jobs is None:
            return 1
        return max(2, _n_jobs(n_jobs))

    def configure(
        self,
        n_jobs: int = 1,
        parallel: Any = None,
        prefer: Any = None,
        require: Any = None,
        **options: Any,
    ) -> int:
        if isinstance(parallel.pre_dispatch, str):  # an integer says how many are to be alive
            parallel.pre_dispatch = "all"
        call = _Call(current_task(), _n_jobs(n_jobs))
        self._calls[parallel] = self._local.call = call
        return super().configure(n_jobs=n_jobs, parallel=None)

    @property
    def _call(self) -> _Call:
        return self._local.call

    def start_call(self) -> None:
        call = self._call
        call.opened = ExitStack()
        if call.parent is None:
            call.session = Session(call.n_jobs, MOST_ALIVE, serve)
            call.opened.enter_context(joined(call.session))
        else:
            call.session = call.parent.session
        call.adding = ExitStack()
        call.adding.enter_context(call.session.adding())

    def submit(self, func: Callable[[], Any], callback: Any = None) -> Future:
        # A task that has ended adds the next one, which is not its own.
        call = self._calls[callback.parallel]
        assert call.session is not None
        future: Future = Future()
        if callback is not None:
            future.add_done_callback(callback)

        def run() -> None:
            try:
                result = func()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        call.session.start(Task(call.session, call.parent), run)
        return future

    def retrieve_result_callback(self, out: Future) -> Any:
        return out.result()

    @contextmanager
    def retrieval_context(self) -> Iterator[None]:
        call = self._call
        assert call.session is not None
        with ExitStack() as stack:
            if call.parent is not None:
                stack.enter_context(call.session.absent())
            call.adding.close()
            yield

    def stop_call(self) -> None:
        call = self._call
        if call.session is not None:
            call.adding.close()
            call.session.join(call.parent)
            call.session = None
            call.opened.close()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        call = self._call
        if call.session is not None:
            call.session.abort(call.parent)

    def get_nested_backend(self) -> tuple[ParallelBackendBase, int | None]:
        level = (self.nesting_level or 0) + 1
        return _Nested(nesting_level=level), None


class _Nested(IncrementalBackend):
    """The backend within a task; while that has an open stream, everything runs in turn."""

    def configure(self, n_jobs: int = 1, parallel: Any = None, **options: Any) -> int:
        task = current_task()
        if task is None or task.streams:
            from joblib.parallel import FallbackToBackend

            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        return super().configure(n_jobs=n_jobs, parallel=parallel, **options)


def _n_jobs(n_jobs: int | None) -> int:
    if n_jobs is None:
        return 1
    return n_jobs if n_jobs > 0 else max(1, cpu_count() + 1 + n_jobs)
