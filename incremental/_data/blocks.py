"""From containers to blocks: the only module that knows what dask's collections look like."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import dask
import dask.array as da
import numpy as np
from dask.bag import Bag
from dask.base import collections_to_expr, get_scheduler, is_dask_collection
from dask.core import flatten
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph
from dask.task_spec import DataNode, GraphNode, Task, TaskRef
from dask.utils import disable_gc

from incremental._compat import num_samples
from incremental._data.graphs import flat, in_few_layers
from incremental._data.rows import Rows
from incremental._data.values import Block
from incremental._data.values import rows as rows_of
from incremental._planning.windows import Key
from incremental.exceptions import shorten

#: What dask puts in the place of categories that it does not know; its own name for it is in
#: dask.dataframe, which is optional.
UNKNOWN_CATEGORIES = "__UNKNOWN_CATEGORIES__"


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
    promise: tuple[tuple[int, ...], np.dtype] | None
    #: What the values are called where those of a block travel as one dictionary; else empty.
    packed: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.keys)

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
        shared = f"state-{token}"
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


def is_lazy(data: Any) -> bool:
    """Say whether `data` is a dask collection, a list of `Delayed` blocks or rows of them.

    Examples
    --------
    >>> import dask.array as da
    >>> is_lazy(da.ones(3)), is_lazy([1, 2])
    (True, False)
    """
    return is_dask_collection(data) or _is_delayed_list(data) or isinstance(data, Rows)


def _is_delayed_list(data: Any) -> bool:
    return (
        isinstance(data, (list, tuple))
        and len(data) > 0
        and all(isinstance(item, Delayed) for item in data)
    )


def is_frame(data: Any) -> bool:
    """Say whether `data` is a dask dataframe or series."""
    # A Delayed has every attribute that it is asked for.
    return is_dask_collection(data) and not isinstance(data, Delayed) and hasattr(data, "divisions")


def is_per_row(value: Any, X: Any) -> bool:
    """Say whether a fit parameter has a value for each row of X, and so is cut with it."""
    if is_lazy(value):
        return True
    if isinstance(value, (str, bytes, dict)):
        return False
    try:
        return num_samples(value) == n_rows(X)
    except TypeError:  # a single value
        return False


def n_rows(data: Any) -> int | None:
    """Return the number of rows, or None if it is not known without computing."""
    if not is_lazy(data) or isinstance(data, Rows):
        return num_samples(data)
    if isinstance(data, da.Array) and data.ndim:
        return None if np.isnan(data.shape[0]) else int(data.shape[0])
    return None


@dataclass
class _Column:
    """One container, cut along its rows."""

    name: str
    data: Any
    n_blocks: int
    lengths: list[int | None]

    @property
    def n_rows(self) -> int | None:
        return None if None in self.lengths else sum(self.lengths)  # type: ignore[arg-type]


def _column(name: str, data: Any) -> _Column:
    if isinstance(data, da.Array):
        if data.ndim == 0:
            raise ValueError(f"{name} must have at least one dimension. Got a dask array of none.")
        if any(n > 1 for n in data.numblocks[1:]):
            data = data.rechunk(dict.fromkeys(range(1, data.ndim), -1))
        lengths = [None if np.isnan(n) else int(n) for n in data.chunks[0]]
        return _Column(name, data, len(lengths), lengths)
    if is_frame(data) or isinstance(data, Bag):
        return _Column(name, data, data.npartitions, [None] * data.npartitions)
    if isinstance(data, Rows):
        return _Column(name, data, len(data.blocks), list(data.lengths))
    if isinstance(data, Delayed):
        raise TypeError(
            f"{name} must be a dask array, dataframe or bag, a list of Delayed blocks, or data in "
            f"memory. Got a single Delayed instead; pass [{name}] if it is one block, or give it "
            "a shape with dask.array.from_delayed."
        )
    if _is_delayed_list(data):
        return _Column(name, list(data), len(data), [None] * len(data))
    if is_dask_collection(data):
        raise TypeError(
            f"{name} must be a dask array, dataframe or bag, a list of Delayed blocks, or data in "
            f"memory. Got {type(data).__name__} instead."
        )
    if isinstance(data, (str, bytes, dict)):
        raise TypeError(
            f"{name} must be a dask collection, a list of Delayed blocks, an array, a dataframe, a "
            f"sparse matrix or a list. Got {type(data).__name__} instead."
        )
    if hasattr(data, "shape") and np.ndim(data) == 0:
        raise ValueError(
            f"{name} must have one row for each sample. Got a single value: {shorten(data)}."
        )
    if hasattr(data, "__array__") and not hasattr(data, "__getitem__"):
        data = np.asarray(data)  # as it is, it cannot be cut
    return _Column(name, data, 1, [num_samples(data)])


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
    columns = [_column(name, data) for name, data in given.items() if data is not None]
    first = columns[0]
    if first.n_rows == 0:
        raise ValueError(
            f"Found array with 0 sample(s) in X ({first.n_blocks} blocks) while a minimum of 1 "
            "is required."
        )
    # Many objects that stay: see `plan`.
    with disable_gc():
        columns = [first, *(_follow(column, first) for column in columns[1:])]
        columns = [
            replace(c, data=c.data.blocks) if isinstance(c.data, Rows) else c for c in columns
        ]
        graph, keys = _merge(columns)
        lengths = next((c.lengths for c in columns if None not in c.lengths), first.lengths)
        return Blocks(
            graph,
            tuple(column.name for column in columns),
            list(zip(*keys, strict=True)),
            lengths,
            range(len(lengths)),
            [c.data[0] if isinstance(c.data, list) else c.data for c in columns if is_lazy(c.data)],
            _promise(first.data),
        )


def _promise(X: Any) -> tuple[tuple[int, ...], np.dtype] | None:
    if isinstance(X, da.Array) and not any(np.isnan(n) for n in X.shape[1:]):
        return X.shape[1:], X.dtype
    return None


def _follow(column: _Column, first: _Column) -> _Column:
    """Cut `column` where `first` is cut."""
    name, data = column.name, column.data
    if first.n_rows is not None and column.n_rows is not None:
        if first.n_rows != column.n_rows:
            raise ValueError(
                f"Found input variables with inconsistent numbers of samples: X has {first.n_rows} "
                f"rows, {name} has {column.n_rows}."
            )
        if column.lengths == first.lengths:
            return column
        if isinstance(data, da.Array):
            data = data.rechunk({0: tuple(first.lengths)})  # type: ignore[arg-type]
            return _column(name, data)
        if isinstance(data, Rows):
            return _column(name, data.cut(first.lengths))  # type: ignore[arg-type]
        # What else is lazy does not know its rows.
        return _Column(name, _slices(data, first.lengths), first.n_blocks, first.lengths)
    if not is_lazy(data) and first.n_blocks > 1:
        raise ValueError(
            f"{name} is in memory, but the numbers of rows in the {first.n_blocks} blocks of X are "
            f"not known, so that {name} cannot be cut to them. Make them known (X.compute_chunk_"
            f"sizes() for an array, incremental.indexable(X) for anything else), or pass {name} as "
            "a dask collection with the blocks of X."
        )
    if column.n_blocks != first.n_blocks:
        raise ValueError(
            f"X and {name} must have the same number of blocks where the rows of a block are not "
            f"known. Got {first.n_blocks} blocks in X and {column.n_blocks} in {name}; repartition "
            "one of them, or make the chunk sizes known (compute_chunk_sizes())."
        )
    return column


class _Slices(list):
    """Blocks that are in memory already."""


def _slices(data: Any, lengths: Sequence[int | None]) -> _Slices:
    stops = np.cumsum([0, *lengths])  # type: ignore[arg-type]
    if hasattr(data, "tocsr"):
        data = data.tocsr()  # once, not for each block
    return _Slices(rows_of(data, slice(*ends)) for ends in pairwise(stops.tolist()))


def _merge(columns: list[_Column]) -> tuple[dict[Key, GraphNode], list[list[Key]]]:
    """Merge the graphs of all columns, optimised together, and find the keys of their blocks."""
    graph: dict[Key, GraphNode] = {}
    keys: list[list[Key]] = [[] for _ in columns]
    expressions = {i: c.data for i, c in enumerate(columns) if hasattr(c.data, "expr")}
    if expressions:
        # Within a task, there is no client before it is asked for, and without one dask would
        # shuffle through files.
        with suppress(RuntimeError, ValueError):  # whoever computes says what is wrong
            get_scheduler()
        # As optimize() does, but for its tuning, which puts partitions of Parquet together where
        # only some of the columns are read: the blocks are the partitions that X has.
        expression = collections_to_expr(list(expressions.values()))
        optimised = expression.simplify().lower_completely().simplify()
        graph.update(flat(optimised.__dask_graph__()))
        for i, expression in zip(expressions, optimised.operands, strict=True):
            keys[i] = list(flatten(expression.__dask_keys__()))
    layered: list[Any] = []
    for i, column in enumerate(columns):
        data = column.data
        if i in expressions:
            continue
        if not is_lazy(data):
            parts = data if isinstance(data, _Slices) else [data]
            # A name of its own: on a cluster, others compute at the same time.
            name = f"{column.name}-in-memory-{uuid.uuid4().hex}"
            keys[i] = [(name, n) for n in range(len(parts))]
            graph.update((k, DataNode(k, part)) for k, part in zip(keys[i], parts, strict=True))
        elif isinstance(data, list):
            keys[i] = [item.key for item in data]
            layered += {id(item.dask): item.dask for item in data}.values()
        else:
            keys[i] = list(flatten(data.__dask_keys__()))
            layered.append(data.__dask_graph__())
    if layered:
        wanted = [k for part in keys for k in part if k not in graph]
        merged = in_few_layers(HighLevelGraph.merge(*layered))
        # One optimiser for arrays, bags and delayed values, so that what they share stays shared.
        graph.update(flat(da.Array.__dask_optimize__(merged, wanted)))
    return graph, keys


def parts_of(data: Any) -> list[Delayed]:
    """Return the blocks of a lazy container, each as a `Delayed`."""
    if isinstance(data, Rows):
        return data.blocks
    if isinstance(data, (list, tuple)):
        return list(data)
    return list(np.ravel(data.to_delayed()))


def indexable(*data: Any) -> Any:
    """Count the rows of lazy data, so that scikit-learn can select them.

    Searches, cross-validation and splits take rows by their positions, which a dask dataframe
    cannot.  What this returns can, lazily: blocks that are not needed are not read.

    Parameters
    ----------
    *data : dask dataframes, series or bags, lists of Delayed, dask arrays or data in memory
        X and y, say.  Those of unknown length are counted together, in one pass over the data;
        the others are returned as they are.

    Returns
    -------
    rows : Rows, or list of Rows
        For one argument what stands for it, for several a list.  `Incremental` takes it for X,
        y and ``sample_weight``; it has a ``shape``, ``rows[key]`` for a slice, a mask or an array
        of positions, and ``compute()``.

    See Also
    --------
    sklearn.utils.indexable : The same for data in memory.

    Notes
    -----
    Rows keep the order that they are asked for.  Folds are in the order of the data, shuffled or
    not, and each of their blocks is a part of one block.  A random order, such as that of
    ``train_test_split``, makes every block of all blocks, as it does for a dask array: all rows
    that were selected are then in memory at once, unless ``shuffle=False`` is passed.

    Examples
    --------
    >>> import dask.dataframe as dd
    >>> import pandas as pd
    >>> from sklearn.linear_model import SGDClassifier
    >>> from sklearn.model_selection import KFold, cross_val_score
    >>> from incremental import Incremental, indexable
    >>> frame = dd.from_pandas(pd.DataFrame({"a": range(12), "b": [0, 1] * 6}), npartitions=3)
    >>> X, y = indexable(frame[["a"]], frame["b"])
    >>> X
    Rows(shape=(12, 1), n_blocks=3)
    >>> cross_val_score(Incremental(SGDClassifier(random_state=0)), X, y, cv=KFold(2)).shape
    (2,)
    """
    columns = [_column(f"data[{i}]", value) for i, value in enumerate(data)]
    unknown = [column for column in columns if None in column.lengths]
    # Together, so that what they share stays shared; of Parquet nothing but the index is counted.
    indices = [replace(c, data=c.data.index) if is_frame(c.data) else c for c in unknown]
    counts = [[dask.delayed(num_samples)(b) for b in blocks] for blocks in _delayed(indices)]
    (counts,) = dask.compute(counts)
    for column, lengths, blocks in zip(unknown, counts, _delayed(unknown), strict=True):
        column.data = Rows(blocks, lengths, meta_of(column.data))
    found = [
        value if None not in column.lengths else column.data
        for column, value in zip(columns, data, strict=True)
    ]
    return found[0] if len(found) == 1 else found


def _delayed(columns: list[_Column]) -> list[list[Delayed]]:
    graph, keys = _merge(columns)
    name = f"indexable-{uuid.uuid4().hex}"
    shared = HighLevelGraph.from_collections(name, graph)
    return [[Delayed(key, shared, layer=name) for key in names] for names in keys]


def meta_of(X: Any) -> Any:
    """Return one or two rows that look like the blocks of X, to find out what a method returns."""
    if isinstance(X, da.Array):
        meta = X._meta
        if any(np.isnan(n) for n in X.shape[1:]):
            return None
        shape = (1, *map(int, X.shape[1:]))
        if hasattr(meta, "tocsr"):
            return type(meta)(np.ones(shape, dtype=X.dtype))
        return np.ones(shape, dtype=X.dtype)
    if is_frame(X):
        return X._meta_nonempty.ffill()  # of nullable dtypes dask's second row is missing
    return X.meta if isinstance(X, Rows) else None


def layout_of(X: Any) -> Any:
    """Return rows with the columns and dtypes of X; None if it is not known to have columns.

    Examples
    --------
    >>> layout_of([[1, 2]]) is None
    True
    >>> layout_of(np.ones((7, 2))).shape
    (1, 2)
    """
    if is_lazy(X):
        X = meta_of(X)
    if len(getattr(X, "shape", ())) != 2:
        return None
    return X if hasattr(X, "iloc") else rows_of(X, slice(0, 1))
