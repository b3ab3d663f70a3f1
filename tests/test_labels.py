"""Labels and their weights are found in one pass over y."""

import pickle
import re

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import Perceptron, SGDClassifier, SGDRegressor
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_class_weight

from incremental import Incremental

from .conftest import in_blocks, loop, same_state


@pytest.fixture
def skewed(source):
    source.y = (source.X[:, 0] > 0.9).astype(int)
    return source


def weights_of(y, classes):
    weights = compute_class_weight("balanced", classes=np.asarray(classes), y=y)
    return dict(zip(classes, weights.tolist(), strict=True))


@pytest.mark.parametrize("in_memory", [False, True])
@pytest.mark.parametrize("classes", [None, [0, 1]])
def test_balanced_classes_are_weighted_as_by_scikit_learn(skewed, classes, in_memory):
    blocks = in_blocks(skewed.X, skewed.y)
    y = np.concatenate([y for _, y in blocks])
    skewed.reads.clear()
    model = Incremental(SGDClassifier(class_weight="balanced", random_state=0), classes=classes)
    model.fit(skewed.X, y if in_memory else skewed.y)
    # y is made of X here; it is read once for the labels and the counts together.
    assert skewed.reads == dict.fromkeys(range(10), 1 if in_memory else 2)
    weights = weights_of(y, [0, 1])
    assert model.estimator_.class_weight == weights
    expected = loop(SGDClassifier(class_weight=weights, random_state=0), blocks, classes=[0, 1])
    assert same_state(model.estimator_, expected)
    assert model.estimator.class_weight == "balanced"


def test_balanced_classes_of_categories_and_strings():
    frame = pd.DataFrame({"a": np.arange(40.0), "b": 1.0})
    labels = np.array(["few", "many"])[(np.arange(40) % 4 > 0).astype(int)]
    X = dd.from_pandas(frame, npartitions=4)
    for dtype in ("category", object):
        y = dd.from_pandas(pd.Series(labels, dtype=dtype), npartitions=4)
        model = Incremental(Perceptron(class_weight="balanced")).fit(X, y)
        assert model.estimator_.class_weight == {"few": 2.0, "many": 40 / 60}


def test_the_weights_stay_when_learning_goes_on(skewed):
    model = Incremental(SGDClassifier(class_weight="balanced", random_state=0))
    model.partial_fit(skewed.X, skewed.y)
    weights = model.estimator_.class_weight
    model.partial_fit(skewed.X[:100], skewed.y[:100])
    assert model.estimator_.class_weight == weights


def test_a_mean_that_y_depends_on_is_found_once(source):
    X = source.X - source.X.mean(0)
    model = Incremental(SGDClassifier(random_state=0)).fit(X, (X[:, 0] > 0).astype(int))
    # For the mean, for the labels, which are made of X here, and to be learned.
    assert source.reads == dict.fromkeys(range(10), 3)
    assert model.classes_.tolist() == [0, 1]


def test_an_estimator_inside_the_estimator_is_balanced_too(skewed):
    inner = SGDClassifier(class_weight="balanced", random_state=0)
    model = Incremental(SelectFromModel(inner)).fit(skewed.X, skewed.y)
    y = skewed.y.compute()
    assert model.estimator_.estimator_.class_weight == weights_of(y, [0, 1])


@pytest.mark.parametrize("outer", [OneVsRestClassifier, OneVsOneClassifier, MultiOutputClassifier])
def test_classes_are_not_balanced_where_the_labels_are_not_those_of_y(skewed, outer):
    estimator = outer(SGDClassifier(class_weight="balanced"))
    for model in (estimator, make_pipeline(StandardScaler(), estimator)):
        message = f"class_weight must be None or a dict: {outer.__name__} trains on other labels"
        with pytest.raises(ValueError, match=message):
            Incremental(model).fit(skewed.X, skewed.y)
    assert not skewed.reads


def test_a_class_that_does_not_occur_cannot_be_balanced(skewed):
    model = Incremental(SGDClassifier(class_weight="balanced"), classes=[0, 1, 2])
    with pytest.raises(ValueError, match=r"Got none of \[2\]; pass class_weight as a dict"):
        model.fit(skewed.X, skewed.y)
    assert not hasattr(model, "estimator_")


class TakesClasses(SGDRegressor):
    """Has a parameter that is not for regressors, as all that skorch makes has."""

    def partial_fit(self, X, y, classes=None):
        assert classes is None
        return super().partial_fit(X, y)


def test_no_classes_are_looked_for_in_the_target_of_a_regressor(source):
    y = source.X[:, 0]
    expected = loop(SGDRegressor(random_state=0), in_blocks(source.X, y))
    source.reads.clear()
    assert same_state(
        Incremental(TakesClasses(random_state=0)).fit(source.X, y).estimator_, expected
    )
    assert source.reads == dict.fromkeys(range(10), 1)


def test_classes_are_found_in_one_read_of_y_alone():
    reads = []

    def load(i):
        reads.append(i)
        return np.arange(10) % (i + 2)

    parts = [da.from_delayed(dask.delayed(load)(i), (10,), int) for i in range(4)]
    y = da.concatenate(parts)
    X = da.random.default_rng(0).random((40, 2), chunks=10)
    model = Incremental(SGDClassifier(class_weight="balanced", random_state=0), max_iter=2)
    model.fit(X, y)
    assert model.classes_.tolist() == [0, 1, 2, 3, 4]
    assert sorted(reads) == sorted([0, 1, 2, 3] * 3)  # the labels, and two passes


def test_classes_stay_where_the_model_does_not_tell_them(source):
    y = da.stack([source.y, (source.X[:, 1] * 3).astype(int)], axis=1).rechunk((20, 2))
    sgd = SGDClassifier(random_state=0)
    for estimator, target, rest, more, got in [
        (SelectFromModel(sgd), source.y, np.zeros(20, int), [0, 1, 2], "[0, 1]"),
        (MultiOutputClassifier(sgd), y, np.zeros((20, 2), int), [[0], [1]], "[[0, 1], [0, 1, 2]]"),
    ]:
        model = Incremental(estimator).fit(source.X, target)
        classes = [0, 1] if target is source.y else [np.array([0, 1]), np.array([0, 1, 2])]
        blocks = [*in_blocks(source.X, target), (source.X[:20].compute(), rest)]
        expected = loop(clone(estimator), blocks, classes=classes)
        model.partial_fit(source.X[:20], rest)
        assert pickle.dumps(model.estimator_) == pickle.dumps(expected)
        with pytest.raises(ValueError, match=re.escape(f"model has learned, {got}. Got {more}")):
            model.partial_fit(source.X, target, classes=more)
