"""skops saves models without pickle; loading them executes no code."""

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

from incremental import Incremental
from tests.conftest import same_state

pytestmark = pytest.mark.thirdparty


@pytest.fixture
def sio():
    return pytest.importorskip("skops.io")


@pytest.fixture
def model(source):
    return Incremental(SGDClassifier(random_state=0), max_iter=2).fit(source.X, source.y)


def test_a_fitted_wrapper_makes_a_round_trip(model, source, tmp_path, sio):
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


def test_the_wrapped_model_makes_a_round_trip_with_nothing_to_trust(model, tmp_path, sio):
    sio.dump(model.estimator_, tmp_path / "model.skops")
    assert sio.get_untrusted_types(file=tmp_path / "model.skops") == []
    assert same_state(sio.load(tmp_path / "model.skops"), model.estimator_)


@pytest.fixture
def frame():
    pd, dd = pytest.importorskip("pandas"), pytest.importorskip("dask.dataframe")
    whole = pd.DataFrame(
        {
            "a": np.arange(20.0),
            "day": pd.date_range("2020", periods=20, tz="Europe/Berlin"),
            "kind": pd.Categorical(["u", "v"] * 10),
            "city": pd.Series(["Bonn", "Rome"] * 10),
        }
    )
    y = pd.Series(np.arange(20) % 2)
    return dd.from_pandas(whole, npartitions=2), dd.from_pandas(y, npartitions=2)


def of_frames():
    return make_column_transformer(
        (StandardScaler(), ["a"]),
        (OneHotEncoder(), ["kind"]),
        (OneHotEncoder(categories=[["Bonn", "Rome"]]), ["city"]),
    )


@pytest.mark.parametrize("make", [of_frames, PolynomialFeatures], ids=["columns", "poly"])
def test_what_was_trained_on_frames_makes_a_round_trip_and_works_on_frames(make, frame, sio):
    X, y = frame
    if make is not of_frames:
        X = X[["a"]]
    model = Incremental(make_pipeline(make(), SGDClassifier(random_state=0))).fit(X, y)
    file = sio.dumps(model)
    unknown = sio.get_untrusted_types(data=file)
    assert unknown == ["incremental._estimator.incremental.Incremental"]
    loaded = sio.loads(file, trusted=unknown)
    assert np.array_equal(loaded.predict(X).compute(), model.predict(X).compute())
    assert np.array_equal(loaded.predict(X.compute()), model.predict(X.compute()))
    assert loaded.score(X, y) == model.score(X, y)
    loaded.partial_fit(X, y)
    model.partial_fit(X, y)
    assert np.array_equal(loaded.estimator_[-1].coef_, model.estimator_[-1].coef_)
    assert sio.get_untrusted_types(data=sio.dumps(model.estimator_)) == []
