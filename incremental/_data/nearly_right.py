"""What users pass that is nearly right: made right, or refused with what to pass instead."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import dask.array as da
import numpy as np
import scipy.sparse as sp
from dask import delayed
from dask.bag import Bag
from dask.bag import concat as concatenate_bags
from dask.base import is_dask_collection
from dask.delayed import Delayed

from incremental._data.frames import is_frame, with_nan
from incremental._data.rows import Rows
from incremental._data.values import describe_form, form_of, missing_as_nan
from incremental.exceptions import shorten

WANTED = "a dask array, dataframe or bag, a list of Delayed blocks, or data in memory"
READ = "dask.dataframe.read_parquet(path) or read_csv, dask.array.from_zarr or from_delayed"


def put_right(data: Any, name: str = "X") -> Any:
    """Return the collection, list of Delayed or data in memory that `data` stands for.

    These are the data of an xarray.DataArray, and blocks that are arrays of ``Delayed``
    (``X.to_delayed()``), lists of futures, or lists of dask's collections; and labels that were
    read already.  Strings that are missing are NaN, as they are in blocks of Delayed and bags.

    Raises
    ------
    TypeError
        If it stands for none; the error says what to pass.
    """
    if isinstance(data, Rows) and data.known is not None:
        return data.known
    xarray = sys.modules.get("xarray")  # where it is not imported, there is none
    if xarray is not None and isinstance(data, xarray.DataArray):
        return data.data
    if xarray is not None and isinstance(data, xarray.Dataset):
        raise TypeError(
            f"{name} must be {WANTED}. Got an xarray.Dataset instead; pass one of its arrays, or "
            "dataset.to_dataarray('column').transpose(..., 'column')."
        )
    if isinstance(data, np.ndarray) and data.dtype == object and _is_block(next(data.flat, None)):
        if data.size != len(data):
            raise TypeError(
                f"{name} must be blocks of rows. Got an array of {data.shape} blocks instead, "
                f"which are cut along columns, too; pass the dask array itself as {name}."
            )
        data = data.ravel().tolist()
    if isinstance(data, (list, tuple)) and len(data):
        data = _list_of_blocks(data, name)
    if is_frame(data):
        return with_nan(data)
    return data if is_dask_collection(data) else missing_as_nan(data)


def refuse(data: Any, name: str) -> None:
    """Refuse what is neither lazy nor rows in memory, and say what to pass.

    Raises
    ------
    TypeError or ValueError
        If `data` is no such thing.
    """
    if isinstance(data, Delayed) or _is_future(data):
        kind = "Delayed" if isinstance(data, Delayed) else "Future"
        raise TypeError(
            f"{name} must be {WANTED}. Got a single {kind} instead; pass [{name}] if it is one "
            "block, or give it a shape with dask.array.from_delayed."
        )
    if is_dask_collection(data):
        raise TypeError(f"{name} must be {WANTED}. Got {type(data).__name__} instead.")
    if isinstance(data, (str, bytes, os.PathLike)) and name == "X":
        raise TypeError(
            f"{name} must be a dask collection, a list of Delayed blocks, an array, a dataframe, a "
            f"sparse matrix or a list. Got {type(data).__name__} instead; if it is a path, pass "
            f"{READ}."
        )
    if isinstance(data, (str, bytes, os.PathLike)):
        raise TypeError(
            f"{name} must be a dask collection, a list of Delayed blocks, an array, a dataframe, a "
            f"sparse matrix or a list. Got {type(data).__name__} instead; if it is the name of a "
            f"column, pass frame[{data!r}] as {name}, and the other columns as X."
        )
    if isinstance(data, Iterator):
        raise TypeError(
            f"{name} must be {WANTED}. Got {type(data).__name__} instead, which can be read only "
            "once; pass [dask.delayed(load)(part) for part in parts] if it yields blocks, or "
            f"list({name}) if it yields rows."
        )
    if isinstance(data, dict) and not sp.issparse(data):  # dictionaries of keys are matrices
        raise TypeError(
            f"{name} must be a dask collection, a list of Delayed blocks, an array, a dataframe, a "
            f"sparse matrix or a list. Got {type(data).__name__} instead; pass a list of rows, or "
            f"pandas.DataFrame({name}) if its values are columns."
        )
    shape = getattr(data, "shape", None)
    if isinstance(shape, tuple) and not shape:
        raise ValueError(
            f"{name} must have one row for each sample. Got a single value: {shorten(data)}."
        )


def is_lazy(data: Any) -> bool:
    """Say whether the blocks of `data` have to be computed.

    Examples
    --------
    >>> import dask.array as da
    >>> is_lazy(da.ones(3)), is_lazy([1, 2])
    (True, False)
    """
    if isinstance(data, np.ndarray) and data.dtype == object:
        return _is_block(next(data.flat, None))
    if isinstance(data, (list, tuple)):
        return len(data) > 0 and all(map(_is_block, data))
    return is_dask_collection(data) or isinstance(data, Rows)


def _is_block(value: Any) -> bool:
    return is_dask_collection(value) or _is_future(value)


def _is_future(value: Any) -> bool:
    distributed = sys.modules.get("distributed")
    return distributed is not None and isinstance(value, distributed.Future)


def _list_of_blocks(data: Any, name: str) -> Any:
    """Return lists of lazy blocks as one collection, or as a list of Delayed."""
    first = data[0]
    if _is_block(first):
        if all(isinstance(block, da.Array) and block.ndim for block in data):
            _check_same(data, name)
            return da.concatenate(data)
        if all(map(is_frame, data)):
            import dask.dataframe as dd

            _check_same(data, name)
            return dd.concat(list(data))
        if all(isinstance(block, Bag) for block in data):
            return concatenate_bags(data)
        if all(isinstance(block, Delayed) for block in data):
            return list(data)
        if all(isinstance(block, Delayed) or _is_future(block) for block in data):
            return [delayed(block) if _is_future(block) else block for block in data]
        kinds = sorted({type(block).__name__ for block in data})
        raise TypeError(
            f"{name} must be {WANTED}. Got a list of {' and '.join(kinds)} instead; make each "
            "block Delayed: dask.delayed(block)."
        )
    if sp.issparse(first) or hasattr(first, "iloc") or _n_dimensions(first) > 1:
        kind = type(first)
        raise TypeError(
            f"{name} must be {WANTED}. Got a list of {kind.__module__}.{kind.__name__} instead; "
            f"pass [dask.delayed(block) for block in {name}], or put them together."
        )
    return data


def _check_same(collections: Sequence[Any], name: str) -> None:
    """Refuse collections of other columns: put together, frames would have missing values."""
    forms = [form_of(collection) for collection in collections]
    # dask puts columns in the order of the first frame.  An unknown number of columns is NaN.
    compared = [repr((kind, sorted(columns, key=str))) for kind, columns in forms]
    for i, other in enumerate(compared):
        if other != compared[0]:
            raise ValueError(
                f"The collections in the list {name} must have the same columns. Got "
                f"{describe_form(*forms[0])} in the first one and {describe_form(*forms[i])} in "
                f"that at position {i} instead; select the columns that all of them have."
            )


def _n_dimensions(value: Any) -> int:
    return value.ndim if isinstance(value, np.ndarray) else 0
