"""Dask arrays."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import dask.array as da
import numpy as np
from dask.highlevelgraph import HighLevelGraph
from dask.typing import Key

from incremental._compat import array_meta
from incremental._data.container import Container, Promise


class Array(Container):
    """A dask array: a block is a chunk of rows, whose chunks of columns are put together."""

    data: da.Array

    def __init__(self, data: da.Array, name: str = "X"):
        if data.ndim == 0:
            raise ValueError(f"{name} must have at least one dimension. Got a dask array of none.")
        if any(n > 1 for n in data.numblocks[1:]):
            data = data.rechunk(dict.fromkeys(range(1, data.ndim), -1))
        super().__init__(data, name)

    @cached_property
    def lengths(self) -> list[int | None]:
        return [None if n != n else int(n) for n in self.data.chunks[0]]  # NaN is not itself

    @property
    def chunks(self) -> tuple[float, ...]:
        return self.data.chunks[0]  # the same object: dask remembers what it has made of it

    @cached_property
    def keys(self) -> list[Key]:  # type: ignore[override]
        rest = (0,) * (self.data.ndim - 1)
        return [(self.data.name, i, *rest) for i in range(self.n_blocks)]

    @property
    def graph(self) -> HighLevelGraph:
        return self.data.dask

    @property
    def token(self) -> Any:
        return self.data.name

    @property
    def promise(self) -> Promise | None:  # type: ignore[override]
        return None if self._has_unknown_columns else (self.data.shape[1:], self.data.dtype)

    @property
    def meta(self) -> Any:  # type: ignore[override]
        if self._has_unknown_columns:
            return None
        row = np.ones((1, *map(int, self.data.shape[1:])), dtype=self.data.dtype)
        meta = array_meta(self.data)
        return type(meta)(row) if hasattr(meta, "tocsr") else row

    @property
    def columns(self) -> tuple[int | None, list[str] | None]:
        return (None if self._has_unknown_columns else super().columns[0]), None

    @property
    def n_dimensions(self) -> int:  # type: ignore[override]
        return self.data.ndim

    @property
    def as_column(self) -> str | None:  # type: ignore[override]
        is_column = self.data.ndim == 1 and self.data.dtype.kind in "biufc"
        return "X.reshape(-1, 1)" if is_column else None

    @property
    def _has_unknown_columns(self) -> bool:
        return any(np.isnan(n) for n in self.data.shape[1:])

    def cut(self, lengths: Sequence[int]) -> Array:
        return Array(self.data.rechunk({0: tuple(lengths)}), self.name)
