"""Encoders that find the categories of each column."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.preprocessing import OrdinalEncoder

from incremental._data.values import rows
from incremental._summaries.base import RAISE_THE_LIMIT, Summaries, most_values, parameters
from incremental._summaries.distinct import Distinct, Table, assemble, table
from incremental.exceptions import shorten


class Encoders(Summaries):
    """OneHotEncoder and OrdinalEncoder: the different values of each column, and their counts.

    What is learned is that of ``fit`` on all rows: it is learned by ``fit`` on few rows that have
    all values, and the frequent ones more often than the infrequent ones.
    """

    def block(self, estimator: Any, X: Any, y: Any = None) -> Table:
        return table(X)

    def merge(self, estimator: Any, first: Table, second: Table) -> Table:
        return first.merge(second)

    def fit(self, estimator: Any, summary: Table) -> None:
        if estimator.min_frequency is None and estimator.max_categories is None:
            estimator.fit(once(summary))
            return
        roles = [_roles(estimator, i, summary) for i in range(len(summary))]
        frequent, repeats = _repeats(roles)
        _check_rows(estimator, summary, roles, max((int(n.sum()) for n in repeats), default=0))
        columns = [
            rows(column.values, np.repeat(np.arange(len(n)), n))
            for column, n in zip(summary.columns, repeats, strict=True)
        ]
        with parameters(estimator, min_frequency=frequent, max_categories=None):
            estimator.fit(assemble(columns, summary.names))

    def check_size(self, estimator: Any, summary: Table) -> None:
        chosen = ", and min_frequency and max_categories choose among them in the end"
        check_values(estimator, summary, "categories", chosen)


class CategoriesOfDtypes(Encoders):
    """The same, where each column has all its categories in its dtype, whether they occur or not.

    What the dtype does not say is whether values are missing.
    """

    def block(self, estimator: Any, X: Any, y: Any = None) -> Table:
        return Table([_of_dtype(X.iloc[:, i]) for i in range(X.shape[1])], X.columns)


def _of_dtype(column: Any) -> Distinct:
    import pandas as pd

    codes = np.arange(-int(column.hasnans), len(column.cat.categories))  # -1 is missing
    values = pd.Categorical.from_codes(codes, dtype=column.dtype)
    return Distinct(pd.Series(values), np.ones(len(codes), np.int64))


def check_values(estimator: Any, summary: Table, what: str, chosen: str = "") -> None:
    """Refuse a table of too many different values."""
    sizes = [len(column.counts) for column in summary.columns]
    if sum(sizes) > most_values():
        i = int(np.argmax(sizes))
        raise ValueError(
            f"{type(estimator).__name__} keeps at most {most_values()} different {what} of all "
            f"columns, but the column {summary.name(i)!r} has {sizes[i]} so far{chosen}. Leave "
            f"the column out, or hash it (FeatureHasher). {RAISE_THE_LIMIT}"
        )


def _check_rows(estimator: Any, summary: Table, roles: list[np.ndarray], n_rows: int) -> None:
    """Refuse to make more rows than a few for each value: see `_repeats`."""
    most = 4 * most_values()
    if n_rows > most:
        rare = [summary.name(i) for i, one in enumerate(roles) if not one.any()]
        raise ValueError(
            f"{type(estimator).__name__} is fitted on at most {most} rows that stand for all, but "
            f"needs {n_rows}: all values of the columns {shorten(rare)} are infrequent, and other "
            "columns have nearly as many frequent ones. Leave these columns out, hash them "
            f"(FeatureHasher), or set another min_frequency. {RAISE_THE_LIMIT}"
        )


def once(summary: Table) -> Any:
    """Return rows that have all different values; short columns begin again."""
    sizes = [len(column.counts) for column in summary.columns]
    places = np.arange(max(sizes, default=0))
    columns = [
        rows(column.values, places % max(n, 1))
        for column, n in zip(summary.columns, sizes, strict=True)
    ]
    return assemble(columns, summary.names)


#: Of a value that is no category, or one that is neither frequent nor infrequent.
_NEITHER = -1


def _roles(encoder: Any, i: int, summary: Table) -> np.ndarray:
    """Say of each value of a column whether it is frequent: 1, 0, or neither.

    By the rule of scikit-learn's user guide ("Infrequent categories"): infrequent is what is there
    less often than `min_frequency`, and then all but the ``max_categories - 1`` most frequent
    ones; of equally frequent ones the last stay.
    """
    column = summary.columns[i]
    codes, n_categories, has_nan = _codes(encoder, i, column, summary.names)
    is_category = codes >= 0
    if has_nan and isinstance(encoder, OrdinalEncoder):
        is_category &= codes < n_categories - 1
        n_categories -= 1
    counts = np.zeros(n_categories, np.int64)
    np.add.at(counts, codes[is_category], column.counts[is_category])
    least: Any = encoder.min_frequency or 0
    if not isinstance(least, Integral):
        least = least * summary.n_rows
    frequent: np.ndarray = counts >= least
    most = encoder.max_categories
    if most is not None and most < frequent.sum() + 1:
        frequent[np.argsort(counts, kind="stable")[: n_categories - (most - 1)]] = False
    roles = np.full(len(codes), _NEITHER)
    roles[is_category] = frequent[codes[is_category]]
    return roles


def _codes(encoder: Any, i: int, column: Distinct, names: Any) -> tuple[np.ndarray, int, bool]:
    """Return the place of each value among the categories, their number, and if NaN is the last."""
    categories = encoder.categories if isinstance(encoder.categories, str) else None
    coder = OrdinalEncoder(
        categories=categories or [encoder.categories[i]],
        dtype=np.int64,
        handle_unknown="use_encoded_value",
        unknown_value=-1,
        encoded_missing_value=-2,
    ).set_output(transform="default")
    X = assemble([column.values], None if names is None else names[[i]])
    codes = coder.fit_transform(X)[:, 0]
    n = len(coder.categories_[0])
    has_nan = bool((codes == -2).any())
    return np.where(codes == -2, n - 1, codes), n, has_nan


def _repeats(roles: list[np.ndarray]) -> tuple[int, list[np.ndarray]]:
    """Return how often each value has to be there to have its role, and from when it is frequent.

    All columns have the same number of rows.  What a column lacks is filled with a frequent value,
    or with one that is neither.  Where all values are infrequent, each stays below the limit; the
    limit is such that there is room, as there was in all rows.

    Examples
    --------
    >>> _repeats([np.array([1, 0, 0]), np.array([0, 0])])
    (4, [array([4, 1, 1]), array([3, 3])])
    """
    limit = 2
    for others in roles:
        if not others.any():
            for one in roles:
                n_frequent = int((one == 1).sum())
                n_rest = len(one) - n_frequent
                room = len(others) - n_frequent
                limit = max(limit, -(-(len(others) + n_rest) // room))
    repeats = [np.where(one == 1, limit, 1) for one in roles]
    n_rows = max((int(n.sum()) for n in repeats), default=0)
    for one, n in zip(roles, repeats, strict=True):
        lacking = n_rows - int(n.sum())
        if one.any():
            n[np.argmax(one != 0)] += lacking
        else:
            n += lacking // len(one)
            n[: lacking % len(one)] += 1
    return limit, repeats
