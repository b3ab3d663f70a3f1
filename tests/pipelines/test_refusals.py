"""Steps that cannot be trained block by block are refused before anything is read, with advice."""

import re

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_extraction.image import PatchExtractor
from sklearn.feature_selection import SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from incremental import Incremental
from incremental._pipelines.transformers import keep_blocks, learns_blocks
from incremental._pipelines.tree import needs_no_fit


class Under(TransformerMixin, BaseEstimator):
    """A sampler that can be a step of scikit-learn's pipelines, too."""

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def transform(self, X):
        return X

    def fit_resample(self, X, y):
        return X[y == 1], y[y == 1]


class Samples(Under):
    """One that learns."""

    def partial_fit(self, X, y):
        return self


def refused(estimator, source):
    """Return the error that an estimator is refused with."""
    model = Incremental(estimator)
    with pytest.raises(TypeError) as info:
        model.fit(source.X, source.y)
    assert not source.reads
    assert not hasattr(model, "estimator_")
    return str(info.value)


ADVICE = "samplers change the number of rows.* use class_weight='balanced' .* or sample_weight"


@pytest.mark.parametrize(
    "sampler", [Under(), Samples(), FrozenEstimator(Under().fit(0, 0))], ids=["", "learns", "froz"]
)
def test_a_sampler_is_told_what_does_its_work(sampler, source):
    for message in (
        refused(make_pipeline(sampler, SGDClassifier()), source),
        refused(make_pipeline(StandardScaler(), sampler), source),
    ):
        assert re.search(ADVICE, message)
        assert "FrozenEstimator(fitted)" not in message
    if not hasattr(sampler, "partial_fit"):
        assert re.search(ADVICE, refused(sampler, source))


@pytest.mark.thirdparty
def test_a_pipeline_of_imbalanced_learn_is_one(source):
    imblearn = pytest.importorskip("imblearn.pipeline")
    from imblearn.under_sampling import RandomUnderSampler

    sampler = RandomUnderSampler().fit(np.eye(4), [0, 0, 1, 1])
    for step in (RandomUnderSampler(), FrozenEstimator(sampler)):
        pipe = imblearn.Pipeline([("under", step), ("sgd", SGDClassifier())])
        assert re.search(f"under .*{ADVICE}", refused(pipe, source))
    assert re.search(ADVICE, refused(RandomUnderSampler(), source))
    steps = [("scale", StandardScaler()), ("sgd", SGDClassifier(random_state=0))]
    found, expected = (
        Incremental(kind(steps)).fit(source.X, source.y) for kind in (imblearn.Pipeline, Pipeline)
    )
    assert np.array_equal(found.estimator_[1].coef_, expected.estimator_[1].coef_)
    assert np.array_equal(*(m.predict(source.X).compute() for m in (found, expected)))


def test_patches_of_images_are_made_before(source):
    pipe = make_pipeline(PatchExtractor(), StandardScaler())
    message = refused(pipe, source)
    assert re.search(r"patchextractor .* changes the number of rows. Extract .*map_blocks", message)


class Lazy(StandardScaler):
    """As dask-ml's scalers: all rows at once."""

    def partial_fit(self, X, y=None):
        raise NotImplementedError()


class LazyToo(Lazy):
    def partial_fit(self, X, y=None, sample_weight=None):
        """Raise an error."""
        raise NotImplementedError(f"{type(self).__name__} has no partial_fit")


class Never(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X

    def partial_fit(self, X, y=None):
        raise NotImplementedError


class Sometimes(StandardScaler):
    def partial_fit(self, X, y=None):
        if y is None:
            raise NotImplementedError
        return super().partial_fit(X)


@pytest.mark.parametrize("kind", [Lazy, LazyToo, Never])
def test_a_partial_fit_that_only_raises_is_none(kind, source):
    for message in (
        refused(make_pipeline(kind(), SGDClassifier()), source),
        refused(kind(), source),
    ):
        instead = "F" if kind is Never else "Use sklearn.preprocessing.StandardScaler, or f"
        assert f"only raises NotImplementedError. {instead}it it on a sample" in message
    assert not learns_blocks(kind())


def test_a_partial_fit_that_raises_at_times_is_one(source):
    assert learns_blocks(Sometimes())
    Incremental(make_pipeline(Sometimes(), SGDClassifier(random_state=0))).fit(source.X, source.y)


def test_a_model_whose_partial_fit_only_raises_selects_nothing(source):
    class Learns(SGDClassifier):
        def partial_fit(self, X, y, classes=None):
            raise NotImplementedError

    pipe = make_pipeline(SelectFromModel(Learns()), SGDClassifier())
    assert "only with an estimator that has partial_fit" in refused(pipe, source)


@pytest.mark.thirdparty
def test_the_scalers_of_dask_ml_name_those_of_scikit_learn(source):
    preprocessing = pytest.importorskip("dask_ml.preprocessing")
    for name in ("StandardScaler", "MinMaxScaler"):
        scaler = getattr(preprocessing, name)()
        message = refused(make_pipeline(scaler, SGDClassifier()), source)
        assert f"Use sklearn.preprocessing.{name}, or fit it" in message


class WithoutParameters:
    """Transforms, but is no estimator."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X


def test_a_step_that_is_no_estimator_is_refused():
    X, y = np.ones((4, 2)), [0, 1, 0, 1]
    model = Incremental(Pipeline([("mine", WithoutParameters()), ("sgd", SGDClassifier())]))
    with pytest.raises(TypeError, match="mine must be an estimator"):
        model.fit(X, y)
    assert not needs_no_fit(StandardScaler)
    assert keep_blocks(model.estimator.steps[0][1]) is model.estimator.steps[0][1]
