"""Merged sequences: everyone gets all its blocks in order, and sources are visited seldom."""

from __future__ import annotations

import itertools

from dask.task_spec import DataNode, Task, TaskRef
from hypothesis import given
from hypothesis import strategies as st

from incremental._engines.execute import execute
from incremental._engines.scan.merging import Group, landmarks, merge, split, visits
from tests.conftest import examples


def first_uses(blocks):
    """Return for each block of a group the sources that no block before it needs."""
    seen = set()
    found = []
    for block in blocks:
        found.append(sorted(set(block) - seen))
        seen |= set(block)
    return found


#: For each group, for each of its blocks, the numbers of the sources that it is the first to need.
NEEDS = st.lists(
    st.lists(st.frozensets(st.integers(0, 6), max_size=3), max_size=6).map(first_uses),
    min_size=1,
    max_size=4,
)


def flat(found):
    return [turn for turns in found for turn in turns]


def n_reads(needs):
    """Return how often each source is read: in each visit once, by those that see it first."""
    reads = dict.fromkeys(itertools.chain(*itertools.chain(*needs)), 0)
    for turns in visits(needs):
        for source in {source for group, position in turns for source in needs[group][position]}:
            reads[source] += 1
    return reads


@given(NEEDS)
def test_each_group_gets_all_its_blocks_in_order(needs):
    turns = flat(visits(needs))
    for group, blocks in enumerate(needs):
        assert [p for g, p in turns if g == group] == list(range(len(blocks)))


@given(NEEDS)
def test_no_source_is_read_more_often_than_there_are_groups_that_need_it(needs):
    for source, n in n_reads(needs).items():
        assert 1 <= n <= sum(any(source in block for block in group) for group in needs)


@given(
    st.permutations(range(7)),
    st.lists(st.lists(st.booleans(), min_size=7, max_size=7), min_size=1, max_size=5),
)
def test_each_source_is_read_once_where_orders_agree(order, takes):
    needs = [
        [[source] for source, taken in zip(order, some, strict=True) if taken] for some in takes
    ]
    assert set(n_reads(needs).values()) <= {1}


@given(st.integers(2, 30), st.integers(2, 6), st.integers(1, 30))
def test_each_source_is_read_once_by_folds_whatever_blocks_they_are_cut_from(n, n_folds, length):
    n_rows = n * n_folds
    folds = [range(i * n, (i + 1) * n) for i in range(n_folds)]
    block_of = [row // length for row in range(n_rows)]
    for kept in (lambda fold, row: row not in fold, lambda fold, row: row in fold):
        needs = []
        for fold in folds:
            blocks = [block_of[row] for row in range(n_rows) if kept(fold, row)]
            needs.append(first_uses([block] for block, _ in itertools.groupby(blocks)))
        assert set(n_reads(needs).values()) == {1}


def test_the_order_does_not_depend_on_hashes():
    needs = [[["a", "b"], ["c"]], [["c"], ["a"]]]
    assert list(visits(needs)) == [[(0, 0)], [(0, 1), (1, 0)], [(1, 1)]]


@st.composite
def groups_of_blocks(draw):
    """Blocks that are made of sources by way of shared values, of their own, and of constants."""
    graph = {f"x{i}": Task(f"x{i}", _load, i) for i in range(4)}
    graph["known"] = DataNode("known", ("known",))
    for i in range(3):
        below = draw(st.lists(st.sampled_from(list(graph)), max_size=2))
        graph[f"m{i}"] = Task(f"m{i}", _join, f"m{i}", *map(TaskRef, below))
    found = []
    for g in range(draw(st.integers(1, 3))):
        own = dict(graph)
        keys = []
        for i in range(draw(st.integers(0, 4))):
            below = draw(st.lists(st.sampled_from(list(graph)), max_size=3))
            own[f"b{g}{i}"] = Task(f"b{g}{i}", _join, f"b{g}{i}", *map(TaskRef, below))
            keys.append((f"b{g}{i}", *draw(st.lists(st.sampled_from(list(graph)), max_size=1))))
        found.append(Group(own, keys))
    return found


def _load(i):
    return (f"x{i}",)


def _join(*parts):
    return parts


def computed(graph, key):
    """Return a value as anybody would compute it."""
    task = graph[key]
    return task({d: computed(graph, d) for d in task.dependencies})


@examples(50)
@given(groups_of_blocks())
def test_shared_values_and_tails_give_the_blocks_in_order(groups):
    graph, entries = merge(groups)
    found = [[] for _ in groups]
    for entry in entries:
        shared = {key: computed(graph, key) for key in entry.keys}
        for group, position, tail in entry.turns:
            keys = groups[group].keys[position]
            assert not any(
                not t.dependencies and not isinstance(t, DataNode) and k in shared
                for k, t in tail.items()
            )
            found[group].append((position, execute(tail, shared, set(keys))))
    for group, blocks in zip(groups, found, strict=True):
        assert [position for position, _ in blocks] == list(range(len(group.keys)))
        for position, values in blocks:
            assert values == {k: computed(group.graph, k) for k in group.keys[position]}


@given(groups_of_blocks())
def test_only_what_one_group_alone_needs_is_in_tails(groups):
    _, entries = merge(groups)
    tails = [(turn.group, key) for e in entries for turn in e.turns for key in turn.tail]
    for (g, key), (h, other) in itertools.combinations(set(tails), 2):
        assert g == h or key != other or isinstance(groups[g].graph[key], DataNode)


def test_a_source_is_never_in_a_tail():
    graph = {"x": Task("x", list), "a": Task("a", len, TaskRef("x"))}
    assert split(graph, ("a",), {"x": 1, "a": 1}) == (("x",), {"a": graph["a"]})


def test_sources_of_blocks_are_found_through_any_number_of_tasks():
    graph = {"x": Task("x", list), "y": DataNode("y", 1)}
    for i in range(3000):  # more than Python calls functions within each other
        below = TaskRef(i - 1 if i else "x")
        graph[i] = Task(i, _join, below, TaskRef("y"))
    users = dict.fromkeys(graph, 1)
    assert landmarks(graph, [(2999,), ("y",), ("gone",)], users) == [["x"], [], []]


def test_sources_of_blocks_that_need_all_before_them_take_the_time_of_the_graph():
    graph = {("x", i): Task(("x", i), list) for i in range(20_000)}
    for i in range(20_000):
        graph["sum", i] = Task(
            ("sum", i), _join, TaskRef(("x", i)), *[TaskRef(("sum", i - 1))] * (i > 0)
        )
    keys = [(("sum", i),) for i in range(20_000)]
    found = landmarks(graph, keys, dict.fromkeys(graph, 1))
    assert found == [[("x", i)] for i in range(20_000)]
