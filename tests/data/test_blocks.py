"""Containers become blocks that are cut where X is, and share one graph."""

import copy
import operator

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph
from dask.task_spec import DataNode, GraphNode, Task
from hypothesis import given
from hypothesis import strategies as st

from incremental._data.blocks import make_blocks
from incremental._data.containers import (
    is_per_row,
)
from incremental._data.graphs import culled, in_few_layers
from incremental._data.rows import Rows
from tests.conftest import examples
from tests.data.made import (
    FRAME,
    IN_MEMORY,
    KNOWN,
    LAZY,
    UNKNOWN,
    VALUES,
    array,
    assert_cut,
    bag,
    computed,
    frame,
    loaders,
    rows,
    unknown,
)

# How they are cut


@examples(60)
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


def test_tuples_of_older_layers_become_task_specifications():
    graph = {("old", 0, 0): (operator.getitem, VALUES, slice(6)), ("old", 1, 0): VALUES[6:]}
    X = da.Array(graph, "old", chunks=((6, 14), (3,)), dtype=float)
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


@pytest.mark.parametrize(
    ("options", "wanted", "expected"),
    [
        ({}, lambda X: X[7:14:3, 1:], (slice(7, 14, 3), slice(1, 3))),
        ({"inline_array": True}, lambda X: X[5:9], (slice(5, 9), slice(0, 3))),
        ({"asarray": False, "lock": True}, lambda X: X[5:9] + 1, (slice(5, 9), slice(0, 3))),
        ({}, lambda X: (X + 1)[5:9], (slice(0, 20), slice(0, 3))),
        ({}, lambda X: X[5:9] + X[:4], (slice(0, 20), slice(0, 3))),
    ],
    ids=["slices", "inline", "options", "sums", "shared"],
)
def test_of_a_file_no_more_is_read_than_the_slices_that_are_wanted(options, wanted, expected):
    class File:
        shape, dtype, ndim = VALUES.shape, VALUES.dtype, 2

        def __getitem__(self, key):
            reads.append(tuple(slice(*k.indices(n)) for k, n in zip(key, self.shape, strict=True)))
            return VALUES[key]

    reads: list[tuple[slice, ...]] = []
    X = wanted(da.from_array(File(), chunks=20, name="file", **options))  # to hash it copies it
    reads.clear()  # of what dask has read to find out what X looks like
    [[values]] = computed(make_blocks(X))
    assert np.array_equal(values, wanted(VALUES))
    assert reads == [tuple(slice(s.start, s.stop, s.step or 1) for s in expected)]


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


@pytest.mark.parametrize("task", [lambda key, *args: args, Task], ids=["tuples", "tasks"])
def test_layers_are_culled_to_what_dask_leaves_of_them(task):
    plain = {("plain", i): task(("plain", i), operator.neg, i) for i in range(9)}
    layer = HighLevelGraph.from_collections("plain", plain)
    blocks = [da.from_delayed(Delayed(key, layer, layer="plain"), (), int) for key in plain]
    X = da.concatenate([da.full((4, 2), 1) * block for block in blocks]) + 1  # Blockwise at the end
    X = X.rechunk({0: 6})[6:30] - np.arange(2)
    every = [key for (key,) in X.__dask_keys__()]
    for keys in (every[:1], every):
        found = culled(X.dask, keys)
        assert found.keys() == dict(X.dask.cull(set(keys))).keys()
        whole = np.concatenate(dask.get(found, keys))
        assert np.array_equal(whole, X.compute()[: len(whole)])
    assert len(culled(X.dask, every[:1])) < len(found) < len(dict(X.dask))


class Leaf(Delayed):
    """Has a graph that lies, every other time, where that of another one has lain."""

    def __init__(self, key, value):
        super().__init__(key, {})
        self.graphs = [HighLevelGraph.from_collections(key, {key: value}, ()) for _ in range(9)]

    @property
    def dask(self):
        given = self.graphs.pop()
        # In pairs: the first of them is gone when its identity is known.
        return given if len(self.graphs) % 2 else copy.copy(given)


def test_blocks_whose_graphs_are_made_anew_each_time_are_all_in_the_graph():
    blocks = make_blocks([Leaf(f"leaf-{i}", np.full((2, 1), i)) for i in range(9)])
    assert all(key in blocks.graph for keys in blocks.keys for key in keys)


def test_values_in_memory_are_all_in_the_graph():
    rows = {f"weight_{i}": np.arange(6) for i in range(20)}
    frame = dd.from_pandas(pd.DataFrame({"a": range(6)}), npartitions=1)
    for X in (frame, da.ones((6, 1), chunks=2)):
        blocks = make_blocks(X, np.arange(6), rows)
        assert all(key in blocks.graph for keys in blocks.keys for key in keys)
