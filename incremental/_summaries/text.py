"""Vocabularies of texts and of dicts, and in how many rows there is each term."""

from __future__ import annotations

from collections import Counter
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.utils import check_array

from incremental._data.values import concatenate
from incremental._summaries.base import RAISE_THE_LIMIT, Summaries, most_values, parameters
from incremental._summaries.few import in_form, no_rows


def _check_terms(estimator: Any, n: int, what: str, instead: str) -> None:
    if n > most_values():
        raise ValueError(
            f"{type(estimator).__name__} keeps at most {most_values()} {what}, but its column has "
            f"{n} so far{instead}. {RAISE_THE_LIMIT}"
        )


class Terms(NamedTuple):
    """How many documents there are, in how many there is each term, and how often in all."""

    n_documents: int
    #: In the order of appearance.
    documents: Counter[str]
    #: Only counted if the most frequent ones are to be kept.
    occurrences: Counter[str] | None


class Vocabularies(Summaries):
    """CountVectorizer and TfidfVectorizer: counts of terms; equal to ``fit`` on all rows.

    References
    ----------
    scikit-learn's user guide, "Text feature extraction": ``idf(t) = log((1 + n) / (1 + df(t))) +
    1``, without the ones in the fraction if `smooth_idf` is False.
    """

    def block(self, estimator: Any, X: Any, y: Any = None) -> Terms:
        analyze = _checked(estimator).build_analyzer()
        known = None if estimator.vocabulary is None else set(estimator.vocabulary)
        documents: Counter[str] = Counter()
        occurrences: Counter[str] | None = None
        if estimator.max_features is not None and not estimator.binary:
            occurrences = Counter()
        n = 0
        for document in X:
            n += 1
            terms = Counter(analyze(document))
            documents.update(terms.keys() if known is None else terms.keys() & known)
            if occurrences is not None:
                occurrences.update(terms)
        return Terms(n, documents, occurrences)

    def merge(self, estimator: Any, first: Terms, second: Terms) -> Terms:
        documents = first.documents.copy()
        documents.update(second.documents)
        occurrences = first.occurrences
        if occurrences is not None:
            occurrences = occurrences.copy()
            occurrences.update(second.occurrences)
        return Terms(first.n_documents + second.n_documents, documents, occurrences)

    def fit(self, estimator: Any, summary: Terms) -> None:
        documents = summary.documents
        kept = documents if estimator.vocabulary is not None else _kept(estimator, summary)
        # Notes that the stop words were checked, as the first of its calls does.
        estimator.build_analyzer()
        # Where there is a limit, scikit-learn's places of the terms are NumPy's integers.
        limit = None if estimator.max_features is None else max(len(kept), 1)
        with parameters(estimator, **_ONE_DOCUMENT, max_features=limit):
            estimator.fit([list(kept)])
        if isinstance(estimator, TfidfVectorizer) and estimator.use_idf:
            terms = sorted(estimator.vocabulary_, key=estimator.vocabulary_.__getitem__)
            counts = np.fromiter((documents[term] for term in terms), np.int64, len(terms))
            estimator.idf_ = _idf(summary.n_documents, counts, estimator, estimator.dtype)

    def check_size(self, estimator: Any, summary: Terms) -> None:
        _check_terms(
            estimator,
            len(summary.documents),
            "terms",
            ", and max_features, min_df and max_df choose among them in the end. Use "
            "HashingVectorizer, or a smaller ngram_range",
        )


def _analyze(terms: list[str]) -> list[str]:
    return terms


#: Parameters by which a vectorizer takes all terms of a document that is a list of them.
_ONE_DOCUMENT: dict[str, Any] = {
    **{"input": "content", "analyzer": _analyze, "preprocessor": None, "tokenizer": None},
    **{"stop_words": None, "ngram_range": (1, 1), "token_pattern": r"(?u)\b\w\w+\b"},
    **{"min_df": 1, "max_df": 1.0},
}


def _checked(estimator: Any) -> CountVectorizer:
    """Return a vectorizer that finds the same terms; its parameters were checked."""
    names = CountVectorizer().get_params()
    params = {name: getattr(estimator, name) for name in names}
    if params["vocabulary"] is None:
        params["vocabulary"] = ["term"]
    counter = CountVectorizer(**params)
    counter.fit([])
    return counter


def _kept(estimator: Any, summary: Terms) -> list[str]:
    """Return the terms that stay, in the order of appearance.

    By `min_df`, `max_df` and `max_features` as scikit-learn's documentation has them; of equally
    frequent ones the same as there, which sorts as here.
    """
    terms = list(summary.documents)
    order = sorted(range(len(terms)), key=terms.__getitem__)
    ordered = [terms[i] for i in order]
    counts = np.fromiter((summary.documents[term] for term in ordered), np.int64, len(terms))
    least, most = (
        bound * (1 if isinstance(bound, Integral) else summary.n_documents)
        for bound in (estimator.min_df, estimator.max_df)
    )
    if most < least:
        raise ValueError("max_df corresponds to < documents than min_df")
    mask = (counts <= most) & (counts >= least)
    limit = estimator.max_features
    if limit is not None and mask.sum() > limit:
        if summary.occurrences is not None:
            counts = np.fromiter((summary.occurrences[t] for t in ordered), np.int64, len(terms))
        places = np.flatnonzero(mask)[np.argsort(-counts[mask].astype(_summed(estimator)))]
        mask[:] = False
        mask[places[:limit]] = True
    if terms and not mask.any():
        raise ValueError("After pruning, no terms remain. Try a lower min_df or a higher max_df.")
    kept = {ordered[i] for i in np.flatnonzero(mask)}
    return [term for term in terms if term in kept]


def _summed(estimator: Any) -> Any:
    """Return the dtype of the sums of a matrix of counts: it decides in which order equals are."""
    return sp.csr_array((1, 1), dtype=estimator.dtype).sum(axis=0).dtype


def _idf(n: int, counts: np.ndarray, estimator: Any, dtype: Any) -> np.ndarray:
    """Return the inverse document frequencies, rounded as scikit-learn rounds them."""
    dtype = np.float32 if np.dtype(dtype) == np.float32 else np.float64
    found = np.full(len(counts), n + int(estimator.smooth_idf), dtype=dtype)
    found /= counts.astype(dtype) + dtype(estimator.smooth_idf)
    np.log(found, out=found)
    found += 1.0
    return found


class Frequencies(NamedTuple):
    """In how many rows there is something in each column."""

    form: Any
    n_rows: int
    counts: np.ndarray


class DocumentFrequencies(Summaries):
    """TfidfTransformer: equal to ``fit`` on all rows; for the formula see `Vocabularies`."""

    def block(self, estimator: Any, X: Any, y: Any = None) -> Frequencies:
        found = check_array(X, accept_sparse=("csr", "csc"), ensure_min_samples=0)
        if sp.issparse(found):  # zeros that are stored count, too
            counts = np.bincount(found.tocsr().indices, minlength=found.shape[1])
        else:
            counts = np.count_nonzero(found, axis=0)
        return Frequencies(no_rows(found if sp.issparse(X) else X), found.shape[0], counts)

    def merge(self, estimator: Any, first: Frequencies, second: Frequencies) -> Frequencies:
        form = concatenate([first.form, second.form])
        return Frequencies(form, first.n_rows + second.n_rows, first.counts + second.counts)

    def fit(self, estimator: Any, summary: Frequencies) -> None:
        dtype = check_array(summary.form, ensure_min_samples=0).dtype
        some = np.ones((min(summary.n_rows, 1), len(summary.counts)), dtype)
        estimator.fit(in_form(summary.form, some))
        if estimator.use_idf:
            estimator.idf_ = _idf(summary.n_rows, summary.counts, estimator, dtype)


class Features(Summaries):
    """DictVectorizer: the names of the features; equal to ``fit`` on all rows."""

    def block(self, estimator: Any, X: Any, y: Any = None) -> list[Any]:
        return clone(estimator).set_params(sort=False).fit(X).feature_names_

    def merge(self, estimator: Any, first: list[Any], second: list[Any]) -> list[Any]:
        return list(dict.fromkeys([*first, *second]))

    def fit(self, estimator: Any, summary: list[Any]) -> None:
        estimator.fit([dict.fromkeys(summary, 1)])

    def check_size(self, estimator: Any, summary: list[Any]) -> None:
        _check_terms(estimator, len(summary), "features", ". Use FeatureHasher")
