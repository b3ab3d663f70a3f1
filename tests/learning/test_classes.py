"""Classes are given, learned before, or the labels that occur in y."""

import pickle
import re

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from incremental import Incremental, indexable
from incremental._learning.classes import accepts, needs_classes
from incremental._learning.labels import (
    is_multilabel,
)
from tests.conftest import in_blocks, loop, same_state


def test_a_mean_that_y_depends_on_is_found_once(source):
    X = source.X - source.X.mean(0)
    model = Incremental(SGDClassifier(random_state=0)).fit(X, (X[:, 0] > 0).astype(int))
    # For the mean, for the labels, which are made of X here, and to be learned.
    assert source.reads == dict.fromkeys(range(10), 3)
    assert model.classes_.tolist() == [0, 1]


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


class Classified(SGDClassifier):
    def partial_fit(self, X, y, sample_weight=None):
        return self


def test_classes_are_needed_where_partial_fit_takes_them_here_or_inside():
    assert needs_classes(SGDClassifier()) and needs_classes(MultinomialNB())
    assert needs_classes(SelectFromModel(SGDClassifier()))
    for other in (
        SGDRegressor(),
        Classified(),
        SelectFromModel(SGDRegressor()),
        SelectFromModel(Classified()),
    ):
        assert not needs_classes(other)
    assert not accepts(3, "classes")


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        (MLPClassifier(), True),
        (RandomForestClassifier(), False),  # each column is an output
        (SGDClassifier(), False),
        (SGDRegressor(), False),
        (StandardScaler(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_columns_are_labels_for_classifiers_of_one_multilabel_output(estimator, expected):
    assert is_multilabel(estimator) is expected


class HandsOn(SGDClassifier):
    def partial_fit(self, *args, **kwargs):
        return super().partial_fit(*args, **kwargs)


class Holds(ClassifierMixin, BaseEstimator):
    """Trains one that it holds."""

    def partial_fit(self, X, y, **kwargs):
        self.inner_ = getattr(self, "inner_", None) or SGDClassifier(random_state=0)
        self.inner_.partial_fit(X, y, **kwargs)
        return self


class HoldsUnsaid(BaseEstimator):
    partial_fit = Holds.partial_fit


class DropsThem(Classified):
    def partial_fit(self, *args, **kwargs):
        return super().partial_fit(*args, **kwargs)


def test_classes_are_for_what_takes_any_keyword_and_hands_them_on():
    assert needs_classes(HandsOn()) and needs_classes(Holds())
    assert not needs_classes(HoldsUnsaid()) and needs_classes(HoldsUnsaid(), given=True)
    assert not needs_classes(DropsThem(), given=True)
    assert not needs_classes(SelectFromModel(SGDRegressor()), given=True)
    assert needs_classes(SelectFromModel(HandsOn()))


@pytest.mark.parametrize("how", ["found", "constructor", "fit"])
@pytest.mark.parametrize("bare", [HandsOn(random_state=0), Holds(), HoldsUnsaid()])
def test_classes_arrive_among_the_keywords(bare, how, source):
    if how == "found" and isinstance(bare, HoldsUnsaid):
        pytest.skip("does not say that it is a classifier")
    model = Incremental(bare, classes=[0, 1] if how == "constructor" else None)
    model.fit(source.X, source.y, **({"classes": [0, 1]} if how == "fit" else {}))
    blocks = in_blocks(source.X, source.y)
    expected = loop(SGDClassifier(random_state=0), blocks, classes=[0, 1])
    assert same_state(getattr(model.estimator_, "inner_", model.estimator_), expected)


@pytest.mark.parametrize("balanced", [None, "balanced"])
@pytest.mark.parametrize("in_memory", [True, False])
def test_classes_are_the_categories_that_occur(in_memory, balanced, source):
    y = pd.Categorical(["b", "a"] * 100, categories=["b", "never", "a"])
    y = y if in_memory else indexable(dd.from_pandas(pd.Series(y), npartitions=10))
    sgd = SGDClassifier(class_weight=balanced, random_state=0)
    model = Incremental(sgd).fit(source.X, y)
    assert model.classes_.tolist() == ["a", "b"]
    expected = Incremental(sgd).fit(source.X, np.array(["b", "a"] * 100))
    assert same_state(model.estimator_, expected.estimator_)
    more = Incremental(SGDClassifier(), classes=["a", "b", "never"]).fit(source.X, y)
    assert more.classes_.tolist() == ["a", "b", "never"]


def test_looking_for_categories_reads_y_once():
    reads = []

    def load(part):
        reads.append(1)
        return part

    frame = pd.DataFrame({"a": np.arange(40.0), "y": pd.Categorical(["u", "v"] * 20)})
    y = dd.from_pandas(frame, npartitions=4).y.map_partitions(load, meta=frame.y.iloc[:0])
    X = dd.from_pandas(frame[["a"]], npartitions=4)
    Incremental(SGDClassifier()).fit(X, y)
    assert len(reads) == 8
    Incremental(SGDClassifier(), classes=["u", "v"]).fit(X, y)
    assert len(reads) == 12


def test_without_y_there_are_no_classes(source):
    class Learner(BaseEstimator):
        def partial_fit(self, X, y=None, classes=None):
            self.classes_given_ = classes
            return self

    assert Incremental(Learner()).fit(source.X).classes_given_ is None
