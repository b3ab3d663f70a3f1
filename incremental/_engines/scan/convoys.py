"""Who travels together on a cluster, and what they share: pure functions over graphs.

A *group* is a sequence of blocks that several fits ask for (the candidates of one fold), as in
`incremental._engines.scan.merging`.  Values of several graphs are the same if they have the same
key and are computed alike, which their *number* says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from itertools import accumulate
from typing import Any, NamedTuple

from dask.task_spec import Alias, DataNode
from dask.typing import Key

from incremental._data.graphs import Graph
from incremental._engines.scan.merging import Group, Keys


@dataclass
class Numbered:
    """The values that a group needs."""

    #: The numbers of all of them that the cluster does not have yet.
    numbers: dict[Key, int] = field(default_factory=dict)
    #: For each block the values that no block before it needs.
    new: list[list[Key]] = field(default_factory=list)


class Shared(NamedTuple):
    """What a group shares with others."""

    #: The numbers of the values that other fits need, too.
    numbers: dict[Key, int]
    #: Those of them that are to be held until all have submitted them.
    held: set[Key]
    #: The visit that each block belongs to, in rising order.
    visits: list[int]


def share(groups: Sequence[Group], n_fits: Sequence[int]) -> Iterator[dict[int, Shared]]:
    """Yield which groups travel together, by position, and what each of them shares.

    Parameters
    ----------
    groups : sequence of Group
        What is asked for.
    n_fits : sequence of int
        How many fits ask for each group.
    """
    known: dict[Any, int] = {}
    found = [number(group.graph, group.keys, known) for group in groups]
    users: Counter[int] = Counter()
    for numbered, n in zip(found, n_fits, strict=True):
        users.update(dict.fromkeys(numbered.numbers.values(), n))
    some = [held(g.graph, g.keys, f, users) for g, f in zip(groups, found, strict=True)]
    # What one group is to find is held by whoever is the first to submit it.
    all_held = {f.numbers[key] for f, keys in zip(found, some, strict=True) for key in keys}
    holds = [{key for key, n in f.numbers.items() if n in all_held} for f in found]
    needs = []
    for group, numbered, hold in zip(groups, found, holds, strict=True):
        # Values in memory have no order: they lie where they are until all have them.
        computed = {key for key in hold if not isinstance(group.graph[key], DataNode)}
        needs.append(
            [frozenset(numbered.numbers[k] for k in new if k in computed) for new in numbered.new]
        )
    for visits in agreeing(needs):
        yield {
            i: Shared({k: n for k, n in found[i].numbers.items() if users[n] > 1}, holds[i], at)
            for i, at in visits.items()
        }


def number(graph: Graph, keys: Sequence[Keys], known: dict[Any, int]) -> Numbered:
    """Give each value a number, the same as in another graph if it is computed alike there.

    Parameters
    ----------
    graph : mapping
        What blocks are computed from.
    keys : sequence of tuples of keys
        The blocks.
    known : dict
        The numbers of all graphs so far; is added to.

    Examples
    --------
    >>> from dask.task_spec import DataNode, Task, TaskRef
    >>> graph = {"x0": Task("x0", list), "a": Task("a", len, TaskRef("x0"))}
    >>> known = {}
    >>> number(graph, [("x0",), ("a",)], known)
    Numbered(numbers={'x0': 0, 'a': 1}, new=[['x0'], ['a']])
    >>> number({**graph, "x0": DataNode("x0", [])}, [("a",)], known)
    Numbered(numbers={'x0': 2, 'a': 3}, new=[['x0', 'a']])
    """
    found = Numbered()
    numbers: dict[Key, int] = {}
    for block in keys:
        new: list[Key] = []
        stack = list(reversed(block))
        while stack:
            key = stack.pop()
            if key in numbers:
                continue
            task = graph.get(key)
            below = () if task is None else sorted(task.dependencies, key=str)
            if todo := [d for d in below if d not in numbers]:
                stack += [key, *todo]
            elif isinstance(task, Alias):  # on the cluster it has the name of its target
                numbers[key] = numbers[task.target]
            else:
                how = key, type(task), frozenset(numbers[d] for d in below)
                numbers[key] = known.setdefault(how, len(known))
                if task is not None:
                    found.numbers[key] = numbers[key]
                    new.append(key)
        found.new.append(new)
    return found


def held(graph: Graph, keys: Sequence[Keys], found: Numbered, users: Mapping[int, int]) -> set[Key]:
    """Return the values to hold until all have submitted them, so that none is computed twice.

    These are the ones that more fits need than need what is made of them.

    Examples
    --------
    A fold of a source that another fold needs, too:

    >>> from dask.task_spec import Task, TaskRef
    >>> graph = {"x0": Task("x0", list), "y0": Task("y0", set, TaskRef("x0"))}
    >>> graph["a"] = Task("a", len, TaskRef("y0"))
    >>> found = number(graph, [("a",)], {})
    >>> sorted(held(graph, [("a",)], found, {0: 6, 1: 6, 2: 3}))
    ['a', 'y0']
    """
    numbers = found.numbers
    result = {target(graph, key) for block in keys for key in block}
    for key in numbers:
        n_users = users[numbers[key]]
        below = [target(graph, d) for d in graph[key].dependencies]
        result.update(d for d in below if d in numbers and users[numbers[d]] > n_users)
        if isinstance(graph[key], DataNode):
            result.add(key)
    return {key for key in result if key in numbers and users[numbers[key]] > 1}


def target(graph: Graph, key: Key) -> Key:
    """Return the key that an alias stands for in the end."""
    while isinstance(task := graph.get(key), Alias):
        key = task.target
    return key


def agreeing(needs: Sequence[Sequence[frozenset[int]]]) -> Iterator[dict[int, list[int]]]:
    """Yield which groups travel together, each with the visits that its blocks belong to.

    There is one order of all values that they share in which each group needs them, too.

    Parameters
    ----------
    needs : sequence of sequences of frozensets
        For each group, for each of its blocks, the values that no block before it needs.

    Examples
    --------
    Two folds, and one whose blocks are shuffled:

    >>> folds = [[{1}, {2}, {3}], [{0}, {2}, {3}], [{3}, {0}, {2}]]
    >>> list(agreeing([[frozenset(block) for block in fold] for fold in folds]))
    [{0: [0, 1, 2], 1: [0, 1, 2]}, {2: [0, 1, 2]}]
    """
    left = list(range(len(needs)))
    while left:
        members: list[int] = []
        order: dict[int, int] = {}
        for group in left:
            shares = not members or any(value in order for block in needs[group] for value in block)
            together = _order([needs[i] for i in [*members, group]]) if shares else None
            if together is not None:
                members.append(group)
                order = together
        yield {group: _visits(needs[group], order) for group in members}
        left = [group for group in left if group not in members]


def _visits(blocks: Sequence[frozenset[int]], order: Mapping[int, int]) -> list[int]:
    """Return the place of the last of the values that each block, or one before it, needs."""
    return list(accumulate((max((order[v] for v in b), default=0) for b in blocks), max))


def _order(needs: Sequence[Sequence[frozenset[int]]]) -> dict[int, int] | None:
    """Return the places of values in an order that all groups agree on; None if there is none.

    Values that are needed by the same block for the first time have the same place.
    """
    sorter: TopologicalSorter[Any] = TopologicalSorter()
    for group, blocks in enumerate(needs):
        before: list[Any] = []
        for position, block in enumerate(blocks):
            for value in block:
                sorter.add(value, *before)
            if block:
                # One for all values of a block: all of the next block's come after it.
                sorter.add((group, position), *block)
                before = [(group, position)]
    try:
        sorter.prepare()
    except CycleError:
        return None
    places: dict[int, int] = {}
    place = 0
    while sorter.is_active():
        ready = sorter.get_ready()
        values = [node for node in ready if not isinstance(node, tuple)]
        places.update(dict.fromkeys(values, place))
        place += bool(values)
        sorter.done(*ready)
    return places
