"""What classes may be, and labels that have to be among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from incremental._learning.labels import as_array, check_kinds, name_rows
from incremental.exceptions import BlockError, shorten


def are_same(some: Any, others: Any) -> bool:
    """Say whether two sets of classes, or lists of them, are the same but for their order.

    Examples
    --------
    >>> are_same([1, 0], np.array([0, 1])), are_same([[0], [1, 2]], [[0], [1]])
    (True, False)
    """
    if len(some) and np.ndim(some[0]):
        return len(some) == len(others) and all(map(are_same, some, others))
    return np.array_equal(np.sort(np.asarray(some)), np.sort(np.asarray(others)))


def are_outputs(classes: Any) -> bool:
    """Say whether classes are a list of them for each output."""
    return isinstance(classes, list) and len(classes) > 0 and np.ndim(classes[0]) == 1


def check_classes(classes: Any, y: Any) -> Any:
    """Return classes as an array, or for several outputs as a list of them.

    Raises
    ------
    ValueError
        If they cannot be the labels of y: there is none, one occurs twice, or they are not of one
        kind or not of that of y.
    """
    if isinstance(classes, np.ndarray) and classes.ndim == 2:
        classes = list(classes)
    if isinstance(classes, (list, tuple)) and len(classes) and np.ndim(classes[0]):
        _check_outputs(classes, y)
        return [check_classes(labels, y) for labels in classes]
    check_kinds(classes, "classes")
    found = np.asarray(classes)
    if found.ndim != 1 or len(found) == 0:
        raise ValueError(
            f"classes must be a list of at least one label. Got {shorten(classes)} instead."
        )
    labels, counts = np.unique(found, return_counts=True)
    if (counts > 1).any():
        raise ValueError(
            f"classes must name each label once. Got {shorten(labels[counts > 1])} more than once."
        )
    dtype = getattr(y, "dtype", None)
    kind = getattr(dtype, "kind", None) or "O"
    known = kind in "iufbUS" and found.dtype.kind in "iufbUS"
    if known and (kind in "US") != (found.dtype.kind in "US"):
        raise ValueError(
            f"classes must be of the kind of y. Got classes of dtype {found.dtype} and y of "
            f"dtype {dtype}."
        )
    return found


def _check_outputs(classes: Any, y: Any) -> None:
    """Refuse a list of lists where y has not as many columns."""
    shape = getattr(y, "shape", (0, len(classes)))
    n_outputs = shape[1] if len(shape) > 1 else 1
    if len(classes) != n_outputs:
        raise ValueError(
            f"classes must be a list of labels, or one for each output of y. Got {len(classes)} "
            f"lists for {n_outputs} outputs instead."
        )
    if len(shape) < 2:
        raise ValueError(
            "classes must be a list of labels where y has one dimension. Got a list of lists "
            f"instead; pass {shorten(classes[0])}."
        )


def check_labels(
    y: Any, classes: Any, number: int | None = None, order: Callable | None = None
) -> None:
    """Refuse labels that are not in `classes`; name them and the rows that they are in.

    Parameters
    ----------
    y : array-like
        The labels.
    classes : array-like, or list of them
        All that there may be.
    number : int, default=None
        What to call the block.
    order : callable, default=None
        Called with `number` and the number of rows, gives the rows that were shuffled to here.

    Raises
    ------
    ValueError, BlockError
        If there is another one; `BlockError` if it is in a block.
    """
    if y is None:
        return
    y = as_array(y)
    if y.ndim == 2 and (y.shape[1] > 1 or are_outputs(classes)):
        if are_outputs(classes):
            for column, labels in zip(y.T, classes, strict=False):
                check_labels(column, labels, number, order)
        return
    y = y.ravel()
    labels = np.sort(np.asarray(classes))
    known = _are_known(y, labels)
    if np.all(known):
        return
    at = np.flatnonzero(~np.broadcast_to(known, y.shape))
    # By their text: NaN is not even equal to itself.
    unknown = list({repr(label): label for label in sorted(y[at].tolist(), key=str)}.values())
    rows = at if order is None else np.sort(order(number, len(y))[at])
    where = "" if number is None else f" of block {number}"
    message = (
        f"y must contain only labels of classes={shorten(labels)}. Got {shorten(unknown)} in "
        f"{name_rows(rows)}{where}. Add them to classes, or clean y."
    )
    if number is None:
        raise ValueError(message)
    raise BlockError(message, number)


def _are_known(y: np.ndarray, labels: np.ndarray) -> Any:
    """Say for each row whether it has one of the sorted `labels`."""
    try:
        if y.dtype == object:  # some may not be comparable, such as what is missing
            known = set(labels.tolist())
            return np.array([label in known for label in y.tolist()], dtype=bool)
        if len(labels) == 2:  # the usual case, many times faster than searching
            return (y == labels[0]) | (y == labels[1])
        return labels.take(labels.searchsorted(y), mode="clip") == y
    except TypeError:  # of dtypes that have nothing in common, such as dates and numbers
        return False
