"""One window, computed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from dask.task_spec import DataNode, Task
from dask.typing import Key

from incremental._data.graphs import Graph

#: The key of the error in the results of a window that failed half-way.
FAILURE = "incremental-failure"


class Stopped(Exception):
    """The consumer of a stream has gone; raised in the background only."""


def execute(
    tasks: Graph,
    inputs: Mapping[Key, Any],
    outputs: Collection[Key],
    *,
    stop: threading.Event | None = None,
    before: Callable[[Key], None] | None = None,
    after: Callable[[Key, Any], None] | None = None,
) -> dict[Key, Any]:
    """Compute `tasks` in their order, each value let go after its last use.

    If one fails after some outputs are there, these are returned with the error under `FAILURE`,
    so that the blocks before the failing one are not lost.

    Examples
    --------
    >>> from dask.task_spec import DataNode, Task, TaskRef
    >>> tasks = {"a": DataNode("a", [1, 2]), "b": Task("b", len, TaskRef("a"))}
    >>> execute(tasks, {}, {"b"})
    {'b': 2}
    """
    values = dict(inputs)
    done = {key: inputs[key] for key in outputs if key in inputs} if inputs else {}
    last = {d: key for key, task in tasks.items() for d in task.dependencies}
    for key, task in tasks.items():
        if stop is not None and stop.is_set():
            raise Stopped
        if before is not None:
            before(key)
        try:
            values[key] = task(values)
        except Exception as error:
            if not done:
                raise
            return {**done, FAILURE: error}
        if key in outputs:
            done[key] = values[key]
        if after is not None:
            after(key, values[key])
        for dependency in task.dependencies:
            if last[dependency] == key:
                values.pop(dependency, None)
    return {key: done[key] for key in outputs}


def execute_with(get: Callable, tasks, inputs, outputs, **hooks) -> dict[Key, Any]:
    """Compute a window by a scheduler that is not one of dask's own."""
    keys = list(outputs)
    graph = dict(tasks)
    graph.update((key, DataNode(key, value)) for key, value in inputs.items())
    return _watched(tasks, lambda: dict(zip(keys, get(graph, keys), strict=True)), **hooks)


def execute_whole(get: Callable, tasks, inputs, outputs, **hooks) -> dict[Key, Any]:
    """Compute a window as one task, so that only its outputs travel between processes."""
    whole = {"window": Task("window", partial(execute, tasks, inputs, outputs))}
    return _watched(tasks, lambda: get(whole, "window"), **hooks)


def _watched(tasks, compute: Callable, *, stop=None, before=None, after=None) -> dict[Key, Any]:
    """Report the tasks of a window that is computed elsewhere, all when it begins and ends."""
    for key in tasks if before is not None else ():
        before(key)
    values = compute()
    for key in tasks if after is not None else ():
        after(key, values.get(key))
    return values
