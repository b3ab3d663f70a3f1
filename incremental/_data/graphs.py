"""Graphs: those of dask's collections, merged and written out, and the parts of them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from dask.array.optimization import GETTERS, optimize
from dask.blockwise import fuse_roots, optimize_blockwise
from dask.core import toposort
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer
from dask.task_spec import Alias, GraphNode
from dask.typing import Key

from incremental._compat import as_task_specification

#: A flat dictionary of dask's task specification.
Graph = Mapping[Key, GraphNode]


def optimised(graph: HighLevelGraph, keys: list[Key]) -> dict[Key, GraphNode]:
    """Return what computes `keys`, optimised and written out.

    There is one optimiser for arrays, bags and delayed values, so that what they share stays
    shared.  Tasks that follow each other are not fused: that would cost more than to compute them
    one by one, as windows do.
    """
    graph = fuse_roots(optimize_blockwise(in_few_layers(graph), keys), keys)
    return with_merged_slices(as_tasks(culled(graph, keys)), keys)


def culled(graph: HighLevelGraph, keys: list[Key]) -> dict[Key, Any]:
    """Return what `keys` need, written out.

    As dask's own culling, but that makes a token of all keys, to name layers by it.
    """
    is_old = any(layer.has_legacy_tasks for layer in graph.layers.values())
    all_keys = graph.get_all_external_keys() if is_old else set()
    wanted = set(keys)
    found: dict[Key, Any] = {}
    for name in reversed(toposort(graph.layers, dependencies=graph.dependencies)):
        layer = graph.layers[name]
        # A layer that is asked for as many keys as it has comes back whole, whichever they are.
        needed = wanted.intersection(layer.get_output_keys())
        if isinstance(layer, MaterializedLayer) and not is_old:
            part = cull(layer, needed)  # as the layer's own, which makes a set for each task
            found.update(part)
            wanted.update(d for task in part.values() for d in task.dependencies if d not in part)
        elif needed:
            tasks, below = layer.cull(needed, all_keys)
            found.update(tasks)
            wanted.update(*below.values())
    return found


def cull(graph: Graph, keys: Iterable[Key]) -> dict[Key, GraphNode]:
    """Return the part of `graph` that `keys` need.

    Examples
    --------
    >>> from dask.task_spec import DataNode
    >>> cull({"a": DataNode("a", 1), "b": DataNode("b", 2)}, ["a"])
    {'a': DataNode(1)}
    """
    found: dict[Key, GraphNode] = {}
    stack = list(keys)
    while stack:
        key = stack.pop()
        if key not in found and key in graph:
            found[key] = graph[key]
            stack.extend(graph[key].dependencies)
    return found


def with_merged_slices(graph: dict[Key, GraphNode], keys: list[Key]) -> dict[Key, GraphNode]:
    """Read from files no more than the slices that are wanted of what is read: ``x[:10][2:4]``.

    dask's optimiser of arrays does it, for these tasks alone.
    """
    reads = {key: task for key, task in graph.items() if getattr(task, "func", None) in GETTERS}
    sliced = [task for task in reads.values() if not reads.keys().isdisjoint(task.dependencies)]
    if not sliced:
        return graph
    rest = {key: task for key, task in graph.items() if key not in reads}
    wanted = reads.keys() & {*keys, *(d for task in rest.values() for d in task.dependencies)}
    return {**rest, **as_tasks(optimize(reads, list(wanted)))}


def in_few_layers(graph: HighLevelGraph) -> HighLevelGraph:
    """Put layers of written out tasks, and all that they depend on, into one.

    dask's own culling takes as long as there are layers times keys, and each `Delayed` has a layer
    of its own.
    """
    below = graph.dependencies
    is_plain = {name: isinstance(layer, MaterializedLayer) for name, layer in graph.layers.items()}
    # Blockwise and shuffle layers name the layers that they take from, so those keep their names.
    named = {d for name, plain in is_plain.items() if not plain for d in below[name]}
    one = f"plain-{uuid.uuid4().hex}"
    tasks: dict[Key, Any] = {}
    joined: set[str] = set()
    for name in toposort(graph.layers, dependencies=below):
        if is_plain[name] and name not in named and below[name] <= joined:
            joined.add(name)
            tasks.update(graph.layers[name])
    rest = {name: graph.layers[name] for name in graph.layers if name not in joined}
    for name, layer in rest.items():
        if is_plain[name]:
            rest[name] = MaterializedLayer(by_their_keys(layer))
    return HighLevelGraph(
        {one: MaterializedLayer(as_tasks(tasks)), **rest},
        {one: set(), **{n: {one if d in joined else d for d in below[n]} for n in rest}},
    )


def as_tasks(graph: Mapping[Key, Any]) -> dict[Key, GraphNode]:
    """Return a graph of task specifications, each of which has the key that it stands under."""
    if not all(isinstance(task, GraphNode) for task in graph.values()):
        graph = as_task_specification(graph)
    return by_their_keys(graph)


def by_their_keys(graph: Mapping[Key, Any]) -> dict[Key, Any]:
    """Give each task the key that it stands under: optimisers go by the task's.

    Slices of dask's frames (``frame.loc[10:30]``) have tasks with the key of their input.

    Examples
    --------
    >>> from dask.task_spec import Alias
    >>> by_their_keys({"here": Alias("there", "there")})
    {'here': Alias('here'->'there')}
    """
    wrong = {
        key: Alias(key, task.target) if isinstance(task, Alias) else task.substitute({}, key=key)
        for key, task in graph.items()
        if isinstance(task, GraphNode) and task.key != key
    }
    return {**graph, **wrong} if wrong or not isinstance(graph, dict) else graph
