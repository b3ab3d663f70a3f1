"""Dask dataframes and series."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

from dask.base import collections_to_expr, get_scheduler, is_dask_collection
from dask.core import flatten
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph
from dask.task_spec import GraphNode
from dask.typing import Key

from incremental._compat import frame_rows
from incremental._data.container import Container
from incremental._data.graphs import as_tasks
from incremental._data.values import missing_as_nan

#: What dask puts in the place of categories that it does not know; its own name for it is in
#: dask.dataframe, which is optional.
UNKNOWN_CATEGORIES = "__UNKNOWN_CATEGORIES__"


def is_frame(data: Any) -> bool:
    """Say whether `data` is a dask dataframe or series."""
    # A Delayed has every attribute that it is asked for.
    return is_dask_collection(data) and not isinstance(data, Delayed) and hasattr(data, "divisions")


def with_nan(frame: Any) -> Any:
    """Return a dask dataframe or series whose missing strings are NaN: see `missing_as_nan`.

    Examples
    --------
    >>> import dask.dataframe as dd
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"city": pd.Series(["Bonn", None], dtype="string")})
    >>> with_nan(dd.from_pandas(frame, npartitions=1)).compute()["city"].tolist()
    ['Bonn', nan]
    """
    dtypes = [frame.dtype] if frame.ndim == 1 else frame.dtypes
    categories = [getattr(dtype, "categories", None) for dtype in dtypes]
    if any(UNKNOWN_CATEGORIES in known for known in categories if known is not None):
        return frame.map_partitions(missing_as_nan, meta=missing_as_nan(frame_rows(frame)))
    return missing_as_nan(frame)  # which leaves to dask what to read for its index alone


class Frame(Container):
    """A dask dataframe or series: a block is a partition."""

    @cached_property
    def _lowered(self) -> _Lowered:
        """The expression that is computed; set by `lower_together` where frames share a source."""
        return _lower([self.data])[0]

    @cached_property
    def lengths(self) -> list[int | None]:
        # Not those of the expression: what dask optimises may have other partitions (a filter that
        # comes before set_index leaves other divisions).
        return [None] * len(self.keys)

    @property
    def n_rows(self) -> int | None:
        return None

    @property
    def keys(self) -> list[Key]:
        return self._lowered.keys

    @property
    def tasks(self) -> dict[Key, GraphNode]:
        return self._lowered.tasks

    @property
    def graph(self) -> HighLevelGraph:
        return HighLevelGraph.from_collections(f"blocks-{self._lowered.name}", self.tasks)

    @property
    def token(self) -> Any:
        return self._lowered.name

    @property
    def divisions(self) -> tuple[Any, ...]:
        """The divisions of the blocks, as dask calls the index values that bound them."""
        return self._lowered.divisions

    @cached_property
    def meta(self) -> Any:  # type: ignore[override]
        return frame_rows(self.data)

    @property
    def columns(self) -> tuple[int | None, list[str] | None]:
        if self.data.ndim == 1:
            return None, None
        columns = list(self.data.columns)
        return len(columns), columns if all(isinstance(name, str) for name in columns) else None

    @property
    def n_dimensions(self) -> int:  # type: ignore[override]
        return self.data.ndim

    @property
    def as_column(self) -> str | None:  # type: ignore[override]
        is_column = self.data.ndim == 1 and getattr(self.data.dtype, "kind", "O") in "biufc"
        return "X.to_frame()" if is_column else None


class _Lowered:
    """An expression that was optimised, as far as the partitions stay what they are."""

    def __init__(self, expression: Any, tasks: dict[Key, GraphNode]):
        self.tasks = tasks
        self.keys = list(flatten(expression.__dask_keys__()))
        self.divisions = expression.divisions
        self.name = self.keys[0][0] if self.keys else ""


def lower_together(frames: Sequence[Frame]) -> None:
    """Optimise frames together, so that what they share is computed once."""
    if frames:
        for frame, lowered in zip(frames, _lower([f.data for f in frames]), strict=True):
            frame._lowered = lowered


def _lower(frames: Sequence[Any]) -> list[_Lowered]:
    # Within a task, there is no client before it is asked for, and without one dask would shuffle
    # through files.
    with suppress(RuntimeError, ValueError):  # whoever computes says what is wrong
        get_scheduler()
    # As optimize() does, but for its tuning, which puts partitions of Parquet together where only
    # some of the columns are read: every method has the partitions that were learned from.
    expression = collections_to_expr(list(frames)).simplify().lower_completely().simplify()
    tasks = as_tasks(expression.__dask_graph__())
    return [_Lowered(operand, tasks) for operand in expression.operands]


def selects_columns(X: Any) -> bool:
    """Say whether a dask dataframe is a selection of columns, which its blocks have in its order.

    dask 2025.5 to 2026.8: other operations may describe as sorted what blocks have in another
    order.  A description that is always right would replace it.
    """
    expression = getattr(X, "expr", None)
    while type(expression).__name__ == "AsType":
        expression = expression.frame  # type: ignore[union-attr]
    return type(expression).__name__ == "Projection"
