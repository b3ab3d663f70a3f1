"""A regressor whose y is transformed: inside of Incremental, and around it."""

import warnings

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import SGDRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from incremental import BlockError, Incremental
from tests.conftest import Source, in_blocks, loop, same_state
from tests.pipelines.summing import Centre, Supervised, centred


def sgd(**params):
    return SGDRegressor(random_state=0, **params)


@pytest.fixture
def data():
    source = Source()
    source.y = source.X[:, 0] * 10 + 3
    return source


def scaled(transformer, y):
    return transformer.transform(y.reshape(-1, 1))[:, 0]


def test_a_scaler_of_y_and_a_regressor_equal_the_two_loops(data):
    target = TransformedTargetRegressor(sgd(), transformer=StandardScaler())
    model = Incremental(target, max_iter=2).fit(data.X, data.y)
    assert data.reads == dict.fromkeys(range(10), 1 + 2)  # y, which is made of X, and two passes
    blocks = in_blocks(data.X, data.y)
    scaler = loop(StandardScaler(), [(y.reshape(-1, 1),) for _, y in blocks])
    expected = loop(sgd(), [(x, scaled(scaler, y)) for x, y in blocks] * 2)
    assert same_state(model.transformer_, scaler)
    assert same_state(model.regressor_, expected)
    X, y = dask.compute(data.X, data.y)
    found = model.predict(data.X)
    assert isinstance(found, da.Array)
    undone = scaler.inverse_transform(expected.predict(X).reshape(-1, 1))[:, 0]
    assert np.array_equal(found.compute(), undone)
    assert np.isclose(model.score(data.X, data.y), model.estimator_.score(X, y), rtol=1e-12)
    assert not hasattr(target, "regressor_")


def test_functions_of_y_need_no_pass_and_warn_where_they_are_not_inverse(data):
    log = TransformedTargetRegressor(sgd(), func=np.log, inverse_func=np.exp)
    model = Incremental(log).fit(data.X, data.y)
    assert data.reads == {0: 2, **dict.fromkeys(range(1, 10), 1)}
    blocks = in_blocks(data.X, data.y)
    assert same_state(model.regressor_, loop(sgd(), [(x, np.log(y)) for x, y in blocks]))
    assert np.array_equal(
        model.predict(data.X).compute(), np.exp(model.regressor_.predict(data.X.compute()))
    )
    with pytest.warns(UserWarning, match="not strictly inverse"):
        Incremental(clone(log).set_params(inverse_func=np.sin)).fit(data.X, data.y)
    identity = TransformedTargetRegressor(sgd(), check_inverse=False)
    model = Incremental(identity).fit(data.X, data.y)
    assert same_state(model.regressor_, loop(sgd(), in_blocks(data.X, data.y)))


def test_y_may_be_learned_from_summaries_and_steps_see_the_y_of_their_place(data):
    inner = make_pipeline(Supervised(), sgd())
    target = TransformedTargetRegressor(inner, transformer=Centre())
    model = Incremental(make_pipeline(Supervised(), StandardScaler(), target))
    model.fit(data.X, data.y)
    y = data.y.compute()
    supervised, _, target = (step for _, step in model.estimator_.steps)
    assert np.isclose(supervised.mean_[-1], y.mean())
    columns = [y.reshape(-1, 1) for _, y in in_blocks(data.X, data.y)]
    assert same_state(target.transformer_, centred(columns))
    assert abs(target.regressor_[0].mean_[-1]) < 1e-12
    assert np.array_equal(
        model.predict(data.X).compute(), model.estimator_.predict(data.X.compute())
    )
    assert hasattr(model, "partial_fit")


def test_partial_fit_goes_on_with_the_same_transformer(data):
    target = TransformedTargetRegressor(sgd(), transformer=MinMaxScaler())
    model = Incremental(target).fit(data.X[:100], data.y[:100])
    model.partial_fit(data.X[100:], data.y[100:])
    blocks = in_blocks(data.X, data.y)
    scaler = loop(MinMaxScaler(), [(y.reshape(-1, 1),) for _, y in blocks[:5]])
    assert same_state(model.transformer_, scaler)
    expected = loop(sgd(), [(x, scaled(scaler, y)) for x, y in blocks])
    assert same_state(model.regressor_, expected)


def test_frames_outputs_and_delayed_blocks_are_transformed(data):
    X, y = dask.compute(data.X, data.y)
    frame = pd.DataFrame(X, columns=list("abc"))
    series = pd.Series(y, name="y")
    target = TransformedTargetRegressor(sgd(), transformer=StandardScaler())
    lazy = [dd.from_pandas(one, npartitions=10, sort=False) for one in (frame, series)]
    model = Incremental(target).fit(*lazy)
    expected = Incremental(target).fit(data.X, data.y)
    assert np.array_equal(model.regressor_.coef_, expected.regressor_.coef_)
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    assert np.array_equal(model.predict(lazy[0]).compute(), expected.predict(data.X).compute())
    delayed = [list(one.to_delayed().ravel()) for one in (data.X, data.y)]
    model = Incremental(target).fit(*delayed)
    assert np.array_equal(model.regressor_.coef_, expected.regressor_.coef_)
    assert model.predict(delayed[0]).compute().shape == (200,)
    memory = Incremental(target).fit(X, y)
    assert same_state(memory.transformer_, StandardScaler().fit(y.reshape(-1, 1)))
    assert memory.predict(X).shape == (200,)


def test_several_outputs_are_transformed_and_blocks_without_rows_left_out(data):
    X, y = dask.compute(data.X, da.stack([data.y, data.X[:, 1]], axis=1))
    blocks = [(X[i:j], y[i:j]) for i, j in ((0, 50), (50, 50), (50, 200))]
    regressor = MultiOutputRegressor(sgd())
    target = TransformedTargetRegressor(regressor, transformer=StandardScaler())
    model = Incremental(target).fit(
        *([dask.delayed(v) for v in part] for part in zip(*blocks, strict=True))
    )
    scaler = loop(StandardScaler(), [(y,) for _, y in blocks if len(y)])
    assert same_state(model.transformer_, scaler)
    expected = loop(regressor, [(x, scaler.transform(y)) for x, y in blocks if len(y)])
    assert np.array_equal(
        model.predict(data.X).compute(), scaler.inverse_transform(expected.predict(X))
    )


def test_a_block_whose_y_cannot_be_transformed_is_named(data):
    y = data.y.compute()
    number = y.argmax() // 20

    def refuse(part):
        if part.max() == y.max():
            raise ValueError("too large")
        return part

    target = TransformedTargetRegressor(
        sgd(), func=refuse, inverse_func=np.array, check_inverse=False
    )
    with pytest.raises(BlockError, match=f"Block {number} of y .*FunctionTransformer: .*too large"):
        Incremental(target).fit(data.X, data.y)


def test_early_stopping_and_searches_score_the_y_that_was_given(data):
    target = TransformedTargetRegressor(sgd(), transformer=StandardScaler())
    model = Incremental(target, early_stopping=True, max_iter=3, random_state=0)
    model.fit(data.X, data.y)
    assert len(model.validation_scores_) == 3
    y = data.y.compute()
    fast = clone(target).set_params(regressor__learning_rate="constant", regressor__eta0=0.05)
    search = GridSearchCV(
        Incremental(fast, max_iter=20), {"estimator__regressor__alpha": [1e-4, 1e2]}, cv=2
    )
    assert search.fit(data.X, y).best_params_ == {"estimator__regressor__alpha": 1e-4}
    assert search.best_score_ > 0.9


def test_what_cannot_be_is_refused_before_anything_is_read(data):
    for target, message in (
        (TransformedTargetRegressor(), r"regressor \(LinearRegression\(\)\) .*SGDRegressor"),
        (
            TransformedTargetRegressor(sgd(), transformer=StandardScaler(), func=np.log),
            "cannot both be set",
        ),
        (TransformedTargetRegressor(sgd(), func=np.log), "Got no inverse_func"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            Incremental(target).fit(data.X, data.y)
    target = TransformedTargetRegressor(sgd(), transformer=StandardScaler())
    with pytest.raises(ValueError, match="requires y"):
        Incremental(target).fit(data.X)
    assert not data.reads
    y = da.where(da.arange(200, chunks=20) == 70, np.nan, data.y)
    with pytest.raises(BlockError, match="Block 3 of y: .*NaN"):
        Incremental(target).fit(data.X, y)


def test_around_incremental_y_is_read_by_scikit_learn_and_predictions_may_stay_lazy(data):
    target = TransformedTargetRegressor(
        Incremental(sgd()), transformer=Incremental(StandardScaler())
    ).fit(data.X, data.y)
    X, y = dask.compute(data.X, data.y)
    scaler = StandardScaler().fit(y.reshape(-1, 1))
    transformed = scaled(scaler, y)
    blocks = [(X[i : i + 20], transformed[i : i + 20]) for i in range(0, 200, 20)]
    expected = loop(sgd(), blocks)
    assert same_state(target.regressor_.estimator_, expected)
    found = target.predict(data.X)
    assert isinstance(found, da.Array)
    undone = scaler.inverse_transform(expected.predict(X).reshape(-1, 1))[:, 0]
    assert np.array_equal(found.compute(), undone)
    target = TransformedTargetRegressor(Incremental(sgd()), func=np.log, inverse_func=np.exp)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # scikit-learn asks dask about memory
        found = target.fit(data.X, data.y).predict(data.X)
    assert np.array_equal(found, np.exp(target.regressor_.estimator_.predict(X)))
