"""Who needs y is known before anything is read; a frozen model needs neither y nor a fit."""

import dask.array as da
import numpy as np
import pytest
from sklearn import get_config
from sklearn.base import is_classifier
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import IncrementalPCA
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.feature_selection import SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.utils import get_tags

from incremental import BlockError, Incremental
from tests.conftest import Source, in_blocks, loop


def sgd():
    return SGDClassifier(random_state=0)


def selects(estimator):
    return SelectFromModel(estimator, threshold=-np.inf)


@pytest.mark.parametrize(
    ("estimator", "name"),
    [
        (make_pipeline(StandardScaler(), sgd()), "SGDClassifier"),
        (make_pipeline(StandardScaler(), make_pipeline(SGDRegressor())), "SGDRegressor"),
        (make_pipeline(selects(sgd()), IncrementalPCA(1)), "SelectFromModel (the step select"),
        (make_pipeline(selects(SGDRegressor()), StandardScaler()), "SelectFromModel (the step s"),
        (FeatureUnion([("some", selects(sgd()))]), "SelectFromModel (the step some)"),
        (selects(sgd()), "SelectFromModel"),
        (make_pipeline(StandardScaler(), MultiOutputClassifier(sgd())), "MultiOutputClassifier"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_forgotten_y_is_refused_before_the_first_pass(estimator, name, source):
    model = Incremental(estimator)
    with pytest.raises(ValueError) as info:
        model.fit(source.X)
    assert str(info.value).startswith(name)
    assert "requires y to be passed, but the target y is None" in str(info.value)
    assert not source.reads
    assert get_tags(model).target_tags.required


def test_steps_that_need_no_y_are_trained_without(source):
    for estimator in (
        make_pipeline(StandardScaler(), MiniBatchKMeans(2, n_init=1, random_state=0)),
        make_pipeline(StandardScaler(), FrozenEstimator(sgd().fit(*in_memory(source)))),
        FrozenEstimator(sgd().fit(*in_memory(source))),
    ):
        model = Incremental(estimator).fit(source.X)
        assert not get_tags(model).target_tags.required


def in_memory(source):
    return source.X.compute(), source.y.compute()


def test_a_clusterer_goes_on_without_the_y_that_only_the_first_steps_need(source):
    pipe = make_pipeline(selects(sgd()), MiniBatchKMeans(2, n_init=1, random_state=0))
    model = Incremental(pipe).fit(source.X, source.y)
    model.partial_fit(source.X)
    assert model.n_iter_ == 2


@pytest.mark.parametrize("last", [sgd(), SGDRegressor(random_state=0)])
def test_a_forgotten_y_of_a_score_is_refused(last, source):
    for estimator in (make_pipeline(StandardScaler(), last), last):
        model = Incremental(estimator).fit(source.X, source.y)
        frozen = Incremental(make_pipeline(Normalizer(), FrozenEstimator(model.estimator_)))
        source.reads.clear()
        for one in (model, frozen):
            with pytest.raises(ValueError, match="requires y to be passed"):
                one.score(source.X)
        assert not source.reads
    stopped = Incremental(make_pipeline(StandardScaler(), last), early_stopping=True, max_iter=2)
    with pytest.raises(ValueError, match="X_val was passed without y_val"):
        stopped.fit(source.X, source.y, X_val=source.X)


def test_the_tags_of_a_pipeline_are_those_of_its_steps():
    text = get_tags(Incremental(make_pipeline(HashingVectorizer(), sgd())))
    assert text.input_tags.string
    assert not text.input_tags.two_d_array
    assert is_classifier(Incremental(make_pipeline(HashingVectorizer(), sgd())))
    assert get_tags(Incremental(make_pipeline(StandardScaler(), sgd()))).requires_fit
    assert not get_tags(Incremental(make_pipeline(Normalizer(), HashingVectorizer()))).requires_fit


# What is frozen


@pytest.mark.parametrize("wrap", [lambda fitted: fitted, lambda f: make_pipeline(Normalizer(), f)])
def test_a_frozen_fitted_model_needs_no_fit(wrap, source):
    X, y = in_memory(source)
    expected = SGDClassifier(random_state=0, loss="log_loss").fit(X, y)
    model = Incremental(wrap(FrozenEstimator(expected)))
    whole = wrap(expected)
    assert np.array_equal(model.predict(source.X).compute(), whole.predict(X))
    assert np.array_equal(model.predict_proba(X), whole.predict_proba(X))
    assert model.score(source.X, source.y) == whole.score(X, y)
    assert model.set_params(scoring="roc_auc").score(source.X, source.y) > 0.5
    assert model.classes_.tolist() == [0, 1]
    assert not hasattr(model, "partial_fit")
    assert not get_config()["enable_metadata_routing"]


def test_a_frozen_model_that_is_not_fitted_is_not_fitted(source):
    for estimator in (FrozenEstimator(sgd()), make_pipeline(FrozenEstimator(sgd()))):
        with pytest.raises(NotFittedError, match="before using 'predict'"):
            Incremental(estimator).predict(source.X)
    assert not source.reads


# A single output


@pytest.mark.parametrize("classes", [None, [0, 1], [[0, 1]]])
@pytest.mark.parametrize("lazy", [False, True])
def test_several_outputs_may_be_one(classes, lazy):
    source = Source()
    y = source.y[:, None]
    blocks = in_blocks(source.X, y)
    expected = loop(MultiOutputClassifier(sgd()), blocks, classes=[[0, 1]])
    scaler = loop(StandardScaler(), [(x,) for x, _ in blocks])
    scaled = [(scaler.transform(x), y) for x, y in blocks]
    after = loop(MultiOutputClassifier(sgd()), scaled, classes=[[0, 1]])
    target = y if lazy else y.compute()
    for estimator, own in (
        (MultiOutputClassifier(sgd()), expected),
        (make_pipeline(StandardScaler(), MultiOutputClassifier(sgd())), after),
    ):
        model = Incremental(estimator, classes=classes).fit(source.X, target)
        last = getattr(model.estimator_, "steps", [(None, model.estimator_)])[-1][1]
        assert np.array_equal(last.estimators_[0].coef_, own.estimators_[0].coef_)
        assert last.estimators_[0].classes_.tolist() == [0, 1]
        model.partial_fit(source.X, target)
        assert model.predict(source.X).shape == (200, 1)


@pytest.mark.parametrize("lazy", [False, True])
def test_labels_that_are_not_those_of_each_output_are_refused_before_anything_is_read(lazy):
    source = Source()
    y = da.stack([source.y, source.y], axis=1)
    target = y if lazy else np.stack([source.y.compute()] * 2, axis=1)
    source.reads.clear()
    message = (
        r"labels for each output of y, which MultiOutputClassifier takes. Got \[0, 1\] instead"
    )
    with pytest.raises(ValueError, match=message):
        Incremental(MultiOutputClassifier(sgd()), classes=[0, 1]).fit(source.X, target)
    assert not source.reads


def test_a_label_that_is_not_among_those_of_the_single_output_is_named():
    X = da.ones((4, 2), chunks=2)
    y = da.from_array(np.array([[0], [1], [0], [7]]), chunks=(2, 1))
    model = Incremental(MultiOutputClassifier(sgd()), classes=[[0, 1]])
    with pytest.raises(BlockError, match=r"Got \[7\] in row 1 of block 1"):
        model.fit(X, y)
