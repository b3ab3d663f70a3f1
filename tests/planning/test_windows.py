"""Every source is read once, whatever lies between it and the blocks."""

from collections import Counter
from itertools import product

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from dask.array import PerformanceWarning
from dask.task_spec import DataNode, Task, TaskRef
from hypothesis import given
from hypothesis import strategies as st

from incremental._data.blocks import make_blocks
from incremental._data.graphs import cull
from incremental._engines.execute import execute
from incremental._engines.open import open_engine
from incremental._planning.graph import stages
from incremental._planning.trace import PATIENCE, trace
from incremental._planning.windows import windows
from tests.conftest import Source, examples


def computed(*data, prefetch=None, names=("y", "sample_weight")):
    """Stream blocks of X and others and return them."""
    X, *rest = data
    blocks = make_blocks(X, None, dict(zip(names, rest, strict=False)))
    with open_engine(blocks.collections) as engine:
        planned = engine.plan(blocks)
        with engine.stream(planned, prefetch=prefetch) as stream_:
            return [tuple(block.values()) for _, block in stream_]


def cut(*data):
    blocks = make_blocks(data[0], *data[1:2])
    return windows(blocks.graph, blocks.keys, trace(blocks.graph, blocks.keys))


def test_a_plain_array_has_a_window_for_each_block(source):
    found = cut(source.X, source.y)
    assert [list(window.blocks) for window in found] == [[i] for i in range(10)]
    assert not any(window.inputs for window in found)


def test_a_source_of_many_blocks_is_one_window(source):
    found = cut(source.X.rechunk((5, 3)))
    assert [len(window.blocks) for window in found] == [4] * 10


def test_what_neighbours_share_is_a_window_of_its_own(source):
    found = cut(da.overlap.overlap(source.X, {0: 1}, {0: "none"}))
    # The last block needs no source that the one before it does not need.
    assert [list(w.blocks) for w in found if w.blocks] == [*([i] for i in range(8)), [8, 9]]
    assert sum(not w.blocks for w in found) == 9


def _of(key, *parts):
    return (key, *parts)


def graph_of(**tasks):
    """A graph of tasks by the keys that each depends on; one that depends on none is a source."""
    return {key: Task(key, _of, key, *map(TaskRef, below)) for key, below in tasks.items()}


def windows_of(graph, blocks):
    return windows(graph, blocks, trace(graph, blocks))


def test_a_window_goes_on_while_blocks_share_with_any_of_it_and_need_no_new_source():
    graph = graph_of(s=[], a=["s"], b=["a"], c=["b"], t=[], d=["t"], e=["c"], f=["d"])
    blocks = [("a",), ("b",), ("c",), ("d",), ("e",), ("f",)]
    found = windows_of(graph, blocks)
    # What e needs is not in the window before it, what f needs is not in that of e.
    assert [list(w.blocks) for w in found if w.blocks] == [[0, 1, 2], [3], [4], [5]]
    assert [list(w.tasks) for w in found if not w.blocks] == [["s", "a", "b", "c"], ["t", "d"]]
    assert [w.n_users for w in found] == [2, 0, 2, 0, 0, 0]


def test_windows_of_values_in_memory_are_computed_already():
    graph = {"a": DataNode("a", 1), "b": DataNode("b", 2), **graph_of(c=["a"], d=[], e=["b"])}
    blocks = [("a",), ("b", "a"), ("c",), ("d",), ("c",), ("e",)]
    found = windows_of(graph, blocks)
    assert {tuple(w.blocks): w.is_computed for w in found if w.blocks} == {
        (0,): True,
        (1,): True,
        (2,): False,
        (3,): False,
        (4,): False,  # it has no task, but waits for c
        (5,): False,  # b is, e is not
    }


def _sources(n):
    return {f"s{i}": [] for i in range(n)}


@pytest.mark.parametrize(("n_sources", "n_blocks"), [(3, 3), (5, 5), (4, 9), (20, 20)])
def test_what_is_needed_for_as_long_as_its_sources_is_computed_before_all_blocks(
    n_sources, n_blocks
):
    graph = graph_of(
        **_sources(n_blocks),
        mean=_sources(n_sources),
        first=["s0", "s1"],  # needed by two blocks only
        **{f"b{i}": [f"s{i}", "mean"] + ["first"] * (i < 2) for i in range(n_blocks)},
    )
    traced = trace(graph, [(f"b{i}",) for i in range(n_blocks)])
    assert traced.hoistable == {"mean"}


def test_each_part_of_the_data_may_have_a_value_that_is_computed_before_all_blocks():
    parts = {f"b{i}": [f"s{i}", "left" if i < 4 else "right"] for i in range(8)}
    left, right = list(_sources(8))[:4], list(_sources(8))[4:]
    graph = graph_of(**_sources(8), left=left, right=right, **parts)
    assert trace(graph, [(key,) for key in parts]).hoistable == {"left", "right"}


def test_what_neighbours_share_is_not_computed_before_all_blocks():
    pairs = {f"p{i}": [f"s{i}", f"s{i + 1}"] for i in range(9)}
    blocks = {f"b{i}": [f"p{i}", f"p{i + 1}"] for i in range(8)}
    graph = graph_of(**_sources(10), **pairs, **blocks)
    assert trace(graph, [(key,) for key in blocks]).hoistable == set()


@pytest.mark.parametrize("name", ["reduced", "reduced by parts", "reduced twice"])
def test_no_data_are_held_for_a_reduction(name, source):
    blocks = make_blocks(GRAPHS[name][1](source.X))
    with open_engine(blocks.collections) as engine:
        found = engine.plan(blocks).windows
    assert [list(window.blocks) for window in found] == [[i] for i in range(10)]
    assert not any(window.inputs for window in found)


def test_what_is_in_memory_already_is_not_handed_over():
    tasks = graph_of(**_sources(3), shared=["s0", "table"], b0=["shared", "table"], b2=["shared"])
    graph = {"table": DataNode("table", 1), **tasks}
    lender, *found = windows_of(graph, [("b0",), ("s1",), ("b2", "s2")])
    assert lender.outputs == {"shared"}
    assert [window.inputs.keys() for window in found] == [{"shared"}, set(), {"shared"}]


def test_only_what_one_read_gives_is_computed_again_after_a_pause():
    n_blocks = PATIENCE + 2
    graph = graph_of(**_sources(n_blocks), both=["s0", "s1"], sum=["both"], half=["s0"])
    blocks = [(key,) for key in _sources(n_blocks)]
    for i in (0, -1):
        blocks[i] = ("sum", "half")
    traced = trace(graph, blocks)
    assert (traced.owned[-1], traced.borrowed[-1]) == (["s0", "half"], {"sum": 0})


def test_what_is_read_again_is_not_taken_from_the_window_that_held_it():
    last = 2 + PATIENCE + 1
    blocks = [(key,) for key in _sources(last + 1)]
    for i in (0, 2, last):
        blocks[i] += ("shared",)
    found = windows_of(graph_of(**_sources(last + 1), shared=[]), blocks)
    assert {tuple(w.blocks) for w in found if w.inputs} == {(0,), (2,)}


@pytest.mark.parametrize("n_sources", [PATIENCE // 2 + 1, 20])
def test_blocks_read_from_one_open_file_do_not_become_one_window(n_sources):
    reads = {f"x{i}": ["file"] for i in range(n_sources)}
    halves = {f"{half}{i}": [f"x{i}"] for i in range(n_sources) for half in "ab"}
    graph = graph_of(file=[], **reads, **halves)
    blocks = [(f"{half}{i}",) for i in range(n_sources) for half in "ab"]
    found = windows_of(graph, blocks)
    assert [list(w.blocks) for w in found if w.blocks] == [
        [2 * i, 2 * i + 1] for i in range(n_sources)
    ]
    assert [list(w.tasks) for w in found if not w.blocks] == [["file"]]


def test_a_block_that_computes_again_what_was_let_go_begins_a_window():
    graph = graph_of(s=[], a=["s"])
    blocks = [("a",), *[("s",)] * PATIENCE, ("a",)]
    found = windows_of(graph, blocks)
    assert [list(w.blocks) for w in found if w.blocks] == [list(range(9)), [9]]
    assert [list(w.tasks) for w in found] == [["s"], ["a"], ["a"]]


def test_what_many_tasks_share_is_followed_once_however_deep():
    graph = graph_of(a0=[], b0=[])
    for i in range(2_000):
        graph |= graph_of(**{f"{k}{i + 1}": [f"a{i}", f"b{i}"] for k in "ab"})
    assert cull(graph, ["a2000"]).keys() == graph.keys() - {"b2000"}
    (owned,) = trace(graph, [("a2000", "b2000")]).owned
    assert sorted(owned) == sorted(graph)
    assert stages(graph, {"b2000", "a0"}) == [["a0"], ["b2000"]]


@pytest.mark.parametrize("n_blocks", [PATIENCE, PATIENCE + 1, PATIENCE + 2, 16, 17])
@pytest.mark.parametrize("first", [0, 3])
def test_a_warning_says_that_half_of_the_values_are_held_for_half_of_the_blocks(n_blocks, first):
    half = -(-n_blocks // 2)
    for n_held, span in product((half - 1, half, half + 1), (half - 1, half, half + 1)):
        if first + span >= n_blocks:
            continue
        held = {f"v{i}": ["s0", "s1"] for i in range(n_held)}
        graph = graph_of(**_sources(n_blocks), **held)
        blocks = [(key,) for key in _sources(n_blocks)]
        blocks[first] += tuple(held)
        blocks[first + span] += tuple(held)
        if n_blocks > PATIENCE and n_held >= half and span >= half:
            with pytest.warns(PerformanceWarning, match=f" {n_held} values .* {n_blocks} blocks"):
                windows_of(graph, blocks)
        else:
            windows_of(graph, blocks)  # a warning is an error


GRAPHS = {
    "plain": (1, lambda X: X),
    "elementwise": (1, lambda X: (X + 1) * 2),
    "sliced": (1, lambda X: X[7:-9, ::2]),
    "re-chunked to smaller": (1, lambda X: X.rechunk((5, -1))),
    "re-chunked to larger": (1, lambda X: X.rechunk((60, -1))),
    "re-chunked across": (1, lambda X: X.rechunk((13, -1))),
    "concatenated": (1, lambda X: da.concatenate([X[:100], X[100:] * 2])),
    "masked": (1, lambda X: X[X[:, 0] > 0.4]),
    "overlapping": (1, lambda X: da.overlap.overlap(X, {0: 2}, {0: "reflect"})),
    "cumulated": (1, lambda X: X.cumsum(0)),
    "reduced": (2, lambda X: (X - X.mean(0)) / X.std(0)),
    "reduced by parts": (
        2,
        lambda X: da.concatenate([X[:100] - X[:100].mean(0), X[100:] - X[100:].max(0)]),
    ),
    "reduced and overlapping": (
        2,
        lambda X: da.overlap.overlap(X - X.mean(0), {0: 1}, {0: "none"}),
    ),
    "reduced twice": (3, lambda X: _scaled_by_what_depends_on_the_mean(X)),
    "every second": (1, lambda X: X[::2]),
    "backwards": (1, lambda X: X[::-1]),
}


def _scaled_by_what_depends_on_the_mean(X):
    centred = X - X.mean(0)
    return centred / abs(centred).max(0)


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_reads_stay_at_the_bound_and_blocks_are_those_of_compute(name, scheduler):
    bound, make = GRAPHS[name]
    source = Source()
    X = make(source.X)
    with dask.config.set(scheduler=scheduler):
        blocks = computed(X, X[:, 0] * 2)
    assert max(source.reads.values()) <= bound
    whole = X.rechunk({1: -1})
    expected = dask.compute(*whole.to_delayed().ravel(), scheduler="synchronous")
    assert len(blocks) == len(expected)
    for (x, y), block in zip(blocks, expected, strict=True):
        assert np.array_equal(x, block)
        assert np.array_equal(y, block[:, 0] * 2)


def test_a_permutation_warns_and_reads_once(source):
    X = source.X[np.random.default_rng(0).permutation(200)]
    with pytest.warns(PerformanceWarning, match="mixed all to all: .*shuffle=True"):
        blocks = computed(X)
    assert set(source.reads.values()) == {1}
    assert np.array_equal(np.concatenate([x for (x,) in blocks]), X.compute())


@pytest.mark.parametrize(("n_blocks", "n_reads"), [(8, 1), (9, 2)])
def test_a_source_is_read_again_rather_than_held_for_long(n_blocks, n_reads):
    source = Source(n_blocks)
    X = da.concatenate([source.X, source.X * 2, da.zeros((400, 3), chunks=(20, 3))])
    blocks = computed(X)
    assert source.reads == dict.fromkeys(range(n_blocks), n_reads)
    assert np.array_equal(np.concatenate([x for (x,) in blocks]), X.compute())


def test_what_takes_two_reads_is_held_however_long():
    source = Source(14)
    parts = [source.X.blocks[i] for i in range(14)]
    both = parts[0] + parts[1]
    X = da.concatenate([both, *parts[2:], both * 2])
    blocks = computed(X)
    assert source.reads == dict.fromkeys(range(14), 1)
    assert np.array_equal(np.concatenate([x for (x,) in blocks]), X.compute())


def test_frames_of_one_csv_are_read_once(tmp_path):
    pd.DataFrame({"a": range(40), "b": range(40)}).to_csv(tmp_path / "0.csv", index=False)
    pd.DataFrame({"a": range(60), "b": range(60)}).to_csv(tmp_path / "1.csv", index=False)
    rows = []
    frame = dd.read_csv(
        str(tmp_path / "*.csv"), converters={"a": lambda text: rows.append(text) or float(text)}
    )
    rows.clear()  # dask looks at the first lines
    with dask.config.set(scheduler="threads"):
        blocks = computed(frame[["a"]], frame.b * 2, frame.a / 2)
    assert [len(x) for x, *_ in blocks] == [40, 60]
    assert len(rows) == 100


def test_zarr_and_hdf5_arrays_are_streamed(tmp_path):
    import h5py
    import zarr

    values = np.random.default_rng(0).random((100, 3))
    zarr.save_array(tmp_path / "x.zarr", values)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = values
        for X in (
            da.from_zarr(tmp_path / "x.zarr").rechunk((30, 3)),
            da.from_array(file["x"], chunks=(30, 3)),
        ):
            assert np.array_equal(np.concatenate([x for (x,) in computed(X)]), values)


def test_persisted_collections_are_streamed(source):
    X, y = dask.persist(source.X, source.y)
    source.reads.clear()
    assert len(computed(X, y)) == 10
    assert not source.reads


@pytest.mark.filterwarnings("ignore:invalid value")  # the deviation of equal rows is zero
@examples(60)
@given(data=st.data())
def test_any_graph_gives_the_blocks_of_compute_in_order(data):
    n_rows = data.draw(st.integers(1, 40))
    rows = data.draw(_chunks(n_rows))
    columns = data.draw(_chunks(4))
    name = data.draw(st.sampled_from([n for n in GRAPHS if n not in ("sliced", "overlapping")]))
    prefetch = data.draw(st.sampled_from([None, 0, 1, 3]))
    scheduler = data.draw(st.sampled_from(["threads", "synchronous"]))
    values = np.random.default_rng(0).random((n_rows, 4))
    X = da.from_array(values, chunks=(rows, columns))
    if name.startswith("reduced") or name == "concatenated":
        X = da.concatenate([X] * 3)
    if name in ("reduced and overlapping",):
        X = X.rechunk((max(2, n_rows), columns))
    X = GRAPHS[name][1](X) if name != "reduced by parts" else X - X.mean(0)
    y = data.draw(st.sampled_from([X[:, 0], (X * 2)[:, -1]]))
    if not any(np.isnan(X.shape)) and X.shape[0]:
        y = y.rechunk(max(1, X.shape[0] // 2))
    if not X.numblocks[0] or X.shape[0] == 0:
        return
    with dask.config.set(scheduler=scheduler):
        blocks = computed(X, y, prefetch=prefetch)
    expected_X, expected_y = dask.compute(X, y, scheduler="synchronous")
    assert np.array_equal(np.concatenate([x for x, _ in blocks]), expected_X, equal_nan=True)
    assert np.array_equal(np.concatenate([part for _, part in blocks]), expected_y, equal_nan=True)
    if not any(np.isnan(X.shape)):
        assert tuple(len(x) for x, _ in blocks) == X.chunks[0]


def _chunks(n):
    return st.lists(st.integers(1, n), min_size=0, max_size=6).map(lambda cuts: _from_cuts(cuts, n))


def _from_cuts(cuts, n):
    stops = sorted({*cuts, n})
    return tuple(int(c) for c in np.diff([0, *stops]))


@st.composite
def _graphs(draw):
    """Tasks in layers, blocks that may share keys, and the keys that the graph lacks."""
    graph = {}
    keys = missing = ["lacking-0", "lacking-1"]
    for layer in range(draw(st.integers(1, 4))):
        new = [f"{layer}-{i}" for i in range(draw(st.integers(1, 6)))]
        for key in new:
            if draw(st.integers(0, 9)) == 0:
                graph[key] = DataNode(key, key)
            else:
                below = draw(st.lists(st.sampled_from(keys), max_size=4, unique=True))
                graph[key] = Task(key, _of, key, *map(TaskRef, below))
        keys = keys + new
    block = st.lists(st.sampled_from(keys), min_size=1, max_size=3).map(tuple)
    return graph, draw(st.lists(block, min_size=1, max_size=20)), missing


@pytest.mark.filterwarnings("ignore:The blocks are mixed")
@examples(150)
@given(drawn=_graphs())
def test_windows_compute_what_the_graph_computes(drawn):
    graph, blocks, missing = drawn
    expected = {key: key for key in missing}
    for key, task in graph.items():  # each layer after the one below
        expected[key] = task(expected)
    traced = trace(graph, blocks)
    cut_ = windows(graph, blocks, traced)
    assert [i for window in cut_ for i in window.blocks] == list(range(len(blocks)))
    values, users = {}, dict.fromkeys(cut_, 0)
    for window in cut_:
        inputs = {key: values[lender][key] for key, lender in window.inputs.items()}
        for lender in set(window.inputs.values()):
            users[lender] += 1
            assert not lender.blocks
        given_ = {key: key for key in missing} | inputs
        values[window] = execute(window.tasks, given_, window.outputs)
        for i in window.blocks:
            assert all(values[window][key] == expected[key] for key in blocks[i])
        assert window.inputs.keys().isdisjoint(window.tasks)
    assert users == {window: window.n_users for window in cut_}
    owned = Counter(key for own in traced.owned for key in own)
    tasks = Counter(key for window in cut_ for key in window.tasks)
    assert all(tasks[key] == owned[key] for key in graph if not isinstance(graph[key], DataNode))


@examples(100)
@given(drawn=_graphs())
def test_a_block_owns_what_is_new_borrows_the_rest_and_reads_again_after_a_pause(drawn):
    graph, blocks, _ = drawn
    traced = trace(graph, blocks)
    above = {key: task for key, task in graph.items() if not isinstance(task, DataNode)}
    below = {key: [d for d in task.dependencies if d in above] for key, task in above.items()}
    one_read = {}
    for key in above:  # each layer after the one below
        one_read[key] = len(below[key]) <= 1 and all(one_read[d] for d in below[key])
    owner, last_use = {}, {}
    for i, (own, borrowed) in enumerate(zip(traced.owned, traced.borrowed, strict=True)):
        reads = any(not below[key] or key in owner for key in own if key in above)
        assert traced.reads[i] == reads
        assert len(set(own)) == len(own)
        needed = {key for key in blocks[i] if key in graph}
        for n, key in enumerate(own):
            needed.update(d for d in graph[key].dependencies if d in graph)
            assert all(d in own[:n] or d in borrowed for d in needed & graph[key].dependencies)
        assert {*own, *borrowed} == needed and borrowed.keys().isdisjoint(own)
        for key in needed & above.keys():
            again = one_read[key] and i - last_use.get(key, i) > PATIENCE
            if key not in owner or again:
                assert key in own
                owner[key] = i
            assert borrowed.get(key, i) == owner[key]
            last_use[key] = i


@examples(50)
@given(drawn=_graphs(), data=st.data())
def test_each_stage_depends_on_earlier_stages_only_and_there_are_as_few_as_can_be(drawn, data):
    graph, _, _ = drawn
    wanted = data.draw(st.sets(st.sampled_from(sorted(graph)), min_size=1))
    depth = {}  # how many of the wanted values are on the longest way down
    for key, task in graph.items():  # each layer after the one below
        depth[key] = max(
            (depth[d] + (d in wanted) for d in task.dependencies if d in graph), default=0
        )
    found = stages(graph, wanted)
    assert sorted(key for stage in found for key in stage) == sorted(wanted)
    assert all({depth[key] for key in stage} == {i} for i, stage in enumerate(found))
