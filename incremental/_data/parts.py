"""Bags, lists of Delayed blocks, and rows of them that were selected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from dask.bag import Bag
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph
from dask.task_spec import Task, TaskRef
from dask.typing import Key

from incremental._data.container import Container, columns_of_rows
from incremental._data.graphs import in_few_layers
from incremental._data.rows import Rows


class BagOfRows(Container):
    """A bag of dask's: a block is a partition, as a list."""

    data: Bag

    @property
    def lengths(self) -> list[int | None]:
        return [None] * self.data.npartitions

    @property
    def keys(self) -> list[Key]:
        return [(self.token, i) for i in range(self.data.npartitions)]

    @property
    def graph(self) -> HighLevelGraph:
        partitions = zip(self.keys, self.data.__dask_keys__(), strict=True)
        layer = {key: Task(key, _as_list, TaskRef(part)) for key, part in partitions}
        return HighLevelGraph.from_collections(self.token, layer, dependencies=[self.data])

    @property
    def token(self) -> Any:
        return f"rows-{self.data.name}"


def _as_list(partition: Any) -> Any:
    """Return the rows of a partition, which may be an iterator (map_partitions of a generator)."""
    return list(partition) if isinstance(partition, Iterator) else partition


class Loaders(Container):
    """A list of Delayed, each of which computes a block."""

    data: Sequence[Delayed]

    @property
    def lengths(self) -> list[int | None]:
        return [None] * len(self.data)

    @property
    def keys(self) -> list[Key]:
        return [block.key for block in self.data]

    @cached_property
    def graph(self) -> HighLevelGraph:
        graphs = {id(block.dask): block.dask for block in self.data}.values()
        return in_few_layers(HighLevelGraph.merge(*graphs))

    @property
    def collection(self) -> Any:
        return self.data[0]


class Selected(Loaders):
    """Rows of blocks that are counted."""

    def __init__(self, data: Rows, name: str = "X"):
        super().__init__(data.blocks, name)
        self.rows = data
        self.meta = data.meta

    @property
    def lengths(self) -> list[int | None]:
        return list(self.rows.lengths)

    @property
    def n_dimensions(self) -> int:  # type: ignore[override]
        return len(self.rows.shape)

    @property
    def columns(self) -> tuple[int | None, list[str] | None]:
        return columns_of_rows(self.rows)  # which has a shape, and no names

    def cut(self, lengths: Sequence[int]) -> Selected:
        return Selected(self.rows.cut(lengths), self.name)
