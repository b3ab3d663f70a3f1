"""Vocabularies that are put together block by block, against ``fit`` on all rows."""

from __future__ import annotations

import dask
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer

from tests.conftest import examples
from tests.summaries.common import compare, cut, learned
from tests.summaries.strategies import counts, cuts, doubles, frames, sparse

WORDS = st.lists(st.sampled_from(["red", "Red", "green", "the", "blau", "été", "a"]), max_size=6)
FORMS = [list, lambda d: np.array(d, dtype=object), lambda d: pd.Series(d, dtype="str")]


@st.composite
def documents(draw):
    texts = [" ".join(words) for words in draw(st.lists(WORDS, min_size=1, max_size=10))]
    texts = draw(st.sampled_from(FORMS))(texts)
    return cut(texts, draw(cuts(len(texts))))


@st.composite
def vectorizers(draw):
    kind = draw(st.sampled_from([CountVectorizer, TfidfVectorizer]))
    params = {
        "min_df": draw(st.sampled_from([1, 1, 2, 0.3])),
        "max_df": draw(st.sampled_from([1.0, 1.0, 0.5, 3])),
        "max_features": draw(st.sampled_from([None, 1, 2, 3])),
        "ngram_range": draw(st.sampled_from([(1, 1), (1, 2)])),
        "stop_words": draw(st.sampled_from([None, "english", ["red"]])),
        "binary": draw(st.booleans()),
        "analyzer": draw(st.sampled_from(["word", "word", "char_wb", str.split])),
        "vocabulary": draw(st.sampled_from([None, None, ["the", "red", "blau"]])),
        "dtype": draw(st.sampled_from([np.float64, np.float32])),
    }
    if kind is TfidfVectorizer:
        params["smooth_idf"] = draw(st.booleans())
        params["use_idf"] = draw(st.booleans())
    return kind(**params)


@given(vectorizers(), documents())
@examples(60)
@pytest.mark.filterwarnings("ignore")
def test_vocabularies_are_those_of_all_rows(vectorizer, blocks):
    compare(vectorizer, blocks)


def test_of_equally_frequent_terms_those_stay_that_stay_of_all_rows():
    texts = [" ".join(f"w{i % 7}{i % 11}" for i in range(j, j + 60)) for j in range(40)]
    for dtype in (np.int64, np.int32, np.float32):
        compare(CountVectorizer(max_features=20, dtype=dtype), cut(texts, [7, 20]))


@given(st.booleans(), st.booleans(), st.one_of(counts, counts.flatmap(sparse), frames(["count"])))
@examples(40)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_inverse_document_frequencies_are_those_of_all_rows(use, smooth, blocks):
    compare(TfidfTransformer(use_idf=use, smooth_idf=smooth), blocks)


@given(doubles)
@examples(10)
def test_missing_values_have_no_inverse_document_frequencies(blocks):
    compare(TfidfTransformer(smooth_idf=True), blocks)


VALUES = st.one_of(st.integers(0, 3), st.sampled_from(["x", "y"]), st.lists(st.just("z")))
DICTS = st.dictionaries(st.sampled_from(["b", "a", "c=d"]), VALUES, max_size=3)


@given(st.booleans(), st.lists(DICTS, min_size=1, max_size=8), st.data())
@examples(40)
def test_features_of_dicts_are_those_of_all_rows(sort, dicts, data):
    compare(DictVectorizer(sort=sort), cut(dicts, data.draw(cuts(len(dicts)))))


def test_of_terms_that_are_counted_once_a_text_those_of_most_texts_stay():
    texts = ["b b b b", "a c", "c a", "d"]
    found = compare(CountVectorizer(analyzer="char", max_features=3, binary=True), cut(texts, [2]))
    assert sorted(found.vocabulary_) == [" ", "a", "c"]


@pytest.mark.parametrize("value", [3.5, None, np.nan])
def test_what_is_no_text_is_refused_as_by_fit(value):
    compare(CountVectorizer(), [["a text"], [value]])


def test_a_vectorizer_keeps_the_warnings_of_its_parameters():
    with pytest.warns(UserWarning, match="token_pattern"):
        learned(CountVectorizer(tokenizer=str.split), [["a b"], ["b"]])


@pytest.mark.parametrize(
    ("estimator", "blocks"),
    [
        (CountVectorizer(max_features=2), [["one two"], ["three four"]]),
        (DictVectorizer(), [[{"a": 1, "b": 1}], [{"c": 1, "d": 1}]]),
    ],
)
def test_a_vocabulary_that_grows_without_end_is_noticed(estimator, blocks):
    with dask.config.set({"incremental.most-values": 3}):
        with pytest.raises(ValueError, match="at most 3 .* has 4 so far.*Hash"):
            learned(estimator, blocks)
    learned(estimator, blocks)
