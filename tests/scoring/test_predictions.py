"""Scores that are no sums are asked once, about the predictions of all blocks."""

import copy
import functools

import dask
import dask.array as da
import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import LatentDirichletAllocation
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import (
    accuracy_score,
    log_loss,
)
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils import check_array

from incremental import Incremental


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


class Listed(SGDClassifier):
    """Answers with lists of rows."""

    def predict(self, X):
        return [[label, 1 - label] for label in super().predict(X).tolist()]


def test_predictions_that_are_lists_are_put_together_row_by_row(source):
    def rows(model, X, y):
        return model.predict(X)

    model = Incremental(Listed(random_state=0), scoring=rows).fit(source.X, source.y)
    assert model.score(source.X, source.y) == model.score(*dask.compute(source.X, source.y))
