"""Sums of columns that lose nothing, and moments that are merged."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp


class Sum(NamedTuple):
    """Sums as unevaluated pairs of floats: ``high + low``.

    References
    ----------
    T. J. Dekker, "A floating-point technique for extending the available precision", Numerische
    Mathematik 18 (1971), 224-242; D. E. Knuth, "The Art of Computer Programming" 2, 4.2.2.
    """

    high: np.ndarray
    low: np.ndarray

    def __add__(self, other: Any) -> Sum:
        high = self.high + other.high
        part = high - self.high
        lost = (self.high - (high - part)) + (other.high - part)
        return Sum(high, self.low + other.low + lost)

    @property
    def value(self) -> np.ndarray:
        return self.high + self.low


def column_sums(X: Any) -> Sum:
    """Return the sums of the columns of an array or a sparse matrix of finite floats.

    The leading bits of all values, so many of them that their sums are exact in any order, are
    added apart from the rest.

    References
    ----------
    J. Demmel, H. D. Nguyen, "Fast reproducible floating-point summation", ARITH 21 (2013).

    Examples
    --------
    >>> column_sums(np.array([[1e16], [1.0], [-1e16]])).value
    array([1.])
    """
    if sp.issparse(X):
        data, columns = stored(X)
        return sums_by(columns, data, X.shape[1])
    total = Sum(*np.zeros((2, X.shape[1])))
    n_rows = max(1, _N_VALUES // max(1, X.shape[1]))
    for start in range(0, len(X), n_rows):
        part = X[start : start + n_rows]
        unit = _unit(np.abs(part).max(axis=0), len(part))
        high = part + unit
        high -= unit
        low = np.subtract(part, high)
        total = total + Sum(high.sum(axis=0), low.sum(axis=0))
    return total


#: Values that are added at once: they and what is made of them stay in the cache of a core.
_N_VALUES = 16_384


def sums_by(groups: np.ndarray, values: np.ndarray, n_groups: int) -> Sum:
    """Return the sums of the values of each group.

    Examples
    --------
    >>> sums_by(np.array([0, 2, 2]), np.array([1.0, 2.0, 3.0]), 3).value
    array([1., 0., 5.])
    """
    unit = _unit(np.abs(values).max(initial=0), len(values))
    high = values + unit
    high -= unit
    return Sum(np.bincount(groups, high, n_groups), np.bincount(groups, values - high, n_groups))


def _unit(largest: Any, n: int) -> Any:
    """Return what rounds values, once added to them, to bits of which n can be added exactly."""
    return np.ldexp(1.5, np.frexp(largest)[1] + n.bit_length())


def stored(X: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the stored values of a sparse matrix as floats, and their columns."""
    X = X.tocoo()
    return X.data.astype(np.float64, copy=False), X.col


class Moments(NamedTuple):
    """Numbers, sums and sums of squares of each column, about centers near to the means.

    Differences of the centers are as exact as floats are, so that nothing cancels where blocks are
    merged: variances are right to a few units in the last place.

    References
    ----------
    T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise algorithm for
    computing sample variances", Technical Report STAN-CS-79-773, Stanford University (1979).
    """

    n: np.ndarray
    center: np.ndarray
    sum: np.ndarray
    squares: np.ndarray

    def about(self, center: np.ndarray) -> Moments:
        """Return the same about other centers."""
        d = self.center - center
        squares = self.squares + d * (2 * self.sum + self.n * d)
        return Moments(self.n, center, self.sum + self.n * d, squares)

    def __add__(self, other: Any) -> Moments:
        n = np.maximum(self.n + other.n, 1)
        center = self.center + (other.center - self.center) * (other.n / n)
        one, two = self.about(center), other.about(center)
        return Moments(one.n + two.n, center, one.sum + two.sum, one.squares + two.squares)

    @property
    def variances(self) -> np.ndarray:
        """The variances; NaN where there is no value."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.maximum(self.squares - self.sum * (self.sum / self.n), 0) / self.n


def moments(X: Any) -> Moments:
    """Return the moments of the columns of an array or a sparse matrix of floats; NaN is left out.

    Examples
    --------
    >>> found = moments(np.array([[1.0], [2.0]])) + moments(np.array([[6.0], [np.nan]]))
    >>> found.n, found.variances
    (array([3]), array([4.66666667]))
    """
    if sp.issparse(X):
        return _moments_of_sparse(X)
    missing = np.isnan(X)
    n = len(X) - missing.sum(axis=0)
    base = np.where(missing, 0, X)[:1].sum(axis=0)  # of constant columns the center is exact
    center = base + column_sums(np.where(missing, 0, X - base)).value / np.maximum(n, 1)
    apart = np.where(missing, 0, X - center)
    return Moments(n, center, column_sums(apart).value, column_sums(apart**2).value)


def _moments_of_sparse(X: Any) -> Moments:
    data, columns = stored(X)
    missing = np.isnan(data)
    data, kept = data[~missing], columns[~missing]
    k = X.shape[1]
    n = X.shape[0] - np.bincount(columns[missing], minlength=k)
    center = sums_by(kept, data, k).value / np.maximum(n, 1)
    zeros = n - np.bincount(kept, minlength=k)
    apart = data - center[kept]
    return Moments(
        n,
        center,
        sums_by(kept, apart, k).value - zeros * center,
        sums_by(kept, apart**2, k).value + zeros * center**2,
    )
