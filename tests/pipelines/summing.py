"""Steps of a user that learn from summaries of blocks."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted


class Centre(TransformerMixin, BaseEstimator):
    """Subtracts the means, whose last bits tell in which order blocks were added."""

    def __init__(self, log=None, limit=None):
        self.log = log
        self.limit = limit

    def block_summary(self, X, y=None):
        X = np.asarray(X)
        if np.isnan(X).any():
            raise ValueError("X has NaN")
        if self.log is not None:
            self.log.add(float(X[0, 0]))
        return len(X), X.sum(0)

    def merge_summaries(self, first, second):
        if self.limit is not None and first[0] + second[0] > self.limit:
            raise ValueError(f"more than {self.limit} rows")
        return first[0] + second[0], first[1] + second[1]

    def fit_summary(self, summary):
        self.n_seen_, total = summary
        self.mean_ = total / self.n_seen_

    def fit(self, X, y=None):
        self.fit_summary(self.block_summary(X))
        return self

    def transform(self, X):
        check_is_fitted(self)
        return np.asarray(X) - self.mean_

    def inverse_transform(self, X):
        return X + self.mean_


class Supervised(Centre):
    """Knows the mean of y, too."""

    def block_summary(self, X, y=None):
        return len(X), np.append(np.sum(X, 0), np.sum(y))

    def fit(self, X, y):
        self.fit_summary(self.block_summary(X, y))
        return self

    def transform(self, X):
        return X - self.mean_[:-1]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


class MeanOfY(Supervised):
    """A model that predicts the mean."""

    def predict(self, X):
        return np.full(len(X), self.mean_[-1])


def merged(merge, parts):
    """Merge what neighbours are in pairs, and so on; what is left over joins from the right.

    >>> merged(lambda a, b: f"({a}{b})", list("abcdefg"))
    '(((ab)(cd))((ef)g))'
    """
    size = 1
    while 2 * size <= len(parts):
        size *= 2
    if len(parts) == 1:
        return parts[0]
    if size == len(parts):
        size //= 2
    return merge(merged(merge, parts[:size]), merged(merge, parts[size:]))


def centred(blocks):
    """Return a `Centre` that has learned from blocks by hand."""
    centre = Centre()
    centre.fit_summary(merged(centre.merge_summaries, [centre.block_summary(x) for x in blocks]))
    return centre
