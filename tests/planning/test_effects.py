"""What does more than compute is done once, whatever lies between it and the blocks."""

from collections import Counter

import dask
import pytest
from dask.task_spec import Task, TaskRef
from hypothesis import given
from hypothesis import strategies as st

from incremental._data.blocks import Blocks
from incremental._data.graphs import cull
from incremental._engines.execute import execute
from incremental._planning.plan import Plan, plan
from incremental._planning.trace import PATIENCE, trace
from incremental._planning.windows import windows
from tests.conftest import examples
from tests.planning.test_windows import graph_of


def planned(graph, blocks):
    """Plan blocks of a graph, in this thread."""
    lengths, numbers = [None] * len(blocks), range(len(blocks))
    whole = Blocks(graph, ("X",), blocks, lengths, numbers, [], None)
    return plan(whole, dask.get, lambda task: task({}))


def passes(found: Plan, n_passes=2):
    """Compute all windows of a plan so many times; yield the values of its blocks."""
    for _ in range(n_passes):
        values = {}
        for window in found.windows:
            inputs = {key: values[lender][key] for key, lender in window.inputs.items()}
            values[window] = execute(window.tasks, inputs, window.outputs)
            for i in window.blocks:
                yield i, [values[window][key] for key in found.blocks.keys[i]]


class Counting:
    """Tasks that count how often they run."""

    def __init__(self):
        self.n_runs = Counter()

    def compute(self, key, *parts):
        self.n_runs[key] += 1
        return (key, *parts)

    def store(self, key):
        self.n_runs[key] += 1
        return []

    def write(self, key, store, *parts):
        self.n_runs[key] += 1
        store.append((key, *parts))

    def read(self, key, store, barrier, *parts):
        return (key, tuple(store), *parts)

    def shuffle(self, name, below, n_readers):
        """Return the tasks of a shuffle with a writer for each key of `below`, and its readers."""
        store = (f"partd-{name}",)
        writers = {(f"write-{name}", i): key for i, key in enumerate(below)}
        readers = [f"read-{name}-{i}" for i in range(n_readers)]
        barrier = f"barrier-{name}"
        ref = TaskRef(store)
        graph = {
            store: Task(store, self.store, store),
            **{k: Task(k, self.write, k, ref, TaskRef(key)) for k, key in writers.items()},
            barrier: Task(barrier, self.compute, barrier, *map(TaskRef, writers)),
            **{k: Task(k, self.read, k, ref, TaskRef(barrier)) for k in readers},
        }
        return graph, readers


@st.composite
def _shuffled(draw):
    """A graph of tasks and shuffles in layers, and blocks of what can be read."""
    counting = Counting()
    graph, keys, lasting = {}, [], set()
    for layer in range(draw(st.integers(2, 5))):
        if keys and draw(st.booleans()):
            below = draw(st.lists(st.sampled_from(keys), min_size=1, max_size=4, unique=True))
            tasks, new = counting.shuffle(str(layer), below, draw(st.integers(1, 4)))
            lasting |= tasks.keys() - set(new)
            graph.update(tasks)
        else:
            new = [f"{layer}-{i}" for i in range(draw(st.integers(1, 5)))]
            for key in new:
                below = (
                    draw(st.lists(st.sampled_from(keys), max_size=3, unique=True)) if keys else []
                )
                graph[key] = Task(key, counting.compute, key, *map(TaskRef, below))
        keys = keys + new
    block = st.lists(st.sampled_from(keys), min_size=1, max_size=2).map(tuple)
    return counting, graph, draw(st.lists(block, min_size=1, max_size=14)), lasting


@pytest.mark.filterwarnings("ignore:The blocks are mixed")
@examples(100)
@given(drawn=_shuffled())
def test_no_row_is_lost_or_doubled_by_a_shuffle_whatever_is_computed_again(drawn):
    counting, graph, blocks, lasting = drawn
    wanted = sorted({key for block in blocks for key in block})
    expected = dict(zip(wanted, dask.get(graph, wanted), strict=True))
    once = {key: n for key, n in counting.n_runs.items() if key in lasting}
    assert set(once.values()) <= {1}
    counting.n_runs.clear()
    seen = []
    for i, values in passes(planned(graph, blocks)):
        seen.append(i)
        for key, value in zip(blocks[i], values, strict=True):
            assert rows_of(value) == rows_of(expected[key])
    assert seen == 2 * list(range(len(blocks)))
    assert {key: n for key, n in counting.n_runs.items() if key in lasting} == once


def rows_of(value):
    """Return what a reader has read without its order: dask writes in any."""
    if not isinstance(value, tuple):
        return value
    if value and isinstance(value[0], str) and value[0].startswith("read-"):
        return (value[0], sorted(map(repr, map(rows_of, value[1]))))
    return tuple(map(rows_of, value))


def test_writers_take_turns_in_the_order_of_the_partitions():
    counting = Counting()
    sources = graph_of(**{f"s{i}": [] for i in range(12)})
    graph, readers = counting.shuffle("a", list(sources), 2)
    found = planned({**graph, **sources}, [(key,) for key in readers])
    for _, ((_, rows),) in passes(found):
        assert [key for key, *_ in rows] == [("write-a", i) for i in range(12)]


def test_a_shuffle_of_one_shuffled_takes_place_after_it():
    counting = Counting()
    first, between = counting.shuffle("a", ["s"], 3)
    second, readers = counting.shuffle("b", between, 2)
    graph = {**graph_of(s=[]), **first, **second}
    values = list(passes(planned(graph, [(key,) for key in readers])))
    assert len(values) == 4
    assert all(len(rows) == 3 for _, ((_, rows),) in values)
    assert all(len(rows) == 1 for _, ((_, rows),) in values for _, (_, rows) in rows)


class Barrier(Task):
    """A barrier as those of P2P shuffles."""

    @property
    def block_fusion(self):
        return True


@pytest.mark.parametrize("n_parts", [1, 3])
def test_a_barrier_is_passed_once_however_late_it_is_needed_again(n_parts):
    parts = {f"part{i}": [] for i in range(n_parts)}
    others = {f"s{i}": [] for i in range(PATIENCE + 3)}
    graph = graph_of(**parts, **others, x=["barrier"], y=["barrier"])
    graph["barrier"] = Barrier("barrier", tuple, *map(TaskRef, parts))
    blocks = [("x",), *((key,) for key in others), ("y", "x")]
    traced = trace(graph, blocks)
    owned = Counter(key for own in traced.owned for key in own)
    assert owned.keys() == cull(graph, [key for block in blocks for key in block]).keys()
    assert set(owned.values()) == {1}
    assert "barrier" not in traced.hoistable  # the shuffle ends when it is let go
    assert len(windows(graph, blocks, traced)) > len(blocks)


@pytest.mark.parametrize("n_parents", [1, 3])
def test_what_tasks_are_bound_to_is_done_once_for_all_passes(n_parents):
    import dask.array as da
    from dask.graph_manipulation import bind
    from sklearn.preprocessing import StandardScaler

    from incremental import Incremental

    done = []
    parents = [dask.delayed(done.append, pure=False)(i) for i in range(n_parents)]
    X = da.random.default_rng(0).random((30, 2), chunks=(10, 2))
    between = [da.zeros((10, 2), chunks=(10, 2))] * (PATIENCE + 2)
    first, last = bind([X, X + 1], parents)
    model = Incremental(StandardScaler(), max_iter=2).fit(da.concatenate([first, *between, last]))
    assert model.n_samples_seen_ == 2 * (60 + 10 * len(between))
    assert sorted(done) == list(range(n_parents))
