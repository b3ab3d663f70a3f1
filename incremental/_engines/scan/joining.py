"""What sessions change for as long as they last: dask's scheduler, and its fusion of tasks."""

from __future__ import annotations

import gc
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import dask
from dask.core import flatten
from dask.typing import Key

from incremental._compat import as_task_specification
from incremental._data.graphs import cull
from incremental._data.values import n_bytes
from incremental._engines.local.schedulers import client_of, open_scheduler, scheduler_of
from incremental._engines.scan.requests import Values
from incremental._engines.scan.tasks import Task, current_task

#: How many bytes of computed values of scikit-learn's own are kept: metrics ask for the same ones,
#: labels and predictions, again and again.
N_BYTES_KEPT = 2**26


class Computed:
    """What the tasks of a session have asked for that was no fit, score or prediction.

    Parameters
    ----------
    get : callable or None
        dask's scheduler when the session began; None is that of the data.
    """

    def __init__(self, get: Callable[..., Any] | None):
        self.get = get
        #: Those that were computed last.
        self._kept: OrderedDict[Key, Any] = OrderedDict()
        self._n_bytes = 0
        self._lock = threading.Lock()

    def values(self, task: Task, get: Any, graph: Any, keys: list[Key]) -> dict[Key, Any]:
        """Compute values together with the other tasks, but for those that are kept."""
        with self._lock:
            known = {key: self._kept[key] for key in keys if key in self._kept}
        todo = [key for key in keys if key not in known]
        if todo:
            found = Values(task, get, cull(graph, todo), todo).result()
            known.update(zip(todo, found, strict=True))
            with self._lock:
                self._keep({key: known[key] for key in todo})
        return known

    def _keep(self, values: Mapping[Key, Any]) -> None:
        for key, value in values.items():
            if key not in self._kept:
                self._kept[key] = value
                self._n_bytes += n_bytes(value)
        while self._n_bytes > N_BYTES_KEPT:
            _, value = self._kept.popitem(last=False)
            self._n_bytes -= n_bytes(value)


class Joined:
    """dask's scheduler while there are sessions: what their tasks compute, they compute together.

    Parameters
    ----------
    scheduler : str, callable or None
        The scheduler that was configured.
    """

    def __init__(self, scheduler: Any):
        self._scheduler = scheduler

    def outer(self, collections: Sequence[Any]) -> Callable[..., Any]:
        """Return what would compute collections without a session."""
        task = current_task()
        if task is not None and task.session.computed.get is not None:
            return task.session.computed.get
        if self._scheduler is not None:
            return dask.base.get_scheduler(scheduler=self._scheduler)
        default = getattr(collections[0], "__dask_scheduler__", None) if collections else None
        return default or dask.threaded.get

    def __call__(self, graph: Any, keys: Any, **options: Any) -> Any:
        task, get = current_task(), self.outer([])
        if task is None or (task.is_alone and client_of(get) is not None):
            return get(graph, keys, **options)
        if task.is_alone:
            with open_scheduler(get) as scheduler:  # dask's would keep a pool for each thread
                return scheduler.get(graph, keys, **options)
        if hasattr(graph, "__dask_graph__"):  # an expression
            graph = graph.__dask_graph__()
        graph = as_task_specification(dict(graph))
        wanted = list(flatten([keys]))
        # The last task that puts blocks together has a new name each time.
        below = {key: [d for d in graph[key].dependencies if d in graph] or [key] for key in wanted}
        inputs = dict.fromkeys(key for part in below.values() for key in part)
        values = task.session.computed.values(task, get, graph, list(inputs))
        found = {key: values[key] if key in values else graph[key](values) for key in wanted}
        shared = {id(value) for value in values.values()}
        for key, value in found.items():  # who computes something may change it: give it away
            if id(value) in shared or getattr(value, "base", None) is not None:
                found[key] = value.copy() if hasattr(value, "copy") else value
        return _packed(keys, found)


def _packed(keys: Any, found: Mapping[Key, Any]) -> Any:
    if isinstance(keys, list):
        return [_packed(key, found) for key in keys]
    return found[keys]


_changing = threading.Lock()
_n_sessions = 0
_changed = ExitStack()


def scheduler_around(collections: list[Any]) -> Callable:
    """Return the ``get`` that dask would compute `collections` with, were nothing joined."""
    get = scheduler_of(collections)
    return get.outer(collections) if isinstance(get, Joined) else get


@contextmanager
def joined() -> Iterator[Computed]:
    """Let the tasks of a session compute together.

    Notes
    -----
    What is changed is that of the process, and sessions of several threads may overlap: the first
    one changes it, and the last one gives it back.
    """
    global _n_sessions
    get = scheduler_around([])
    n = 0
    try:  # Ctrl-C may come anywhere
        with _changing:
            if not _n_sessions:
                _change()
            n = 1
            _n_sessions += n
        yield Computed(get)
    finally:
        with _changing:
            _n_sessions -= n
            if not _n_sessions:
                _changed.close()


def _change() -> None:
    # Filters that overlapping tasks change are given back when all of them have ended, and so is
    # the garbage collection, which dask turns off and on.
    _changed.enter_context(warnings.catch_warnings())
    if gc.isenabled():
        _changed.callback(gc.enable)
    before = dask.config.get("scheduler", None)
    _changed.enter_context(dask.config.set({"scheduler": Joined(before)}))
