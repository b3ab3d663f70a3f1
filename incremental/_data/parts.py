"""Bags, lists of Delayed blocks, and rows of them that were selected."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from dask.bag import Bag
from dask.base import tokenize
from dask.core import flatten
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer
from dask.task_spec import Task, TaskRef
from dask.typing import Key

from incremental._data.container import Container, columns_of_rows
from incremental._data.graphs import in_few_layers
from incremental._data.rows import Rows
from incremental._data.values import missing_as_nan


class Parts(Container):
    """Lazy parts that do not say what they are: a block is what `received` makes of one."""

    @property
    @abstractmethod
    def sources(self) -> list[Key]:
        """The keys of the parts."""

    @property
    @abstractmethod
    def below(self) -> HighLevelGraph:
        """What computes the parts."""

    @property
    def lengths(self) -> list[int | None]:
        return [None] * len(self.sources)

    @property
    def keys(self) -> list[Key]:
        return [(self.token, i) for i in range(len(self.sources))]

    @cached_property
    def token(self) -> Any:
        return f"rows-{tokenize(self.sources)}"

    @cached_property
    def graph(self) -> HighLevelGraph:
        parts = zip(self.keys, self.sources, strict=True)
        layer = {key: Task(key, received, TaskRef(part)) for key, part in parts}
        below = self.below
        return HighLevelGraph(
            {**below.layers, self.token: MaterializedLayer(layer)},
            {**below.dependencies, self.token: set(below.layers)},
        )


def received(part: Any) -> Any:
    """Return the rows of a part: a list for an iterator, missing strings of pandas as NaN."""
    return list(part) if isinstance(part, Iterator) else missing_as_nan(part)


class BagOfRows(Parts):
    """A bag of dask's: a block is a partition, as a list (map_partitions may give iterators)."""

    data: Bag

    @cached_property
    def sources(self) -> list[Key]:  # type: ignore[override]
        return list(flatten(self.data.__dask_keys__()))

    @property
    def below(self) -> HighLevelGraph:
        return self.data.dask


class Loaders(Parts):
    """A list of Delayed, each of which computes a block."""

    data: Sequence[Delayed]

    @cached_property
    def sources(self) -> list[Key]:  # type: ignore[override]
        return [block.key for block in self.data]

    @property
    def below(self) -> HighLevelGraph:
        return _graph_of(self.data)

    @property
    def collection(self) -> Any:
        return self.data[0]


class Selected(Container):
    """Rows of blocks that are counted, and were received."""

    def __init__(self, data: Rows, name: str = "X"):
        super().__init__(data, name)
        self.rows = data
        self.meta = data.meta

    @property
    def keys(self) -> list[Key]:
        return [block.key for block in self.rows.blocks]

    @cached_property
    def graph(self) -> HighLevelGraph:
        return _graph_of(self.rows.blocks)

    @property
    def collection(self) -> Any:
        return self.rows.blocks[0]

    @property
    def lengths(self) -> list[int | None]:
        return list(self.rows.lengths)

    @property
    def n_dimensions(self) -> int:  # type: ignore[override]
        return len(self.rows.shape)

    @property
    def columns(self) -> tuple[int | None, list[str] | None]:
        # The rows have a shape and no names, and what describes them may have the names only.
        return columns_of_rows(self.rows)[0], columns_of_rows(self.meta)[1]

    def cut(self, lengths: Sequence[int]) -> Selected:
        return Selected(self.rows.cut(lengths), self.name)


def _graph_of(blocks: Sequence[Delayed]) -> HighLevelGraph:
    # All are held while their identities are compared: a leaf makes its graph anew each time.
    graphs = [block.dask for block in blocks]
    return in_few_layers(HighLevelGraph.merge(*{id(graph): graph for graph in graphs}.values()))
