"""What a block has to be before it is learned or scored."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from incremental._data.values import describe_form, form_of, row_count
from incremental._learning.labels import is_missing
from incremental.exceptions import BlockError


def not_finite(values: Any) -> np.ndarray:
    """Return the positions of the rows with NaN, infinity or nothing in them.

    Examples
    --------
    >>> not_finite([[0.0, 1.0], [np.nan, 1.0]]).tolist()
    [1]
    """
    if sp.issparse(values):
        values = values.tocoo()
        return np.unique(values.row[~np.isfinite(values.data)])
    values = np.asarray(values)
    if values.dtype.kind in "fc":
        bad = ~np.isfinite(values)
    elif values.dtype == object:
        bad = np.array([is_missing(v) for v in values.flat], bool).reshape(values.shape)
    else:
        return np.empty(0, int)
    return np.flatnonzero(bad.reshape(len(bad), -1).any(1))


def check_rows(n_before: int, after: Any, what: str, number: int | None = None) -> Any:
    """Return what was made of a block, or refuse it if it has not as many rows.

    Parameters
    ----------
    n_before : int
        How many rows the block has.
    after : array-like
        What was made of it.
    what : str
        What has made it, for the error.
    number : int, default=None
        What to call the block.

    Raises
    ------
    BlockError
        If the numbers of rows differ; ValueError where the block has no number.

    Examples
    --------
    >>> check_rows(2, np.ones(1), "transform of Mine")
    Traceback (most recent call last):
    ValueError: transform of Mine must return a row for each row that it is given. Got 1 row...
    """
    try:
        n_after = row_count(after)
    except TypeError:
        n_after = 0
    if n_after == n_before:
        return after
    where = "" if number is None else f" of block {number}"
    message = (
        f"{what} must return a row for each row that it is given. Got {n_after} "
        f"row{'' if n_after == 1 else 's'} for {n_before}{where}. Change the number of rows "
        "before, in X and y alike (dropna, or a boolean mask)."
    )
    raise ValueError(message) if number is None else BlockError(message, number)


def check_block(number: int, block: dict[str, Any], promise: Any = None) -> int:
    """Return the number of rows of a block, or refuse it.

    Parameters
    ----------
    number : int
        What to call the block in an error.
    block : dict
        Its values by name.
    promise : tuple or None
        The shape, but for the rows, and the dtype that a block of X was said to have.

    Raises
    ------
    BlockError
        If a value is no data, has another number of rows than X, or is not what was promised.
    """
    lengths = {name: _length(number, name, value) for name, value in block.items()}
    n = lengths["X"]
    for name, length in lengths.items():
        if length != n:
            raise BlockError(
                f"X and {name} must have the same number of rows in every block. Got {n} rows "
                f"of X and {length} of {name} in block {number}.",
                number,
            )
    if promise is not None and n and hasattr(block["X"], "shape"):
        _check_promise(number, block["X"], *promise)
    return n


def check_alike(number: int, block: dict[str, Any], before: dict[str, Any]) -> None:
    """Refuse a block that cannot be put together with one that waits for more rows, if one does.

    Raises
    ------
    BlockError
        If a value is of another kind, or has other columns.

    Examples
    --------
    >>> check_alike(1, {"X": np.ones((2, 3))}, {"X": np.ones((2, 4))})
    Traceback (most recent call last):
    incremental.exceptions.BlockError: Block 1 of X must have the form of the one ...
    """
    for name, other in before.items():
        found, expected = form_of(block[name]), form_of(other)
        if found != expected:
            raise BlockError(
                f"Block {number} of {name} must have the form of the one before it, with which "
                f"batch_size puts it together: {describe_form(*expected)}. Got "
                f"{describe_form(*found)} instead; give all blocks the same form.",
                number,
            )


def _length(number: int, name: str, value: Any) -> int:
    try:
        if isinstance(value, (str, bytes, dict)) and not sp.issparse(value):
            raise TypeError
        return row_count(value)
    except TypeError as error:
        raise BlockError(
            f"Block {number} of {name} must be an array, a dataframe, a sparse matrix or a "
            f"list. Got {type(value).__name__} instead; check what its loader returns.",
            number,
        ) from error


def _check_promise(number: int, X: Any, shape: tuple[int, ...], dtype: np.dtype) -> None:
    if tuple(X.shape[1:]) != tuple(shape):
        raise BlockError(
            f"Every block of X must have the shape (n_rows, {', '.join(map(str, shape))}) that "
            f"the dask array promises. Got {tuple(X.shape)} in block {number}; check its "
            "loader, or the shape given to from_delayed.",
            number,
        )
    if X.dtype != dtype and not _harmless(X.dtype, dtype):
        raise BlockError(
            f"Every block of X must have the dtype {dtype} that the dask array promises. Got "
            f"{X.dtype} in block {number}; check its loader, or the dtype given to from_delayed.",
            number,
        )


def _harmless(found: np.dtype, promised: np.dtype) -> bool:
    """Allow one kind for the same kind: the sizes of numbers and the widths of text are guesses.

    Whoever promises objects has promised nothing; text may be objects, or NumPy's own kind of it.
    """
    if promised.kind == "O":
        return True
    return any(
        found.kind in kind and promised.kind in kind for kind in ("iufb", "UTO", "S", "M", "m")
    )
