"""Parameters go to the steps that ask for them; a SelectFromModel hands them on."""

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from incremental import Incremental
from tests.conftest import Source, in_blocks, loop, same_state

CLASSES = [0, 1]


def sgd():
    return SGDClassifier(random_state=0)


def selects(estimator):
    return SelectFromModel(estimator, threshold=-np.inf, max_features=2)


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture
def weights():
    return np.random.default_rng(0).random(200)


@pytest.mark.usefixtures("routing")
def test_selecting_learns_from_all_blocks_where_metadata_is_routed(source, scheduler):
    source = Source()
    model = Incremental(make_pipeline(selects(sgd()), sgd())).fit(source.X, source.y)
    blocks = in_blocks(source.X, source.y)
    chosen = loop(sgd(), blocks, classes=CLASSES)
    assert same_state(model.estimator_[0].estimator_, chosen)
    kept = np.sort(np.argsort(np.abs(chosen.coef_[0]))[-2:])
    expected = loop(sgd(), [(x[:, kept], y) for x, y in blocks], classes=CLASSES)
    assert same_state(model.estimator_[1], expected)


@pytest.mark.usefixtures("routing")
def test_selecting_alone_goes_on_where_metadata_is_routed(source):
    model = Incremental(selects(sgd()), classes=CLASSES).fit(source.X, source.y)
    model.partial_fit(source.X, source.y)
    expected = loop(sgd(), in_blocks(source.X, source.y) * 2, classes=CLASSES)
    assert same_state(model.estimator_.estimator_, expected)


@pytest.mark.parametrize("alias", [True, "w"])
@pytest.mark.usefixtures("routing")
def test_weights_reach_the_estimator_that_selects(alias, source, weights):
    inner = sgd().set_partial_fit_request(sample_weight=alias)
    last = sgd().set_partial_fit_request(sample_weight=False)
    name = "sample_weight" if alias is True else alias
    model = Incremental(make_pipeline(StandardScaler(), selects(inner), last))
    if alias is True:
        model.estimator.steps[0][1].set_partial_fit_request(sample_weight=False)
    model.fit(source.X, source.y, **{name: weights})
    blocks = in_blocks(source.X, source.y)
    scaler = loop(StandardScaler(), [(x,) for x, _ in blocks])
    expected = sgd()
    for i, (x, y) in enumerate(blocks):
        part = weights[i * 20 : i * 20 + 20]
        expected.partial_fit(scaler.transform(x), y, classes=CLASSES, sample_weight=part)
    assert same_state(model.estimator_[1].estimator_, expected)


@pytest.mark.usefixtures("routing")
def test_weights_that_nobody_asks_for_are_refused(source, weights):
    pipe = make_pipeline(selects(sgd()), sgd())
    with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError, match="sample_weight"):
        Incremental(pipe).fit(source.X, source.y, sample_weight=weights)
    assert not source.reads


@pytest.mark.parametrize(
    "model",
    [
        OneVsRestClassifier(sgd()),
        OneVsOneClassifier(sgd()),
        make_pipeline(selects(SGDRegressor(random_state=0)), OneVsRestClassifier(sgd())),
        MultiOutputClassifier(sgd()),
    ],
    ids=["rest", "one", "regressor", "outputs"],
)
def test_routing_changes_nothing_where_there_are_no_parameters(model, source):
    X, y = source.X, (source.X[:, 0] * 3).astype(int)
    if isinstance(model, MultiOutputClassifier):
        y = (X[:, :2] * 3).astype(int)
    with sklearn.config_context(enable_metadata_routing=True):
        found = Incremental(clone(model)).fit(X, y).predict(X).compute()
    expected = Incremental(clone(model)).fit(X, y).predict(X).compute()
    assert np.array_equal(found, expected)
