"""Several sequences of blocks, merged into one: which source is read when, and for whom.

Everything here is a pure function.  A *group* is a sequence of blocks that several fits
ask for (the candidates of one fold); a *visit* is all that is done with a source while it is in
memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from dask.task_spec import DataNode, GraphNode
from dask.typing import Key

from incremental._data.graphs import Graph
from incremental._planning.graph import is_source

#: The values of a block, by their keys.
Keys = tuple[Key, ...]


@dataclass(slots=True)
class Group:
    """Blocks that are asked for in this order."""

    graph: Graph
    #: For each block the keys of its values that are not in memory already.
    keys: Sequence[Keys]


class Turn(NamedTuple):
    """A block of a group whose turn it is, and what it takes to compute it from shared values."""

    #: The positions of the group and of the block in it.
    group: int
    position: int
    #: Tasks that no other block needs, in an order to compute them in.
    tail: dict[Key, GraphNode]


@dataclass(slots=True)
class Entry:
    """Shared values, and the turns that need them."""

    keys: Keys
    turns: list[Turn] = field(default_factory=list)


def landmarks(graph: Graph, keys: Sequence[Keys], users: Mapping[Key, int]) -> list[list[Key]]:
    """Return for each block the values that it needs next: those that an order is made of.

    These are the sources, and the values that more groups need than need what is made of them:
    blocks may differ by what is read by way of a task that is common to all of them.  No block
    before it needs them.

    Examples
    --------
    >>> from dask.task_spec import Task, TaskRef
    >>> graph = {"open": Task("open", list)}
    >>> graph |= {key: Task(key, len, TaskRef("open")) for key in ("x0", "x1")}
    >>> landmarks(graph, [("x0",), ("x1", "open")], {"open": 3, "x0": 2, "x1": 2})
    [['open', 'x0'], ['x1']]
    """
    needed = _needed(graph, keys)
    found = {key for block in keys for key in block}
    for key in needed:
        found.update(d for d in graph[key].dependencies if users.get(d, 0) > users[key])
    found = {
        key
        for key in needed
        if is_source(graph, key)
        or (key in found and users[key] > 1 and not isinstance(graph[key], DataNode))
    }
    seen: set[Key] = set()
    # Sets of dependencies have an order by chance.
    return [sorted(found & _needed(graph, [block], seen), key=str) for block in keys]


def visits(needs: Sequence[Sequence[Sequence[Key]]]) -> Iterator[list[tuple[int, int]]]:
    """Yield what is done at each visit of a source: positions of groups and of their blocks.

    The source that is visited is one that all groups that still need it need next, and the other
    sources of their blocks, too; if their orders conflict, the one that most of them need next, and
    again for the others.

    Parameters
    ----------
    needs : sequence of sequences of lists
        For each group, for each of its blocks, the sources that it is the first to need.

    Examples
    --------
    The first fold is tested on ``x0`` and so begins with ``x1``:

    >>> list(visits([[["x1"], ["x2"]], [["x0"], ["x2"]], [["x0"], ["x1"]]]))
    [[(1, 0), (2, 0)], [(0, 0), (2, 1)], [(0, 1), (1, 1)]]
    """
    new = [list(blocks) for blocks in needs]
    at = [0] * len(needs)  # the next block of each group
    still = Counter(source for group in new for block in group for source in block)
    heads: dict[Key, set[int]] = {}  # the groups that need a source next

    def advance(group: int) -> list[tuple[int, int]]:
        """Return the next blocks of a group, up to the first one that needs a new source."""
        begin = at[group]
        while at[group] < len(new[group]) and not new[group][at[group]]:
            at[group] += 1
        for source in new[group][at[group]] if at[group] < len(new[group]) else ():
            heads.setdefault(source, set()).add(group)
        return [(group, position) for position in range(begin, at[group])]

    if begin := [turn for group in range(len(needs)) for turn in advance(group)]:
        yield begin
    while heads:
        # A block may need several sources: how many visits the others would make for it again?
        again = {
            group: sum(still[source] - len(heads[source]) for source in new[group][at[group]])
            for group in set().union(*heads.values())
        }
        source = min(heads, key=lambda s: (any(again[g] for g in heads[s]), -len(heads[s])))
        turns = []
        for group in sorted(heads[source]):
            for other in new[group][at[group]]:  # all that the block needs is read for it
                still[other] -= 1
                heads[other].remove(group)
                if not heads[other]:
                    del heads[other]
            new[group][at[group]] = []
            turns += advance(group)
        yield turns


def merge(groups: Sequence[Group]) -> tuple[Graph, list[Entry]]:
    """Return one graph for all groups, and the shared values to compute, in an order to do so.

    What only one block of one group needs is left to its turn, but for the sources.  Of a single
    group everything is shared, by the fits that ask for it.
    """
    graph: dict[Key, GraphNode] = {}
    for group in groups:
        graph.update(group.graph)
    users: Counter[Key] = Counter()
    for group in groups:
        users.update(n_users(group.graph, group.keys))
    entries: list[Entry] = []
    for turns in visits([landmarks(group.graph, group.keys, users) for group in groups]):
        last: dict[int, int] = {}
        latest: dict[Keys, int] = {}  # the entries of this visit
        for g, position in turns:
            keys = groups[g].keys[position]
            alone = len(groups) == 1
            cut, tail = (keys, {}) if alone else split(groups[g].graph, keys, users)
            # Not one that comes before the last turn of the group: its blocks have an order.
            i = latest.get(cut, -1)
            if i < last.get(g, 0):
                i = latest[cut] = len(entries)
                entries.append(Entry(cut))
            entries[i].turns.append(Turn(g, position, tail))
            last[g] = i
    return graph, entries


def n_users(graph: Graph, keys: Sequence[Keys]) -> Counter[Key]:
    """Return what blocks need: 1 for what one of them needs, 2 for what more of them do.

    Examples
    --------
    >>> from dask.task_spec import Task, TaskRef
    >>> graph = {"x0": Task("x0", list), "a": Task("a", len, TaskRef("x0"))}
    >>> n_users(graph, [("a",), ("x0",)])
    Counter({'x0': 2, 'a': 1})
    """
    seen: set[Key] = set()
    again: set[Key] = set()
    for block in keys:
        new = _needed(graph, [block], seen)
        below = {d for key in new for d in graph[key].dependencies}
        _needed(graph, [tuple((below | {*block}) - new)], again)
    return Counter([*seen, *again])


def _needed(graph: Graph, keys: Iterable[Keys], seen: set[Key] | None = None) -> set[Key]:
    """Return all that `keys` need but what is `seen`, which is added to."""
    seen = set() if seen is None else seen
    found: set[Key] = set()
    stack = [key for block in keys for key in block]
    while stack:
        key = stack.pop()
        if key not in seen and key in graph:
            seen.add(key)
            found.add(key)
            stack.extend(graph[key].dependencies)
    return found


def split(graph: Graph, keys: Keys, users: Mapping[Key, int]) -> tuple[Keys, dict[Key, GraphNode]]:
    """Return the keys of the shared values that a block is computed from, and its other tasks.

    Examples
    --------
    >>> from dask.task_spec import Task, TaskRef
    >>> graph = {"x0": Task("x0", list), "a": Task("a", len, TaskRef("x0"))}
    >>> split(graph, ("a",), {"x0": 2, "a": 1})
    (('x0',), {'a': <Task 'a' len(...)>})
    >>> split(graph, ("a",), {"x0": 2, "a": 2})
    (('a',), {})
    """
    cut: dict[Key, None] = {}
    tail: dict[Key, GraphNode] = {}
    stack = list(reversed(keys))
    while stack:
        key = stack.pop()
        if key in tail or key in cut:
            continue
        task = graph.get(key)
        if task is None or (
            not isinstance(task, DataNode) and (users[key] > 1 or is_source(graph, key))
        ):
            cut[key] = None
            continue
        todo = [d for d in task.dependencies if d not in tail and d not in cut]
        if todo:
            stack += [key, *todo]
        else:
            tail[key] = task
    return tuple(sorted(cut, key=str)), tail  # sets of dependencies have no order
