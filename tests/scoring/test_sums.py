"""Scores that are put together from sums are those of data in memory, whatever is summed."""

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.cluster import MiniBatchKMeans
from sklearn.linear_model import SGDClassifier, SGDRegressor

from incremental import Incremental

SMALL = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"]
NULLABLE = ["boolean", "Int8", "UInt8", "Int16", "UInt32", "Float32"]


@pytest.fixture(scope="module")
def numbers():
    """A lazy X, its values, and whole numbers from 0 to 100 that go with its rows."""
    X = np.random.default_rng(0).random((3_000, 3))
    return da.from_array(X, chunks=(1_000, 3)), X, (X[:, 0] * 100).astype(int)


def weights(kind, n=3_000):
    """Weights whose sum over a block is more than the dtype can tell, and the same in float64."""
    high = {"?": 2, "boolean": 2}.get(kind, 120)
    values = pd.Series(np.random.default_rng(1).integers(0, high, n)).astype(kind)
    lazy = dd.from_pandas(values, npartitions=3) if kind in NULLABLE else values.to_numpy()
    return lazy, values.to_numpy(dtype=float)


@pytest.mark.parametrize("kind", SMALL + NULLABLE)
@pytest.mark.parametrize("estimator", [SGDClassifier(random_state=0), SGDRegressor(random_state=0)])
def test_weights_of_any_dtype_score_as_those_of_double_precision(estimator, kind, numbers):
    lazy_X, X, number = numbers
    y = (number > 50).astype(int)
    model = Incremental(estimator).fit(lazy_X, y)
    lazy, w = weights(kind)
    if kind in NULLABLE:  # cut where X is
        lazy_X = dd.from_dask_array(lazy_X)
        y = dd.from_pandas(pd.Series(y), npartitions=3)
    expected = model.estimator_.score(X, (number > 50).astype(int), sample_weight=w)
    assert model.score(lazy_X, y, sample_weight=lazy) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_the_score_of_k_means_takes_weights_of_any_dtype(kind, dtype, numbers):
    lazy_X, X = numbers[0].astype(dtype), numbers[1].astype(dtype)
    model = Incremental(MiniBatchKMeans(3, random_state=0, n_init=1)).fit(lazy_X)
    lazy, w = weights(kind)
    rows = [slice(i, i + 1_000) for i in (0, 1_000, 2_000)]
    blocks = [float(model.estimator_.score(X[i], sample_weight=w[i])) for i in rows]
    assert model.score(lazy_X, sample_weight=lazy) == pytest.approx(sum(blocks), rel=1e-15)


@pytest.mark.parametrize("kind", SMALL)
def test_r2_of_a_target_of_any_dtype_is_that_of_double_precision(kind, numbers):
    class Rounds(SGDRegressor):
        def predict(self, X):
            return super().predict(X).astype(kind)

    lazy_X, X, number = numbers
    y = number.astype(kind)
    model = Incremental(Rounds(random_state=0)).fit(lazy_X, number.astype(float))
    plain = super(Rounds, model.estimator_).predict(X).astype(kind).astype(float)
    residuals, around = y - plain, y - y.mean(dtype=float)
    expected = 1 - residuals @ residuals / (around @ around)
    assert model.score(lazy_X, y) == pytest.approx(expected, rel=1e-12)


class Positive(ClassifierMixin, BaseEstimator):
    """Says whether the first column is positive."""

    def partial_fit(self, X, y, classes=None):
        self.classes_ = classes
        return self

    def predict(self, X):
        return (X[:, 0] > 0).astype(int)


@pytest.mark.parametrize(
    ("kind", "weight"),
    [
        ("f2", 0.5),
        ("f2", 3.0),
        ("i2", 300),
        ("u2", 60_000),
        ("i4", 2**30),
        ("u4", 2**31),
        ("i8", 2**62),
        ("u8", 2**63),
        ("f4", 1e38),
    ],
)
def test_large_weights_of_a_small_dtype_do_not_overflow(kind, weight):
    X, y = np.ones((30_000, 1)), np.ones(30_000, int)
    y[::3] = 0
    model = Incremental(Positive(), classes=[0, 1]).fit(X[:3], y[:3])
    lazy = da.from_array(X, chunks=(1_000, 1))
    assert model.score(lazy, y, sample_weight=np.full(30_000, weight, kind)) == 2 / 3
    w = da.full(30_000, weight, dtype=kind, chunks=30_000)
    assert model.score(lazy.rechunk((30_000, 1)), y, sample_weight=w) == 2 / 3


@pytest.mark.parametrize("kind", SMALL)
def test_early_stopping_scores_with_weights_of_any_dtype(kind, numbers):
    lazy_X, _, number = numbers
    lazy, w = weights(kind)

    def scores(given):
        model = Incremental(SGDClassifier(random_state=0), early_stopping=True, max_iter=2)
        held_out = {"X_val": lazy_X, "y_val": number > 50, "sample_weight_val": given}
        return model.fit(lazy_X, number > 50, **held_out).validation_scores_

    assert scores(lazy) == scores(w)
