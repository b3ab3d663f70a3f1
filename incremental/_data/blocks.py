"""Rows of X, y and per-row parameters, cut into blocks that share one graph."""

from __future__ import annotations

import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from dask.highlevelgraph import HighLevelGraph
from dask.task_spec import DataNode, GraphNode, Task, TaskRef
from dask.typing import Key
from dask.utils import disable_gc

from incremental._data.container import Container, Promise
from incremental._data.containers import as_container
from incremental._data.frames import Frame, lower_together
from incremental._data.graphs import optimised
from incremental._data.values import Block


@dataclass(frozen=True)
class Blocks:
    """Rows of X, y and per-row parameters, cut into blocks that share one graph."""

    #: Everything that the blocks are computed from, optimised once.
    graph: dict[Key, GraphNode]
    #: What the values of a block are: "X", "y", "sample_weight", ...
    names: tuple[str, ...]
    #: For each block the keys of its values, in the order of `names`.
    keys: list[tuple[Key, ...]]
    #: Rows of each block; None where they are not known before the block is computed.
    lengths: list[int | None]
    #: What the blocks are called: their positions in the data.
    numbers: Sequence[int]
    #: The collections, which say which scheduler computes them.
    collections: list[Any]
    #: What a block of X has to look like: its shape but for the rows, and its dtype.
    promise: Promise | None
    #: What the values are called where those of a block travel as one dictionary; else empty.
    packed: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.keys)

    def n_bytes(self, position: int) -> int:
        """Return the bytes of a block of X, 0 if they are not known before it is computed."""
        return (self.lengths[position] or 0) * self._n_bytes_of_row

    @cached_property
    def _n_bytes_of_row(self) -> int:
        if self.promise is None:
            return 0
        shape, dtype = self.promise
        return int(math.prod(shape)) * dtype.itemsize

    @property
    def largest(self) -> int:
        """Return the most bytes that a block of X is known to have; 0 if none is known."""
        return max(map(self.n_bytes, range(len(self))), default=0)

    @property
    def keys_to_compute(self) -> list[tuple[Key, ...]]:
        """Return for each block the keys of its values that are not in memory already."""
        return [
            tuple(key for key in keys if not isinstance(self.graph.get(key), DataNode))
            for keys in self.keys
        ]

    def only(self, *names: str) -> Blocks:
        """Return the same blocks without the values that are not named."""
        at = [self.names.index(name) for name in names]
        keys = [tuple(block[i] for i in at) for block in self.keys]
        promise = self.promise if "X" in names else None
        return replace(self, names=names, keys=keys, promise=promise)

    def take(self, order: Sequence[int]) -> Blocks:
        """Return the blocks at the positions `order`, in that order."""
        return replace(
            self,
            keys=[self.keys[i] for i in order],
            lengths=[self.lengths[i] for i in order],
            numbers=[self.numbers[i] for i in order],
        )

    def map(
        self,
        name: str,
        function: Any,
        state: Any,
        *,
        label: str,
        keep: Sequence[str] = (),
        packed: tuple[str, ...] = (),
    ) -> Blocks:
        """Return blocks of ``function(state, number, *values)``, and of the values to keep.

        Parameters
        ----------
        name : str
            What the result is called.
        function : callable
            Given `state`, the number of the block, and its values.
        state : object
            Enters the graph once, whatever its size.
        label : str
            What a dashboard shows.
        keep : sequence of str
            The values of a block that stay as they are.
        packed : tuple of str
            What `function` calls the values that it returns, if that is a dictionary of them.
        """
        token = uuid.uuid4().hex
        graph = dict(self.graph)
        shared = f"{label}-settings-{token}"
        graph[shared] = DataNode(shared, state)
        at = [self.names.index(kept) for kept in keep]
        keys = []
        for number, block in zip(self.numbers, self.keys, strict=True):
            key = (f"{label}-{token}", number)
            graph[key] = Task(key, function, TaskRef(shared), number, *map(TaskRef, block))
            keys.append((key, *(block[j] for j in at)))
        names = (name, *keep)
        return replace(self, graph=graph, names=names, keys=keys, promise=None, packed=packed)

    def as_dict(self, values: Sequence[Any]) -> Block:
        """Return the computed values of a block by name."""
        return values[0] if self.packed else dict(zip(self.names, values, strict=True))


def make_blocks(X: Any, y: Any = None, rows: dict[str, Any] | None = None) -> Blocks:
    """Cut X, y and per-row parameters into blocks that share one graph.

    Parameters
    ----------
    X : dask collection, list of Delayed, or data in memory
        Decides where the blocks are cut: at its chunks or partitions; data in memory are one
        block.
    y, rows : the same, or None
        Follow the blocks of X.

    Raises
    ------
    ValueError
        If the numbers of rows or of blocks differ, or if there is no block.
    TypeError
        If a container cannot be cut into blocks.
    """
    given = {"X": X, "y": y, **(rows or {})}
    containers = [as_container(data, name) for name, data in given.items() if data is not None]
    # Many objects that stay: see `plan`.
    with disable_gc():
        lower_together([c for c in containers if isinstance(c, Frame)])
        first, *others = containers
        if first.n_blocks == 0 or first.n_rows == 0:
            raise ValueError(
                f"Found array with 0 sample(s) in X ({first.n_blocks} blocks) while a minimum of 1 "
                "is required."
            )
        containers = [first, *(_follow(container, first) for container in others)]
        graph = in_one_graph(containers)
        lengths = next((c.lengths for c in containers if c.n_rows is not None), first.lengths)
        return Blocks(
            graph,
            tuple(container.name for container in containers),
            list(zip(*(container.keys for container in containers), strict=True)),
            lengths,
            range(len(lengths)),
            [container.collection for container in containers if container.is_lazy],
            first.promise,
        )


def _follow(container: Container, first: Container) -> Container:
    """Cut `container` where `first` is cut."""
    name = container.name
    if first.n_rows is not None and container.n_rows is not None:
        if first.n_rows != container.n_rows:
            raise ValueError(
                f"Found input variables with inconsistent numbers of samples: X has {first.n_rows} "
                f"rows, {name} has {container.n_rows}."
            )
        if container.lengths == first.lengths:
            return container
        return container.cut(first.lengths)  # type: ignore[arg-type]
    if not container.is_lazy and first.n_blocks > 1:
        raise ValueError(
            f"{name} is in memory, but the numbers of rows in the {first.n_blocks} blocks of X are "
            f"not known, so that {name} cannot be cut to them. Make them known (X.compute_chunk_"
            f"sizes() for an array, incremental.indexable(X) for anything else), or pass {name} as "
            "a dask collection with the blocks of X."
        )
    if container.n_blocks != first.n_blocks:
        raise ValueError(
            f"X and {name} must have the same number of blocks where the rows of a block are not "
            f"known. Got {first.n_blocks} blocks in X and {container.n_blocks} in {name}; "
            "repartition one of them, or make the chunk sizes known (compute_chunk_sizes())."
        )
    return container


def in_one_graph(containers: Sequence[Container]) -> dict[Key, GraphNode]:
    """Return one graph that computes the blocks of all containers, and nothing else.

    Frames have to be lowered together before, so that what they share is computed once.
    """
    graph: dict[Key, GraphNode] = {}
    layered = []
    seen: list[dict[Key, GraphNode]] = []  # frames that were lowered together have one graph
    for container in containers:
        tasks = container.tasks
        if tasks is None:
            layered.append(container)
        elif not any(tasks is others for others in seen):
            seen.append(tasks)
            graph.update(tasks)
    if layered:
        keys = tuple(key for container in layered for key in container.keys)
        # What many fits learn from may remember it.
        written_out = getattr(layered[0].data, "written_out", {})
        if keys not in written_out:
            merged = HighLevelGraph.merge(*(container.graph for container in layered))
            written_out[keys] = optimised(merged, list(keys))
        graph.update(written_out[keys])
    return graph
