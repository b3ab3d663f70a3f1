"""Tests of each column against y, as of univariate selections, from sums."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy import special, stats
from sklearn.utils.multiclass import check_classification_targets

from incremental._summaries.sums import Moments, Sum, column_sums, moments, stored, sums_by


class Score(ABC):
    """How a test is learned from sums of blocks: an array or a sparse matrix of floats, and y."""

    @abstractmethod
    def block(self, X: Any, y: np.ndarray) -> Any:
        """Return the sums of one block."""

    @abstractmethod
    def merge(self, first: Any, second: Any) -> Any:
        """Return the sums of two blocks."""

    @abstractmethod
    def finish(self, summary: Any) -> Any:
        """Return the scores, or the scores and the p-values."""

    def n_classes(self, summary: Any) -> int:
        """Return how many classes there are sums of."""
        return 1


class ByClass(NamedTuple):
    """Sums of the rows of each class."""

    classes: np.ndarray
    counts: np.ndarray
    #: Of shape (n_classes, n_columns).
    sums: Sum
    #: Sums of squares of all rows.
    squares: Sum

    def spread(self, classes: np.ndarray) -> tuple[np.ndarray, Sum]:
        """Return the counts and sums of more classes, of which some have no rows."""
        places = np.searchsorted(classes, self.classes)
        counts = np.zeros(len(classes), np.int64)
        counts[places] = self.counts
        high, low = np.zeros((2, len(classes), self.sums.high.shape[1]))
        high[places], low[places] = self.sums
        return counts, Sum(high, low)


class OfClasses(Score):
    """What needs sums for each class."""

    def block(self, X: Any, y: np.ndarray) -> ByClass:
        classes, codes = np.unique(y, return_inverse=True)
        counts = np.bincount(codes, minlength=len(classes))
        shape = len(classes), X.shape[1]
        if sp.issparse(X):
            squares = column_sums(X.power(2))
            X = X.tocoo()
            parts = [sums_by(codes[X.row] * X.shape[1] + X.col, X.data, shape[0] * shape[1])]
        else:
            squares = column_sums(X**2)
            X = X[np.argsort(codes, kind="stable")]
            parts = [column_sums(part) for part in np.split(X, np.cumsum(counts))[:-1]]
        high, low = ([part[i] for part in parts] for i in (0, 1))
        return ByClass(
            classes, counts, Sum(*(np.reshape(one, shape) for one in (high, low))), squares
        )

    def merge(self, first: ByClass, second: ByClass) -> ByClass:
        classes = np.unique(np.concatenate([first.classes, second.classes]))
        (n, sums), (m, others) = first.spread(classes), second.spread(classes)
        return ByClass(classes, n + m, sums + others, first.squares + second.squares)

    def n_classes(self, summary: ByClass) -> int:
        return len(summary.classes)


class FClassif(OfClasses):
    """`sklearn.feature_selection.f_classif`, by the formula that it has of `scipy.stats.f_oneway`.

    Equal where all sums are of integers below 2**53.  Elsewhere the difference is that of
    rounding times ``sum(X**2) / sum((X - mean)**2)``, which is lost in scikit-learn's own, too.
    """

    def finish(self, summary: ByClass) -> tuple[np.ndarray, np.ndarray]:
        sums, counts = summary.sums.value, summary.counts
        n, k = int(counts.sum()), len(counts)
        correction = sum(sums) ** 2 / n  # in the order of scikit-learn's additions
        between = sum(one**2 / count for one, count in zip(sums, counts, strict=True))
        between = between - correction
        within = summary.squares.value - correction - between
        with np.errstate(divide="ignore", invalid="ignore"):
            between, within = np.divide(between, k - 1), np.divide(within, n - k)
            constant = np.flatnonzero(within == 0)
            if len(constant) and not between.all():
                warnings.warn(f"Features {constant} are constant.", UserWarning, stacklevel=2)
            f = between / within
        return f, special.fdtrc(k - 1, n - k, f)


class Chi2(OfClasses):
    """`sklearn.feature_selection.chi2`, by the formula of `scipy.stats.chisquare`.

    Within a few units in the last place, where all sums are of integers below 2**53.
    """

    def block(self, X: Any, y: np.ndarray) -> ByClass:
        if ((X.data if sp.issparse(X) else X) < 0).any():
            raise ValueError("Input X must be non-negative.")
        if len(y):
            check_classification_targets(y)
        return super().block(X, y)

    def finish(self, summary: ByClass) -> tuple[np.ndarray, np.ndarray]:
        observed, counts = summary.sums.value, summary.counts
        if len(counts) == 1:  # scikit-learn takes the only class as the first of two
            observed, counts = np.concatenate([observed, 0 * observed]), np.append(counts, 0)
        expected = np.outer(counts / counts.sum(), observed.sum(axis=0))
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = ((observed - expected) ** 2 / expected).sum(axis=0)
        return scores, special.chdtrc(len(counts) - 1, scores)


class Together(NamedTuple):
    """The moments of the columns and of y, and the sums of their products about the centers."""

    X: Moments
    y: Moments
    products: np.ndarray

    def products_about(self, X_center: np.ndarray, y_center: np.ndarray) -> np.ndarray:
        """Return the sums of products about other centers."""
        d, e = self.X.center - X_center, self.y.center - y_center
        return self.products + e * self.X.sum + d * (self.y.sum + self.X.n * e)


class RRegression(Score):
    """`sklearn.feature_selection.r_regression`: the correlations, 0 of what is constant.

    About centers, so that they are right to a few units in the last place; scikit-learn's own
    differ by rounding times ``sum(X**2) / sum((X - mean)**2)``.
    """

    def block(self, X: Any, y: np.ndarray) -> Together:
        y = np.multiply(y, 1.0).astype(np.float64)  # raises for text what scikit-learn raises
        of_X, of_y = moments(X), moments(y[:, None])
        apart = y - of_y.center
        if sp.issparse(X):
            data, columns = stored(X)
            products = sums_by(columns, data * apart[X.tocoo().row], X.shape[1]).value
            return Together(of_X, of_y, products - of_X.center * of_y.sum)
        products = column_sums((X - of_X.center) * apart[:, None]).value
        return Together(of_X, of_y, products)

    def merge(self, first: Together, second: Together) -> Together:
        X, y = first.X + second.X, first.y + second.y
        parts = [one.products_about(X.center, y.center) for one in (first, second)]
        return Together(X, y, parts[0] + parts[1])

    def finish(self, summary: Together) -> Any:
        X, y = summary.X, summary.y
        products = summary.products - X.sum * (y.sum / y.n)
        with np.errstate(divide="ignore", invalid="ignore"):
            r = products / np.sqrt(X.variances * X.n) / np.sqrt(y.variances * y.n)
        return np.where(np.isnan(r), 0.0, r)


class FRegression(RRegression):
    """`sklearn.feature_selection.f_regression` with its default parameters: see `RRegression`."""

    def finish(self, summary: Together) -> tuple[np.ndarray, np.ndarray]:
        free = int(summary.y.n[0]) - 2
        squared = super().finish(summary) ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            f = squared / (1 - squared) * free
            p = stats.f.sf(f, 1, free)
        p[np.isnan(f)] = 1.0
        return np.nan_to_num(f, nan=0.0, posinf=np.finfo(f.dtype).max), p
