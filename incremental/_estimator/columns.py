"""What the columns of X tell before any block is read."""

from __future__ import annotations

from collections import UserList
from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags

from incremental._compat import safe_indexing
from incremental._data.containers import as_container
from incremental._data.frames import selects_columns
from incremental._data.nearly_right import is_lazy
from incremental._estimator.advice import is_of_scikit_learn
from incremental._pipelines.tree import first_step
from incremental.exceptions import shorten


def takes_more_columns(estimator: Any) -> bool:
    """Say whether an estimator needs only some of the columns of X, which it looks for in a block.

    Examples
    --------
    >>> takes_more_columns(ColumnTransformer([("a", "passthrough", ["a"])]))
    True
    """
    first = first_step(estimator)
    if isinstance(first, FunctionTransformer):
        return not first.validate
    return first is None or isinstance(first, ColumnTransformer)


def is_table_only(estimator: Any) -> bool:
    """Say whether an estimator takes a table of numbers, and nothing else.

    What is not of scikit-learn, or hands X on to what is not, may say so and take more: networks
    take images.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import HashingVectorizer
    >>> from sklearn.linear_model import SGDClassifier
    >>> is_table_only(SGDClassifier()), is_table_only(HashingVectorizer())
    (True, False)
    """
    tags = get_tags(estimator).input_tags
    inside = estimator.get_params().values() if hasattr(estimator, "get_params") else ()
    return (
        tags.two_d_array
        and not (tags.string or tags.categorical)
        and is_of_scikit_learn(estimator)
        and all(map(is_of_scikit_learn, (one for one in inside if hasattr(one, "partial_fit"))))
    )


def check_columns(model: Any, X: Any) -> None:
    """Refuse a lazy X with other columns than the model has learned.

    Raises
    ------
    ValueError
        If their number, their names or, where it is known, their order differ.

    Notes
    -----
    dask may describe the names sorted where blocks have them in another order: pandas aligns the
    columns of ``X - X.mean()`` with the values that are subtracted.  Then each block decides,
    unless columns were selected last.
    """
    if not is_lazy(X):
        return
    found, names = as_container(X).columns
    first = first_step(model)
    if isinstance(first, ColumnTransformer) and hasattr(first, "feature_names_in_"):
        _check_needed(model, first, found, names)
    if takes_more_columns(model):
        return
    expected = getattr(model, "n_features_in_", None)
    learned = getattr(model, "feature_names_in_", None)
    if names is not None and learned is not None:
        _check_names(model, names, list(learned), is_in_order=selects_columns(X))
    if None not in (found, expected) and found != expected:
        raise ValueError(
            f"X has {found} features, but {type(model).__name__} is expecting {expected} features "
            f"as input. {_REMEDY}"
        )


_REMEDY = "Pass the columns that it has learned, or call fit to begin anew."


def _check_needed(model: Any, first: Any, found: int | None, names: list[str] | None) -> None:
    """Refuse columns without those that a ColumnTransformer looks for by their names."""
    used = [
        # scikit-learn 1.6 warns whoever looks into the list of the remainder.
        columns.data if isinstance(columns, UserList) else columns
        for _, step, columns in first.transformers_
        if not isinstance(step, str) or step == "passthrough"
    ]
    if found is None or (names is None and not any(map(_are_names, used))):
        return
    needed = _names_of(first.feature_names_in_, used)
    missing = [name for name in needed if name not in (names or ())]
    if not missing:
        return
    got = f"{found} columns without names" if names is None else shorten(names)
    raise ValueError(
        f"X must have the columns {shorten(needed)} that {type(model).__name__} has learned. "
        f"Got {got} instead (missing: {shorten(missing)}). {_REMEDY}"
    )


def _names_of(learned: Any, selections: list[Any]) -> list[str]:
    """Return the names of the columns in any of the selections: names, positions, masks, slices."""
    import pandas as pd  # which whoever learns names has

    row = pd.DataFrame([learned], columns=learned)
    found = {name for one in selections for name in np.ravel(safe_indexing(row, one, axis=1))}
    return [name for name in learned if name in found]


def _are_names(columns: Any) -> bool:
    if isinstance(columns, slice):
        return isinstance(columns.start, str) or isinstance(columns.stop, str)
    if isinstance(columns, (list, tuple, np.ndarray)) and len(columns):
        return isinstance(columns[0], str)
    return isinstance(columns, str)


def _check_names(model: Any, names: list[str], learned: list[str], *, is_in_order: bool) -> None:
    if set(names) != set(learned):
        raise ValueError(
            f"X must have the columns {shorten(learned)} that {type(model).__name__} has learned. "
            f"Got {shorten(names)} instead{_difference(names, learned)}. {_REMEDY}"
        )
    is_in_order = is_in_order or names != sorted(names)
    if is_in_order and is_of_scikit_learn(first_step(model)) and names != learned:
        raise ValueError(
            f"X must have the columns in the order that {type(model).__name__} has learned, "
            f"{shorten(learned)}. Got {shorten(names)} instead; pass "
            "X[list(model.feature_names_in_)]."
        )


def check_same_columns(estimator: Any, X: Any, X_val: Any) -> None:
    """Refuse an X_val with other columns than X.

    Raises
    ------
    ValueError
        If their number or their names differ; in memory, where it is known, their order.
    """
    if takes_more_columns(estimator):
        return
    n, names = as_container(X).columns
    n_val, names_val = as_container(X_val, "X_val").columns
    if names is not None and names_val is not None:
        if set(names) != set(names_val):
            raise ValueError(
                f"X_val must have the columns {shorten(names)} of X. Got {shorten(names_val)} "
                f"instead{_difference(names_val, names)}."
            )
        if names != names_val and not is_lazy(X) and not is_lazy(X_val):
            raise ValueError(
                f"X_val must have the columns of X in their order, {shorten(names)}. Got "
                f"{shorten(names_val)} instead; pass X_val[X.columns]."
            )
    if None not in (n, n_val) and n != n_val:
        raise ValueError(f"X_val must have as many columns as X, {n}. Got {n_val} instead.")


def _difference(found: Iterable[str], expected: Iterable[str]) -> str:
    """Say which columns are missing and which are not known, where there are too many to see."""
    missing, more = sorted({*expected} - {*found}), sorted({*found} - {*expected})
    said = f" (missing: {shorten(missing)}; unknown: {shorten(more)})"
    return said if len({*found, *expected}) > 10 else ""
