"""Containers become blocks that are cut where X is, and share one graph."""

import operator

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from dask.highlevelgraph import HighLevelGraph
from dask.task_spec import DataNode, GraphNode
from hypothesis import given, settings
from hypothesis import strategies as st

from incremental import indexable
from incremental._data.blocks import (
    is_frame,
    is_lazy,
    is_per_row,
    layout_of,
    make_blocks,
    meta_of,
    n_rows,
)
from incremental._data.graphs import in_few_layers
from incremental._data.rows import Rows

VALUES = np.random.default_rng(0).random((20, 3))
FRAME = pd.DataFrame(VALUES, columns=list("abc"))


def array(lengths=(6, 14)):
    return da.from_array(VALUES, chunks=(tuple(lengths), 3))


def unknown(X):
    """Return an array that does not say how long its blocks are."""
    return X[da.ones(len(X), chunks=X.chunks[0], dtype=bool)]


def frame(lengths=(6, 14)):
    stops = np.cumsum(lengths)
    parts = [FRAME[stop - n : stop] for stop, n in zip(stops, lengths, strict=True)]
    return dd.from_delayed([dask.delayed(part) for part in parts], meta=FRAME[:0])


def loaders(lengths=(6, 14)):
    stops = np.cumsum(lengths)
    return [
        dask.delayed(operator.getitem)(VALUES, slice(int(stop - n), int(stop)))
        for stop, n in zip(stops, lengths, strict=True)
    ]


def bag(lengths=(6, 14)):
    return db.from_delayed([loader.tolist() for loader in loaders(lengths)])


def rows(lengths=(6, 14)):
    return indexable(loaders(lengths))


LAZY = {"array": array, "dataframe": frame, "loaders": loaders, "bag": bag, "rows": rows}
KNOWN = {"array": array, "rows": rows}
UNKNOWN = {name: make for name, make in LAZY.items() if name not in KNOWN}
UNKNOWN["array of unknown length"] = lambda lengths=(6, 14): unknown(array(lengths))
IN_MEMORY = {
    "array": lambda: VALUES,
    "dataframe": lambda: FRAME,
    "list": VALUES.tolist,
    "csr": lambda: sp.csr_matrix(VALUES),
    "coo": lambda: sp.coo_matrix(VALUES),
    "bsr": lambda: sp.bsr_matrix(VALUES),
}


def computed(blocks):
    """Compute the blocks, each a tuple of NumPy arrays."""
    values = dask.get(blocks.graph, [list(keys) for keys in blocks.keys])
    assert not any(is_lazy(part) for block in values for part in block)
    return [
        tuple(part.toarray() if sp.issparse(part) else np.asarray(part) for part in block)
        for block in values
    ]


def assert_cut(blocks, lengths, n_values):
    """Assert that each value of each block is those rows of the data."""
    stops = np.cumsum(lengths)
    found = computed(blocks)
    assert len(found) == len(blocks) == len(lengths)
    for block, stop, n in zip(found, stops, lengths, strict=True):
        assert [len(part) for part in block] == [n] * n_values  # of no rows, a list has no columns
        assert all(np.array_equal(part, VALUES[stop - n : stop]) for part in block if n)


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


# How they are cut


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_has_known_rows_is_cut_where_X_is(data):
    cuts = st.lists(st.integers(0, 20), max_size=4).map(sorted)
    X_lengths, y_lengths, weight_lengths = (
        np.diff([0, *data.draw(cuts), 20]).tolist() for _ in range(3)
    )
    X, weight = (data.draw(st.sampled_from(sorted(KNOWN))) for _ in range(2))
    y = data.draw(st.sampled_from([*KNOWN, *IN_MEMORY]))
    blocks = make_blocks(
        KNOWN[X](X_lengths),
        KNOWN[y](y_lengths) if y in KNOWN else IN_MEMORY[y](),
        {"sample_weight": KNOWN[weight](weight_lengths)},
    )
    assert blocks.names == ("X", "y", "sample_weight")
    assert blocks.lengths == X_lengths
    assert list(blocks.numbers) == list(range(len(X_lengths)))
    assert_cut(blocks, X_lengths, 3)


def test_any_number_of_rows_and_of_blocks_may_be_the_same():
    values = np.arange(300)
    assert len(make_blocks(list(values), da.from_array(values, chunks=299))) == 1
    assert len(make_blocks(loaders([1] * 20) * 15, loaders([1] * 20) * 15)) == 300
    assert is_per_row(list(values), da.from_array(values))


@pytest.mark.parametrize("y", [*UNKNOWN, *KNOWN])
@pytest.mark.parametrize("X", UNKNOWN)
def test_where_rows_are_not_known_blocks_belong_together_by_their_positions(X, y):
    blocks = make_blocks(UNKNOWN[X](), LAZY.get(y, UNKNOWN.get(y))())
    assert_cut(blocks, [6, 14], 2)
    assert blocks.lengths == ([6, 14] if y in KNOWN else [None, None])


@pytest.mark.parametrize("y", UNKNOWN)
@pytest.mark.parametrize("X", KNOWN)
def test_what_does_not_know_its_rows_follows_an_X_that_does_by_the_blocks(X, y):
    blocks = make_blocks(KNOWN[X](), UNKNOWN[y]())
    assert_cut(blocks, [6, 14], 2)
    assert blocks.lengths == [6, 14]


def test_an_array_may_know_the_rows_of_some_blocks_only():
    X = da.concatenate([array().blocks[0], unknown(array()).blocks[1]])
    assert make_blocks(X).lengths == [6, None]
    blocks = make_blocks(X, array())
    assert_cut(blocks, [6, 14], 2)
    assert blocks.lengths == [6, 14]


@pytest.mark.parametrize("name", IN_MEMORY)
def test_data_in_memory_are_one_block_and_lazy_y_joins_it(name):
    X = IN_MEMORY[name]()
    for y in (array(), rows(), frame([20]), VALUES):
        blocks = make_blocks(X, y)
        assert_cut(blocks, [20], 2)
        assert blocks.lengths == [20]
        assert dask.get(blocks.graph, blocks.keys[0][0]) is X
    assert_cut(make_blocks(frame([20]), X), [20], 2)


@pytest.mark.parametrize("name", IN_MEMORY)
def test_parts_of_what_is_in_memory_stay_what_they_are(name):
    y = IN_MEMORY[name]()
    blocks = make_blocks(array(), y)
    kind = sp.csr_matrix if sp.issparse(y) else type(y)
    assert [type(dask.get(blocks.graph, key)) for _, key in blocks.keys] == [kind] * 2


def test_columns_of_an_array_are_put_together_and_no_more_than_that():
    X = array().rechunk({1: (1, 2)})
    assert_cut(make_blocks(X, X), [6, 14], 2)
    deep = np.arange(48).reshape(4, 3, 4)
    for chunks in ((2, 2, 3), (2, 3, 3), (2, 2, 4)):
        (first,), (second,) = computed(make_blocks(da.from_array(deep, chunks=chunks)))
        assert np.array_equal(np.concatenate([first, second]), deep)


def test_rows_that_differ_in_number_are_refused():
    for X in (array(), rows(), VALUES):
        for y in (array([6, 13, 1])[1:], rows([19, 1])[1:], VALUES[1:], VALUES[1:].tolist()):
            with pytest.raises(ValueError, match="X has 20 rows, y has 19"):
                make_blocks(X, y)
            with pytest.raises(ValueError, match="X has 19 rows, y has 20"):
                make_blocks(y, X)


def test_blocks_that_differ_in_number_are_refused_where_rows_are_not_known():
    for X, y in ((frame([6, 14]), frame([6, 7, 7])), (array([6, 14]), loaders([6, 7, 7]))):
        with pytest.raises(ValueError, match="Got 2 blocks in X and 3 in weight"):
            make_blocks(X, rows={"weight": y})
        with pytest.raises(ValueError, match="Got 3 blocks in X and 2 in weight"):
            make_blocks(y, rows={"weight": X})
    with pytest.raises(ValueError, match="Got 1 blocks in X and 2 in y"):
        make_blocks(VALUES, frame())
    with pytest.raises(ValueError, match="the numbers of rows in the 2 blocks of X are not known"):
        make_blocks(frame(), VALUES)


@pytest.mark.parametrize(
    "X",
    [
        array()[:0],
        da.from_array(VALUES, chunks=((20, 0), 3))[20:],
        [],
        rows()[:0],
        Rows([], []),
        VALUES[:0],
    ],
    ids=lambda X: type(X).__name__,
)
def test_no_rows_are_refused(X):
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\) in X"):
        make_blocks(X)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (array().sum(), ValueError, "weight must have at least one dimension"),
        (loaders()[0], TypeError, r"weight must be a dask.*Got a single Delayed.*pass \[weight\]"),
        (bag().count(), TypeError, "weight must be a dask array.*Got Item instead"),
        ("text", TypeError, "weight must be a dask collection.*Got str instead"),
        (b"bytes", TypeError, "weight must be a dask collection.*Got bytes instead"),
        ({"a": 1}, TypeError, "weight must be a dask collection.*Got dict instead"),
        (np.float64(3), ValueError, "weight must have one row for each sample. Got a single value"),
        (3, TypeError, "Expected sequence or array-like, got <class 'int'>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_cut_is_refused_by_its_name(data, error, message):
    with pytest.raises(error, match=message):
        make_blocks(VALUES, rows={"weight": data})


class ArrayLike:
    """What NumPy can convert, and nothing else."""

    def __array__(self, dtype=None, copy=None):
        return VALUES


class Sliceable(ArrayLike):
    """An array that is not NumPy's, and can be cut itself."""

    shape = VALUES.shape

    def __getitem__(self, which):
        return VALUES[which].tolist()


def test_lists_are_rows_whatever_is_in_them():
    blocks = make_blocks([[1], [2, 3], []])
    assert dask.get(blocks.graph, blocks.keys[0][0]) == [[1], [2, 3], []]
    assert_cut(make_blocks(tuple(loaders()), tuple(loaders())), [6, 14], 2)


def test_what_can_be_cut_is_not_converted_before():
    blocks = make_blocks(array(), ArrayLike(), {"weight": Sliceable()})
    assert_cut(blocks, [6, 14], 3)
    kinds = [tuple(type(dask.get(blocks.graph, k)) for k in keys[1:]) for keys in blocks.keys]
    assert kinds == [(np.ndarray, list)] * 2


# The graph


@pytest.mark.parametrize("y", LAZY)
@pytest.mark.parametrize("X", LAZY)
def test_one_graph_of_task_specifications_computes_each_block(X, y):
    blocks = make_blocks(LAZY[X](), LAZY[y](), {"weight": LAZY[X](), "other": LAZY[y]()})
    assert all(isinstance(task, GraphNode) for task in blocks.graph.values())
    assert_cut(blocks, [6, 14], 4)


def test_tasks_are_called_as_they_are_in_the_graph():
    graph = make_blocks(array(), VALUES, {"weight": loaders(), "other": frame()}).graph
    assert [task.key for task in graph.values()] == list(graph)


def test_what_is_cut_where_X_is_already_stays_as_it_is():
    X, y = rows(), rows()
    keys = [(a.key, b.key) for a, b in zip(X.blocks, y.blocks, strict=True)]
    assert make_blocks(X, y).keys == keys


@pytest.mark.parametrize("fuse", [None, False])
def test_tuples_of_older_layers_become_task_specifications(fuse):
    graph = {("old", 0, 0): (operator.getitem, VALUES, slice(6)), ("old", 1, 0): VALUES[6:]}
    X = da.Array(graph, "old", chunks=((6, 14), (3,)), dtype=float)
    with dask.config.set({"optimization.fuse.active": fuse}):
        blocks = make_blocks(X, loaders())
    assert all(isinstance(task, GraphNode) for task in blocks.graph.values())
    assert_cut(blocks, [6, 14], 2)


def test_tuples_in_the_graph_of_a_frame_become_task_specifications():
    graph = {("old", 0): (operator.getitem, FRAME, slice(6)), ("old", 1): FRAME[6:]}
    X = dd.from_graph(graph, FRAME[:0], (None,) * 3, list(graph), "old")
    blocks = make_blocks(X)
    assert all(isinstance(task, GraphNode) for task in blocks.graph.values())
    assert_cut(blocks, [6, 14], 1)


@pytest.mark.parametrize("make", [array, frame], ids=["array", "dataframe"])
def test_tasks_that_no_block_needs_are_not_in_the_graph(make):
    needed = make_blocks(make().partitions[:1] if make is frame else make().blocks[:1])
    assert len(needed.graph) < len(make_blocks(make([6, 7, 7])).graph)
    assert_cut(needed, [6], 1)


def test_what_containers_share_is_in_the_graph_once():
    reads = []

    def load(part):
        reads.append(len(part))
        return part

    delayed = [
        dask.delayed(load, pure=True)(dask.delayed(VALUES[i])) for i in (slice(6), slice(6, 20))
    ]
    X = da.concatenate(
        [da.from_delayed(d, (n, 3), float) for d, n in zip(delayed, (6, 14), strict=True)]
    )
    blocks = make_blocks(X, delayed, {"bag": db.from_delayed([d.tolist() for d in delayed])})
    assert_cut(blocks, [6, 14], 3)
    assert sorted(reads) == [6, 14]


def test_frames_of_one_source_share_its_partitions():
    parts = []

    def load(i):
        parts.append(i)
        return FRAME[:6] if i == 0 else FRAME[6:]

    whole = dd.from_map(load, range(2), meta=FRAME[:0])
    blocks = make_blocks(whole, whole[list("abc")], {"again": whole.assign(a=whole["a"])})
    assert_cut(blocks, [6, 14], 3)
    assert sorted(parts) == [0, 1]


def test_collections_say_which_scheduler_computes_them():
    X, y, weight = array(), loaders(), frame()
    blocks = make_blocks(X, y, {"weight": weight, "other": VALUES})
    assert [type(c).__name__ for c in blocks.collections[::2]] == ["Array", "DataFrame"]
    assert blocks.collections[1] is y[0]
    assert len(blocks.collections) == 3
    (picked,) = make_blocks(rows()).collections
    assert dask.is_dask_collection(picked)


def test_a_promise_is_what_an_array_says_of_its_blocks():
    assert make_blocks(array()).promise == ((3,), np.dtype(float))
    assert make_blocks(unknown(array()).astype("f4")).promise == ((3,), np.dtype("f4"))
    assert make_blocks(array()[:, 0]).promise == ((), np.dtype(float))
    of_unknown_width = array().T[array()[0] > 0].T
    for X in (of_unknown_width, frame(), loaders(), VALUES):
        assert make_blocks(X).promise is None


# Blocks of other blocks


def sums(state, number, *values):
    return state, number, *(float(np.sum(value)) for value in values)


@pytest.fixture
def blocks():
    return make_blocks(array([6, 7, 7]), array([6, 7, 7]) * 2, {"weight": array([6, 7, 7]) * 3})


def test_only_has_the_values_that_are_named_in_that_order(blocks):
    fewer = blocks.only("weight", "X")
    assert fewer.names == ("weight", "X")
    assert [(block[2], block[0]) for block in blocks.keys] == fewer.keys
    assert fewer.lengths == [6, 7, 7] and fewer.promise == blocks.promise
    assert blocks.only("y").promise is None


def test_take_orders_blocks_that_keep_their_numbers(blocks):
    some = blocks.take([2, 0])
    assert len(some) == 2
    assert some.numbers == [2, 0] and some.lengths == [7, 6]
    assert some.keys == [blocks.keys[2], blocks.keys[0]]
    assert some.take([1]).numbers == [0]
    assert some.promise == blocks.promise


def test_map_computes_a_value_of_each_block_and_keeps_others(blocks):
    state = object()
    taken = blocks.take([2, 0])
    mapped = taken.map("sum", sums, state, label="adding", keep=["weight", "X"])
    assert mapped.names == ("sum", "weight", "X") and mapped.promise is None
    assert mapped.numbers == [2, 0] and mapped.lengths == [7, 6]
    assert [keys[1:] for keys in mapped.keys] == [(keys[2], keys[0]) for keys in taken.keys]
    for (key, *_), number, part in zip(mapped.keys, (2, 0), (VALUES[13:], VALUES[:6]), strict=True):
        assert key[0].startswith("adding-") and key[1] == number
        found = dask.get(mapped.graph, key)
        assert found[0] is state and found[1] == number
        assert np.allclose(found[2:], part.sum() * np.arange(1, 4))
    assert len(mapped.graph) == len(blocks.graph) + 3  # two blocks, one state
    assert all(task.key == key for key, task in mapped.graph.items())


def test_what_is_mapped_twice_has_keys_of_its_own(blocks):
    one, two = (blocks.map("sum", sums, state, label="adding") for state in (1, 2))
    assert not {keys[0] for keys in one.keys} & {keys[0] for keys in two.keys}
    both = {**one.graph, **two.graph}
    assert [dask.get(both, keys[0])[0] for keys in one.keys + two.keys] == [1] * 3 + [2] * 3
    assert sum(isinstance(both[key], DataNode) for key in set(both) - set(blocks.graph)) == 2


# Parts, rows and what they look like


def test_indexable_counts_all_in_one_pass():
    reads = []

    def load(i):
        reads.append(i)
        return FRAME[:6] if i == 0 else FRAME[6:]

    source = [dask.delayed(load, pure=True)(i) for i in range(2)]
    X, y = dd.from_delayed(source, meta=FRAME[:0], verify_meta=False), source
    with dask.config.set(scheduler="synchronous"):
        found = indexable(X, y, VALUES, array())
    assert [type(rows).__name__ for rows in found] == ["Rows", "Rows", "ndarray", "Array"]
    assert found[0].lengths == found[1].lengths == [6, 14]
    assert found[0].shape == (20, 3) and found[1].shape == (20,)
    assert sorted(reads) == [0, 1]
    for kept, given_ in zip(indexable(VALUES, found[0]), (VALUES, found[0]), strict=True):
        assert kept is given_
    wide = array().rechunk({1: 1})
    assert indexable(wide) is wide
    assert indexable() == []
    with pytest.raises(TypeError, match=r"data\[1\] must be a dask collection"):
        indexable(array(), "text")


def test_indexable_reads_no_column_of_parquet_to_count_rows(tmp_path):
    for i, part in enumerate((FRAME[:6], FRAME[6:].reset_index(drop=True))):
        part.to_parquet(tmp_path / f"{i}.parquet")
    X = dd.read_parquet(tmp_path)
    for path in tmp_path.iterdir():  # all but the description at the end of the file
        content = path.read_bytes()
        footer = 8 + int.from_bytes(content[-8:-4], "little")
        path.write_bytes(content[:4] + bytes(len(content) - 4 - footer) + content[-footer:])
    with dask.config.set(scheduler="synchronous"):
        assert indexable(X).lengths == [6, 14]
        with pytest.raises(OSError):
            X.compute()


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
    counted = indexable(frame())
    assert meta_of(counted) is counted.meta
    for other in (loaders(), bag(), rows(), VALUES):
        assert meta_of(other) is None


def test_only_frames_have_a_layout():
    for X in (FRAME, frame(), indexable(frame())):
        assert layout_of(X).dtypes.equals(FRAME.dtypes)
    assert layout_of(FRAME) is FRAME
    for other in (FRAME["a"], frame()["a"], VALUES, array(), loaders(), bag(), rows()):
        assert layout_of(other) is None


def test_layers_that_are_written_out_are_put_into_one():
    blocks = [dask.delayed(np.full, pure=False)((2, 3), i) for i in range(50)]
    merged = HighLevelGraph.merge(*(block.dask for block in blocks))
    assert (len(merged.layers), len(in_few_layers(merged).layers)) == (50, 1)
    X = da.concatenate([da.from_delayed(block, (2, 3), int) for block in blocks])
    X = (X[:, ::2] + 1).rechunk({0: 7}) * 2
    few = in_few_layers(X.dask)
    assert len(few.layers) < 8 < len(X.dask.layers)
    few.validate()
    found = dask.get(dict(few), list(X.__dask_keys__()))
    assert np.array_equal(np.concatenate([block for (block,) in found]), X.compute())
