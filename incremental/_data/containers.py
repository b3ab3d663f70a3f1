"""The only place that knows what kinds of data there are.

Everything that wants to know something of X, y or per-row parameters asks
``as_container(data)``; nobody looks at the data itself.  To take another kind of data, write a
`Container` and add it to :func:`as_container`; what only stands for one of these kinds belongs to
:func:`incremental._data.nearly_right.put_right`.
"""

from __future__ import annotations

from typing import Any

import dask.array as da
from dask.bag import Bag
from dask.delayed import Delayed

from incremental._compat import num_samples
from incremental._data.arrays import Array
from incremental._data.container import Container, Memory
from incremental._data.frames import Frame, is_frame
from incremental._data.nearly_right import is_lazy, put_right, refuse
from incremental._data.parts import BagOfRows, Loaders, Selected
from incremental._data.rows import Rows


def as_container(data: Any, name: str = "X") -> Container:
    """Return the container that knows how to handle `data`.

    Parameters
    ----------
    data : dask collection, list of Delayed, Rows, or data in memory
        The data; what is nearly right is put right.
    name : str, default="X"
        What errors call it.

    Raises
    ------
    TypeError or ValueError
        If the data cannot be cut along their rows; the error says what to pass.

    Examples
    --------
    >>> import dask.array as da
    >>> as_container(da.ones((4, 2), chunks=(3, 2))).lengths
    [3, 1]
    """
    data = put_right(data, name)
    if isinstance(data, da.Array):
        return Array(data, name)
    if is_frame(data):
        return Frame(data, name)
    if isinstance(data, Bag):
        return BagOfRows(data, name)
    if isinstance(data, Rows):
        return Selected(data, name)
    if isinstance(data, list) and data and isinstance(data[0], Delayed):
        return Loaders(data, name)
    refuse(data, name)
    return Memory(data, name)


def is_per_row(value: Any, X: Any) -> bool:
    """Say whether a fit parameter has a value for each row of X, and so is cut with it."""
    if is_lazy(value):
        return True
    if isinstance(value, (str, bytes, dict)):
        return False
    try:
        return num_samples(value) == n_rows(X)
    except TypeError:  # a single value
        return False


def by_rows(params: dict[str, Any], X: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parameters that have a value for each row of X, and the others; put right."""
    right = {name: put_right(value, name) for name, value in params.items()}
    rows = {name: value for name, value in right.items() if is_per_row(value, X)}
    return rows, {name: value for name, value in right.items() if name not in rows}


def n_rows(data: Any) -> int | None:
    """Return the number of rows, or None if it is not known without computing."""
    return as_container(data).n_rows


def meta_of(X: Any) -> Any:
    """Return one or two rows that look like the blocks of X; None if that is not known."""
    return as_container(X).meta


def layout_of(X: Any) -> Any:
    """Return rows with the columns and dtypes of X; None if it is not known to have columns.

    Examples
    --------
    >>> layout_of([[1, 2]]) is None
    True
    >>> layout_of(da.ones((7, 2))).shape
    (1, 2)
    """
    return None if X is None else as_container(X).layout
