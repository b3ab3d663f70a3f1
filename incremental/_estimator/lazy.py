"""Methods of a fitted model on dask collections: lazy, block by block."""

from __future__ import annotations

import contextlib
import copy
import threading
import uuid
import warnings
from collections.abc import Iterator
from typing import Any

import dask
import dask.array as da
import numpy as np
from dask.highlevelgraph import HighLevelGraph
from dask.task_spec import Task, TaskRef
from sklearn import config_context, get_config

from incremental._compat import num_samples
from incremental._data.blocks import is_frame, is_lazy, make_blocks, meta_of, n_rows, parts_of
from incremental._data.rows import Rows
from incremental._data.values import concatenate
from incremental._engines.open import computes_now, open_engine
from incremental._estimator.checks import check_columns
from incremental._pipelines.pipeline import first_rows
from incremental._pipelines.transformers import keep_blocks


def call(
    model: Any,
    method: str,
    X: Any,
    empty: Any = None,
    item: int | None = None,
    config: dict[str, Any] | None = None,
) -> Any:
    """Call a method on one block; a block without rows gives none."""
    if empty is not None and num_samples(X) == 0:
        return empty
    with config_context(**(config or {})):  # each thread and process has its own
        result = getattr(model, method)(X)
    return result if item is None else result[item]


def apply(model: Any, method: str, X: Any, row: Any = None) -> Any:
    """Apply a method of a fitted model to data.

    Parameters
    ----------
    model : estimator
        Copied, so that what it learns afterwards does not change a lazy result; the copy enters
        the graph once.
    method : str
        "predict", "transform", ...
    X : array-like, dask collection or list of Delayed
        Data in memory give what the model gives.
    row : one row like those of X, default=None
        To find out what the method returns where made-up rows are refused; where it is, too, the
        first row of X is read.

    Returns
    -------
    result : dask Array or DataFrame, a list of them, or what the model returns
        A dask array for an array; for a dataframe, bag or list of Delayed a dask array of unknown
        chunk sizes; a dask DataFrame where the model returns dataframes.
    """
    if not is_lazy(X):
        return getattr(model, method)(X)
    if computes_now() and method not in ("transform", "inverse_transform"):
        return _computed(model, method, X, row)
    if isinstance(X, da.Array) and any(n > 1 for n in X.numblocks[1:]):
        X = X.rechunk(dict.fromkeys(range(1, X.ndim), -1))
    example = probe(model, method, X, row)
    model = keep_blocks(copy.deepcopy(model))
    shared = dask.delayed(model, name=f"model-{uuid.uuid4().hex}", traverse=False)
    if isinstance(example, list):
        return [_one(shared, method, X, part, i) for i, part in enumerate(example)]
    return _one(shared, method, X, example, None)


def _computed(model: Any, method: str, X: Any, row: Any) -> Any:
    """Return in memory what a method gives."""
    check_columns(model, X)
    blocks = make_blocks(X).map("result", _call, (model, method, get_config()), label=method)
    with open_engine(blocks.collections) as engine:
        with engine.stream(engine.plan(blocks)) as computed:
            parts = [block["result"] for _, block in computed]
    parts = [part for part in parts if part is not None]
    if not parts:
        return probe(model, method, X, row)[:0]
    if isinstance(parts[0], list) and np.ndim(parts[0][0]):  # one array for each output
        return [concatenate(list(columns)) for columns in zip(*parts, strict=True)]
    return concatenate(parts)


def _call(state: tuple[Any, str, dict[str, Any]], number: int, X: Any) -> Any:
    model, method, config = state
    return None if num_samples(X) == 0 else call(model, method, X, config=config)


#: The filters of warnings are those of the process: two threads that change them at once would
#: leave them changed.
_FILTERS = threading.RLock()


def probe(model: Any, method: str, X: Any, row: Any = None) -> Any:
    """Return what a method gives for one or two rows like those of X: made-up ones, if they do."""
    undo = method == "inverse_transform" and meta_of(X) is None
    if method != "inverse_transform":
        check_columns(model, X)
    for rows in [*_made_up(model, X), *([] if row is None else [row])]:
        # undo: these look like what the model has learned from.
        with contextlib.suppress(Exception), _no_warnings():
            return getattr(model, method)(model.transform(rows) if undo else rows)
    # The last resort, for it reads a block: a text that has to be a date, say.
    blocks = make_blocks(X)
    with open_engine(blocks.collections) as engine:
        _, rows = first_rows(blocks, engine)
    with _no_warnings():
        return getattr(model, method)(rows[:1])


@contextlib.contextmanager
def _no_warnings() -> Iterator[None]:
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _made_up(model: Any, X: Any) -> list[Any]:
    meta = meta_of(X)
    names = getattr(model, "feature_names_in_", None)
    if meta is not None and names is not None and set(names) == set(getattr(meta, "columns", ())):
        # dask's meta may have the columns in another order than its blocks (get_dummies).
        return [meta[list(names)]]
    text = [["a"], [{"a": 1}], [["a"]]]
    if meta is not None:
        return [meta] if meta.ndim > 1 else [meta, *text]  # dask's made-up strings may be missing
    if names is not None:
        import pandas as pd

        return [pd.DataFrame(np.ones((1, len(names))), columns=names)]
    n_features = getattr(model, "n_features_in_", None)
    if n_features is not None:
        # Some that have learned from single precision take nothing else (MiniBatchKMeans).
        return [np.ones((1, n_features), dtype) for dtype in (np.float64, np.float32)]
    return text


def _one(shared: Any, method: str, X: Any, example: Any, item: int | None) -> Any:
    options = {"method": method, "empty": example[:0], "item": item, "config": get_config()}
    if hasattr(example, "columns"):
        return _frames(shared, X, example, options)
    if not hasattr(example, "shape"):
        example = np.asarray(example)
        options["empty"] = example[:0]
    rest = tuple((n,) for n in example.shape[1:])
    meta = example[:0]
    if isinstance(X, da.Array):
        return da.map_blocks(
            _call_block,
            X,
            shared,
            **options,
            name=f"{method}-{uuid.uuid4().hex}",
            chunks=(X.chunks[0], *rest),
            drop_axis=list(range(example.ndim, X.ndim)) or None,
            new_axis=list(range(X.ndim, example.ndim)) or None,
            dtype=example.dtype,
            meta=meta,
        )
    parts: list[Any] = parts_of(X)
    lengths = X.lengths if isinstance(X, Rows) else (np.nan,) * len(parts)
    name = f"{method}-{uuid.uuid4().hex}"
    index = (0,) * (example.ndim - 1)
    layer: dict[Any, Any] = {}
    for i, part in enumerate(parts):
        key = (name, i, *index)
        layer[key] = Task(key, _call_block, TaskRef(part.key), TaskRef(shared.key), **options)
    graph = HighLevelGraph.from_collections(name, layer, dependencies=[*parts, shared])
    return da.Array(graph, name, (tuple(lengths), *rest), meta=meta)


def _call_block(X: Any, model: Any, *, method: str, **options: Any) -> Any:
    result = call(model, method, X, **options)
    return result if hasattr(result, "shape") else np.asarray(result)


def _frames(shared: Any, X: Any, example: Any, options: dict[str, Any]) -> Any:
    if not hasattr(example, "iloc"):
        raise TypeError(
            'Lazy data can be transformed to dataframes of pandas (set_output(transform="pandas")) '
            f"and to arrays. Got {type(example).__module__}.{type(example).__name__} instead."
        )
    meta = example.iloc[:0]
    if is_frame(X):
        return X.map_partitions(_call_block, shared, **options, meta=meta)
    import dask.dataframe as dd

    blocks = parts_of(X)
    starts: list[Any] = [None] * len(blocks)
    divisions = None
    if isinstance(X, da.Array) and n_rows(X) is not None:
        starts = np.cumsum([0, *X.chunks[0]]).tolist()
        if all(X.chunks[0]):
            divisions = (*starts[:-1], starts[-1] - 1)
    call_block = dask.delayed(_frame_block)
    parts = [
        call_block(part, shared, start, **options)
        for part, start in zip(blocks, starts, strict=False)
    ]
    return dd.from_delayed(parts, meta=meta, divisions=divisions, verify_meta=False)


def _frame_block(X: Any, model: Any, start: int | None, **options: Any) -> Any:
    """Return the dataframe of a block, with the rows numbered from `start` on."""
    frame = _call_block(X, model, **options)
    if start is None:
        return frame
    return frame.set_axis(range(start, start + len(frame)))
