"""PyTorch networks that skorch wraps; the model is that of the loop over the same blocks."""

import dask
import dask.array as da
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold

from incremental import BlockError, Incremental
from tests.conftest import in_blocks, loop

torch = pytest.importorskip("torch")
skorch = pytest.importorskip("skorch")

pytestmark = pytest.mark.thirdparty


class Network(torch.nn.Module):
    def __init__(self, n_outputs=2):
        super().__init__()
        torch.manual_seed(0)  # the same weights in every fit
        self.linear = torch.nn.Linear(3, n_outputs)

    def forward(self, X):
        return self.linear(X)


OPTIONS = dict(max_epochs=1, train_split=None, verbose=0, iterator_train__shuffle=False)
CLASSIFIER = skorch.NeuralNetClassifier(Network, criterion=torch.nn.CrossEntropyLoss, **OPTIONS)
REGRESSOR = skorch.NeuralNetRegressor(Network, module__n_outputs=1, **OPTIONS)


@pytest.fixture
def X():
    return da.random.default_rng(0).random((120, 3), chunks=(30, 3)).astype(np.float32)


@pytest.fixture
def y(X):
    return (X[:, 0] > 0.5).astype(np.int64)


def weights(model):
    return model.module_.linear.weight.detach().numpy()


def test_a_classifier_is_the_loop_over_the_blocks(X, y):
    model = Incremental(CLASSIFIER, max_iter=2).fit(X, y)
    expected = loop(clone(CLASSIFIER), in_blocks(X, y) * 2, classes=np.array([0, 1]))
    assert np.array_equal(weights(model.estimator_), weights(expected))
    whole, labels = dask.compute(X, y)
    predicted = model.predict_proba(X)
    assert isinstance(predicted, da.Array) and predicted.dtype == np.float32
    assert np.allclose(predicted.compute(), expected.predict_proba(whole), rtol=1e-6)
    assert model.score(X, y) == expected.score(whole, labels)


def test_a_classifier_may_be_told_its_classes_itself(X, y):
    told = clone(CLASSIFIER).set_params(classes=[0, 1])
    assert np.array_equal(
        weights(Incremental(told).fit(X, y).estimator_),
        weights(Incremental(CLASSIFIER, classes=[0, 1]).fit(X, y).estimator_),
    )


def test_a_regressor_is_the_loop_over_the_blocks(X):
    y = X[:, :1] * 2
    model = Incremental(REGRESSOR).fit(X, y)
    expected = loop(clone(REGRESSOR), in_blocks(X, y))
    assert np.array_equal(weights(model.estimator_), weights(expected))
    assert model.predict(X).shape == (120, 1)


def test_a_search_sets_what_the_network_is_made_of(X, y):
    grid = {"estimator__lr": [0.01, 0.5]}
    found = GridSearchCV(Incremental(CLASSIFIER), grid, cv=KFold(2), refit=False)
    found.fit(X, y.compute())
    for i, lr in enumerate(grid["estimator__lr"]):
        for fold, (train, test) in enumerate(KFold(2).split(X)):
            expected = clone(CLASSIFIER).set_params(lr=lr)
            loop(expected, in_blocks(X[train], y[train]), classes=np.array([0, 1]))
            score = expected.score(*dask.compute(X[test], y[test]))
            assert found.cv_results_[f"split{fold}_test_score"][i] == score


def test_the_dtype_is_that_of_the_blocks_as_for_the_bare_network(X, y):
    with pytest.raises(BlockError, match="must have the same dtype, but got Double and Float"):
        Incremental(CLASSIFIER).fit(X.astype(np.float64), y)


def test_ten_passes_are_five_and_a_copy_that_makes_five_more(X, y):
    whole = Incremental(CLASSIFIER, max_iter=10).fit(X, y)
    half = Incremental(CLASSIFIER, max_iter=5).fit(X, y)
    for _ in range(5):
        half.partial_fit(X, y)
    assert np.array_equal(weights(whole.estimator_), weights(half.estimator_))
