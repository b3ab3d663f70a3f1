"""Attributes that are of the last block only say so, and what has them for all rows."""

import pickle
import warnings

import dask.array as da
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.cluster import Birch, MiniBatchKMeans
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils import get_tags

from incremental import Incremental
from incremental._estimator.last_block import INSTEAD
from tests.conftest import in_blocks, loop
from tests.estimator.test_estimator_checks import bare_estimators

X = da.from_array(np.random.default_rng(0).random((90, 3)), chunks=((53, 37), 3))
y = (X[:, 0] > 0.5).astype(int)
MODELS = {
    "labels_": [Birch(threshold=0.05, n_clusters=3), MiniBatchKMeans(3, random_state=0, n_init=1)],
    "inertia_": [MiniBatchKMeans(3, random_state=0, n_init=1)],
    "loss_": [
        MLPClassifier((2,), random_state=0),
        MLPRegressor(hidden_layer_sizes=(2,), random_state=0),
    ],
    "best_loss_": [
        MLPClassifier((2,), random_state=0),
        MLPRegressor(hidden_layer_sizes=(2,), random_state=0),
    ],
}
CASES = [(name, bare) for name, models in MODELS.items() for bare in models]
IDS = [f"{type(bare).__name__}-{name}" for name, bare in CASES]


@pytest.mark.parametrize(("name", "bare"), CASES, ids=IDS)
def test_an_attribute_of_the_last_block_says_so_and_what_to_call(name, bare):
    model = Incremental(bare).fit(X, y)
    call = "predict" if name == "labels_" else "score"
    message = rf"{name} of {type(bare).__name__} is of the last block only. .*{call}\(X"
    with pytest.raises(AttributeError, match=message):
        getattr(model, name)
    assert not hasattr(model, name)
    assert name not in dir(model)
    assert hasattr(model.estimator_, name)
    assert "coefs_" in dir(model) or "n_features_in_" in dir(model)
    again = pickle.loads(pickle.dumps(model))
    assert not hasattr(again, name)
    assert hasattr(again.estimator_, name)
    assert type(bare).__name__ in model._repr_html_()


@pytest.mark.parametrize(("name", "bare"), CASES, ids=IDS)
def test_an_attribute_of_data_in_one_piece_is_right(name, bare):
    (memory_X, memory_y) = X.compute(), y.compute()
    expected = loop(clone(bare), [(memory_X, memory_y)] * 2, **classes_for(bare))
    model = Incremental(bare, max_iter=2).fit(memory_X, memory_y)
    np.testing.assert_array_equal(getattr(model, name), getattr(expected, name))
    assert name in dir(model)
    one_block = Incremental(bare, max_iter=2).fit(X.rechunk(90), y.rechunk(90))
    np.testing.assert_array_equal(getattr(one_block, name), getattr(expected, name))
    for others in ({"shuffle": True, "random_state": 0}, {"batch_size": 50}):
        assert not hasattr(Incremental(bare, **others).fit(memory_X, memory_y), name)
    assert not hasattr(model.partial_fit(X, y), name)
    assert hasattr(model.partial_fit(memory_X, memory_y), name)


def classes_for(bare):
    return {"classes": [0, 1]} if get_tags(bare).classifier_tags else {}


def test_an_attribute_is_not_that_of_rows_without_those_held_out():
    bare = MiniBatchKMeans(3, random_state=0, n_init=1)
    model = Incremental(bare, max_iter=2, early_stopping=True, random_state=0).fit(X)
    assert not hasattr(model, "labels_")
    model.fit(X.rechunk(90), X_val=X)
    assert len(model.labels_) == 90


def test_a_fit_that_fails_leaves_the_attributes_of_the_one_before():
    bare = MiniBatchKMeans(3, random_state=0, n_init=1)
    model = Incremental(bare).fit(X.compute())
    with pytest.raises(Exception, match="NaN"):
        model.fit(X * np.nan)
    assert len(model.labels_) == 90


@pytest.mark.parametrize("bare", bare_estimators(), ids=lambda bare: type(bare).__name__)
def test_no_other_attribute_has_the_rows_of_the_last_block(bare):
    """An estimator with such an attribute belongs into the table."""
    if not get_tags(bare).input_tags.two_d_array:
        pytest.skip("learns nothing")
    target = da.stack([y, y], axis=1) if type(bare).__name__.startswith("MultiOutput") else y
    data = (X * 3).astype(int) if type(bare).__name__ == "CategoricalNB" else X
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = Incremental(bare).fit(data, target)
    learned = vars(model.estimator_)
    found = {
        name
        for name, value in learned.items()
        if name.endswith("_") and len(value if hasattr(value, "__len__") else ()) == 37
    }
    of_rows = {"labels_"} & set(INSTEAD.get(type(bare).__name__, {}))
    assert found == of_rows
    assert not any(hasattr(model, name) for name in INSTEAD.get(type(bare).__name__, {}))


def test_the_reference_is_of_the_last_block():
    blocks = in_blocks(X)
    for bare in MODELS["labels_"]:
        model = Incremental(bare).fit(X)
        assert len(model.estimator_.labels_) == len(blocks[-1][0])
        assert len(model.predict(X)) == 90
