"""River's online models in its scikit-learn adapters are those of the loop over the blocks."""

import dask
import dask.array as da
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import KFold, cross_val_score

from incremental import Incremental
from tests.conftest import in_blocks, loop

pytest.importorskip("river")
from river import (
    cluster,
    compat,
    linear_model,
    naive_bayes,
    preprocessing,
    tree,
)

pytestmark = pytest.mark.thirdparty

CLASSIFIERS = {
    "LogisticRegression": linear_model.LogisticRegression(),
    "HoeffdingTreeClassifier": tree.HoeffdingTreeClassifier(),
    "GaussianNB": naive_bayes.GaussianNB(),
    "a pipeline": preprocessing.StandardScaler() | linear_model.LogisticRegression(),
}


@pytest.fixture
def X():
    return da.random.default_rng(0).random((120, 3), chunks=(30, 3))


@pytest.fixture
def y(X):
    return (X[:, 0] * 2).astype(int)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_is_the_loop_over_the_blocks(name, X, y):
    adapter = compat.River2SKLClassifier(CLASSIFIERS[name])
    model = Incremental(adapter).fit(X, y)
    expected = loop(clone(adapter), in_blocks(X, y), classes=[0, 1])
    whole, labels = dask.compute(X, y)
    assert np.array_equal(model.predict_proba(X).compute(), expected.predict_proba(whole))
    assert np.array_equal(model.predict(X).compute(), expected.predict(whole))
    assert model.score(X, y) == expected.score(whole, labels)


def test_folds_are_learned_block_by_block(X, y):
    adapter = compat.River2SKLClassifier(linear_model.LogisticRegression())
    scores = cross_val_score(Incremental(adapter), X, y.compute(), cv=KFold(2))
    for score, (train, test) in zip(scores, KFold(2).split(X), strict=True):
        expected = loop(clone(adapter), in_blocks(X[train], y[train]), classes=[0, 1])
        assert score == expected.score(*dask.compute(X[test], y[test]))


def test_a_regressor_is_the_loop_over_the_blocks(X):
    y = X[:, 0] * 2
    adapter = compat.River2SKLRegressor(linear_model.LinearRegression())
    model = Incremental(adapter).fit(X, y)
    expected = loop(clone(adapter), in_blocks(X, y))
    assert np.array_equal(model.predict(X).compute(), expected.predict(X.compute()))
    score = expected.score(*dask.compute(X, y))
    assert model.set_params(scoring="r2").score(X, y) == score  # gathered, not summed up
    assert model.set_params(scoring=None).score(X, y) == pytest.approx(score, rel=1e-12)


def test_a_transformer_is_the_loop_over_the_blocks(X):
    adapter = compat.River2SKLTransformer(preprocessing.StandardScaler())
    model = Incremental(adapter).fit(X)
    expected = loop(clone(adapter), in_blocks(X))
    assert np.array_equal(model.transform(X).compute(), expected.transform(X.compute()))


def test_a_clusterer_wants_a_y_that_it_ignores(X, y):
    adapter = compat.River2SKLClusterer(cluster.KMeans(3, seed=0))
    with pytest.raises(Exception, match="missing 1 required positional argument: 'y'"):
        Incremental(adapter).fit(X)
    model = Incremental(adapter).fit(X, y)
    expected = loop(clone(adapter), in_blocks(X, y))
    assert np.array_equal(model.predict(X).compute(), expected.predict(X.compute()))
