"""Values of blocks in memory: arrays, frames, sparse matrices and lists, and their rows."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import scipy.sparse as sp
from dask.sizeof import sizeof

from incremental._compat import num_samples
from incremental.exceptions import shorten

Block = dict[str, Any]


def row_count(values: Any) -> int:
    """Return the number of rows of whatever scikit-learn takes; of an array without its questions.

    Examples
    --------
    >>> row_count(np.ones((3, 2))), row_count(["a", "b"])
    (3, 2)
    """
    is_array = type(values) is np.ndarray and values.ndim
    return len(values) if is_array else int(num_samples(values))


def n_rows(block: Block) -> int:
    """Return the number of rows of a block."""
    return row_count(block["X"])


def rows(values: Any, which: Any) -> Any:
    """Return rows of an array, a frame, a sparse matrix or a list; a view where `which` is a slice.

    Examples
    --------
    >>> rows(["a", "b", "c"], slice(1, 3)), rows(["a", "b"], np.array([1, 0]))
    (['b', 'c'], ['b', 'a'])
    """
    if hasattr(values, "iloc"):
        return values.iloc[which]
    if isinstance(values, (list, tuple)):
        return values[which] if isinstance(which, slice) else [values[i] for i in which]
    if hasattr(values, "tocsr"):
        return values.tocsr()[which]
    if isinstance(which, slice):
        return values[which]
    if isinstance(values, np.ndarray):  # `take` is up to twice as fast where rows lie together
        return values.take(which, axis=0) if values.flags.c_contiguous else values[which]
    try:
        return values[which]
    except TypeError:
        # What reads from a file takes only increasing positions (h5py).
        first, last = (int(which.min()), int(which.max())) if len(which) else (0, -1)
        return np.asarray(values[first : last + 1])[which - first]


def missing_as_nan(values: Any) -> Any:
    """Return values of pandas whose missing strings are NaN, and others as they are.

    Strings have a dtype whose missing values are NA where dask or ``dtype_backend`` has read them,
    and one whose missing values are NaN elsewhere.  scikit-learn knows only NaN: what it has
    learned of the one is not found in the other.

    Examples
    --------
    >>> import pandas as pd
    >>> missing_as_nan(pd.Series(["Bonn", None], dtype="string")).tolist()
    ['Bonn', nan]
    >>> missing_as_nan([None])
    [None]
    """
    if not hasattr(values, "astype") or isinstance(values, np.ndarray) or sp.issparse(values):
        return values
    if getattr(values, "ndim", 1) == 2 and hasattr(values, "columns"):
        found = [(name, _with_nan(dtype)) for name, dtype in values.dtypes.items()]
        dtypes = {name: dtype for name, dtype in found if dtype is not None}
        if dtypes and not values.columns.is_unique:  # pandas converts all of one name alike
            again = values.columns[values.columns.duplicated()].unique().tolist()
            raise ValueError(
                f"The columns of a dataframe must have different names. Got {shorten(again)} more "
                "than once; rename them."
            )
        return values.astype(dtypes) if dtypes else values
    dtype = _with_nan(getattr(values, "dtype", None))
    return values if dtype is None else values.astype(dtype)


def _with_nan(dtype: Any) -> Any:
    """Return the dtype of the same strings with NaN; None for any other."""
    if isinstance(dtype, np.dtype) or "pandas" not in sys.modules:
        return None
    import pandas as pd

    if isinstance(dtype, pd.CategoricalDtype) and dtype.categories is not None:
        inner = _with_nan(dtype.categories.dtype)
        return inner and pd.CategoricalDtype(dtype.categories.astype(inner), dtype.ordered)
    if isinstance(dtype, pd.ArrowDtype) and dtype.type is str:
        storage = "pyarrow"
    elif isinstance(dtype, pd.StringDtype) and dtype.na_value is pd.NA:
        storage = dtype.storage
    else:
        return None
    try:
        return pd.StringDtype(storage, na_value=np.nan)
    except TypeError:  # before pandas 2.3 this dtype has a name of its own
        return pd.StringDtype("pyarrow_numpy")  # type: ignore[call-overload,unused-ignore]


def n_bytes(values: Any) -> int:
    """Return about how many bytes values have.

    Of many objects some are looked at, always the same: dask's `sizeof` draws them from the global
    generator of NumPy, from which a model may draw at the same time.

    Examples
    --------
    >>> n_bytes(np.zeros((2, 3)))
    48
    >>> n_bytes(["a" * 1_000] * 1_000) < 10_000  # all the same string
    True
    >>> n_bytes([f"{number:01000}" for number in range(1_000)]) > 1_000_000
    True
    """
    if isinstance(values, dict) and not sp.issparse(values):
        return sum(map(n_bytes, values.values()))
    if isinstance(values, (list, tuple)):
        return sys.getsizeof(values) + _n_bytes_of_objects(values)
    if isinstance(values, np.ndarray) and values.dtype.hasobject:
        return values.nbytes + _n_bytes_of_objects(np.asarray(values).reshape(-1))
    if hasattr(values, "iloc") and hasattr(values, "memory_usage"):
        return _n_bytes_of_frame(values)
    return sizeof(values)


def _n_bytes_of_frame(frame: Any) -> int:
    columns = [frame.dtype] if frame.ndim == 1 else frame.dtypes.tolist()
    plain = [isinstance(kind, np.dtype) and not kind.hasobject for kind in columns]
    total = frame.index.nbytes + len(frame) * sum(
        kind.itemsize for kind, is_plain in zip(columns, plain, strict=True) if is_plain
    )
    for at in np.flatnonzero(np.logical_not(plain)):
        column = frame if frame.ndim == 1 else frame.iloc[:, at]
        total += column.memory_usage(index=False)
        if column.dtype == object or getattr(column.dtype, "storage", "") == "python":
            total += _n_bytes_of_objects(column)
    return int(total)


def _n_bytes_of_objects(values: Any) -> int:
    """Return the bytes of the objects in values, of which as many may be the same one."""
    n = len(values)
    some = rows(values, slice(0, n, n // 100 or 1))
    different = {id(value): value for value in some}
    total = sum(map(n_bytes, different.values()))
    # Where few of them differ, these are all that there are.
    return total if 2 * len(different) <= len(some) else total * n // len(some)


def concatenate(parts: list[Any]) -> Any:
    """Put values of several blocks together, as what they are.

    Raises
    ------
    ValueError
        If dataframes have other columns: pandas would make up missing values.

    Examples
    --------
    >>> concatenate([["a"], ["b", "c"]])
    ['a', 'b', 'c']
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    if isinstance(first, list):
        return [value for part in parts for value in part]
    if sp.issparse(first):
        return sp.vstack(parts, format="csr")
    if all(hasattr(part, "iloc") for part in parts):
        import pandas as pd

        together = pd.concat(parts)
        if any(np.shape(part)[1:] != together.shape[1:] for part in parts):  # with NaN in between
            raise ValueError(
                "Dataframes that are put together must have the same columns. Got "
                f"{shorten(list(together.columns))} of all, which are not those of each."
            )
        return together
    return np.concatenate(parts)


def form_of(values: Any) -> tuple[str, Any]:
    """Return what values must have in common to be put together: their kind, and their columns.

    Rows of one dimension, such as labels, are of one kind whatever holds them.

    Examples
    --------
    >>> form_of(np.ones((3, 2))), form_of([1, 2]) == form_of(np.ones(5))
    (('an array', (2,)), True)
    """
    shape = getattr(values, "shape", (0,))[1:]
    if sp.issparse(values):
        return "a sparse matrix", shape
    if not shape:
        return "rows", shape
    return ("a dataframe", list(values.columns)) if hasattr(values, "iloc") else ("an array", shape)


def describe_form(kind: str, columns: Any) -> str:
    """Say what `form_of` has found.

    Examples
    --------
    >>> describe_form(*form_of(np.ones((5, 2)))), describe_form(*form_of([1, 2]))
    ('an array of shape (n_rows, 2)', 'rows of shape (n_rows)')
    """
    if isinstance(columns, list):
        return f"{kind} with the columns {shorten(columns)}"
    return f"{kind} of shape (n_rows{''.join(f', {n}' for n in columns)})"


def rows_like(values: Any) -> Any:
    """Return a made-up row like those of an array or a frame without rows; else None.

    Examples
    --------
    >>> rows_like(np.empty((0, 2)))
    array([[1., 1.]])
    """
    if hasattr(values, "iloc"):
        from dask.dataframe.utils import meta_nonempty

        return meta_nonempty(values).iloc[:1]
    if isinstance(values, np.ndarray) or sp.issparse(values):
        row = np.ones((1, *values.shape[1:]), values.dtype)
        return type(values)(row) if sp.issparse(values) else row
    return None
