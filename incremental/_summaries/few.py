"""A few rows that stand for many: what the own ``fit`` of an estimator is given in the end."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from incremental._data.values import rows


def no_rows(X: Any) -> Any:
    """Return X without its rows: its columns and dtypes are left.

    Put together, those of blocks have the dtypes that all rows have together.

    Examples
    --------
    >>> no_rows(np.ones((3, 2))).shape
    (0, 2)
    """
    if sp.issparse(X):
        return np.empty((0, X.shape[1]), X.dtype)
    return rows(X if hasattr(X, "dtype") or hasattr(X, "iloc") else np.asarray(X), slice(0, 0))


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
