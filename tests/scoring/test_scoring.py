"""Scores are those of data in memory, and every block is read once."""

import re

import dask
import dask.array as da
import numpy as np
import pytest
from sklearn import config_context, get_config
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.cluster import Birch, MiniBatchKMeans
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.metrics import (
    accuracy_score,
    check_scoring,
    get_scorer,
    get_scorer_names,
    make_scorer,
)
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from incremental import BlockError, Incremental
from tests.conftest import SKLEARN, Source, loop

#: Many of these look at one pass only.
pytestmark = pytest.mark.filterwarnings("ignore:early_stopping=True has nothing to stop")


def in_memory(scorer, model, X, y, **params):
    return scorer(model.estimator_, *dask.compute(X, y), **params)


@pytest.fixture
def fitted(source):
    model = Incremental(GaussianNB()).fit(source.X, source.y)
    source.reads.clear()
    return model


# What a task learns, and its target.
TASKS = {
    "binary": (GaussianNB(), lambda X: (X[:, 0] > 0.5).astype(int)),
    "multiclass": (GaussianNB(), lambda X: (X[:, 0] * 3).astype(int)),
    "multilabel": (MLPClassifier((4,), random_state=0), lambda X: (X > 0.5).astype(int)),
    "regression": (SGDRegressor(random_state=0), lambda X: X[:, 0] * 2 + 1),
    "clustering": (
        MiniBatchKMeans(3, random_state=0, n_init=1),
        lambda X: (X[:, 0] * 3).astype(int),
    ),
}


CLUSTERS = "rand_score|mutual_info|completeness|homogeneity|v_measure|fowlkes"


NUMBERS = "r2|explained|absolute|squared|deviance|max_error"


# Scores that scikit-learn has not for a task, neither in memory, and why.
REFUSED = {
    "binary": {".*_samples": "not available outside of multilabel classification"},
    "multiclass": {
        ".*_samples": "not available outside of multilabel classification",
        "f1|jaccard|precision|recall": "Target is multiclass but average='binary'",
        ".*likelihood_ratio": "only supports binary classification",
        "roc_auc": r"multi_class must be in \('ovo', 'ovr'\)",
    },
    "multilabel": {
        "f1|jaccard|precision|recall": "Target is multilabel-indicator but average='binary'",
        ".*likelihood_ratio": "only supports binary classification",
        "balanced_accuracy|matthews_corrcoef": "multilabel-indicator is not supported",
        "top_k_accuracy": "y should be a 1d array",
    },
}


def names_for(task):
    kinds = {"clustering": CLUSTERS, "regression": NUMBERS}
    for name in get_scorer_names():
        kind = next((k for k, pattern in kinds.items() if re.search(pattern, name)), "")
        if kind == (task if task in kinds else ""):
            yield name


def reason(task, name):
    table = REFUSED.get(task, {}).items()
    return next((why for pattern, why in table if re.fullmatch(pattern, name)), None)


if SKLEARN < (1, 7):
    for several in ("multiclass", "multilabel"):
        REFUSED[several]["neg_brier_score"] = "y should be a 1d array"

NAMED = [(task, name) for task in TASKS for name in names_for(task)]


@pytest.fixture(scope="module")
def learned():
    """For each task the data, where they are read, a model, and the data in memory."""
    found = {}
    for task, (estimator, target) in TASKS.items():
        source = Source()
        y = target(source.X)
        model = Incremental(estimator).fit(source.X, None if task == "clustering" else y)
        found[task] = source, y, model, dask.compute(source.X, y)
    return found


def test_every_scorer_is_that_of_a_task():
    assert {name for _, name in NAMED} == set(get_scorer_names())


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.filterwarnings("ignore:The y_(prob|pred) values do not sum to one")  # those of labels
@pytest.mark.parametrize(("task", "name"), NAMED)
def test_a_named_score_is_that_of_data_in_memory(task, name, learned):
    source, y, model, memory = learned[task]
    model = clone(model).set_params(scoring=name)
    model.estimator_ = learned[task][2].estimator_
    scorer = get_scorer(name)
    refused = reason(task, name)
    if refused is not None:
        with pytest.raises(ValueError, match=refused):
            scorer(model.estimator_, *memory)
        with pytest.raises(ValueError, match=refused):
            model.score(source.X, y)
        return
    source.reads.clear()
    score = model.score(source.X, y)
    assert source.reads == dict.fromkeys(range(10), 1)
    assert isinstance(score, float) and score == scorer(model.estimator_, *memory)


def first_classes(estimator, y):
    if not hasattr(estimator, "predict_proba"):
        return {}
    return {"classes": np.arange(y.shape[1]) if y.ndim > 1 else np.unique(y)}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.filterwarnings("ignore:The y_(prob|pred) values do not sum to one")
@pytest.mark.filterwarnings("ignore:positive_likelihood_ratio ill-defined")
@pytest.mark.parametrize("task", TASKS)
def test_cross_validation_gives_the_named_scores_of_the_loop(task, learned):
    source, _, _, (X, y) = learned[task]
    estimator = TASKS[task][0]
    names = [name for name in names_for(task) if reason(task, name) is None]
    folds = list(KFold(2).split(X))[:1]
    options = dict(scoring=names, cv=folds, error_score="raise")
    scores = cross_validate(Incremental(estimator), source.X, y, **options)
    for fold, (train, test) in enumerate(folds):
        values = (X[train],) if task == "clustering" else (X[train], y[train])
        blocks = zip(*(np.split(value, 5) for value in values), strict=True)
        model = loop(clone(estimator), blocks, **first_classes(estimator, y[train]))
        for name in names:
            expected = get_scorer(name)(model, X[test], y[test])
            score = scores[f"test_{name}"][fold]
            assert np.array_equal(score, expected, equal_nan=True), name


@pytest.mark.parametrize(
    "scoring",
    [["accuracy", "roc_auc"], ("accuracy", "f1"), {"a": "accuracy", "l": "neg_log_loss"}],
)
def test_several_scores_are_read_at_once(scoring, fitted, source):
    score = fitted.set_params(scoring=scoring).score(source.X, source.y)
    assert source.reads == dict.fromkeys(range(10), 1)
    expected = check_scoring(fitted.estimator_, scoring)
    assert score == in_memory(expected, fitted, source.X, source.y)


@pytest.mark.parametrize(
    "scoring",
    [make_scorer(accuracy_score), lambda model, X, y: accuracy_score(y, model.predict(X))],
)
def test_a_callable_is_given_predictions(scoring, fitted, source):
    score = fitted.set_params(scoring=scoring).score(source.X, source.y)
    assert score == in_memory(scoring, fitted, source.X, source.y)


def test_a_transformer_without_a_score_gets_one_from_scoring():
    X = da.random.default_rng(0).random((40, 3), chunks=10)
    model = Incremental(MiniBatchKMeans(2, random_state=0, n_init=1), scoring="rand_score")
    y = np.arange(40) % 2
    score = model.fit(X).score(X, y)
    assert 0 <= score <= 1


def test_routed_weights_reach_partial_fit_and_score(source):
    w = np.linspace(0.1, 1, 200)
    plain = Incremental(SGDClassifier(random_state=0)).fit(source.X, source.y, sample_weight=w)
    with config_context(enable_metadata_routing=True):
        inner = SGDClassifier(random_state=0)
        inner.set_partial_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        model = Incremental(inner).fit(source.X, source.y, sample_weight=w)
        assert np.array_equal(model.coef_, plain.coef_)
        score = model.score(source.X, source.y, sample_weight=w)
        search = GridSearchCV(model, {"estimator__alpha": [1e-4, 1e-2]}, cv=2)
        search.fit(source.X, source.y.compute(), sample_weight=w)
        refused = Incremental(SGDClassifier())
        with pytest.raises(ValueError, match="sample_weight"):
            refused.fit(source.X, source.y, sample_weight=w)
    assert score == plain.score(source.X, source.y, sample_weight=w)
    assert search.best_score_ > 0.5


NESTED = [
    Incremental(SGDClassifier(random_state=0)),
    Incremental(SGDClassifier(random_state=0), scoring="f1"),
    Incremental(make_pipeline(MinMaxScaler(), SGDClassifier(random_state=0))),
    make_pipeline(Incremental(MinMaxScaler()), Incremental(SGDClassifier(random_state=0))),
]


@pytest.mark.parametrize("estimator", NESTED, ids=str)
def test_what_is_nested_is_scored_as_in_memory(estimator, source):
    w = np.linspace(0, 1, 200)
    model = Incremental(estimator, max_iter=2).fit(source.X, source.y)
    X, y = dask.compute(source.X, source.y)
    for given in ({}, {"sample_weight": w}):
        expected = model.estimator_.score(X, y, **given)
        assert model.score(source.X, source.y, **given) == pytest.approx(expected, rel=1e-12)
    held_out = {"X_val": source.X[100:], "y_val": source.y[100:], "sample_weight_val": w[100:]}
    model.set_params(early_stopping=True).fit(
        source.X[:100], source.y[:100], sample_weight=w[:100], **held_out
    )
    expected = model.estimator_.score(X[100:], y[100:], sample_weight=w[100:])
    assert model.best_validation_score_ == pytest.approx(expected, rel=1e-12)


class Configured(ClassifierMixin, BaseEstimator):
    """Refuses to learn and to predict where scikit-learn is not configured as it was."""

    def partial_fit(self, X, y, classes=None):
        assert get_config()["assume_finite"]
        self.classes_ = np.array([0, 1])
        return self

    def predict(self, X):
        assert get_config()["assume_finite"]
        return np.ones(len(X), dtype=int)


@pytest.mark.parametrize("scoring", [None, "accuracy"])
def test_blocks_are_scored_as_configured(scoring, source, scheduler):
    with config_context(assume_finite=True):
        model = Incremental(Configured(), scoring=scoring, early_stopping=True, random_state=0)
        model.fit(source.X, source.y)
        assert model.score(source.X, source.y) == source.y.mean().compute()
    with pytest.raises(BlockError, match="could not be scored: AssertionError"):
        model.score(source.X, source.y)


def weighted(**request):
    return make_scorer(accuracy_score).set_score_request(**request)


def test_weights_are_routed_to_the_scorer_rather_than_to_the_estimator(source):
    w = np.linspace(0.1, 1, 200)
    X, y = dask.compute(source.X, source.y)
    with config_context(enable_metadata_routing=True):
        learner = SGDClassifier(random_state=0).set_partial_fit_request(sample_weight=True)
        for request in (False, None):
            learner.set_score_request(sample_weight=request)
            model = Incremental(learner, scoring=weighted(sample_weight=True))
            model.fit(source.X, source.y, sample_weight=w)
            predicted = model.estimator_.predict(X)
            expected = accuracy_score(y, predicted, sample_weight=w)
            assert model.score(source.X, source.y, sample_weight=w) == expected
            assert model.score(X, y, sample_weight=w) == expected
            model.set_params(scoring=weighted(sample_weight="heft"))
            assert model.score(source.X, source.y, heft=w) == expected
            model.set_params(scoring={"a": weighted(sample_weight="heft"), "b": "accuracy"})
            unweighted = accuracy_score(y, predicted)
            score = model.score(source.X, source.y, heft=w)
            assert score == {"a": expected, "b": unweighted}
        clusters = Incremental(Birch(n_clusters=2), scoring=weighted(sample_weight=True))
        clusters.fit(source.X)
        expected = accuracy_score(y, clusters.estimator_.predict(X), sample_weight=w)
        assert clusters.score(source.X, source.y, sample_weight=w) == expected
        with pytest.raises(
            TypeError, match=r"score got unexpected argument\(s\) {'sample_weight'}"
        ):
            clusters.set_params(scoring=lambda model, X, y: 0.0)
            clusters.score(source.X, source.y, sample_weight=w)


@pytest.mark.skipif(SKLEARN < (1, 8), reason="asks `score` itself before, which requests nothing")
def test_cross_validation_routes_weights_to_the_scorer():
    X, y = np.random.default_rng(0).random((60, 3)), np.arange(60) % 2
    w = np.linspace(0.1, 1, 60)
    with config_context(enable_metadata_routing=True):
        learner = SGDClassifier(random_state=0).set_partial_fit_request(sample_weight=True)
        learner.set_score_request(sample_weight=False)
        model = Incremental(learner, scoring=weighted(sample_weight=True))
        options = {"cv": KFold(2), "params": {"sample_weight": w}, "error_score": "raise"}
        scores = cross_validate(model, X, y, **options)["test_score"]
    for score, (train, test) in zip(scores, KFold(2).split(X), strict=True):
        reference = SGDClassifier(random_state=0)
        reference.partial_fit(X[train], y[train], classes=[0, 1], sample_weight=w[train])
        predicted = reference.predict(X[test])
        assert score == accuracy_score(y[test], predicted, sample_weight=w[test])
