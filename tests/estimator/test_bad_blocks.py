"""Bad blocks are refused when they come, by their numbers and rows."""

import re

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from incremental import BlockError, Incremental
from tests.conftest import in_blocks, loop, same_state
from tests.estimator.test_bad_input import never_fitted_and_fitted, refused, sgd


def test_only_empty_blocks_are_refused(source):
    for model in never_fitted_and_fitted(classes=[0, 1]):
        none = source.X[:, 0] > 1
        fit = lambda: model.fit(source.X[none], source.y[none])  # noqa: E731
        refused(
            model, fit, ValueError, "every block of X is empty while a minimum of 1 is required"
        )
    for empty in (db.from_sequence([]), [dask.delayed(np.ones)((0, 3))]):
        with pytest.raises(ValueError, match="every block of X is empty"):
            Incremental(StandardScaler()).fit(empty)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            [0] * 60 + [1, "a"] * 10 + [1] * 120,
            r"Block 3 could not be computed: ValueError: y must have labels of one kind. Got 1 \(",
        ),
        ([0] * 60 + ["a"] * 140, r"y must have labels of one kind. Got 0 in block 0 and 'a' in bl"),
        (
            [0.0] * 65 + [np.nan] + [1.0] * 134,
            "Block 3 could not be computed: ValueError: Input y contains NaN, in row 5. Drop",
        ),
    ],
)
def test_labels_that_are_not_of_one_kind_name_the_block(labels, message, source):
    dtype = float if isinstance(labels[0], float) else object
    y = da.from_array(np.array(labels, dtype=dtype), chunks=20)
    for model in never_fitted_and_fitted():
        refused(model, lambda: model.fit(source.X, y), (BlockError, ValueError), message)
    assert not source.reads


def test_a_target_for_regressors_is_refused_at_its_first_block(source):
    sources = []

    def load(i):
        sources.append(i)
        return np.arange(20) / 8 + 1

    y = da.concatenate([da.from_delayed(dask.delayed(load)(i), (20,), float) for i in range(10)])
    message = "Unknown label type: continuous. y must have labels for a classifier. Got 1.125"
    for balanced in (None, "balanced"):
        model = Incremental(SGDClassifier(class_weight=balanced), prefetch=0)
        with pytest.raises(BlockError, match=message):
            model.fit(source.X, y)
    assert sources == [0, 0]
    assert not source.reads


def test_labels_outside_classes_name_the_label_and_the_rows():
    X = da.ones((40, 2), chunks=(10, 2))
    y = np.arange(40) // 15
    model = Incremental(sgd(), classes=[0, 1])
    message = r"classes=\[0, 1\]. Got \[2\] in rows 30, 31, 32, 33, 34, .... Add them to classes"
    refused(model, lambda: model.fit(X, y), ValueError, message)
    lazy = da.from_array(y, chunks=10)
    with pytest.raises(BlockError, match=r"Got \[2\] in rows 0, 1, 2, 3, 4, ... of block 3") as e:
        model.fit(X, lazy)
    assert e.value.block == 3
    expected = loop(sgd(), in_blocks(X, lazy)[:3], classes=[0, 1])
    assert same_state(model.estimator_, expected)


def test_rows_are_those_of_the_data_where_they_were_shuffled():
    X = da.zeros((30, 2), chunks=(30, 2))
    y = np.zeros(30, int)
    y[[7, 21]] = 5
    model = Incremental(sgd(), classes=[0, 1], shuffle=True, random_state=0)
    with pytest.raises(BlockError, match=r"Got \[5\] in rows 7, 21 of block 0"):
        model.fit(X, da.from_array(y, chunks=30))
    values = np.zeros((30, 2))
    values[[3, 12], 1] = np.inf
    with pytest.raises(BlockError, match="NaN or infinity: rows 3, 12 of X in block 0"):
        model.fit(da.from_array(values, chunks=30), y % 2)


def with_nan(kind):
    values = np.arange(20.0).reshape(10, 2)
    values[[4, 6], 1] = np.nan
    return {
        "array": values,
        "sparse": sp.csr_matrix(values),
        "frame": pd.DataFrame(values, columns=["a", "b"]),
        "objects": values.astype(object),
        "list": values.tolist(),
    }[kind]


@pytest.mark.parametrize("kind", ["array", "sparse", "frame", "objects", "list"])
def test_rows_with_nan_are_named(kind):
    good = np.zeros((10, 2))
    if kind == "frame":
        good = pd.DataFrame(good, columns=["a", "b"])
    blocks = [dask.delayed(good), dask.delayed(with_nan(kind), traverse=False)]
    model = Incremental(sgd(), classes=[0, 1])
    message = (
        r"(?s)Block 1 \(10 rows\) could not be learned by SGDClassifier: ValueError: Input X "
        r"contains NaN.*\nNaN or infinity: rows 4, 6 of X in block 1."
    )
    with pytest.raises(BlockError, match=message) as caught:
        model.fit(blocks, [dask.delayed(np.arange(10) % 2)] * 2)
    assert caught.value.block == 1
    assert isinstance(caught.value.__cause__, ValueError)
    expected = sgd().partial_fit(good, np.arange(10) % 2, classes=[0, 1])
    assert same_state(model.estimator_, expected)


@pytest.mark.parametrize("dtype", ["string", "Int64", "boolean", "category"])
def test_rows_with_what_pandas_calls_missing_are_named(dtype):
    labels = pd.Series(["yes", "no", None, "no"] if dtype == "string" else [1, 0, None, 1])
    frame = pd.DataFrame({"a": range(4), "y": labels.astype(dtype)}, index=range(4))
    good = frame.assign(y=frame.y.fillna(frame.y[1]))
    X = dd.concat([dd.from_pandas(part, npartitions=1) for part in (good, frame)])
    classes = ["no", "yes"] if dtype == "string" else [0, 1]
    model = Incremental(sgd(), classes=classes)
    with pytest.raises(BlockError, match=r"Got \[(<NA>|nan)\] in row 2 of block 1. Add them") as e:
        model.fit(X[["a"]], X.y)
    assert e.value.block == 1
    assert model.t_ == 5
    if dtype != "category":  # its categories are the classes
        with pytest.raises(BlockError, match="Input y contains (<NA>|NaN), in row 2. Drop these"):
            Incremental(sgd()).fit(X[["a"]], X.y)


def test_rows_of_nullable_columns_are_named():
    values = pd.array([1.0, None, 2.0, None], dtype="Float64")
    blocks = [dask.delayed(pd.DataFrame)({"a": v}) for v in (values.fillna(0), values)]
    with pytest.raises(BlockError, match="NaN or infinity: rows 1, 3 of X in block 1.") as e:
        Incremental(sgd(), classes=[0, 1]).fit(blocks, [dask.delayed([0, 1, 0, 1])] * 2)
    assert e.value.block == 1


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (
            None,
            "Block 1 of X must be an array.*Got NoneType instead; check what its loader returns",
        ),
        (7, "Block 1 of X must be an array.*Got int instead; check what its loader returns"),
        ("text", "Block 1 of X must be an array.*Got str instead; check what its loader returns"),
        ({"a": 1}, "Block 1 of X must be an array.*Got dict instead; check what its loader"),
        (np.ones((10, 5)), r"shape \(n_rows, 2\) that.*promises. Got \(10, 5\) in block 1; check"),
        (np.full((10, 2), "a"), "dtype float64 that.*promises. Got <U1 in block 1; check its load"),
        (np.ones((9, 2)), "Got 9 rows of X and 10 of y in block 1"),
    ],
)
@pytest.mark.parametrize("shuffle", [False, True])
def test_a_block_that_is_not_what_was_promised_is_named(block, message, shuffle):
    good = da.ones((10, 2), chunks=(10, 2))
    bad = da.from_delayed(dask.delayed(lambda: block)(), (10, 2), float)
    model = Incremental(sgd(), classes=[0, 1], shuffle=shuffle, random_state=0)
    with pytest.raises(BlockError, match=message) as caught:
        model.fit(da.concatenate([good, bad]), np.arange(20) % 2)
    assert caught.value.block == 1


def test_a_block_of_another_width_than_those_before_is_named():
    blocks = [dask.delayed(np.ones)((4, n)) for n in (2, 2, 3)]
    message = r"Block 2 \(4 rows\).*X has 3 features, but StandardScaler is expecting 2 features"
    with pytest.raises(BlockError, match=message):
        Incremental(StandardScaler()).fit(blocks)
    frames = [
        dask.delayed(pd.DataFrame)({"a": [1.0], name: [2.0]}, index=[0]) for name in ("b", "b", "c")
    ]
    with pytest.raises(BlockError, match="(?s)Block 2 .*feature names should match.*- c"):
        Incremental(StandardScaler()).fit(frames)


def test_errors_of_data_in_memory_are_those_of_the_bare_estimator():
    with pytest.raises(ValueError, match="Input X contains NaN"):
        Incremental(sgd()).fit(np.full((4, 2), np.nan), [0, 1, 0, 1])
    for y in ([0, 1, np.nan, 1], [0, 1, np.inf, 1]):
        with pytest.raises(ValueError, match=re.escape("Input y contains NaN") + "|infinity|Unkn"):
            Incremental(sgd()).fit(np.ones((4, 2)), y)
    encoder = OneHotEncoder(categories=[["a", "b"]])
    for pipe in (
        make_pipeline(encoder, sgd()),
        make_pipeline(make_column_transformer((encoder, [0])), StandardScaler(with_mean=False)),
        make_pipeline(StandardScaler(), encoder),
    ):
        X = np.array([["a"], ["c"]], dtype=object)
        with pytest.raises(ValueError) as bare:
            clone(pipe).fit(X, [0, 1])
        with pytest.raises(ValueError) as wrapped:
            Incremental(pipe).fit(X, [0, 1])
        assert str(wrapped.value) == str(bare.value)


def test_text_where_numbers_are_needed_names_the_block():
    values = np.array([[0.0, 1.0]] * 10 + [[0.0, "a"]] * 10, dtype=object)
    model = Incremental(StandardScaler())
    message = r"Block 1 \(10 rows\) could not be learned.*could not convert string to float: 'a'"
    with pytest.raises(BlockError, match=message):
        model.fit(da.from_array(values, chunks=(10, 2)))
    assert model.n_samples_seen_ == 10


def test_a_score_that_fails_names_the_block(source):
    (_, model) = never_fitted_and_fitted()
    broken = da.concatenate([source.X[:60], source.X[60:] * np.nan])
    with pytest.raises(BlockError, match="Block 3 could not be scored: ValueError: Input X contai"):
        model.score(broken, source.y)
    none = source.X[:, 0] > 1
    with pytest.raises(ValueError, match="every block of X is empty"):
        model.score(source.X[none], source.y[none])
