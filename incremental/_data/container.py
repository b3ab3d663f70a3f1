"""What is asked of every kind of data: how it is cut, what it looks like, what computes it."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from dask.highlevelgraph import HighLevelGraph
from dask.task_spec import DataNode, GraphNode
from dask.typing import Key

from incremental._compat import num_samples
from incremental._data.values import rows

#: A block's shape but for the rows, and its dtype.
Promise = tuple[tuple[int, ...], np.dtype]


class Container(ABC):
    """Data of one kind, cut along their rows.

    Parameters
    ----------
    data : object
        The data, as the user has passed them.
    name : str
        What errors call them: "X", "y", "sample_weight", ...
    """

    #: Whether blocks are computed, and not in memory.
    is_lazy = True
    #: What a block has to look like; None where nothing says so.
    promise: Promise | None = None
    #: What makes rows of numbers in one dimension a column; None where these are none.
    as_column: str | None = None
    #: How many dimensions the data have; None where they are in memory, or do not say it.
    n_dimensions: int | None = None
    #: One or two rows that look like those of the blocks; None if that is not known.
    meta: Any = None

    def __init__(self, data: Any, name: str = "X"):
        self.data = data
        self.name = name

    @property
    @abstractmethod
    def lengths(self) -> list[int | None]:
        """Rows of each block; None where they are not known before it is computed."""

    @property
    @abstractmethod
    def keys(self) -> list[Key]:
        """The keys of the blocks in `graph`."""

    @property
    @abstractmethod
    def graph(self) -> HighLevelGraph:
        """What computes the blocks."""

    @property
    def tasks(self) -> dict[Key, GraphNode] | None:
        """What computes the blocks, where nothing is left to optimise; else None."""
        return None

    @property
    def n_blocks(self) -> int:
        return len(self.lengths)

    @property
    def chunks(self) -> tuple[float, ...]:
        """The rows of each block, as dask's arrays have them: NaN where they are not known."""
        return tuple(np.nan if n is None else n for n in self.lengths)

    @property
    def n_rows(self) -> int | None:
        return None if None in self.lengths else sum(self.lengths)  # type: ignore[arg-type]

    @property
    def columns(self) -> tuple[int | None, list[str] | None]:
        """The number of columns and their names; None is what is not known without computing."""
        return columns_of_rows(self.meta)

    @property
    def layout(self) -> Any:
        """Rows with the columns and dtypes of the data; None if these are not known to have any."""
        return layout_of_rows(self.meta)

    @property
    def collection(self) -> Any:
        """The collection of dask's that says which scheduler computes it."""
        return self.data

    @property
    def token(self) -> Any:
        """What is another one for other blocks."""
        return self.keys

    def cut(self, lengths: Sequence[int]) -> Container:
        """Return the same rows in blocks of other lengths."""
        raise NotImplementedError  # only those that know their lengths are asked


class Memory(Container):
    """Data in memory: one block, or as many as are asked for."""

    is_lazy = False

    def __init__(self, data: Any, name: str = "X"):
        if hasattr(data, "__array__") and not hasattr(data, "__getitem__"):
            data = np.asarray(data)  # as it is, it cannot be cut
        super().__init__(data, name)
        self._parts = [data]
        self._lengths: list[int | None] = [num_samples(data)]

    @property
    def lengths(self) -> list[int | None]:
        return self._lengths

    @cached_property
    def keys(self) -> list[Key]:
        # A name of its own: on a cluster, others compute at the same time.
        name = f"{self.name}-in-memory-{uuid.uuid4().hex}"
        return [(name, i) for i in range(len(self._parts))]

    @property
    def tasks(self) -> dict[Key, GraphNode]:
        parts = zip(self.keys, self._parts, strict=True)
        return {key: DataNode(key, part) for key, part in parts}

    @property
    def graph(self) -> HighLevelGraph:
        return HighLevelGraph.from_collections(self.keys[0][0], self.tasks)  # type: ignore[index, arg-type]

    @property
    def columns(self) -> tuple[int | None, list[str] | None]:
        return columns_of_rows(self.data)

    @property
    def layout(self) -> Any:
        return layout_of_rows(self.data)

    def cut(self, lengths: Sequence[int]) -> Memory:
        data = self.data.tocsr() if hasattr(self.data, "tocsr") else self.data  # once, for all
        other = Memory(self.data, self.name)
        stops = np.cumsum([0, *lengths]).tolist()
        other._parts = [rows(data, slice(*ends)) for ends in pairwise(stops)]
        other._lengths = list(lengths)
        return other


def layout_of_rows(data: Any) -> Any:
    """Return a frame as it is, and a row of another matrix; None for what has no columns."""
    if len(getattr(data, "shape", ())) != 2:
        return None
    return data if hasattr(data, "iloc") else rows(data, slice(0, 1))


def columns_of_rows(data: Any) -> tuple[int | None, list[str] | None]:
    """Return the number of columns of rows in memory, and their names.

    Examples
    --------
    >>> columns_of_rows(np.ones((4, 2)))
    (2, None)
    """
    if hasattr(data, "columns"):
        columns = list(data.columns)
        return len(columns), columns if all(isinstance(name, str) for name in columns) else None
    shape = getattr(data, "shape", ())
    if isinstance(shape, tuple) and len(shape) > 1 and isinstance(shape[1], (int, np.integer)):
        return int(shape[1]), None
    return None, None
