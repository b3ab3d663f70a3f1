"""The different values of columns, and how often there are: of arrays, and of dataframes."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.utils import check_array

from incremental._summaries.few import as_array


class Distinct(NamedTuple):
    """The different values of one column.

    They are in what they came in (an array, or a series), with its dtype: put together, those of
    blocks have the dtype that all rows have together.
    """

    values: Any
    #: How often there is each, as 64-bit integers.
    counts: np.ndarray

    def merge(self, other: Distinct) -> Distinct:
        """Return the different values of both."""
        counts = np.concatenate([self.counts, other.counts])
        if hasattr(self.values, "iloc"):
            import pandas as pd

            return distinct(pd.concat([self.values, other.values], ignore_index=True), counts)
        return distinct(np.concatenate([self.values, other.values]), counts)


def distinct(values: Any, counts: np.ndarray | None = None) -> Distinct:
    """Return the different values of a column.

    Parameters
    ----------
    values : array of shape (n,), or series
        Missing values are values, too: None and NaN are two.
    counts : array of shape (n,), optional
        How often there is each; once by default.

    Examples
    --------
    >>> distinct(np.array(["b", None, "b"], dtype=object))
    Distinct(values=array(['b', None], dtype=object), counts=array([2, 1]))
    """
    if values.dtype == object:
        return _of_objects(values, counts)
    if not hasattr(values, "iloc"):
        if counts is None:
            return Distinct(*np.unique(values, return_counts=True))
        found, codes = np.unique(values, return_inverse=True)
        return Distinct(found, _add(codes, counts, len(found)))
    import pandas as pd

    codes, _ = pd.factorize(values, use_na_sentinel=False)
    # Codes are numbered in the order of appearance.
    before = np.maximum.accumulate(np.concatenate([[-1], codes[:-1]]))[: len(codes)]
    first = np.flatnonzero(codes > before)
    return Distinct(values.iloc[first].reset_index(drop=True), _add(codes, counts, len(first)))


def _of_objects(values: Any, counts: np.ndarray | None) -> Distinct:
    if counts is None:
        found = Counter(values.tolist())
    else:
        found = Counter()
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            found[value] += count
    for value in list(found):
        if isinstance(value, (float, np.floating)) and value != value:  # each NaN is another key
            n = found.pop(value)
            found[np.nan] += n
    array = np.empty(len(found), object)
    array[:] = list(found)
    numbers = np.fromiter(found.values(), np.int64, len(found))
    if hasattr(values, "iloc"):
        import pandas as pd

        return Distinct(pd.Series(array, dtype=object), numbers)
    return Distinct(array, numbers)


def _add(codes: np.ndarray, counts: np.ndarray | None, n: int) -> np.ndarray:
    """Return how often there is each code."""
    if counts is None:
        return np.bincount(codes, minlength=n).astype(np.int64)
    total = np.zeros(n, np.int64)
    np.add.at(total, codes, counts)
    return total


class Table:
    """The different values of each column of X.

    Attributes
    ----------
    columns : list of Distinct
    names : pandas.Index, or None
        The columns of a dataframe, which a small one is to be given; None for an array.
    is_sparse : bool
        Whether they are those of a sparse matrix.
    """

    def __init__(self, columns: list[Distinct], names: Any = None, is_sparse: bool = False):
        self.columns = columns
        self.names = names
        self.is_sparse = is_sparse

    def merge(self, other: Table) -> Table:
        pairs = zip(self.columns, other.columns, strict=True)
        return Table([one.merge(two) for one, two in pairs], self.names, self.is_sparse)

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def n_rows(self) -> int:
        return int(self.columns[0].counts.sum()) if self.columns else 0

    def name(self, i: int) -> Any:
        return i if self.names is None else self.names[i]


def table(X: Any, accept_sparse: bool = False) -> Table:
    """Return the different values of each column of an array or a dataframe.

    Examples
    --------
    >>> table(np.array([[1, 2], [1, 3]])).columns[1].values
    array([2, 3])
    """
    if getattr(X, "ndim", 0) == 2 and hasattr(X, "iloc"):
        return Table([distinct(_dense(X.iloc[:, i])) for i in range(X.shape[1])], X.columns)
    X = check_array(
        as_array(X),
        accept_sparse="csc" if accept_sparse else False,
        dtype=None,
        ensure_all_finite=False,
        ensure_min_samples=0,
    )
    if sp.issparse(X):
        return Table([_of_sparse(X, i) for i in range(X.shape[1])], is_sparse=True)
    return Table([distinct(column) for column in X.T])


def _dense(column: Any) -> Any:
    return column.sparse.to_dense() if hasattr(column, "sparse") else column


def _of_sparse(X: Any, i: int) -> Distinct:
    """Return the different values of a column of a CSC matrix, the zeros included."""
    stored = X.data[X.indptr[i] : X.indptr[i + 1]]
    n_zeros = X.shape[0] - len(stored)
    values, counts = np.unique(stored, return_counts=True)
    if not n_zeros:
        return Distinct(values, counts)
    values = np.concatenate([values, np.zeros(1, X.dtype)])
    return distinct(values, np.concatenate([counts, [n_zeros]]))


def assemble(columns: list[Any], names: Any) -> Any:
    """Return an array, or a dataframe, of columns that are equally long.

    Examples
    --------
    >>> assemble([np.array([1, 2]), np.array([3, 4])], None)
    array([[1, 3],
           [2, 4]])
    """
    if names is None:
        return np.stack(columns, axis=1)
    import pandas as pd

    columns = [column.reset_index(drop=True) for column in columns]
    return pd.concat(columns, axis=1).set_axis(names, axis=1)
