"""What is asked of a graph: which of its values come first, and which tasks read."""

from __future__ import annotations

from dask.task_spec import DataNode
from dask.typing import Key
from toolz import groupby

from incremental._data.graphs import Graph


def stages(graph: Graph, wanted: set[Key]) -> list[list[Key]]:
    """Group the keys in `wanted` so that each group depends on earlier groups only.

    Examples
    --------
    >>> from dask.task_spec import Task, TaskRef
    >>> graph = {
    ...     "mean": Task("mean", float),
    ...     "centred": Task("centred", abs, TaskRef("mean")),
    ...     "covariance": Task("covariance", abs, TaskRef("centred")),
    ... }
    >>> stages(graph, {"covariance", "mean"})
    [['mean'], ['covariance']]
    """
    level: dict[Key, int] = {}
    stack = list(wanted)
    while stack:
        key = stack.pop()
        below = [d for d in graph[key].dependencies if d in graph]
        todo = [d for d in below if d not in level]
        if todo:
            stack += [key, *todo]
        else:
            level[key] = max((level[d] + (d in wanted) for d in below), default=0)
    groups = groupby(level.__getitem__, wanted)
    return [groups[n] for n in sorted(groups)]


def is_source(graph: Graph, key: Key) -> bool:
    """Say whether a task reads data: it is made of nothing, or of what is in memory already.

    An open file or an array in memory is what all the tasks that read from it have in common.
    """
    task = graph[key]
    return not isinstance(task, DataNode) and all(
        isinstance(graph.get(d), DataNode) for d in task.dependencies
    )
