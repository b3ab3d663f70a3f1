"""Cut one graph into small ones that can be computed one after the other.

Everything here is a pure function from graphs to graphs.  A graph is a flat dictionary of dask's
task specification; a block is a tuple of the keys that make up one call of ``partial_fit``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from dask.array import PerformanceWarning
from dask.task_spec import DataNode, GraphNode
from dask.typing import Key
from toolz import groupby

from incremental._compat import is_checkpoint
from incremental._planning.effects import Graph, is_repeatable

#: A value that can be read again is let go if nobody needs it for so many blocks.
PATIENCE = 8


@dataclass(slots=True)
class Trace:
    """Which block is the first to need a task, and who needs it after that."""

    #: For each block the tasks that no earlier block has computed, in an order to compute them in.
    owned: list[list[Key]] = field(default_factory=list)
    #: For each block the values that it needs of earlier ones, and the block each comes from.
    borrowed: list[dict[Key, int]] = field(default_factory=list)
    #: For each block whether it reads: a source that is new, or again what was let go.
    reads: list[bool] = field(default_factory=list)
    #: Values worth computing before all blocks.
    hoistable: set[Key] = field(default_factory=set)


def trace(graph: Graph, blocks: Sequence[tuple[Key, ...]]) -> Trace:
    """Follow the blocks in their order and note who computes what.

    The walk stops at what an earlier block has computed already, so that its cost is that of the
    graph, not that of the graph times the number of blocks.

    A reduction over all blocks shows as a first block that owns the sources of all others.
    Holding them until their own block comes would hold the whole data, so the values that these
    first blocks pass on to every later one (the mean, say) are marked as hoistable: those that are
    needed for as long as the sources are.

    Notes
    -----
    A source that is needed again only after `PATIENCE` other blocks changes its owner: reading it
    twice is cheaper than holding it.

    Examples
    --------
    >>> from dask.task_spec import Task, TaskRef
    >>> graph = {
    ...     "source": Task("source", list),
    ...     "a": Task("a", len, TaskRef("source")),
    ...     "b": Task("b", len, TaskRef("source")),
    ... }
    >>> trace(graph, [("a",), ("b",)]).owned
    [['source', 'a'], ['b']]
    """
    result = Trace()
    owner: dict[Key, int] = {}
    last_use: dict[Key, int] = {}
    is_source: dict[Key, bool] = {}  # at most one read is needed to compute it again
    last_pause: dict[int, int] = {}
    lenders: dict[Key, int] = {}
    for i, keys in enumerate(blocks):
        own: list[Key] = []
        borrowed: dict[Key, int] = {}
        reads = False
        stack = list(reversed(keys))
        while stack:
            key = stack.pop()
            holder = owner.get(key)
            if holder == i or key not in graph:
                continue
            task = graph[key]
            if isinstance(task, DataNode):  # in memory already: whoever needs it points to it
                owner[key] = i
                own.append(key)
                continue
            if holder is not None:
                pause = i - last_use[key]
                if pause > 1:
                    last_pause[holder] = i
                if pause <= PATIENCE or not is_source[key]:
                    borrowed[key] = holder
                    last_use[key] = i
                    lenders[key] = holder
                    continue
                reads = True
            todo = [d for d in task.dependencies if owner.get(d) != i and d not in borrowed]
            todo = [d for d in todo if d in graph]
            if todo:
                stack += [key, *todo]
                continue
            owner[key] = last_use[key] = i
            own.append(key)
            below = [is_source[d] for d in task.dependencies if d in is_source]
            is_source[key] = len(below) <= 1 and all(below) and is_repeatable(task)
            reads = reads or not below
        result.owned.append(own)
        result.borrowed.append(borrowed)
        result.reads.append(reads)
    result.hoistable = {
        key
        for key, holder in lenders.items()
        if not is_source[key]
        and (last_use[key] >= last_pause.get(holder, len(blocks)) or is_checkpoint(key))
        and not graph[key].block_fusion  # a P2P shuffle, which ends when its barrier is let go
    }
    return result


def stages(graph: Graph, wanted: set[Key]) -> list[list[Key]]:
    """Group the keys in `wanted` so that each group depends on earlier groups only.

    Examples
    --------
    >>> from dask.task_spec import Task, TaskRef
    >>> graph = {
    ...     "mean": Task("mean", float),
    ...     "centred": Task("centred", abs, TaskRef("mean")),
    ...     "covariance": Task("covariance", abs, TaskRef("centred")),
    ... }
    >>> stages(graph, {"covariance", "mean"})
    [['mean'], ['covariance']]
    """
    level: dict[Key, int] = {}
    stack = list(wanted)
    while stack:
        key = stack.pop()
        below = [d for d in graph[key].dependencies if d in graph]
        todo = [d for d in below if d not in level]
        if todo:
            stack += [key, *todo]
        else:
            level[key] = max((level[d] + (d in wanted) for d in below), default=0)
    groups = groupby(level.__getitem__, wanted)
    return [groups[n] for n in sorted(groups)]


def cull(graph: Graph, keys: Iterable[Key]) -> dict[Key, GraphNode]:
    """Return the part of `graph` that `keys` need.

    Examples
    --------
    >>> from dask.task_spec import DataNode
    >>> cull({"a": DataNode("a", 1), "b": DataNode("b", 2)}, ["a"])
    {'a': DataNode(1)}
    """
    found: dict[Key, GraphNode] = {}
    stack = list(keys)
    while stack:
        key = stack.pop()
        if key not in found and key in graph:
            found[key] = graph[key]
            stack.extend(graph[key].dependencies)
    return found


@dataclass(slots=True, eq=False)
class Window:
    """A graph of its own: some consecutive blocks, or one value that several windows need."""

    #: The tasks in an order to compute them in.
    tasks: dict[Key, GraphNode]
    #: The values that it takes from earlier windows, and the window each comes from.
    inputs: dict[Key, Window]
    #: The values that are asked of it.
    outputs: set[Key]
    #: The positions of its blocks; empty if it only computes what later windows need.
    blocks: range = range(0)
    #: How many later windows take values from it.
    n_users: int = 0

    @property
    def is_computed(self) -> bool:
        """Say whether all its values are in memory already."""
        return not self.inputs and all(isinstance(t, DataNode) for t in self.tasks.values())


def windows(graph: Graph, blocks: Sequence[tuple[Key, ...]], traced: Trace) -> list[Window]:
    """Cut `graph` into windows, in the order of the blocks.

    A window goes on for as long as the next block shares a value with it and needs no new source
    (a large source that was re-chunked into many blocks).  What blocks of several windows share
    (neighbours that overlap) becomes a window without blocks, so that it is computed once.

    Warns
    -----
    PerformanceWarning
        If the blocks are mixed so that most values have to be held from the first block to the
        last (``X[permutation]``).

    Examples
    --------
    >>> from dask.task_spec import Task, TaskRef
    >>> graph = {
    ...     "source": Task("source", list),
    ...     "a": Task("a", len, TaskRef("source")),
    ...     "b": Task("b", len, TaskRef("source")),
    ...     "c": Task("c", int),
    ... }
    >>> blocks = [("a",), ("b",), ("c",)]
    >>> [list(window.tasks) for window in windows(graph, blocks, trace(graph, blocks))]
    [['source', 'a', 'b'], ['c']]
    """
    starts = [*_starts(traced), len(blocks)]
    window_of = [w for w, (a, b) in enumerate(pairwise(starts)) for _ in range(a, b)]
    lent: dict[int, set[Key]] = {}
    span: dict[tuple[Key, int], int] = {}
    for i, borrowed in enumerate(traced.borrowed):
        for key, holder in borrowed.items():
            if window_of[holder] != window_of[i]:
                lent.setdefault(window_of[holder], set()).add(key)
                span[key, holder] = i - holder
    _warn_if_all_to_all(span.values(), len(blocks))
    result: list[Window] = []
    producer: dict[Key, Window] = {}
    for w, (start, stop) in enumerate(pairwise(starts)):
        tasks = {key: graph[key] for own in traced.owned[start:stop] for key in own}
        outputs = {key for block in blocks[start:stop] for key in block}
        for key in [key for key in tasks if key in lent[w]] if w in lent else ():
            result.append(_split_off(key, tasks, outputs, producer))
        inputs = _inputs(tasks, outputs, producer)
        result.append(Window(tasks, inputs, outputs, range(start, stop)))
    for window in result:
        for lender in set(window.inputs.values()) if window.inputs else ():
            lender.n_users += 1
    return result


def _starts(traced: Trace) -> list[int]:
    starts: list[int] = []
    for i, borrowed in enumerate(traced.borrowed):  # the first one borrows nothing
        joins = not traced.reads[i] and any(h >= starts[-1] for h in borrowed.values())
        if not joins:
            starts.append(i)
    return starts


def _warn_if_all_to_all(spans: Iterable[int], n_blocks: int) -> None:
    if n_blocks <= PATIENCE:  # so few may be held
        return
    n_held = sum(span >= n_blocks / 2 for span in spans)
    if n_held >= n_blocks / 2:
        warnings.warn(
            f"The blocks are mixed all to all: {n_held} values have to be held in memory until "
            f"most of the {n_blocks} blocks are done, which may be the whole data. To shuffle, "
            "pass shuffle=True to Incremental, which moves whole blocks and the rows within each; "
            "to split, use contiguous or sorted indices (KFold, not ShuffleSplit); or write the "
            "mixed data to disk once and read it from there.",
            PerformanceWarning,
            stacklevel=2,
        )


def _split_off(
    key: Key, tasks: dict[Key, GraphNode], outputs: set[Key], producer: dict[Key, Window]
) -> Window:
    """Move `key`, with all that it alone needs, out of `tasks` into a window of its own."""
    closure = cull(tasks, [key])
    rest = {k: t for k, t in tasks.items() if k not in closure or isinstance(t, DataNode)}
    wanted = {key} | {d for t in rest.values() for d in t.dependencies} | outputs
    wanted = {k for k in wanted if k in closure and not isinstance(closure[k], DataNode)}
    part = {k: t for k, t in tasks.items() if k in closure}
    tasks.clear()
    tasks.update(rest)
    window = Window(part, _inputs(part, wanted, producer), wanted)
    producer.update(dict.fromkeys(wanted, window))
    return window


def _inputs(
    tasks: dict[Key, GraphNode], outputs: set[Key], producer: dict[Key, Window]
) -> dict[Key, Window]:
    if not producer:
        return {}
    needed = outputs.union(*(task.dependencies for task in tasks.values()))
    return {key: producer[key] for key in needed if key not in tasks and key in producer}
