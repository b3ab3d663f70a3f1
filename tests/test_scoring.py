"""Scores are those of data in memory, and every block is read once."""

import re

import dask
import dask.array as da
import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import IncrementalPCA, LatentDirichletAllocation
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.metrics import accuracy_score, check_scoring, get_scorer, get_scorer_names, make_scorer
from sklearn.model_selection import KFold, cross_validate
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor

from incremental import Incremental

from .conftest import Source, loop


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


def test_probabilities_of_several_outputs_are_put_together_output_by_output(source):
    y = da.stack([source.y, 1 - source.y, (source.X[:, 1] > 0.5).astype(int)], axis=1)
    model = MultiOutputClassifier(SGDClassifier(loss="log_loss", random_state=0))
    fitted = Incremental(model, classes=[[0, 1]] * 3).fit(source.X, y)
    expected = fitted.estimator_.predict_proba(source.X.compute())

    def same(estimator, X, y):
        return float(np.array_equal(estimator.predict_proba(X), expected))

    fitted.scoring = same
    assert fitted.score(source.X, y) == 1


def test_scores_without_y_are_put_together(source):
    kmeans = Incremental(MiniBatchKMeans(3, random_state=0, n_init=1)).fit(source.X)
    pca = Incremental(IncrementalPCA(2)).fit(source.X)
    X = source.X.compute()
    assert np.isclose(kmeans.score(source.X), kmeans.estimator_.score(X), rtol=1e-12)
    with pytest.raises(NotImplementedError, match="Score data in memory instead"):
        topics = LatentDirichletAllocation(2)
        Incremental(topics).fit(source.X).score(source.X)
    assert pca.transform(source.X).shape == (200, 2)


def test_a_transformer_without_a_score_gets_one_from_scoring():
    X = da.random.default_rng(0).random((40, 3), chunks=10)
    model = Incremental(MiniBatchKMeans(2, random_state=0, n_init=1), scoring="rand_score")
    y = np.arange(40) % 2
    score = model.fit(X).score(X, y)
    assert 0 <= score <= 1


def test_routed_weights_reach_partial_fit_and_score(source):
    from sklearn import config_context
    from sklearn.model_selection import GridSearchCV

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


def test_the_score_of_a_density_is_the_mean_over_all_rows():
    X = da.random.default_rng(0).random((50, 3), chunks=((30, 5, 15), 3))
    model = Incremental(Density()).fit(X)
    assert model.score(X) == pytest.approx(model.estimator_.score(X.compute()), rel=1e-12)
