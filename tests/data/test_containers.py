"""Every container says what it is, how it is cut and what its rows look like."""

import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from incremental import indexable
from incremental._data.containers import (
    as_container,
    is_frame,
    is_lazy,
    is_per_row,
    layout_of,
    meta_of,
    n_rows,
)
from tests.data.made import (
    FRAME,
    IN_MEMORY,
    KNOWN,
    LAZY,
    UNKNOWN,
    VALUES,
    array,
    bag,
    frame,
    loaders,
    rows,
    unknown,
)

# What the containers are


@pytest.mark.parametrize("name", LAZY)
def test_collections_lists_of_loaders_and_their_rows_are_lazy(name):
    assert is_lazy(LAZY[name]())


@pytest.mark.parametrize("name", IN_MEMORY)
def test_data_in_memory_are_not_lazy(name):
    assert not is_lazy(IN_MEMORY[name]())


def test_lists_are_lazy_where_each_item_is_a_loader():
    assert is_lazy(tuple(loaders()))
    assert not is_lazy([])
    assert not is_lazy([*loaders(), VALUES])
    assert not is_lazy(iter(loaders()))


def test_dask_dataframes_and_series_are_frames():
    assert is_frame(frame()) and is_frame(frame()["a"])
    named = FRAME.rename(columns={"a": "divisions"})  # pandas shows columns as attributes
    for other in (array(), bag(), loaders(), loaders()[0], rows(), FRAME, named, VALUES):
        assert not is_frame(other)


@pytest.mark.parametrize("X", [VALUES, array(), rows()], ids=["in memory", "array", "rows"])
def test_a_parameter_with_a_value_for_each_row_is_per_row(X):
    per_row = np.ones(20), [1] * 20, pd.Series(range(20)), da.ones(7), loaders(), db.range(3, 1)
    assert all(is_per_row(value, X) for value in per_row)
    for value in (
        np.ones(19),
        np.ones(21),
        [1],
        20,
        None,
        "x" * 20,
        b"x" * 20,
        dict.fromkeys(range(20)),
    ):
        assert is_per_row(value, X) is False


@pytest.mark.parametrize("name", KNOWN)
def test_the_number_of_rows_is_known_without_computing(name):
    assert n_rows(KNOWN[name]()) == 20
    assert type(n_rows(KNOWN[name]())) is int


@pytest.mark.parametrize("name", UNKNOWN)
def test_the_number_of_rows_is_none_where_it_would_have_to_be_computed(name):
    assert n_rows(UNKNOWN[name]()) is None


@pytest.mark.parametrize("name", IN_MEMORY)
def test_the_number_of_rows_in_memory_is_their_length(name):
    assert n_rows(IN_MEMORY[name]()) == 20


def test_an_array_of_no_dimension_is_refused():
    with pytest.raises(ValueError, match="X must have at least one dimension"):
        n_rows(da.ones(3).sum())


# What they look like


@pytest.mark.parametrize("dtype", ["f4", "i8", "U3"])
def test_an_array_looks_like_one_row_of_it(dtype):
    for X, shape in (
        (array().astype(dtype), (1, 3)),
        (array().astype(dtype)[:, 0], (1,)),
        (unknown(array()).astype(dtype), (1, 3)),
    ):
        looks = meta_of(X)
        assert type(looks) is np.ndarray
        assert looks.shape == shape and looks.dtype == X.dtype
        assert (looks == np.ones(1, dtype)).all()
    assert meta_of(array().astype(dtype).T[array()[0] > 0].T) is None  # of how many columns?


def test_an_array_of_sparse_blocks_looks_like_one_row_of_them():
    X = array().astype("f4").map_blocks(sp.csr_matrix, dtype="f4")
    looks = meta_of(X)
    assert sp.issparse(looks) and looks.shape == (1, 3) and looks.dtype == np.dtype("f4")
    assert (looks.toarray() == 1).all()


def test_a_frame_looks_like_its_first_rows_and_what_is_unknown_like_nothing():
    assert meta_of(frame()).dtypes.equals(FRAME.dtypes) and len(meta_of(frame()))
    nullable = meta_of(dd.from_pandas(FRAME.round().astype("Int64"), npartitions=2))
    assert not nullable.isna().any(axis=None)
    halves = dd.from_pandas(FRAME.round().astype("float16"), npartitions=2)
    assert set(meta_of(halves).dtypes) == {np.dtype("float16")}
    counted = indexable(frame())
    assert meta_of(counted) is counted.meta
    for other in (loaders(), bag(), rows(), VALUES):
        assert meta_of(other) is None


def test_what_has_columns_has_a_layout():
    for X in (FRAME, frame(), indexable(frame())):
        assert layout_of(X).dtypes.equals(FRAME.dtypes)
    assert layout_of(FRAME) is FRAME
    for X in (VALUES, array()):
        assert layout_of(X).shape == (1, 3) and layout_of(X).dtype == float
    for other in (FRAME["a"], frame()["a"], [1], array()[:, 0], loaders(), bag(), rows(), None):
        assert layout_of(other) is None


def test_columns_are_known_where_they_can_be():
    names = list("abc")
    for X in (FRAME, frame(), indexable(frame())):
        assert as_container(X).columns == (3, names)
    for X in (VALUES, array(), sp.csr_matrix(VALUES), indexable(array())):
        assert as_container(X).columns == (3, None)
    unknown_width = array().T[array()[0] > 0].T
    numbered = dd.from_pandas(FRAME.set_axis(range(3), axis=1), npartitions=2)
    assert as_container(numbered).columns == (3, None)
    for X in (frame()["a"], FRAME["a"], array()[:, 0], unknown_width, loaders(), bag(), [1]):
        assert as_container(X).columns == (None, None)


def test_lazy_numbers_in_one_dimension_can_become_a_column():
    assert as_container(array()[:, 0]).as_column == "X.reshape(-1, 1)"
    assert as_container(frame()["a"]).as_column == "X.to_frame()"
    text = frame()["a"].astype(str)
    for X in (array(), frame(), array()[:, 0].astype(str), text, loaders(), VALUES[:, 0]):
        assert as_container(X).as_column is None
