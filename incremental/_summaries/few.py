"""A few rows that stand for many: what the own ``fit`` of an estimator is given in the end."""

from __future__ import annotations

from typing import Any

import numpy as np


def as_array(X: Any) -> Any:
    """Return an array of a list, with text as objects; anything else as it is.

    Examples
    --------
    >>> as_array([["a", 1]]).tolist(), as_array([[1, 2]]).dtype
    ([['a', 1]], dtype('int64'))
    """
    if not isinstance(X, (list, tuple)):
        return X
    found = np.asarray(X)
    return np.asarray(X, dtype=object) if found.dtype.kind in "US" else found


def as_pandas(X: Any) -> Any:
    """Return a dataframe of pandas for one of another library, which steps may be told to return.

    It has one dtype, as scikit-learn makes one array of those; anything else is returned as it is.
    """
    if not hasattr(X, "columns") or hasattr(X, "iloc"):
        return X
    import pandas as pd

    values = np.asarray(X)
    return pd.DataFrame(values, columns=list(X.columns), dtype=values.dtype)


def no_rows(X: Any) -> Any:
    """Return X without its rows: its columns and dtypes are left, and the block is let go.

    Put together, those of blocks have the dtypes that all rows have together.

    Examples
    --------
    >>> no_rows(np.ones((3, 2))).shape
    (0, 2)
    """
    if hasattr(X, "iloc"):
        return X.iloc[:0].copy()
    X = as_array(X)
    return np.empty((0, *X.shape[1:]), X.dtype)


def in_form(like: Any, values: np.ndarray) -> Any:
    """Return an array, or a dataframe with the columns of another.

    Examples
    --------
    >>> import pandas as pd
    >>> in_form(pd.DataFrame({"a": ["x"]}), np.array([[1.5]]))
         a
    0  1.5
    """
    if not hasattr(like, "iloc"):
        return values
    import pandas as pd

    return pd.DataFrame(values, columns=like.columns)


def sparse_frame(X: Any, columns: Any) -> Any:
    """Return a dataframe whose columns are those of a sparse matrix, and sparse.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> sparse_frame(sp.csc_array([[0.0, 2.0]]), ["a", "b"]).sparse.to_coo().toarray()
    array([[0., 2.]])
    """
    import pandas as pd

    frame: Any = pd.DataFrame
    return frame.sparse.from_spmatrix(X, columns=columns)
