"""Values of blocks in memory: arrays, frames, sparse matrices and lists, and their rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from incremental._compat import num_samples

Block = dict[str, Any]


def n_rows(block: Block) -> int:
    """Return the number of rows of a block."""
    return num_samples(block["X"])


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
    if isinstance(which, slice) or isinstance(values, np.ndarray):
        return values[which]
    try:
        return values[which]
    except TypeError:
        # What reads from a file takes only increasing positions (h5py).
        first, last = (int(which.min()), int(which.max())) if len(which) else (0, -1)
        return np.asarray(values[first : last + 1])[which - first]


def concatenate(parts: list[Any]) -> Any:
    """Put values of several blocks together, as what they are.

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
    if hasattr(first, "iloc"):
        import pandas as pd

        return pd.concat(parts)
    return np.concatenate(parts)


def rows_like(values: Any) -> Any:
    """Return one or two made-up rows like those of an array or a frame without rows; else None.

    Examples
    --------
    >>> rows_like(np.empty((0, 2)))
    array([[1., 1.]])
    """
    if hasattr(values, "iloc"):
        from dask.dataframe.utils import meta_nonempty

        return meta_nonempty(values).ffill()
    if isinstance(values, np.ndarray) or sp.issparse(values):
        row = np.ones((1, *values.shape[1:]), values.dtype)
        return type(values)(row) if sp.issparse(values) else row
    return None
