"""Rows of lazy blocks that scikit-learn can select."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from itertools import pairwise
from typing import Any

import dask
import numpy as np
from dask.base import tokenize
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph
from dask.task_spec import List, Task, TaskRef
from dask.typing import Key

from incremental._data.values import concatenate, rows
from incremental.exceptions import shorten


class Rows:
    """Blocks whose rows are counted; made by `incremental.indexable`.

    Parameters
    ----------
    blocks : list of Delayed
        The blocks, in their order.
    lengths : sequence of int
        Rows of each block.
    meta : array or dataframe, default=None
        One or two rows that look like those of the blocks; None if that is not known.

    Attributes
    ----------
    shape : tuple of int
        The number of rows, then that of columns if it is known.
    known : array-like or None
        All values, if these are labels that were asked for as an array: scikit-learn looks at those
        several times, before it splits them and while it does.
    """

    known: Any = None

    def __init__(self, blocks: Sequence[Delayed], lengths: Sequence[int], meta: Any = None):
        self.blocks = list(blocks)
        self.lengths = [int(n) for n in lengths]
        self.meta = meta

    @property
    def shape(self) -> tuple[int, ...]:
        return (sum(self.lengths), *np.shape(self.meta)[1:])

    def __len__(self) -> int:
        return sum(self.lengths)

    def __repr__(self) -> str:
        return f"Rows(shape={self.shape}, n_blocks={len(self.blocks)})"

    def _repr_html_(self) -> str:
        """Return a table for notebooks: how many rows and blocks there are, and their columns."""
        about = {
            "Shape": self.shape,
            "Blocks": len(self.blocks),
            "Rows of a block": f"{min(self.lengths, default=0)} to {max(self.lengths, default=0)}",
        }
        if hasattr(self.meta, "iloc"):
            dtypes = self.meta.dtypes.items() if self.meta.ndim == 2 else [("", self.meta.dtype)]
            about["Columns"] = ", ".join(f"{name} {dtype}".strip() for name, dtype in dtypes)
        rows = (f"<tr><th>{name}</th><td>{escape(str(v))}</td></tr>" for name, v in about.items())
        return f"<table><caption>Rows</caption><tbody>{''.join(rows)}</tbody></table>"

    def __getitem__(self, key: Any) -> Rows:
        """Select rows with a slice, a mask or their positions, as of an array; columns never."""
        if isinstance(key, tuple):  # X[positions, ...], as scikit-learn selects rows of arrays
            key, *rest = key
            if rest not in ([], [...]):
                raise IndexError(
                    f"Only rows can be selected here. Got {(key, *rest)} instead; select columns "
                    "before making the data indexable."
                )
        positions = np.arange(len(self))[key]
        if positions.ndim != 1:
            raise TypeError(
                "Rows are selected with a slice, a mask or a list of positions. Got "
                f"{shorten(key)} instead; pass [{shorten(key)}] for one row."
            )
        block = np.searchsorted(np.cumsum(self.lengths), positions, side="right")
        if (np.diff(block) >= 0).all():  # each new block is a part of one of these
            cuts = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(positions)]
        else:
            cuts = [*range(0, len(positions), max(self.lengths)), len(positions)]
        return self._select(positions, block, cuts)

    def cut(self, lengths: Sequence[int]) -> Rows:
        """Return the same rows in blocks of other lengths."""
        positions = np.arange(len(self))
        block = np.searchsorted(np.cumsum(self.lengths), positions, side="right")
        return self._select(positions, block, np.cumsum([0, *lengths]).tolist())

    def _select(self, positions: np.ndarray, block: np.ndarray, cuts: list[int]) -> Rows:
        """Put the rows at `positions`, which are in the blocks `block`, in blocks cut at `cuts`."""
        sources = [block.key for block in self.blocks]
        name, layer = selection(sources, self.lengths, positions, cuts)
        dependencies: list[Any] = [self.blocks[i] for i in np.unique(block).tolist() or [0]]
        graph = HighLevelGraph.from_collections(name, layer, dependencies=dependencies)
        blocks = [Delayed((name, i), graph, layer=name) for i in range(len(cuts) - 1)]
        found = Rows(blocks, np.diff(cuts).tolist(), self.meta)
        found.known = None if self.known is None else rows(self.known, positions)
        return found

    def compute(self) -> Any:
        """Return the rows in memory."""
        if self.known is not None:
            return self.known
        return concatenate(list(dask.compute(*self.blocks)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        values = self.compute()
        found = np.asarray(values, dtype=dtype)
        if found.ndim == 1:
            self.known = values
        return found


def selection(
    sources: Sequence[Key],
    lengths: Sequence[int],
    positions: np.ndarray,
    cuts: Sequence[int],
    take: Callable[[Any, Any], Any] = rows,
    rest: tuple[int, ...] = (),
) -> tuple[str, dict[Key, Task]]:
    """Return what selects rows of blocks, and what it is called.

    Parameters
    ----------
    sources : sequence of keys
        The blocks.
    lengths : sequence of int
        Rows of each.
    positions : ndarray
        Those of the rows, in the order that they are to have; -1 is the last one.
    cuts : sequence of int
        Where the new blocks begin in it, and where the last one ends.
    take : callable
        Given the values of a block and which of its rows to take.
    rest : tuple
        What ends the keys ``(name, i, *rest)`` of the new blocks.
    """
    starts = np.cumsum([0, *lengths])
    stops = starts[1:]
    # By what is selected: fits of one fold share what they select.
    name = f"rows-{tokenize(sources, positions, cuts)}"
    layer: dict[Key, Task] = {}
    for i, (start, stop) in enumerate(pairwise(cuts)):
        key: Key = (name, i, *rest)
        at = positions[start:stop]  # no more at once: there may be as many positions as rows
        at = np.where(at < 0, at + stops[-1], at)
        found = np.searchsorted(stops, at, side="right")
        order = np.argsort(found, kind="stable")
        used, first = np.unique(found[order], return_index=True)
        within = (at - starts[found])[order]
        # A selection of no rows has a block, too: no row of the first one.
        parts = list(zip(used.tolist() or [0], np.split(within, first[1:]), strict=True))
        if len(parts) == 1:
            ((source, at),) = parts
            layer[key] = Task(key, take, TaskRef(sources[source]), _which(at))
            continue
        picked: list[Key] = [(f"pick-{name}", i, j) for j in range(len(parts))]
        for pick, (source, at) in zip(picked, parts, strict=True):
            layer[pick] = Task(pick, rows, TaskRef(sources[source]), _which(at))
        together = List(*map(TaskRef, picked))
        layer[key] = Task(key, _together, take, together, _which(np.argsort(order)))
    return name, layer


def _which(positions: np.ndarray) -> Any:
    """Return a slice for neighbours in their order: no copy, and nothing to carry in a graph."""
    if len(positions) and (np.diff(positions) == 1).all():
        return slice(int(positions[0]), int(positions[-1]) + 1)
    return positions


def _together(take: Callable[[Any, Any], Any], parts: list[Any], order: Any) -> Any:
    return take(concatenate(parts), order)
