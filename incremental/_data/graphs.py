"""Graphs of dask's collections, merged and written out."""

from __future__ import annotations

import uuid
from typing import Any

from dask.core import toposort
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer
from dask.task_spec import GraphNode
from dask.typing import Key

from incremental._compat import as_task_specification


def in_few_layers(graph: HighLevelGraph) -> HighLevelGraph:
    """Put layers of written out tasks, and all that they depend on, into one.

    dask's own culling takes as long as there are layers times keys, and each `Delayed` has a layer
    of its own.
    """
    below = graph.dependencies
    is_plain = {name: isinstance(layer, MaterializedLayer) for name, layer in graph.layers.items()}
    # Others know the layers that they depend on by their names.
    named = {d for name, plain in is_plain.items() if not plain for d in below[name]}
    one = f"plain-{uuid.uuid4().hex}"
    tasks: dict[Key, Any] = {}
    joined: set[str] = set()
    for name in toposort(graph.layers, dependencies=below):
        if is_plain[name] and name not in named and below[name] <= joined:
            joined.add(name)
            tasks.update(graph.layers[name])
    rest = [name for name in graph.layers if name not in joined]
    return HighLevelGraph(
        {one: MaterializedLayer(tasks), **{name: graph.layers[name] for name in rest}},
        {one: set(), **{n: {one if d in joined else d for d in below[n]} for n in rest}},
    )


def flat(graph: Any) -> dict[Key, GraphNode]:
    if all(isinstance(task, GraphNode) for task in graph.values()):
        return graph
    return as_task_specification(graph)
