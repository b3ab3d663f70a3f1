"""Which estimators learn from summaries of blocks, and how: a table, and a protocol."""

from __future__ import annotations

from typing import Any

from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.feature_selection import (
    GenericUnivariateSelect,
    SelectFdr,
    SelectFpr,
    SelectFwe,
    SelectKBest,
    SelectPercentile,
    VarianceThreshold,
)
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.preprocessing import (
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    SplineTransformer,
)

from incremental._summaries.base import Summaries
from incremental._summaries.encoders import Encoders
from incremental._summaries.extremes import Extremes
from incremental._summaries.imputers import Imputers, Pattern
from incremental._summaries.selection import Univariate, Variances
from incremental._summaries.text import DocumentFrequencies, Features, Vocabularies

#: By the exact class: what is derived may learn otherwise.
OF_SCIKIT_LEARN: dict[type, Summaries] = {
    CountVectorizer: Vocabularies(),
    DictVectorizer: Features(),
    GenericUnivariateSelect: Univariate(),
    KBinsDiscretizer: Extremes(),
    MissingIndicator: Pattern(),
    OneHotEncoder: Encoders(),
    OrdinalEncoder: Encoders(),
    SelectFdr: Univariate(),
    SelectFpr: Univariate(),
    SelectFwe: Univariate(),
    SelectKBest: Univariate(),
    SelectPercentile: Univariate(),
    SimpleImputer: Imputers(),
    SplineTransformer: Extremes(),
    TfidfTransformer: DocumentFrequencies(),
    TfidfVectorizer: Vocabularies(),
    VarianceThreshold: Variances(),
}

PROTOCOL = ("block_summary", "merge_summaries", "fit_summary")


class _Own(Summaries):
    """An estimator that says itself how it learns from summaries."""

    def block(self, estimator: Any, X: Any, y: Any = None) -> Any:
        return estimator.block_summary(X, y)

    def merge(self, estimator: Any, first: Any, second: Any) -> Any:
        return estimator.merge_summaries(first, second)

    def fit(self, estimator: Any, summary: Any) -> None:
        estimator.fit_summary(summary)


def summaries_of(estimator: Any) -> Summaries | None:
    """Return how an estimator learns from summaries of blocks; None if it does not.

    Examples
    --------
    >>> type(summaries_of(OneHotEncoder())).__name__
    'Encoders'
    >>> summaries_of("passthrough") is None
    True
    """
    if all(callable(getattr(estimator, method, None)) for method in PROTOCOL):
        return _Own()
    return OF_SCIKIT_LEARN.get(type(estimator))
