"""Scores that are put together from sums are those of data in memory, whatever is summed."""

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.cluster import MiniBatchKMeans
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.metrics import (
    check_scoring,
    f1_score,
    get_scorer,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor

from incremental import BlockError, Incremental
from tests.conftest import SKLEARN

#: Many of these look at one pass only.
pytestmark = pytest.mark.filterwarnings("ignore:early_stopping=True has nothing to stop")


def test_the_default_score_takes_weights(source):
    w = np.linspace(0, 1, 200)
    model = Incremental(GaussianNB()).fit(source.X, source.y)
    X, y = dask.compute(source.X, source.y)
    source.reads.clear()
    score = model.score(source.X, source.y, sample_weight=w)
    assert source.reads == dict.fromkeys(range(10), 1)
    # Put together from sums of the blocks, so that only the rounding differs.
    assert score == pytest.approx(model.estimator_.score(X, y, sample_weight=w), rel=1e-12)


def test_the_default_score_of_a_regressor_is_put_together_from_sums(source):
    y = da.stack([source.X[:, 0] * 2, source.X[:, 1] + 1e6, source.X[:, 2] * 0 + 3], axis=1)
    model = Incremental(MLPRegressor(random_state=0)).fit(source.X, y)
    X, y = dask.compute(source.X, y)
    for w in (None, np.linspace(0, 1, 200), np.repeat([0, 1], 100)):
        source.reads.clear()
        score = model.score(source.X, y, sample_weight=w)
        assert source.reads == dict.fromkeys(range(10), 1)
        assert score == pytest.approx(model.estimator_.score(X, y, sample_weight=w), rel=1e-9)


def test_r2_has_the_conventions_of_scikit_learn_for_a_constant_target(source):
    model = Incremental(SGDRegressor(random_state=0)).fit(source.X, source.X[:, 0])
    model.estimator_.coef_[:] = 0
    model.estimator_.intercept_[:] = 3
    X = source.X.compute()
    for value in (3.0, 4.0):
        y = da.full(200, value, chunks=20)
        assert model.score(source.X, y) == model.estimator_.score(X, y.compute())
    with pytest.warns(UndefinedMetricWarning, match="less than two samples"):
        assert np.isnan(model.score(source.X[:1], y[:1]))


def test_the_score_of_k_means_is_the_sum_over_all_rows(source):
    class Same(MiniBatchKMeans):
        """Has the score that it inherits."""

    X, w = source.X.compute(), np.linspace(0, 1, 200)
    for kind in (MiniBatchKMeans, Same):
        model = Incremental(kind(3, random_state=0, n_init=1)).fit(source.X)
        for given in ({}, {"sample_weight": w}, {"sample_weight": None}):
            score = model.score(source.X, **given)
            assert score == pytest.approx(model.estimator_.score(X, **given), rel=1e-12)


@pytest.mark.parametrize(
    ("bad", "block", "message"),
    [
        (lambda y, w: (y[:, 0], w), 0, r"y_true and y_pred have different number of output \(1!=2"),
        (lambda y, w: (y[:, [0, 0, 1]], w), 0, r"y_true and y_pred have different .* \(3!=2\)"),
        (lambda y, w: (y + 1j, w), 0, "Complex data not supported"),
        (lambda y, w: (np.where(y == y[70], np.nan, y), w), 3, "Input contains NaN"),
        (lambda y, w: (np.where(y == y[70], np.inf, y), w), 3, "Input contains infinity"),
        (lambda y, w: (y, np.where(w == w[70], np.nan, w)), 3, "Input sample_weight contains NaN"),
    ],
)
def test_r2_of_what_scikit_learn_refuses_is_refused(bad, block, message, source):
    model = Incremental(MLPRegressor(random_state=0)).fit(source.X, np.ones((200, 2)))
    y, w = bad(np.random.default_rng(0).random((200, 2)), np.linspace(0, 1, 200))
    if "sample_weight" not in message or SKLEARN >= (1, 7):
        with pytest.raises(ValueError, match=message):
            model.estimator_.score(source.X.compute(), y, sample_weight=w)
    with pytest.raises(BlockError, match=f"could not be scored: ValueError: {message}") as caught:
        model.score(source.X, y, sample_weight=w)
    assert caught.value.block == block


def test_predictions_that_are_no_numbers_are_refused(source):
    model = Incremental(SGDRegressor(random_state=0)).fit(source.X, source.X[:, 0])
    model.estimator_.coef_[:] = np.nan
    with pytest.raises(BlockError, match="Block 0 could not be scored: ValueError: Input contains"):
        model.score(source.X, source.X[:, 0])


@pytest.mark.parametrize("estimator", [GaussianNB(), SGDRegressor(random_state=0)], ids=str)
def test_weights_may_all_be_zero_in_some_blocks_but_not_in_all(estimator, source):
    model = Incremental(estimator).fit(source.X, source.y)
    X, y = dask.compute(source.X, source.y)
    for some in (slice(45), slice(155, 200), slice(60, 100)):
        w = np.ones(200)
        w[some] = 0
        expected = model.estimator_.score(X, y, sample_weight=w)
        score = model.score(source.X, source.y, sample_weight=w)
        assert score == pytest.approx(expected, rel=1e-12)
    for scored in (model.estimator_.score, model.score):
        given = (X, y) if scored != model.score else (source.X, source.y)
        message = "at least one non-zero number|Weights sum to zero"  # the latter before 1.8
        with pytest.raises((ValueError, ZeroDivisionError), match=message):
            scored(*given, sample_weight=np.zeros(200))


def test_sparse_labels_are_scored(source):
    y = scipy.sparse.csr_matrix(source.X.compute() > 0.5).astype(int)
    model = Incremental(MLPClassifier((5,), random_state=0)).fit(source.X, y)
    X = source.X.compute()
    assert model.score(source.X, y) == model.estimator_.score(X, y)
    w = np.linspace(0, 1, 200)
    expected = model.estimator_.score(X, y, sample_weight=w)
    assert model.score(source.X, y, sample_weight=w) == pytest.approx(expected, rel=1e-12)
    for scoring in ("f1_micro", lambda model, X, y: f1_score(y, model.predict(X), average="micro")):
        expected = get_scorer("f1_micro")(model.estimator_, X, y)
        assert model.set_params(scoring=scoring).score(source.X, y) == expected
    for scoring in (None, "f1_micro"):
        stopped = Incremental(MLPClassifier((5,), random_state=0), early_stopping=True)
        stopped.set_params(scoring=scoring, max_iter=2).fit(source.X, y, X_val=source.X, y_val=y)
        expected = check_scoring(stopped.estimator_, scoring)(stopped.estimator_, X, y)
        assert stopped.best_validation_score_ == expected


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
    residuals, around = y - plain, y.astype(float) - y.mean(dtype=float)
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
