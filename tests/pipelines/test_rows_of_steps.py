"""A step, or a method, that changes the number of rows is refused, in training and afterwards."""

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from joblib import parallel_config
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import IncrementalPCA
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from incremental import BlockError, Incremental
from incremental._pipelines.routes import name_row_changer


def drop(X):
    """Leave out the rows with a missing value."""
    return X[~np.isnan(X).any(axis=1)]


def twice(X):
    return sp.vstack([sp.csr_matrix(X)] * 2)


@pytest.fixture
def X():
    """Four blocks; a row of the third is missing."""
    X = np.arange(40.0).reshape(20, 2)
    X[12] = np.nan
    return da.from_array(X, chunks=(5, 2))


@pytest.mark.parametrize("has_y", [False, True])
def test_a_step_that_drops_rows_is_named_with_the_block(X, has_y, scheduler):
    pipe = make_pipeline(FunctionTransformer(drop), StandardScaler())
    with pytest.raises(
        BlockError,
        match="step functiontransformer must return a row for each .* Got 4 rows for 5 of block 2",
    ) as info:
        Incremental(pipe).fit(X, np.arange(20) % 2 if has_y else None)
    assert info.value.block == 2


def test_a_step_of_a_branch_that_adds_rows_is_named(X):
    branch = make_pipeline(FunctionTransformer(twice), IncrementalPCA(1))
    union = FeatureUnion([("same", "passthrough"), ("twice", branch)])
    with pytest.raises(BlockError, match=r"step featureunion__twice__functiontransformer must.*10"):
        Incremental(make_pipeline(union, StandardScaler())).fit(X)


def test_a_step_that_drops_some_of_the_first_rows_is_named(X):
    union = FeatureUnion([("same", "passthrough")])
    pipe = make_pipeline(FunctionTransformer(drop), union, StandardScaler())
    with pytest.raises(BlockError, match="The step functiontransformer must return"):
        Incremental(pipe).fit(X[10:])


class Drops(TransformerMixin, BaseEstimator):
    """Returns other numbers of rows from all its methods."""

    def fit(self, X, y=None):
        return self.partial_fit(X)

    def partial_fit(self, X, y=None):
        self.n_features_in_ = 2
        return self

    def transform(self, X):
        return drop(X)

    def inverse_transform(self, X):
        return drop(X)

    def predict(self, X):
        return drop(X)[:, 0]

    def predict_proba(self, X):  # as a classifier of two outputs does
        return [drop(X), drop(X)]


@pytest.mark.parametrize("method", ["transform", "inverse_transform", "predict"])
def test_a_method_that_drops_rows_is_refused_when_it_is_computed(method, X):
    found = getattr(Incremental(Drops()).fit(X), method)(X)
    assert len(found.blocks[1].compute()) == 5
    with pytest.raises(BlockError, match=f"{method} of Drops .* Got 4 rows for 5 of block 2"):
        found.compute()


def test_a_method_that_drops_rows_is_refused_in_a_session_too(X):
    class Drops(SGDClassifier):
        def predict(self, X):
            return super().predict(X)[1:]

    X, y = X[:10], np.arange(10) % 2
    model = Incremental(Drops(random_state=0))
    with parallel_config("incremental"), pytest.raises(BlockError, match="predict of Drops must"):
        cross_val_score(model, X, y, cv=KFold(2), scoring="accuracy", error_score="raise")


def test_each_of_several_outputs_needs_its_rows(X):
    _, found = Incremental(Drops()).fit(X).predict_proba(X)
    with pytest.raises(BlockError, match="predict_proba of Drops .* block 2"):
        found.compute()


def test_a_step_that_drops_rows_after_the_training_is_named(X):
    pipe = make_pipeline(FunctionTransformer(drop), make_pipeline("passthrough", StandardScaler()))
    model = Incremental(pipe).fit(X[:10])
    with pytest.raises(BlockError, match="The step functiontransformer must return .* block 2"):
        model.transform(X).compute()
    last = make_pipeline(StandardScaler(), make_pipeline(FunctionTransformer(drop)))
    with pytest.raises(BlockError, match="transform of FunctionTransformer must .* block 2"):
        Incremental(last).fit(X).transform(X).compute()


def test_rows_of_delayed_blocks_and_frames_are_counted_too(X):
    blocks = list(X.to_delayed().ravel())
    with pytest.raises(BlockError, match="transform of Drops .* block 2"):
        Incremental(Drops()).fit(X).transform(blocks).compute()
    frame = X.to_dask_dataframe(["a", "b"])
    with pytest.raises((BlockError, ValueError), match="Got 4 rows for 5"):
        Incremental(FunctionTransformer(drop)).transform(frame).compute()


def test_blocks_of_text_keep_their_rows():
    texts = ["one two", "three", "two two", "four"]
    y = [0, 1, 0, 1]
    pipe = make_pipeline(HashingVectorizer(n_features=8), SGDClassifier(random_state=0))
    bag = db.from_sequence(texts, npartitions=2)
    series = dd.from_pandas(pd.Series(texts), npartitions=2)
    with dask.config.set(scheduler="threads"):
        for X in (bag, series):
            model = Incremental(pipe).fit(X, dd.from_pandas(pd.Series(y), npartitions=2))
            assert len(model.predict(X).compute()) == 4


def test_the_step_that_changes_rows_is_named_past_those_that_are_none():
    steps = make_pipeline("passthrough", FunctionTransformer(lambda X: X[1:]), StandardScaler())
    named = name_row_changer(steps, "transform", np.ones((3, 2)))
    assert named == "The step functiontransformer"
