"""Balanced classes are weighted by the counts of their labels."""

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import Perceptron, SGDClassifier
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_class_weight

from incremental import Incremental
from incremental._learning.balance import balanced, balanced_weights
from tests.conftest import in_blocks, loop, same_state


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


def test_parameters_of_balanced_classes_are_found_inside_too():
    weighted = SGDClassifier(class_weight="balanced")
    assert balanced(SelectFromModel(weighted)) == ["estimator__class_weight"]
    assert balanced(weighted) == ["class_weight"]
    for class_weight in (None, {0: 1, 1: 2}, {"balanced": 1}):
        assert balanced(SGDClassifier(class_weight=class_weight)) == []
    assert balanced(SGDClassifier(penalty="balanced")) == []


def test_several_outputs_cannot_be_balanced(source):
    class Own(SGDClassifier):
        """Might take several outputs, for all that is known."""

        def partial_fit(self, X, y, classes=None): ...

    model = Incremental(Own(class_weight="balanced"))
    with pytest.raises(ValueError, match=r"y should be a 1d array for class_weight='balanced'"):
        model.fit(source.X, np.zeros((200, 2)))
    assert not source.reads


def test_weights_of_classes_are_those_of_scikit_learn():
    y = np.array([3, 1, 1, 1, 2, 2])
    counts = {3: 1, 1: 3, 2: 2, 9: 4}  # 9 is not among the classes
    assert balanced_weights(counts, [1, 2, 3]) == weights_of(y, [1, 2, 3])
    with pytest.raises(ValueError, match=r"Got none of \[4, 5\]; pass class_weight"):
        balanced_weights({1: 1, 4: 0}, [1, 4, 5])
