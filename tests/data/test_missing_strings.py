"""Missing strings are the same to every method, wherever they come from."""

import dask
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from incremental import BlockError, Incremental, indexable
from incremental._data.values import missing_as_nan
from tests.conftest import same_state

N = 24
COLOURS = np.array(["red", "blue", None, None], dtype=object)[np.arange(N) % 4]
Y = pd.Series(pd.isna(COLOURS).astype(int))
#: The dtypes that strings are read as.
KINDS = {
    "string[python]": lambda s: s.astype("string[python]"),
    "string[pyarrow]": lambda s: s.astype("string[pyarrow]"),
    "arrow": lambda s: s.astype(pd.ArrowDtype(pytest.importorskip("pyarrow").string())),
    "category": lambda s: s.astype("string").astype("category"),
}


def frame_of(kind="string[pyarrow]"):
    """Return two columns, of which the second one has missing strings of a dtype."""
    colours = pd.Series(COLOURS, name="colour")
    return pd.DataFrame({"w": np.arange(N) / N, "colour": KINDS[kind](colours)})


X = frame_of()
Y_LAZY = dd.from_pandas(Y, npartitions=2)


def parts_of(values):
    return [values[:12], values[12:]]


def unknown_categories(frame):
    return dd.from_pandas(frame, npartitions=2).astype({"colour": "category"})


#: The containers that rows may come in.
CONTAINERS = {
    "memory": lambda values: values,
    "frame": lambda values: dd.from_pandas(values, npartitions=2),
    "delayed": lambda values: list(map(dask.delayed, parts_of(values))),
    "bag": lambda values: db.from_delayed(list(map(dask.delayed, parts_of(values)))),
    "indexable": lambda values: indexable(list(map(dask.delayed, parts_of(values)))),
}


def bags_take_frames():
    """Say whether partitions of a bag may be frames: dask 2025.5 looks for their first item."""
    try:
        CONTAINERS["bag"](X).to_delayed()[0].compute(scheduler="synchronous")
    except KeyError:
        return False
    return True


def model_of(encoder=None):
    encoder = encoder or OneHotEncoder(handle_unknown="ignore")
    columns = make_column_transformer((encoder, ["colour"]), (StandardScaler(), ["w"]))
    return Incremental(make_pipeline(columns, SGDClassifier(random_state=0)), classes=[0, 1])


@pytest.fixture(scope="module")
def learned():
    return model_of().fit(dd.from_pandas(X, npartitions=2), Y_LAZY)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("container", ["memory", "frame", "delayed"])
def test_every_dtype_of_strings_is_predicted_alike(container, kind, learned):
    wanted = learned.estimator_.predict(missing_as_nan(X))
    assert wanted.tolist() == Y.tolist()
    rows = CONTAINERS[container](frame_of(kind))
    assert np.asarray(learned.predict(rows)).tolist() == wanted.tolist()
    targets = Y if container == "memory" else CONTAINERS[container](Y)
    assert learned.score(rows, targets) == 1.0


@pytest.mark.parametrize("container", CONTAINERS)
def test_every_container_is_learned_and_predicted_alike(container, learned, monkeypatch):
    if container == "bag" and not bags_take_frames():
        pytest.skip("goes when dask 2025.5 is no longer supported")
    rows, targets = CONTAINERS[container](X), CONTAINERS[container](Y)
    monkeypatch.setitem(dask.config.config, "scheduler", "threads")  # bags would start processes
    again = model_of().fit(rows, targets)
    categories = again.estimator_[0].transformers_[0][1].categories_[0]
    assert categories.tolist()[:2] == ["blue", "red"] and np.isnan(categories[2])
    if container != "memory":  # which is one block
        assert same_state(again.estimator_, learned.estimator_)
    decided = learned.decision_function(missing_as_nan(X))
    assert np.asarray(learned.decision_function(rows)).tolist() == decided.tolist()
    assert learned.score(rows, targets) == 1.0
    again.partial_fit(rows, targets)


def test_partitions_are_predicted_alike_within_a_task(learned):
    lazy = dd.from_pandas(X, npartitions=2)
    inside = lazy.map_partitions(lambda part: pd.Series(learned.predict(part)), meta=(None, int))
    assert inside.compute().tolist() == Y.tolist()


def test_categories_that_dask_does_not_know_may_be_missing(learned):
    lazy = unknown_categories(X)
    assert not lazy["colour"].cat.known
    assert np.asarray(learned.predict(lazy)).tolist() == Y.tolist()


@pytest.mark.parametrize("container", ["memory", "frame", "delayed"])
def test_missing_strings_are_imputed_alike(container):
    imputer = SimpleImputer(strategy="most_frequent")
    encoder = make_pipeline(imputer, OneHotEncoder(sparse_output=False))
    model = model_of(encoder).fit(dd.from_pandas(X, npartitions=2), Y_LAZY)
    wanted = model.estimator_.decision_function(missing_as_nan(X))
    found = model.decision_function(CONTAINERS[container](X))
    assert np.asarray(found).tolist() == wanted.tolist()


@pytest.mark.parametrize("container", ["memory", "frame", "delayed"])
def test_labels_that_are_missing_are_refused_and_others_learned(container):
    rows = CONTAINERS[container](X[["w"]])
    labels = pd.Series(np.where(Y == 1, "none", "some"), dtype="string")
    model = Incremental(GaussianNB()).fit(rows, CONTAINERS[container](labels))
    assert model.classes_.tolist() == ["none", "some"]
    missing = CONTAINERS[container](labels.where(labels == "some"))
    with pytest.raises((ValueError, BlockError), match=r"NaN|missing"):
        Incremental(GaussianNB()).fit(rows, missing)


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "boolean"])
@pytest.mark.parametrize("container", ["memory", "frame", "delayed"])
def test_missing_numbers_are_nan_to_scikit_learn_itself(container, dtype):
    values = pd.DataFrame({"a": pd.array([0, 1, None, None] * 6, dtype=dtype)})
    model = Incremental(make_pipeline(OneHotEncoder(), SGDClassifier(random_state=0)))
    model.fit(dd.from_pandas(values, npartitions=2), Y_LAZY)
    assert np.isnan(model.estimator_[0].categories_[0][2])
    predicted = model.predict(CONTAINERS[container](values))
    assert np.asarray(predicted).tolist() == model.estimator_.predict(values).tolist()


@pytest.mark.parametrize("container", ["memory", "frame", "delayed"])
def test_columns_of_one_name_are_not_converted_alike(container):
    rows = pd.concat([X["colour"], X["w"].rename("colour")], axis=1)
    with pytest.raises((ValueError, BlockError), match=r"different names. Got \['colour'\]"):
        Incremental(OneHotEncoder()).fit(CONTAINERS[container](rows))
