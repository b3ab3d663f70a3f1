"""Who computes what: the blocks are followed in their order.

A block is a tuple of the keys that make up one call of ``partial_fit``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dask.task_spec import DataNode
from dask.typing import Key

from incremental._compat import is_checkpoint
from incremental._data.graphs import Graph
from incremental._planning.effects import is_repeatable

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


@dataclass(slots=True)
class _Known:
    """What the blocks so far have shown of each task."""

    #: The block that computes it.
    owner: dict[Key, int] = field(default_factory=dict)
    #: The last block that needs it.
    last_use: dict[Key, int] = field(default_factory=dict)
    #: Whether at most one read is needed to compute it again.
    is_source: dict[Key, bool] = field(default_factory=dict)
    #: For each block the last one that has needed a value of it after others had not.
    last_pause: dict[int, int] = field(default_factory=dict)
    #: The values that later blocks need, and the block that computes each.
    lenders: dict[Key, int] = field(default_factory=dict)


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
    twice is cheaper than holding it.  What must not be repeated (`incremental._planning.effects`)
    does not.

    Examples
    --------
    Two blocks of one source:

    >>> from dask.task_spec import Task, TaskRef
    >>> def task(key, *below):
    ...     return Task(key, list, *map(TaskRef, below))
    >>> graph = {"source": task("source"), "a": task("a", "source"), "b": task("b", "source")}
    >>> trace(graph, [("a",), ("b",)]).owned
    [['source', 'a'], ['b']]

    Four blocks, each less the mean of all.  The first one needs the mean, which needs all sources,
    so that it owns them:

    >>> sources = {f"s{i}": task(f"s{i}") for i in range(4)}
    >>> graph = {**sources, "mean": task("mean", *sources)}
    >>> graph |= {f"b{i}": task(f"b{i}", f"s{i}", "mean") for i in range(4)}
    >>> blocks = [(f"b{i}",) for i in range(4)]
    >>> found = trace(graph, blocks)
    >>> [sorted(keys) for keys in found.owned]
    [['b0', 'mean', 's0', 's1', 's2', 's3'], ['b1'], ['b2'], ['b3']]

    The others borrow their source of it, and the mean:

    >>> [sorted(keys) for keys in found.borrowed]
    [[], ['mean', 's1'], ['mean', 's2'], ['mean', 's3']]

    Block 3 takes up, after a pause, what block 0 holds (``s3``), and the mean is needed until then:
    it is what the sources are held for.  A source is not hoisted, nor is what two neighbours share,
    which is not needed for that long.

    >>> found.hoistable
    {'mean'}

    With its value in its place, each block owns its source, and nothing is held:

    >>> graph["mean"] = DataNode("mean", 0.5)
    >>> [sorted(keys) for keys in trace(graph, blocks).owned]
    [['b0', 'mean', 's0'], ['b1', 'mean', 's1'], ['b2', 'mean', 's2'], ['b3', 'mean', 's3']]
    """
    result, known = Trace(), _Known()
    nothing: dict[Key, int] = {}  # one for all: a million blocks may borrow nothing
    for i, keys in enumerate(blocks):
        own, borrowed, reads = _follow(graph, i, keys, known)
        result.owned.append(own)
        result.borrowed.append(borrowed or nothing)
        result.reads.append(reads)
    result.hoistable = {
        key
        for key, holder in known.lenders.items()
        if not known.is_source[key]
        and (known.last_use[key] >= known.last_pause.get(holder, len(blocks)) or is_checkpoint(key))
        and not graph[key].block_fusion  # a P2P shuffle, which ends when its barrier is let go
    }
    return result


def _follow(
    graph: Graph, i: int, keys: tuple[Key, ...], known: _Known
) -> tuple[list[Key], dict[Key, int], bool]:
    """Return what block `i` owns, what it borrows, and whether it reads."""
    owner, last_use, is_source = known.owner, known.last_use, known.is_source
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
                known.last_pause[holder] = i
            if pause <= PATIENCE or not is_source[key]:
                borrowed[key] = known.lenders[key] = holder
                last_use[key] = i
                continue
            reads = True
        below: list[bool] = []
        if task.dependencies:
            todo = [d for d in task.dependencies if owner.get(d) != i and d not in borrowed]
            todo = [d for d in todo if d in graph]
            if todo:
                stack += [key, *todo]
                continue
            below = [is_source[d] for d in task.dependencies if d in is_source]
        owner[key] = last_use[key] = i
        own.append(key)
        is_source[key] = len(below) <= 1 and all(below) and is_repeatable(task)
        reads = reads or not below
    return own, borrowed, reads
