"""Lazy results, one block for each block of the data: arrays, dataframes and series of dask's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import dask.array as da
import numpy as np
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer
from dask.task_spec import GraphNode, Task, TaskRef
from dask.typing import Key

from incremental._data.arrays import Array
from incremental._data.blocks import in_one_graph
from incremental._data.container import Container
from incremental._data.frames import Frame

#: Called with a block, and what all blocks share.
Call = Callable[..., Any]


def array_of(container: Container, call: Call, shared: Delayed, example: Any, name: str) -> Any:
    """Return a dask array of ``call(block, shared, number)`` for each block.

    Parameters
    ----------
    container : Container
        The blocks.
    call : callable
        Returns an array with as many rows as the block.
    shared : Delayed
        Enters the graph once.
    example : array
        Looks like what `call` returns.
    name : str
        The name of the result, in a graph and on a dashboard; the same for the same blocks.
    """
    rest = tuple((n,) for n in example.shape[1:])
    index = (0,) * (example.ndim - 1)
    layer: dict[Key, GraphNode] = {}
    for i, block in enumerate(container.keys):
        key = (name, i, *index)
        layer[key] = Task(key, call, TaskRef(block), TaskRef(shared.key), i)
    below, model = container.graph, shared.dask
    graph = HighLevelGraph(
        {**below.layers, **model.layers, name: MaterializedLayer(layer)},
        {**below.dependencies, **model.dependencies, name: {*below.layers, *model.layers}},
    )
    return da.Array(graph, name, (container.chunks, *rest), meta=example[:0])


def frame_of(container: Container, call: Call, shared: Delayed, example: Any, name: str) -> Any:
    """Return a dask dataframe, or series, of ``call(block, shared, number, start)`` for each block.

    `start` is the position of the first row of the block, from which on the rows of the result are
    numbered; None where it is not known, or where the block has an index of its own.  The other
    parameters are those of `array_of`.
    """
    import dask.dataframe as dd

    n_blocks = container.n_blocks
    starts: list[int | None] = [None] * n_blocks
    divisions: tuple[Any, ...] = (None,) * (n_blocks + 1)
    if isinstance(container, Frame):
        divisions = container.divisions
    elif isinstance(container, Array) and container.n_rows is not None:
        stops = np.cumsum([0, *container.lengths]).tolist()  # type: ignore[list-item]
        starts = stops[:-1]
        if all(container.lengths):
            divisions = (*starts, stops[-1] - 1)
    tasks = {**in_one_graph([container]), **shared.dask}
    keys: list[Key] = [(name, i) for i in range(n_blocks)]
    for i, (key, block, start) in enumerate(zip(keys, container.keys, starts, strict=True)):
        tasks[key] = Task(key, call, TaskRef(block), TaskRef(shared.key), i, start)
    return dd.from_graph(
        _Tasks(tasks, name), example.iloc[:0], divisions, keys, name.rpartition("-")[0]
    )


class _Tasks(Mapping):
    """A graph that dask can name without looking at each of its tasks.

    Parameters
    ----------
    tasks : mapping
        The graph.
    name : str
        Another one for another graph.
    """

    def __init__(self, tasks: Mapping[Key, Any], name: str):
        self._tasks = tasks
        self._name = name

    def __getitem__(self, key: Key) -> Any:
        return self._tasks[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    def __dask_tokenize__(self) -> str:
        return self._name
