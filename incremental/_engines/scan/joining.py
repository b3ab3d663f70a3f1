"""What a session changes for as long as it lasts: dask's scheduler, and its fusion of tasks."""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import dask
from dask.core import flatten
from dask.typing import Key

from incremental._compat import as_task_specification
from incremental._engines.scan.requests import Values
from incremental._engines.scan.session import Session, Task, current_task
from incremental._planning.windows import cull

#: How many computed values of scikit-learn's own are kept: metrics ask for the same ones again.
N_KEPT = 8


class Joined:
    """dask's scheduler for a session: what its tasks compute, they compute together.

    Parameters
    ----------
    scheduler : str, callable or None
        The scheduler that was configured.
    """

    def __init__(self, scheduler: Any):
        self._scheduler = scheduler
        self._kept: OrderedDict[Key, Any] = OrderedDict()
        self._lock = threading.Lock()

    def outer(self, collections: Sequence[Any]) -> Callable[..., Any]:
        """Return what would compute collections without a session."""
        if self._scheduler is not None:
            return dask.base.get_scheduler(scheduler=self._scheduler)
        default = getattr(collections[0], "__dask_scheduler__", None) if collections else None
        return default or dask.threaded.get

    def __call__(self, graph: Any, keys: Any, **options: Any) -> Any:
        task = current_task()
        get = self.outer([])
        if task is None or task.streams:
            return get(graph, keys, **options)
        graph = as_task_specification(dict(graph))
        wanted = list(flatten([keys]))
        # The last task that puts blocks together has a new name each time.
        below = {key: [d for d in graph[key].dependencies if d in graph] or [key] for key in wanted}
        inputs = dict.fromkeys(key for part in below.values() for key in part)
        values = self._values(task, get, graph, list(inputs))
        found = {key: values[key] if key in values else graph[key](values) for key in wanted}
        return _packed(keys, found)

    def _values(self, task: Task, get: Any, graph: Any, keys: list[Key]) -> dict[Key, Any]:
        with self._lock:
            known = {key: self._kept[key] for key in keys if key in self._kept}
        todo = [key for key in keys if key not in known]
        if todo:
            found = Values(task, get, cull(graph, todo), todo).result()
            known.update(zip(todo, found, strict=True))
            with self._lock:
                if len(todo) == len(keys):
                    self._kept.update((key, known[key]) for key in todo)
                    while len(self._kept) > N_KEPT * max(1, len(keys)):
                        self._kept.popitem(last=False)
        return known


def _packed(keys: Any, found: Mapping[Key, Any]) -> Any:
    if isinstance(keys, list):
        return [_packed(key, found) for key in keys]
    return found[keys]


@contextmanager
def joined(session: Session) -> Iterator[None]:
    """Let the tasks of a session compute together."""
    before = dask.config.get("scheduler", None)
    # Filters that overlapping tasks change are given back when all of them have ended.
    with (
        warnings.catch_warnings(),
        dask.config.set({"scheduler": Joined(before), "optimization.fuse.active": False}),
    ):
        yield
