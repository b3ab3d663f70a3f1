"""Incremental estimators of the Extension for scikit-learn are those of the loop over blocks."""

import dask
import dask.array as da
import numpy as np
import pytest
from sklearn.base import clone

from incremental import Incremental
from tests.conftest import in_blocks, loop

pytest.importorskip("sklearnex")
from sklearnex.basic_statistics import IncrementalBasicStatistics
from sklearnex.covariance import IncrementalEmpiricalCovariance
from sklearnex.linear_model import IncrementalLinearRegression, IncrementalRidge
from sklearnex.preview.decomposition import IncrementalPCA

pytestmark = [
    pytest.mark.thirdparty,
    # It says so of every call in a thread that is not the main one.
    pytest.mark.filterwarnings("ignore:'Threading' parallel backend is not supported"),
]

LEARNED = [
    (IncrementalBasicStatistics(), False, ["mean_", "max_", "variance_"]),
    (IncrementalEmpiricalCovariance(), False, ["location_", "covariance_"]),
    (IncrementalPCA(2), False, ["components_", "mean_"]),
    (IncrementalLinearRegression(), True, ["coef_", "intercept_"]),
    (IncrementalRidge(), True, ["coef_", "intercept_"]),
]


@pytest.fixture
def X():
    return da.random.default_rng(0).random((120, 3), chunks=(30, 3))


@pytest.mark.parametrize(
    ("estimator", "needs_y", "names"), LEARNED, ids=lambda value: type(value).__name__
)
def test_what_is_learned_is_that_of_the_loop_over_the_blocks(estimator, needs_y, names, X):
    data = (X, X[:, 0] * 2) if needs_y else (X,)
    model = Incremental(estimator).fit(*data)
    expected = loop(clone(estimator), in_blocks(*data))
    for name in names:
        assert np.array_equal(getattr(model, name), getattr(expected, name)), name


def test_components_and_predictions_are_lazy(X):
    pca = Incremental(IncrementalPCA(2)).fit(X)
    assert np.allclose(pca.transform(X).compute(), pca.estimator_.transform(X.compute()))
    ridge = Incremental(IncrementalRidge()).fit(X, X[:, 0])
    assert np.allclose(ridge.predict(X).compute(), ridge.estimator_.predict(X.compute()))


@pytest.mark.parametrize("estimator", [IncrementalLinearRegression(), IncrementalRidge()])
def test_the_score_of_a_regressor_has_to_be_named(estimator, X):
    y = X[:, 0] * 2
    model = Incremental(estimator, scoring="r2").fit(X, y)
    # Predictions of a block and of all rows differ in the last bits.
    assert np.isclose(model.score(X, y), model.estimator_.score(*dask.compute(X, y)), rtol=1e-12)
    with pytest.raises(NotImplementedError, match="must go by predictions"):  # it predicts itself
        model.set_params(scoring=None).score(X, y)


def test_the_score_of_a_covariance_is_refused(X):
    model = Incremental(IncrementalEmpiricalCovariance()).fit(X)
    with pytest.raises(NotImplementedError, match="score data in memory"):
        model.score(X)
