"""A ColumnTransformer is the one that is fitted in memory."""

from collections import Counter

import dask
import dask.array as da
import dask.dataframe as dd
import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from joblib.parallel import BACKENDS, ThreadingBackend
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector, make_column_transformer
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.impute import SimpleImputer
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
)

from incremental import Incremental
from tests.conftest import loop, same_state
from tests.pipelines.common import CLASSES, by_column, frame, lazy, partitions, sgd


def test_columns_are_taken_by_name_and_equal_the_loop():
    X, y = frame()
    lazy_X, lazy_y = lazy(X, y)
    model = Incremental(make_pipeline(by_column(), sgd()), classes=CLASSES).fit(lazy_X, lazy_y)
    blocks = partitions(lazy_X, lazy_y)
    numbers = loop(
        StandardScaler(), [(x[["size", "age"]].fillna(0).to_numpy(),) for x, _ in blocks]
    )
    found = model.estimator_[0].named_transformers_["pipeline"][-1]
    assert same_state(found, numbers) if "feature_names_in_" in vars(numbers) else True
    assert np.array_equal(found.mean_, numbers.mean_)
    whole = clone(by_column()).fit(X)
    whole.named_transformers_["pipeline"].steps[-1] = ("standardscaler", numbers)
    expected = loop(sgd(), [(whole.transform(x), y) for x, y in blocks], classes=CLASSES)
    assert same_state(model.estimator_[-1], expected)
    assert np.array_equal(model.predict(lazy_X).compute(), model.estimator_.predict(X))
    assert model.score(lazy_X, lazy_y) == model.estimator_.score(X, y)


@pytest.mark.parametrize(
    "make",
    [
        lambda: make_column_transformer(
            (OneHotEncoder(), make_column_selector(dtype_include="category")),
            (MinMaxScaler(), ["size"]),
            remainder="drop",
        ),
        lambda: make_column_transformer(
            (OneHotEncoder(drop="first", sparse_output=False), ["colour"]),
            ("drop", ["text", "city"]),
            remainder=MinMaxScaler(),
            verbose_feature_names_out=False,
        ),
        lambda: ColumnTransformer(
            [
                ("numbers", MinMaxScaler(), slice("size", "age")),
                ("none", MinMaxScaler(), []),
                ("colours", OrdinalEncoder(), ["colour"]),
                ("kept", "passthrough", ["size"]),
            ],
            transformer_weights={"numbers": 2.0},
        ),
        lambda: make_column_transformer(
            (OneHotEncoder(sparse_output=False), ["colour"]),
            (MinMaxScaler(), ["size", "age"]),
        ).set_output(transform="pandas"),
        lambda: make_union(
            make_column_transformer((MinMaxScaler(), ["size"])),
            make_column_transformer((OneHotEncoder(), ["colour"])),
        ),
        lambda: make_pipeline(
            make_column_transformer((MinMaxScaler(), ["size"]), ("passthrough", ["age"])),
            SimpleImputer(strategy="constant", fill_value=0),
            PolynomialFeatures(),
        ),
    ],
    ids=["selector", "remainder", "slice", "pandas", "union", "polynomial"],
)
def test_a_transformer_of_columns_is_the_one_that_is_fitted_in_memory(make):
    X, _ = frame()
    (lazy_X,) = lazy(X)
    model = Incremental(make()).fit(lazy_X)
    memory = make().fit(X)
    expected, found = memory.transform(X), model.estimator_.transform(X)
    assert type(expected) is type(found)
    assert list(model.get_feature_names_out()) == list(memory.get_feature_names_out())
    assert list(model.estimator_.feature_names_in_) == list(X.columns)
    if sp.issparse(expected):
        expected, found = expected.toarray(), found.toarray()
    if hasattr(expected, "columns"):
        pd.testing.assert_frame_equal(expected, found)
    assert np.array_equal(np.asarray(expected, float), np.asarray(found, float), equal_nan=True)
    result = model.transform(lazy_X).compute()
    result = result.toarray() if sp.issparse(result) else result
    assert np.array_equal(np.asarray(expected, float), np.asarray(result, float), equal_nan=True)


def test_the_first_rows_decide_about_columns_and_are_read_once_more(source):
    union = make_column_transformer((StandardScaler(), [0]), (PolynomialFeatures(), [1, 2]))
    model = Incremental(make_pipeline(union, sgd()), classes=CLASSES, max_iter=2)
    model.fit(source.X, source.y)
    assert source.reads == {0: 4, **dict.fromkeys(range(1, 10), 3)}


def test_a_column_that_is_missing_in_the_first_rows_is_kept():
    X = np.arange(12.0).reshape(6, 2)
    X[:3, 1] = np.nan
    imputer = SimpleImputer(strategy="constant", fill_value=7)
    model = Incremental(make_pipeline(imputer, StandardScaler())).fit(da.from_array(X, (3, 2)))
    expected = make_pipeline(imputer, StandardScaler()).fit(X)
    assert np.array_equal(model.transform(X), expected.transform(X))


def test_data_in_memory_give_what_lists_of_blocks_give():
    X, y = frame()
    pipe = make_pipeline(by_column(), sgd())
    model = Incremental(pipe).fit(X, y)
    (lazy_X, lazy_y) = lazy(X, y, npartitions=1)
    assert same_state(model.estimator_[-1], Incremental(pipe).fit(lazy_X, lazy_y).estimator_[-1])
    assert np.array_equal(model.predict(X), model.predict(lazy_X).compute())


def test_columns_are_found_where_dataframes_are_the_output_of_all_steps():
    X, y = frame()
    lazy_X, lazy_y = lazy(X, y)
    columns = make_column_transformer((MinMaxScaler(), ["size"]), ("passthrough", ["age"]))
    with sklearn.config_context(transform_output="pandas"):
        model = Incremental(columns).fit(lazy_X, lazy_y)
        found = model.transform(lazy_X).compute()
        expected = clone(columns).fit(X).transform(X)
    pd.testing.assert_frame_equal(found, expected)


def test_an_encoder_of_a_subclass_is_one(source):
    class Mine(OneHotEncoder): ...

    X = (source.X > 0.5).astype(float)
    found, expected = (
        Incremental(make_pipeline(encoder(categories=[[0.0, 1.0]] * 3), sgd()), classes=CLASSES)
        .fit(X, source.y)
        .estimator_
        for encoder in (Mine, OneHotEncoder)
    )
    assert type(found[0]) is Mine
    assert same_state(found[1], expected[1])


def test_a_column_transformer_needs_the_columns_that_it_uses_only():
    X, y = frame()
    lazy_X, lazy_y = lazy(X, y)
    pipe = make_pipeline(make_column_transformer((MinMaxScaler(), ["size"])), sgd())
    model = Incremental(pipe).fit(lazy_X[["size", "city"]], lazy_y)
    expected = model.score(X, y)
    for columns in (["size"], ["size", "text"]):
        assert model.score(lazy_X[columns], lazy_y) == expected
        assert np.array_equal(model.predict(lazy_X[columns]).compute(), model.predict(X))
    model.partial_fit(lazy_X[["size"]], lazy_y)
    assert model.n_iter_ == 2
    stopped = Incremental(pipe, early_stopping=True, max_iter=2)
    stopped.fit(lazy_X[["size", "city"]], lazy_y, X_val=lazy_X[["size"]], y_val=lazy_y)
    assert len(stopped.validation_scores_) == 2


AIRLINES = "9E AA AS B6 DL EV F9 FL HA MQ OO UA US VX WN YV".split()


def delayed_flights(path, reads):
    """Return flights until April that arrived, and whether they were late; count reads of files."""

    def note(part):
        reads[int(part.index[0])] += 1
        return part

    flights = dd.read_parquet(path).partitions[:4]
    flights = flights.map_partitions(note, meta=flights._meta).dropna(subset=["arr_delay"])
    flights = flights.assign(
        late=(flights.arr_delay > 15).astype(int),
        hour=flights.sched_dep_time // 100,
        carrier=flights.carrier.astype(pd.CategoricalDtype(AIRLINES)),
    )
    return flights[["dep_delay", "hour", "distance", "carrier", "origin", "dest"]], flights["late"]


@pytest.mark.usefixtures("threads")
def test_flights_from_parquet_are_learned_as_one_pipeline(flights_path):
    numbers = make_pipeline(SimpleImputer(strategy="constant", fill_value=0), StandardScaler())
    columns = make_column_transformer(
        (numbers, ["dep_delay", "hour", "distance"]),
        (OneHotEncoder(), ["carrier"]),
        (OneHotEncoder(categories=[["EWR", "JFK", "LGA"]]), ["origin"]),
        (HashingVectorizer(n_features=2**8, norm=None, alternate_sign=False), "dest"),
    )
    pipe = make_pipeline(columns, sgd(loss="log_loss"))
    reads = Counter()
    X, y = delayed_flights(flights_path, reads)
    model = Incremental(pipe, classes=[0, 1]).fit(X, y)
    # The scaler and the classifier; the columns in the first rows.
    assert [reads[first] for first in sorted(reads)] == [3, 2, 2, 2]
    memory, y = dask.compute(X, y)
    auc = roc_auc_score(y, model.predict_proba(X).compute()[:, 1])
    whole = clone(model.estimator).set_params(sgdclassifier__max_iter=1, sgdclassifier__tol=None)
    whole.fit(memory, y)
    assert auc > 0.85
    assert abs(auc - roc_auc_score(y, whole.predict_proba(memory)[:, 1])) < 0.005
    assert len(model.estimator_[-1].coef_[0]) == len(whole[-1].coef_[0]) == 3 + 16 + 3 + 256


class Refuses(ThreadingBackend):
    """A backend of joblib that nothing should be given to."""

    def submit(self, func, callback=None):
        raise AssertionError("given to the backend of somebody else")

    apply_async = submit


@pytest.mark.usefixtures("threads")
def test_columns_are_found_without_the_backend_that_is_set_for_joblib(monkeypatch):
    X, y = frame()
    lazy_X, lazy_y = lazy(X, y)
    expected = Incremental(make_pipeline(by_column(), sgd())).fit(lazy_X, lazy_y).estimator_
    monkeypatch.setitem(BACKENDS, "refuses", Refuses)
    with joblib.parallel_config("refuses", n_jobs=2):
        with pytest.raises(AssertionError, match="somebody else"):
            by_column().fit(X)
        found = Incremental(make_pipeline(by_column(), sgd())).fit(lazy_X, lazy_y).estimator_
    assert same_state(found[-1], expected[-1])
