"""Scores are those of data in memory, and every block is read once."""

import copy
import functools
import re

import dask
import dask.array as da
import numpy as np
import pytest
import scipy.sparse
from sklearn import config_context, get_config
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.cluster import Birch, MiniBatchKMeans
from sklearn.decomposition import LatentDirichletAllocation
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.metrics import (
    accuracy_score,
    check_scoring,
    f1_score,
    get_scorer,
    get_scorer_names,
    log_loss,
    make_scorer,
)
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils import check_array

from incremental import BlockError, Incremental
from tests.conftest import Source, loop

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
@pytest.mark.filterwarnings("ignore:The y_prob values do not sum to one")  # those of labels
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
@pytest.mark.filterwarnings("ignore:The y_prob values do not sum to one")
@pytest.mark.parametrize("task", TASKS)
def test_cross_validation_gives_the_named_scores_of_the_loop(task, learned):
    source, _, _, (X, y) = learned[task]
    estimator = TASKS[task][0]
    names = [name for name in names_for(task) if reason(task, name) is None]
    options = dict(scoring=names, cv=KFold(2), error_score="raise")
    scores = cross_validate(Incremental(estimator), source.X, y, **options)
    for fold, (train, test) in enumerate(KFold(2).split(X)):
        values = (X[train],) if task == "clustering" else (X[train], y[train])
        blocks = zip(*(np.split(value, 5) for value in values), strict=True)
        model = loop(clone(estimator), blocks, **first_classes(estimator, y[train]))
        for name in names:
            expected = get_scorer(name)(model, X[test], y[test])
            assert scores[f"test_{name}"][fold] == expected, name


def test_the_default_score_takes_weights(fitted, source):
    w = np.linspace(0, 1, 200)
    X, y = dask.compute(source.X, source.y)
    source.reads.clear()
    score = fitted.score(source.X, source.y, sample_weight=w)
    assert source.reads == dict.fromkeys(range(10), 1)
    # Put together from sums of the blocks, so that only the rounding differs.
    assert score == pytest.approx(fitted.estimator_.score(X, y, sample_weight=w), rel=1e-12)


def test_the_default_score_of_a_regressor_is_put_together_from_sums(source):
    y = da.stack([source.X[:, 0] * 2, source.X[:, 1] + 1e6, source.X[:, 2] * 0 + 3], axis=1)
    model = Incremental(MLPRegressor(random_state=0)).fit(source.X, y)
    X, y = dask.compute(source.X, y)
    for w in (None, np.linspace(0, 1, 200), np.repeat([0, 1], 100)):
        source.reads.clear()
        score = model.score(source.X, y, sample_weight=w)
        assert source.reads == dict.fromkeys(range(10), 1)
        assert score == pytest.approx(model.estimator_.score(X, y, sample_weight=w), rel=1e-9)


def test_r2_has_the_conventions_of_scikit_learn_for_a_constant_target(source):
    model = Incremental(SGDRegressor(random_state=0)).fit(source.X, source.X[:, 0])
    model.estimator_.coef_[:] = 0
    model.estimator_.intercept_[:] = 3
    X = source.X.compute()
    for value in (3.0, 4.0):
        y = da.full(200, value, chunks=20)
        assert model.score(source.X, y) == model.estimator_.score(X, y.compute())
    with pytest.warns(UndefinedMetricWarning, match="less than two samples"):
        assert np.isnan(model.score(source.X[:1], y[:1]))


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


def test_the_score_of_k_means_is_the_sum_over_all_rows(source):
    class Same(MiniBatchKMeans):
        """Has the score that it inherits."""

    X, w = source.X.compute(), np.linspace(0, 1, 200)
    for kind in (MiniBatchKMeans, Same):
        model = Incremental(kind(3, random_state=0, n_init=1)).fit(source.X)
        for given in ({}, {"sample_weight": w}, {"sample_weight": None}):
            score = model.score(source.X, **given)
            assert score == pytest.approx(model.estimator_.score(X, **given), rel=1e-12)


class Covariance(BaseEstimator):
    """Scores by the mean over X, which has no predictions."""

    def partial_fit(self, X, y=None):
        self.location_ = X.mean(0)
        return self

    def score(self, X, y=None):
        return -np.mean((X - self.location_) ** 2)


class Quantised(MiniBatchKMeans):
    """Scores by a mean, though k-means scores by a sum."""

    def score(self, X, y=None):
        return super().score(X) / len(X)


#: Nothing says how the scores of their blocks are put together.
NEED_X = [
    LatentDirichletAllocation(2),
    Covariance(),
    Quantised(2, random_state=0, n_init=1),
    make_pipeline(MinMaxScaler(), LatentDirichletAllocation(2)),
    make_pipeline(MinMaxScaler(), Incremental(Covariance())),
]


@pytest.mark.parametrize("estimator", NEED_X, ids=str)
def test_a_score_that_needs_X_is_refused_before_anything_is_read(estimator, source):
    model = Incremental(estimator).fit(source.X)
    source.reads.clear()
    message = r"score must go by predictions.* Pass scoring=\.\.\., or score data in memory"
    with pytest.raises(NotImplementedError, match=message):
        model.score(source.X)
    with pytest.raises(NotImplementedError, match=message):
        model.set_params(early_stopping=True).fit(source.X)
    assert not source.reads
    assert isinstance(model.score(source.X.compute()), float)


def test_probabilities_of_several_outputs_are_put_together_output_by_output(source):
    y = da.stack([source.y, 1 - source.y, (source.X[:, 1] > 0.5).astype(int)], axis=1)
    model = MultiOutputClassifier(SGDClassifier(loss="log_loss", random_state=0))
    fitted = Incremental(model, classes=[[0, 1]] * 3).fit(source.X, y)
    expected = fitted.estimator_.predict_proba(source.X.compute())

    def same(estimator, X, y):
        return float(np.array_equal(estimator.predict_proba(X), expected))

    fitted.scoring = same
    assert fitted.score(source.X, y) == 1


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


class Density(BaseEstimator):
    """A normal distribution around the mean, which scores as scikit-learn's densities do."""

    def partial_fit(self, X, y=None):
        self.n_ = getattr(self, "n_", 0) + len(X)
        self.sum_ = getattr(self, "sum_", 0.0) + X.sum(0)
        return self

    def score_samples(self, X):
        return -((X - self.sum_ / self.n_) ** 2).sum(1)

    def score(self, X, y=None):
        return self.score_samples(X).mean()


class TotalDensity(Density):
    """Scores as KernelDensity does."""

    def score(self, X, y=None):
        return self.score_samples(X).sum()


class Outliers(Density):
    """Scores by the accuracy of what it tells apart."""

    def predict(self, X):
        return np.where(self.score_samples(X) > -0.2, 1, -1)

    def score(self, X, y, sample_weight=None):
        return accuracy_score(y, self.predict(X), sample_weight=sample_weight)


@pytest.mark.parametrize("kind", [Density, TotalDensity])
def test_the_score_of_a_density_is_what_it_makes_of_all_rows(kind):
    X = da.random.default_rng(0).random((50, 3), chunks=((30, 5, 15), 3))
    model = Incremental(kind()).fit(X)
    assert model.score(X) == model.estimator_.score(X.compute())


def test_the_score_of_an_outlier_detector_is_an_accuracy():
    X = da.random.default_rng(0).random((50, 3), chunks=((30, 5, 15), 3))
    y, w = np.repeat([1, -1], 25), np.linspace(0, 1, 50)
    model = Incremental(Outliers()).fit(X)
    for given in ({}, {"sample_weight": w}):
        assert model.score(X, y, **given) == model.estimator_.score(X.compute(), y, **given)


class LogLoss(SGDClassifier):
    """Scores by probabilities."""

    def score(self, X, y, sample_weight=None):
        return -log_loss(y, self.predict_proba(X), sample_weight=sample_weight)


class Looks(SGDClassifier):
    """Scores by a function of itself, X and y that its class has."""

    def score(self, X, y):
        return self.function(X, y)


def test_a_score_of_its_own_is_asked_once_about_all_predictions(source):
    model = Incremental(LogLoss("log_loss", random_state=0)).fit(source.X, source.y)
    X, y = dask.compute(source.X, source.y)
    for given in ({}, {"sample_weight": np.linspace(0, 1, 200)}):
        source.reads.clear()
        assert model.score(source.X, source.y, **given) == model.estimator_.score(X, y, **given)
        assert source.reads == dict.fromkeys(range(10), 1)


@pytest.mark.parametrize(
    "function",
    [
        lambda self, X, y: X.shape[1],
        lambda self, X, y: X[:, 0].mean(),
        lambda self, X, y: np.mean(X),
        lambda self, X, y: np.asarray(X).size,
        lambda self, X, y: (X - 1).sum(),
        lambda self, X, y: (np.ones((1, 200)) @ X).sum(),
        lambda self, X, y: sum(1 for row in X),
        lambda self, X, y: self.predict(X * 2).mean(),
        lambda self, X, y: copy.copy(X),
        lambda self, X, y: self.predict(check_array(X)).mean(),
    ],
)
def test_a_score_that_looks_at_X_is_refused(function, source, monkeypatch):
    model = Incremental(Looks(random_state=0)).fit(source.X, source.y)
    monkeypatch.setattr(Looks, "function", function, raising=False)
    message = r"Looks.score must go by predictions.* Pass scoring=\.\.\., or score data in memory"
    with pytest.raises(NotImplementedError, match=message):
        model.score(source.X, source.y)
    scoring = functools.partial(function)
    with pytest.raises(NotImplementedError, match=r"The scoring .* Give it predictions only, pass"):
        model.set_params(scoring=scoring).score(source.X, source.y)


def test_a_score_may_ask_for_the_length_of_X_and_predict_others(source, monkeypatch):
    def function(self, X, y):
        return len(X) + self.predict(X).mean() + self.predict(self.t_ * np.ones((1, 3)))[0]

    model = Incremental(Looks(random_state=0)).fit(source.X, source.y)
    monkeypatch.setattr(Looks, "function", function, raising=False)
    X, y = dask.compute(source.X, source.y)
    assert model.score(source.X, source.y) == model.estimator_.score(X, y)


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


@pytest.mark.parametrize(
    ("bad", "block", "message"),
    [
        (lambda y, w: (y[:, 0], w), 0, r"y_true and y_pred have different number of output \(1!=2"),
        (lambda y, w: (y[:, [0, 0, 1]], w), 0, r"y_true and y_pred have different .* \(3!=2\)"),
        (lambda y, w: (y + 1j, w), 0, "Complex data not supported"),
        (lambda y, w: (np.where(y == y[70], np.nan, y), w), 3, "Input contains NaN"),
        (lambda y, w: (np.where(y == y[70], np.inf, y), w), 3, "Input contains infinity"),
        (lambda y, w: (y, np.where(w == w[70], np.nan, w)), 3, "Input sample_weight contains NaN"),
    ],
)
def test_r2_of_what_scikit_learn_refuses_is_refused(bad, block, message, source):
    model = Incremental(MLPRegressor(random_state=0)).fit(source.X, np.ones((200, 2)))
    y, w = bad(np.random.default_rng(0).random((200, 2)), np.linspace(0, 1, 200))
    with pytest.raises(ValueError, match=message):
        model.estimator_.score(source.X.compute(), y, sample_weight=w)
    with pytest.raises(BlockError, match=f"could not be scored: ValueError: {message}") as caught:
        model.score(source.X, y, sample_weight=w)
    assert caught.value.block == block


def test_predictions_that_are_no_numbers_are_refused(source):
    model = Incremental(SGDRegressor(random_state=0)).fit(source.X, source.X[:, 0])
    model.estimator_.coef_[:] = np.nan
    with pytest.raises(BlockError, match="Block 0 could not be scored: ValueError: Input contains"):
        model.score(source.X, source.X[:, 0])


@pytest.mark.parametrize("estimator", [GaussianNB(), SGDRegressor(random_state=0)], ids=str)
def test_weights_may_all_be_zero_in_some_blocks_but_not_in_all(estimator, source):
    model = Incremental(estimator).fit(source.X, source.y)
    X, y = dask.compute(source.X, source.y)
    for some in (slice(45), slice(155, 200), slice(60, 100)):
        w = np.ones(200)
        w[some] = 0
        expected = model.estimator_.score(X, y, sample_weight=w)
        score = model.score(source.X, source.y, sample_weight=w)
        assert score == pytest.approx(expected, rel=1e-12)
    for scored in (model.estimator_.score, model.score):
        given = (X, y) if scored != model.score else (source.X, source.y)
        with pytest.raises(ValueError, match="must contain at least one non-zero number"):
            scored(*given, sample_weight=np.zeros(200))


def test_sparse_labels_are_scored(source):
    y = scipy.sparse.csr_matrix(source.X.compute() > 0.5).astype(int)
    model = Incremental(MLPClassifier((5,), random_state=0)).fit(source.X, y)
    X = source.X.compute()
    assert model.score(source.X, y) == model.estimator_.score(X, y)
    w = np.linspace(0, 1, 200)
    expected = model.estimator_.score(X, y, sample_weight=w)
    assert model.score(source.X, y, sample_weight=w) == pytest.approx(expected, rel=1e-12)
    for scoring in ("f1_micro", lambda model, X, y: f1_score(y, model.predict(X), average="micro")):
        expected = get_scorer("f1_micro")(model.estimator_, X, y)
        assert model.set_params(scoring=scoring).score(source.X, y) == expected
    for scoring in (None, "f1_micro"):
        stopped = Incremental(MLPClassifier((5,), random_state=0), early_stopping=True)
        stopped.set_params(scoring=scoring).fit(source.X, y, X_val=source.X, y_val=y)
        expected = check_scoring(stopped.estimator_, scoring)(stopped.estimator_, X, y)
        assert stopped.best_validation_score_ == expected


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
