"""skops saves models without pickle; loading them executes no code."""

import numpy as np
import pytest
from sklearn.linear_model import SGDClassifier

from incremental import Incremental
from tests.conftest import same_state

sio = pytest.importorskip("skops.io")
pytestmark = pytest.mark.thirdparty


@pytest.fixture
def model(source):
    return Incremental(SGDClassifier(random_state=0), max_iter=2).fit(source.X, source.y)


def test_a_fitted_wrapper_makes_a_round_trip(model, source, tmp_path):
    sio.dump(model, tmp_path / "model.skops")
    unknown = sio.get_untrusted_types(file=tmp_path / "model.skops")
    assert unknown == ["incremental._estimator.incremental.Incremental"]
    loaded = sio.load(tmp_path / "model.skops", trusted=unknown)
    assert same_state(loaded.estimator_, model.estimator_)
    assert loaded.get_params().keys() == model.get_params().keys()
    assert np.array_equal(loaded.predict(source.X).compute(), model.predict(source.X).compute())
    loaded.partial_fit(source.X, source.y)
    model.partial_fit(source.X, source.y)
    assert same_state(loaded.estimator_, model.estimator_)
    assert loaded.n_iter_ == model.n_iter_ == 3


def test_the_wrapped_model_makes_a_round_trip_with_nothing_to_trust(model, tmp_path):
    sio.dump(model.estimator_, tmp_path / "model.skops")
    assert sio.get_untrusted_types(file=tmp_path / "model.skops") == []
    assert same_state(sio.load(tmp_path / "model.skops"), model.estimator_)
