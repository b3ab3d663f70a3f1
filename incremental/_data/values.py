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
    return values[which]


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
