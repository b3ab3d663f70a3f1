"""Methods of a fitted model on dask collections: lazy, block by block."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import os
import pickle
import threading
import uuid
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import dask
import numpy as np
from dask.base import tokenize
from sklearn import config_context, get_config

from incremental._compat import num_samples
from incremental._data.blocks import make_blocks
from incremental._data.container import Container
from incremental._data.containers import as_container
from incremental._data.frames import Frame
from incremental._data.nearly_right import is_lazy, put_right, refuse
from incremental._data.results import array_of, frame_of
from incremental._data.values import concatenate, rows_like
from incremental._engines.open import computes_now, open_engine
from incremental._estimator.columns import check_columns
from incremental._learning.block_checks import check_rows
from incremental._pipelines.layout import check_takes, known_of
from incremental._pipelines.passes import first_rows
from incremental._pipelines.routes import name_row_changer
from incremental._pipelines.transformers import keep_blocks
from incremental._pipelines.tree import first_step
from incremental.exceptions import BlockError


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
    row : one row like those that were learned, default=None
        To find out what the method returns where the data do not say what they look like.

    Returns
    -------
    result : dask Array, DataFrame or Series, a list of them, or what the model returns
        A dask array for an array; for a dataframe, bag or list of Delayed a dask array of unknown
        chunk sizes; a dask DataFrame where the model returns dataframes, and a Series where it
        returns series for a dataframe.

    Notes
    -----
    Results are named by the model and the data: the same one that is asked for twice is computed
    once.
    """
    X = put_right(X)
    if not is_lazy(X):
        if isinstance(X, (str, os.PathLike)):
            refuse(X, "X")
        return _in_memory(model, method, X, row)
    if computes_now() and method not in ("transform", "inverse_transform"):
        return _computed(model, method, X, row)
    container = as_container(X)
    example = probe(model, method, X, row)
    model = keep_blocks(copy.deepcopy(model))
    token = _token(model)
    shared = dask.delayed(model, name=f"model-{token}", traverse=False)
    if not isinstance(example, list):
        return _one(container, method, shared, example, None)
    # One array for each output (predict_proba of a multi-output classifier).
    return [_one(container, method, shared, part, i) for i, part in enumerate(example)]


def _token(model: Any) -> str:
    """Return what a model is called in a graph: the same for models that are the same.

    Not dask.base.tokenize, which reads pickles, too: that replaces the methods of classes of a
    script or a notebook.
    """
    arrays: list[pickle.PickleBuffer] = []
    try:
        pickled = pickle.dumps(model, protocol=5, buffer_callback=arrays.append)
    except Exception:  # not every model can be pickled, and so be looked into
        return uuid.uuid4().hex
    if b"__main__" in pickled:  # a class that may be another one in the next cell
        return uuid.uuid4().hex
    digest = hashlib.blake2b(pickled, digest_size=16)
    for array in arrays:
        digest.update(array.raw())
    return digest.hexdigest()


def _one(container: Container, method: str, shared: Any, example: Any, item: int | None) -> Any:
    is_frame = hasattr(example, "columns")
    if is_frame and not hasattr(example, "iloc"):
        raise TypeError(
            'Lazy data can be transformed to dataframes of pandas (set_output(transform="pandas")) '
            f"and to arrays. Got {type(example).__module__}.{type(example).__name__} instead."
        )
    is_frame = is_frame or (hasattr(example, "iloc") and isinstance(container, Frame))
    if not is_frame:
        example = _as_array(example)
    call = Call(method, example[:0], item, get_config(), is_frame)
    name = f"{method}-{tokenize(shared.key, container.token, call)}"
    make = frame_of if is_frame else array_of
    return make(container, call, shared, example, name)


@dataclass(frozen=True)
class Call:
    """A method of a model, called on one block."""

    #: "predict", "transform", ...
    method: str
    #: What a block without rows gives.
    empty: Any
    #: The position of the result where the method returns several; else None.
    item: int | None
    #: scikit-learn's configuration: each thread and process has its own.
    config: dict[str, Any]
    #: Whether dataframes and series stay what they are.
    is_frame: bool

    def __call__(self, X: Any, model: Any, number: int, start: int | None = None) -> Any:
        """Return the result for a block; the rows of a dataframe are numbered from `start` on."""
        if num_samples(X) == 0:
            return self.empty
        result = _answer((model, self.method, self.config), number, X)
        result = result if self.item is None else result[self.item]
        if not self.is_frame:
            return _as_promised(_as_array(result), self.empty.dtype, self.method, number)
        return result if start is None else result.set_axis(range(start, start + len(result)))


def _as_promised(values: Any, dtype: Any, method: str, number: int) -> Any:
    """Return an array with the dtype that dask was told, to which it would cut what does not fit.

    Examples
    --------
    >>> _as_promised(np.ones(1, bool), np.dtype(int), "predict", 0)
    array([1])
    """
    found = values.dtype
    if found == dtype:
        return values
    is_rounded = found.kind == dtype.kind and found.kind in "fc"
    if not is_rounded and not np.can_cast(found, dtype):
        raise BlockError(
            f"{method} of block {number} must have the dtype {dtype}, as of other rows of X. Got "
            f"{found} instead, which does not fit; give all blocks of X the same dtypes (astype).",
            number,
        )
    return values.astype(dtype)


def _computed(model: Any, method: str, X: Any, row: Any) -> Any:
    """Return in memory what a method gives."""
    check_columns(model, X)
    check_takes(first_step(model), known_of(X))
    blocks = make_blocks(X).map("result", _answer, (model, method, get_config()), label=method)
    with open_engine(blocks.collections) as engine:
        with engine.stream(engine.plan(blocks)) as computed:
            parts = [block["result"] for _, block in computed]
    parts = [part for part in parts if part is not None]
    if not parts:
        return probe(model, method, X, row)[:0]
    if _are_outputs(parts[0]):
        return [concatenate(list(columns)) for columns in zip(*parts, strict=True)]
    return concatenate(parts)


def _answer(state: tuple[Any, str, dict[str, Any]], number: int, X: Any) -> Any:
    model, method, config = state
    if num_samples(X) == 0:
        return None
    with config_context(**config):
        result = getattr(model, method)(X)
        for part in result if _are_outputs(result) else [result]:
            if num_samples(part) != num_samples(X):
                check_rows(num_samples(X), part, name_row_changer(model, method, X), number)
    return result


def _are_outputs(result: Any) -> bool:
    """Say whether a model has answered with an array for each output."""
    return isinstance(result, list) and np.ndim(result[0]) > 0


def _as_array(values: Any) -> Any:
    return (
        values if hasattr(values, "shape") and not hasattr(values, "iloc") else np.asarray(values)
    )


def _in_memory(model: Any, method: str, X: Any, row: Any) -> Any:
    """Return what the model gives; no rows give none, as they do where they are a lazy block."""
    has_none = hasattr(X, "shape") and X.shape[:1] == (0,)
    for example in (rows_like(X), row) if has_none else ():
        if example is not None:
            with contextlib.suppress(Exception), _no_warnings():
                return getattr(model, method)(example)[:0]
    return getattr(model, method)(X)


#: The filters of warnings are those of the process: two threads that change them at once would
#: leave them changed.
_FILTERS = threading.RLock()


@contextlib.contextmanager
def _no_warnings() -> Iterator[None]:
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def probe(model: Any, method: str, X: Any, row: Any = None) -> Any:
    """Return what a method gives for one or two rows like those of X.

    These are the rows that X describes, else the one that was kept, else made-up ones where all
    that the method takes give the same kind of result.  The last resort reads a block: a text that
    has to be a date, say, or results whose dtype is that of the rows.
    """
    meta = as_container(X).meta
    undo = method == "inverse_transform" and meta is None
    if method != "inverse_transform":
        check_columns(model, X)
        check_takes(first_step(model), known_of(X))
    kept = [] if row is None else [row]

    def results(candidates: list[Any]) -> Iterator[Any]:
        for rows in candidates:
            # undo: these look like what the model has learned from.
            with contextlib.suppress(Exception), _no_warnings():
                yield getattr(model, method)(model.transform(rows) if undo else rows)

    if meta is not None:
        for result in results([*_described(model, meta), *kept]):
            return result
    for result in results(kept):
        return result
    made_up = list(results(_made_up(model))) if meta is None else []
    if made_up and all(_kind_of(one) == _kind_of(made_up[0]) for one in made_up):
        return made_up[0]
    blocks = make_blocks(X)
    with open_engine(blocks.collections) as engine:
        _, rows = first_rows(engine.plan(blocks).blocks, engine)
    with _no_warnings():
        return getattr(model, method)(rows[:1])


_TEXT = [["a"], [{"a": 1}], [["a"]]]


def _described(model: Any, meta: Any) -> list[Any]:
    names = getattr(model, "feature_names_in_", None)
    if names is not None and set(names) == set(getattr(meta, "columns", ())):
        # dask's meta may have the columns in another order than its blocks (get_dummies).
        return [meta[list(names)]]
    return [meta] if meta.ndim > 1 else [meta, *_TEXT]  # dask's made-up strings may be missing


def _made_up(model: Any) -> list[Any]:
    names = getattr(model, "feature_names_in_", None)
    n_features = getattr(model, "n_features_in_", None) if names is None else len(names)
    if n_features is None:
        return _TEXT
    # Some that have learned from single precision take nothing else (MiniBatchKMeans).
    rows = [np.ones((1, n_features), dtype) for dtype in (np.float64, np.float32)]
    if names is None:
        return rows
    import pandas as pd

    return [pd.DataFrame(row, columns=names) for row in rows]


def _kind_of(result: Any) -> Any:
    """Return what results of one method have in common: type, shape of a row, dtypes."""
    if isinstance(result, list):
        return [_kind_of(part) for part in result]
    shape = np.shape(result)[1:]
    if hasattr(result, "dtypes"):  # of a dataframe
        return type(result), shape, np.ravel(result.dtypes).tolist()
    return type(result), shape, getattr(result, "dtype", None)
