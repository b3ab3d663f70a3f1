"""What is frozen stays as it is, and belongs to somebody else."""

import pickle

import dask
import numpy as np
import pandas as pd
import pytest
from sklearn.feature_selection import SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, OrdinalEncoder, StandardScaler

from incremental import Incremental
from incremental._pipelines.tree import is_tree
from tests.conftest import in_blocks, loop, same_state
from tests.pipelines.common import CLASSES, sgd


def test_a_frozen_step_stays_as_it_is(source):
    scaler = StandardScaler(copy=False).fit(source.X[:50].compute())
    ranks = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    ranks.fit(scaler.transform(source.X[:50].compute()))
    frozen = FrozenEstimator(scaler), FrozenEstimator(ranks)
    model = Incremental(make_pipeline(*frozen, sgd()), classes=CLASSES).fit(source.X, source.y)
    blocks = in_blocks(source.X, source.y)
    blocks = [(ranks.transform(scaler.transform(x)), y) for x, y in blocks]
    assert same_state(model.estimator_[-1], loop(sgd(), blocks, classes=CLASSES))


def test_a_frozen_step_never_changes_the_blocks(source):
    X, y = dask.persist(source.X, source.y)
    before = X.compute().copy()
    scaler = StandardScaler(copy=False).fit(before.copy())
    model = Incremental(make_pipeline(FrozenEstimator(scaler), sgd()), max_iter=2).fit(X, y)
    model.predict(X).compute()
    Incremental(FrozenEstimator(scaler)).fit(X).transform(X).compute()
    assert np.array_equal(X.compute(), before)
    assert scaler.copy is False


def test_what_is_frozen_as_a_whole_learns_nothing_and_is_the_model(source):
    X, y = dask.compute(source.X, source.y)
    for fitted in (sgd().fit(X, y), make_pipeline(StandardScaler(), sgd()).fit(X, y)):
        before = pickle.dumps(fitted)
        model = Incremental(FrozenEstimator(fitted)).fit(source.X, source.y)
        assert pickle.dumps(fitted) == before
        assert np.array_equal(model.predict(source.X).compute(), fitted.predict(X))
        assert model.score(source.X, source.y) == fitted.score(X, y)


def test_a_frozen_last_step_is_scored_as_in_memory(source):
    X, y = dask.compute(source.X, source.y)
    for fitted in (sgd().fit(X, y), make_pipeline(StandardScaler(), sgd()).fit(X, y)):
        pipeline = make_pipeline(MinMaxScaler(), FrozenEstimator(fitted))
        for scoring in (None, "roc_auc"):
            model = Incremental(pipeline, scoring=scoring).fit(source.X, source.y)
            assert model.score(source.X, source.y) == model.score(X, y)


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("train_before", [False, True])
def test_dataframes_of_a_frozen_step_are_not_those_of_the_one_that_was_passed(
    inside, train_before, source
):
    X = source.X.compute()
    scaler = StandardScaler().fit(X)
    frozen = FrozenEstimator(scaler)
    model = Incremental(make_pipeline(frozen, Normalizer()) if inside else frozen)
    if train_before:
        model.fit(source.X)
    model.set_output(transform="pandas")
    model.fit(source.X)
    assert type(model.transform(X)) is pd.DataFrame
    assert type(scaler.transform(X)) is np.ndarray
    assert frozen.estimator is scaler
    assert is_tree(model.estimator)


def test_a_frozen_model_selects_columns(source):
    X, y = dask.compute(source.X, source.y)
    select = SelectFromModel(FrozenEstimator(sgd().fit(X, y)), prefit=True, max_features=1)
    model = Incremental(make_pipeline(select, sgd()), classes=CLASSES).fit(source.X, source.y)
    chosen = select.fit(X, y).transform(X)
    blocks = [(chosen[i : i + 20], y[i : i + 20]) for i in range(0, 200, 20)]
    assert same_state(model.estimator_[1], loop(sgd(), blocks, classes=CLASSES))
