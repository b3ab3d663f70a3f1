"""Lazy data of unknown length, counted."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import dask
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph

from incremental._compat import num_samples
from incremental._data.blocks import in_one_graph
from incremental._data.container import Container
from incremental._data.containers import as_container
from incremental._data.frames import Frame, lower_together
from incremental._data.nearly_right import put_right
from incremental._data.parts import Selected
from incremental._data.rows import Rows


def indexable(*data: Any) -> Any:
    """Count the rows of lazy data, so that scikit-learn can select them.

    Searches, cross-validation and splits select rows by their positions, which a dask dataframe
    does not support.  A ``Rows`` object does, lazily: blocks that are not needed are not read.  A
    dask array can select rows, too, but cuts the rows of a fold into blocks of its own, across its
    chunks, and copies them to do so; here each block of a fold is a part of one chunk.  Read more
    in :doc:`/guide/searching`.

    Parameters
    ----------
    *data : dask dataframes, series or bags, lists of Delayed, dask arrays or data in memory
        X, y, weights.  Those of unknown length are counted together, in one pass over the data (of
        Parquet, over the index only); data in memory are returned as they are.

    Returns
    -------
    rows : Rows, or list of Rows
        A ``Rows`` object for one argument, a list of them for several.  `Incremental` takes
        it for X, y and ``sample_weight``; it has a ``shape``, ``rows[key]`` for a slice, a mask or
        an array of positions, and ``compute()``.

    Raises
    ------
    TypeError
        If one of them has no rows.

    See Also
    --------
    sklearn.utils.indexable : The same for data in memory.

    Notes
    -----
    Rows keep the order that they are asked for.  Folds are in the order of the data, shuffled or
    not, and each of their blocks is a part of one block.  A random order, such as that of
    ``train_test_split``, makes blocks that hold rows from all blocks, as it does for a dask array:
    all rows that were selected are then in memory at once, unless ``shuffle=False`` is passed.

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
    given = [put_right(value, f"data[{i}]") for i, value in enumerate(data)]
    containers = [as_container(value, f"data[{i}]") for i, value in enumerate(given)]
    lazy = [one for one in containers if one.is_lazy and not isinstance(one, Selected)]
    blocks = dict(zip(map(id, lazy), _delayed(lazy), strict=True))
    unknown = [container for container in lazy if container.n_rows is None]
    # Together, so that what they share stays shared.
    counted = [
        [dask.delayed(num_samples)(block) for block in some]
        for some in _to_count(unknown, [blocks[id(container)] for container in unknown])
    ]
    (counts,) = dask.compute(counted)
    lengths = dict(zip(map(id, unknown), counts, strict=True))
    rows = {
        id(one): Rows(blocks[id(one)], lengths.get(id(one), one.lengths), one.meta) for one in lazy
    }
    found = [
        rows.get(id(container), value) for container, value in zip(containers, given, strict=True)
    ]
    return found[0] if len(found) == 1 else found


def _to_count(containers: list[Container], blocks: list[list[Delayed]]) -> list[list[Delayed]]:
    """Return what has the lengths of the blocks: of Parquet nothing but the index is read."""
    frames = [i for i, container in enumerate(containers) if isinstance(container, Frame)]
    indices = [Frame(containers[i].data.index) for i in frames]
    counted = list(blocks)
    for i, index in zip(frames, _delayed(indices), strict=True):
        if len(index) == len(blocks[i]):
            counted[i] = index
    return counted


def _delayed(containers: Sequence[Container]) -> list[list[Delayed]]:
    """Return the blocks of containers, which share one graph, as Delayed."""
    lower_together([container for container in containers if isinstance(container, Frame)])
    name = f"indexable-{uuid.uuid4().hex}"
    graph = HighLevelGraph.from_collections(name, in_one_graph(containers))
    return [[Delayed(key, graph, layer=name) for key in one.keys] for one in containers]
