"""What is nearly right is put right, or refused with what to pass instead."""

import pathlib

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import StandardScaler

from incremental import Incremental
from tests.conftest import loop, same_state

VALUES = np.random.default_rng(0).random((40, 3))
LABELS = (VALUES[:, 0] > 0.5).astype(int)
WEIGHTS = np.arange(1, 41) / 64  # sums of them are exact
X = da.from_array(VALUES, chunks=(10, 3))
FRAME = pd.DataFrame(VALUES, columns=list("abc"))
SGD = SGDClassifier(random_state=0)


def equal(a, b):
    return np.array_equal(np.asarray(a), np.asarray(b))


def by_hand():
    blocks = [(VALUES[i : i + 10], LABELS[i : i + 10]) for i in range(0, 40, 10)]
    return loop(clone(SGD), blocks, classes=[0, 1])


PUT_RIGHT = {
    "an array of Delayed": lambda a: a.to_delayed(),
    "an array of Delayed in one dimension": lambda a: a.to_delayed().ravel(),
    "a tuple of Delayed": lambda a: tuple(a.to_delayed().ravel()),
    "a list of dask arrays": lambda a: list(a.blocks),
}


@pytest.mark.parametrize("make", PUT_RIGHT.values(), ids=PUT_RIGHT)
def test_blocks_in_other_wrappings_are_blocks_for_every_method(make):
    lazy, y = make(X), make(da.from_array(LABELS, chunks=10))
    model = Incremental(SGD, classes=[0, 1]).fit(lazy, y)
    expected = by_hand()
    assert same_state(model.estimator_, expected)
    assert model.score(lazy, y) == expected.score(VALUES, LABELS)
    assert equal(model.predict(lazy).compute(), expected.predict(VALUES))


def test_lists_of_frames_and_of_bags_are_their_blocks():
    frames = [dd.from_pandas(FRAME[i : i + 10], npartitions=1) for i in range(0, 40, 10)]
    targets = [
        dd.from_pandas(pd.Series(LABELS[i : i + 10]), npartitions=1) for i in range(0, 40, 10)
    ]
    model = Incremental(SGD, classes=[0, 1]).fit(frames, targets)
    assert equal(model.coef_, by_hand().coef_)
    bags = [db.from_sequence(VALUES[i : i + 10].tolist(), npartitions=1) for i in range(0, 40, 10)]
    with dask.config.set(scheduler="synchronous"):
        model = Incremental(SGD, classes=[0, 1]).fit(bags, list(da.from_array(LABELS, 10).blocks))
    assert equal(model.coef_, by_hand().coef_)


def test_lists_of_collections_with_other_columns_are_refused():
    frame = dd.from_pandas(FRAME, npartitions=2)
    first, last = frame.columns[0], frame.columns[-1]
    array = da.ones((4, 3), chunks=2)
    for parts in (
        [frame, frame.rename(columns={last: "other"})],
        [frame, frame[[first]]],
        [array, array[:, :2]],
        (array, array[:, 0]),
    ):
        with pytest.raises(ValueError, match="the list X must have the same columns.*position 1"):
            Incremental(StandardScaler()).fit(parts)


@pytest.mark.parametrize("wrap", ["both", "X", "y"])
def test_futures_are_blocks(wrap):
    distributed = pytest.importorskip("distributed")
    starts = range(0, 40, 10)
    with distributed.Client(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
    ) as client:
        lazy = client.map(lambda i: VALUES[i : i + 10], starts)
        y = client.map(lambda i: LABELS[i : i + 10], starts)
        lazy = lazy if wrap != "y" else [dask.delayed(part) for part in lazy]
        y = y if wrap != "X" else [dask.delayed(part) for part in y]
        model = Incremental(SGD, classes=[0, 1]).fit(lazy, y)
        assert same_state(model.estimator_, by_hand())
        assert equal(model.predict(lazy).compute(), by_hand().predict(VALUES))


@pytest.mark.parametrize("is_lazy", [True, False])
def test_arrays_of_xarray_are_their_data_in_every_method(is_lazy):
    xarray = pytest.importorskip("xarray")
    make = (lambda a: da.from_array(a, chunks=(10, 3)[: a.ndim])) if is_lazy else (lambda a: a)
    lazy, y, weights = (xarray.DataArray(make(a)) for a in (VALUES, LABELS, WEIGHTS))
    n = 10 if is_lazy else 40
    expected = clone(SGD)
    for i in range(0, 40, n):
        part = slice(i, i + n)
        expected.partial_fit(
            VALUES[part], LABELS[part], classes=[0, 1], sample_weight=WEIGHTS[part]
        )
    model = Incremental(SGD).fit(lazy, y, sample_weight=weights)
    assert same_state(model.estimator_, expected)
    assert model.score(lazy, y, sample_weight=weights) == expected.score(VALUES, LABELS, WEIGHTS)
    for method in ("predict", "decision_function"):
        result = getattr(model, method)(lazy)
        assert type(result) is (da.Array if is_lazy else np.ndarray)
        assert equal(result, getattr(expected, method)(VALUES))
    scaled = Incremental(StandardScaler()).fit_transform(lazy)
    assert isinstance(scaled, da.Array if is_lazy else np.ndarray) and scaled.shape == (40, 3)
    assert same_state(
        model.partial_fit(lazy[:10], y[:10]).estimator_,
        expected.partial_fit(VALUES[:10], LABELS[:10]),
    )


REFUSED = {
    "a path": (
        "data.parquet",
        r"Got str instead; if it is a path, pass dask.dataframe.read_parquet",
    ),
    "a Path": (pathlib.Path("data.csv"), "if it is a path, pass dask.dataframe.read_parquet"),
    "a generator": (
        (row for row in VALUES),
        r"Got generator instead, which can be read only once; pass \[dask.delayed\(load\)\(part\)",
    ),
    "a map": (map(abs, VALUES), "Got map instead, which can be read only once"),
    "a dict": ({"a": [1]}, "Got dict instead; pass a list of rows, or pandas.DataFrame"),
    "a list of arrays": (
        [VALUES[:20], VALUES[20:]],
        r"a list of numpy.ndarray instead; pass \[dask.delayed\(block\) for block in X\], or put",
    ),
    "a list of frames": (
        [FRAME],
        r"DataFrame instead; pass \[dask.delayed\(block\) for block in X",
    ),
    "a list of sparse matrices": ([sp.csr_array(VALUES)], r"csr_array instead; pass \[dask.del"),
    "Delayed and others": (
        [dask.delayed(VALUES), VALUES],
        r"DelayedLeaf and ndarray instead; make each block Delayed: dask.delayed\(block\)",
    ),
    "blocks along columns": (
        X.rechunk((10, 1)).to_delayed(),
        r"an array of \(4, 3\) blocks.*pass the dask array itself as X",
    ),
}


@pytest.mark.parametrize(("data", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_data_is_refused_with_what_to_pass(data, message):
    with pytest.raises(TypeError, match=f"X must be .*{message}"):
        Incremental(StandardScaler()).fit(data)


def test_a_dataset_of_xarray_is_refused_with_what_to_pass():
    xarray = pytest.importorskip("xarray")
    with pytest.raises(TypeError, match=r"Got an xarray.Dataset instead; pass one of its arrays"):
        Incremental(StandardScaler()).fit(xarray.Dataset({"a": ("row", [1.0])}))


def test_the_name_of_a_column_is_refused_with_what_to_pass():
    frame = dd.from_pandas(FRAME, npartitions=2)
    with pytest.raises(
        TypeError, match=r"y must be .*the name of a column, pass frame\['c'\] as y"
    ):
        Incremental(SGD).fit(frame, "c")


def test_a_path_is_refused_by_methods_of_a_fitted_model():
    with pytest.raises(TypeError, match="pass dask.dataframe.read_parquet"):
        Incremental(StandardScaler()).fit(VALUES).transform("data.parquet")


def test_a_dictionary_of_keys_is_a_matrix():
    whole = sp.random(40, 3, 0.5, random_state=0, format="csr")
    parts = [sp.dok_array(whole[i : i + 10]) for i in range(0, 40, 10)]
    blocks = [(part, LABELS[i : i + 10]) for i, part in zip(range(0, 40, 10), parts, strict=True)]
    expected = loop(clone(SGD), blocks, classes=[0, 1])
    y = [dask.delayed(LABELS[i : i + 10]) for i in range(0, 40, 10)]
    model = Incremental(SGD, classes=[0, 1]).fit([dask.delayed(part) for part in parts], y)
    assert same_state(model.estimator_, expected)
    for make in (sp.dok_array, sp.dok_matrix):
        in_memory = Incremental(SGD, classes=[0, 1]).fit(make(whole), LABELS)
        expected = loop(clone(SGD), [(whole, LABELS)], classes=[0, 1])
        assert same_state(in_memory.estimator_, expected)
        assert in_memory.score(make(whole), LABELS) == expected.score(whole, LABELS)


def test_datasets_of_hdf5_are_shuffled_as_arrays_are(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["X"], file["y"] = VALUES, LABELS
        for options in ({}, {"batch_size": 7}, {"max_iter": 2}):
            model = Incremental(SGD, shuffle=True, random_state=0, **options)
            expected = clone(model).fit(VALUES, LABELS)
            assert same_state(model.fit(file["X"], file["y"]).estimator_, expected.estimator_)
