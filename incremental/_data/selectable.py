"""Arrays of dask's whose rows are selected once for all who select the same ones."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from typing import Any, Self

import dask.array as da
import numpy as np
from dask import config
from dask.highlevelgraph import HighLevelGraph
from dask.task_spec import GraphNode
from dask.typing import Key

from incremental._compat import array_meta
from incremental._data.rows import selection
from incremental._data.values import rows


class Selectable(da.Array):
    """A dask array of which positions select the same rows in the same chunks as ever, but cheaply.

    dask's own ``X[positions]`` turns the positions into lists, each time, and copies the rows of a
    chunk three times.  This one remembers what was selected, and rows that are neighbours in a
    chunk are a view of it.  It remembers its graph when that has been written out, too.

    Notes
    -----
    Thread-safety: any number of threads may select at once.  What is computed of it in any other
    way, or pickled, is a plain array.
    """

    #: What was selected, by the name of the array and a digest of the positions.
    _selected: dict[tuple[str, bytes], da.Array]
    _lock: threading.Lock
    #: What computes its blocks, and those of what is learned with it, by their keys.
    written_out: dict[tuple[Key, ...], dict[Key, GraphNode]]

    @classmethod
    def of(cls, data: Any) -> Any:
        """Return an array that can be selected cheaply; other things as they are."""
        if (
            type(data) is not da.Array
            or type(array_meta(data)) is not np.ndarray
            or data.ndim == 0
            or np.isnan(data.shape).any()
            or any(n != 1 for n in data.numblocks[1:])
        ):
            return data
        return cls._made(data.dask, data.name, data.chunks, data)

    @classmethod
    def _made(cls, graph: HighLevelGraph, name: str, chunks: Any, meta: da.Array) -> Self:
        self = cls(graph, name, chunks, meta=meta)
        self._selected, self._lock, self.written_out = {}, threading.Lock(), {}
        return self

    def __getitem__(self, index: Any) -> da.Array:
        # As scikit-learn selects rows of arrays: X[positions, ...]
        is_alone = isinstance(index, tuple) and index[1:] in [(), (...,)]
        positions = index[0] if is_alone else index
        if not (
            isinstance(positions, np.ndarray)
            and positions.ndim == 1
            and positions.dtype.kind in "iu"
            and len(positions)
        ):
            return super().__getitem__(index)
        known = self.name, _digest(positions)
        with self._lock:
            if known not in self._selected:
                self._selected[known] = self._select(positions)
            return self._selected[known]

    def _select(self, positions: np.ndarray) -> da.Array:
        if len(positions) >= len(self) or _is_outside(positions, len(self)):
            return super().__getitem__(positions)  # all are its own chunks; or this is an error
        rest = (0,) * (self.ndim - 1)
        chunks = selected_chunks(self.chunks[0], len(positions))
        name, layer = selection(
            [(self.name, i, *rest) for i in range(self.numblocks[0])],
            self.chunks[0],
            positions,
            np.cumsum([0, *chunks]).tolist(),
            _taken,
            rest,
        )
        below: list[Any] = [self]
        graph = HighLevelGraph.from_collections(name, layer, dependencies=below)
        return self._made(graph, name, (chunks, *self.chunks[1:]), self)


def _digest(positions: np.ndarray) -> bytes:
    """Return what tells positions apart: of neighbours, where they begin.

    Examples
    --------
    >>> _digest(np.array([4, 5, 6, 1])) == _digest(np.array([4, 5, 6, 1], dtype="i4"))
    True
    >>> _digest(np.array([4, 5, 6])) == _digest(np.array([4, 5, 6, 7]))
    False
    """
    positions = positions.astype(np.int64, copy=False)  # smaller ones have differences that are not
    starts = np.flatnonzero(positions[1:] - positions[:-1] != 1) + 1
    what = np.concatenate([[len(positions), positions[0]], starts, positions[starts]])
    return hashlib.sha256(what.data).digest()


def _is_outside(positions: np.ndarray, n_rows: int) -> bool:
    return bool(positions.min() < -n_rows or positions.max() >= n_rows)


def _taken(values: Any, which: Any) -> Any:
    """Return rows laid out as by `numpy.take`: so sums over them are the same bit for bit."""
    found = rows(values, which)
    return np.ascontiguousarray(found) if type(found) is np.ndarray else found


def selected_chunks(chunks: Sequence[int], n_rows: int) -> tuple[int, ...]:
    """Return the chunks that dask puts `n_rows` of an array in that are selected by positions.

    dask 2025.5 to 2026.8: ``X[positions].chunks`` would be public, but makes lists of all positions
    to find out; a test compares the two.
    """
    tolerance = config.get("array.chunk-size-tolerance")
    mean = sum(chunks) / len(chunks)
    limit = int(mean * tolerance)
    found = [0]
    for start in range(0, n_rows, int(mean)):
        n = min(int(mean), n_rows - start)
        if found[-1] and (found[-1] > limit / tolerance or found[-1] + n > limit):
            found.append(0)
        found[-1] += n
    return tuple(found)
