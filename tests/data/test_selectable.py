"""Positions of a selectable array give what they give of any array of dask's."""

from __future__ import annotations

import pickle

import dask
import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils import _safe_indexing

from incremental._data.blocks import make_blocks
from incremental._data.selectable import Selectable
from incremental._planning.plan import Plan

X = np.random.default_rng(0).random((50, 3))
ORDERS = {
    "neighbours": np.arange(13, 31),
    "a fold": np.r_[0:13, 31:50],
    "all": np.arange(50),
    "scattered": np.flatnonzero(np.random.default_rng(1).random(50) < 0.6),
    "in any order": np.random.default_rng(2).permutation(50),
    "repeated": np.array([7, 7, 3, 49, 3], dtype=np.int32),
    "from the end": np.array([-1, -50]),
    "one": np.array([20]),
}
ARRAYS = {
    "rows": da.from_array(X, chunks=(10, 3)),
    "uneven chunks": da.from_array(X, chunks=((7, 1, 20, 22), 3)),
    "one dimension": da.from_array(X[:, 0], chunks=10),
    "three dimensions": da.from_array(X.reshape(50, 3, 1), chunks=(10, 3, 1)),
    "column after column": da.from_array(X, chunks=(10, 3)).map_blocks(np.asfortranarray),
}


@pytest.mark.filterwarnings("ignore::dask.array.PerformanceWarning")
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", ARRAYS)
def test_positions_select_the_same_rows_in_the_same_chunks_laid_out_alike(kind, order):
    plain, rows = ARRAYS[kind], ORDERS[order]
    selectable = Selectable.of(plain)
    for index in (rows, (rows, ...)):
        expected, found = plain[index], selectable[index]
        assert found.chunks == expected.chunks
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        again = selectable[rows[::-1]]  # others, and as many of them
        assert again.chunks == plain[rows[::-1]].chunks
        for one, other in zip(found.blocks, expected.blocks, strict=True):
            one, other = one.compute(), other.compute()
            assert np.array_equal(one, other)
            assert one.flags.c_contiguous == other.flags.c_contiguous
    assert selectable[rows] is found
    assert selectable[rows[::-1]].name != found.name or len(rows) == 1


def test_neighbours_are_views():
    in_memory = X.copy()
    plain = da.map_blocks(lambda: in_memory, chunks=((50,), (3,)), dtype=float)
    for selectable, is_view in [(Selectable.of(plain), True), (plain, False)]:
        found = selectable[np.arange(23, 27)]
        ((block,),) = dask.get(dict(found.dask), found.__dask_keys__())
        assert np.shares_memory(block, in_memory) == is_view


def test_anything_else_is_selected_as_ever():
    plain, selectable = ARRAYS["rows"], Selectable.of(ARRAYS["rows"])
    for index in (slice(3, 20), 4, (slice(None), 1), [3, 4], X[:, 0] > 0.5, (np.array([1]), 2)):
        assert np.array_equal(selectable[index].compute(), plain[index].compute())
    assert type(selectable + 1) is type(selectable[:5]) is da.Array
    assert type(pickle.loads(pickle.dumps(selectable))) is da.Array
    with pytest.raises(IndexError):
        selectable[np.array([50])]


def test_what_positions_cannot_select_cheaply_stays_what_it_is():
    unknown = ARRAYS["rows"][ARRAYS["rows"][:, 0] > 0.5]
    for data in (ARRAYS["rows"].rechunk((10, 2)), unknown, ARRAYS["rows"].sum(), X, [1]):
        assert Selectable.of(data) is data


@pytest.mark.filterwarnings("ignore::dask.array.PerformanceWarning")
@pytest.mark.parametrize("n_rows", [30, 64, 70])
@pytest.mark.parametrize("seed", range(3))
def test_blocks_are_cut_into_the_same_windows_which_shuffled_passes_follow(seed, n_rows):
    whole = da.from_array(np.ones((72, 3)), chunks=(12, 3)).map_blocks(np.copy)
    plain, y = whole.rechunk((7, 3)), da.from_array(np.ones(72), chunks=12)
    rows = np.random.default_rng(seed).permutation(72)[:n_rows]

    def windows_of(X, y):
        planned = Plan(make_blocks(X[rows], y[rows]))
        return [window.blocks for window in planned.windows if window.blocks]

    expected = windows_of(plain, y)
    assert windows_of(Selectable.of(plain), Selectable.of(y)) == expected


def test_scikit_learn_selects_each_set_of_rows_once():
    selectable, rows = Selectable.of(ARRAYS["rows"]), ORDERS["a fold"]
    assert _safe_indexing(selectable, rows) is _safe_indexing(selectable, rows.copy())


@given(st.lists(st.integers(1, 40), min_size=1, max_size=9), st.data())
def test_chunks_are_those_of_dask(lengths, data):
    X = da.zeros(sum(lengths), chunks=(tuple(lengths),))
    n = data.draw(st.integers(1, 2 * len(X)))
    with dask.config.set({"array.chunk-size-tolerance": data.draw(st.sampled_from([1.25, 2.0]))}):
        positions = np.zeros(n, dtype=int)
        assert Selectable.of(X)[positions].chunks == X[positions].chunks
