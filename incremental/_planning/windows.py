"""Cut one graph into small ones that can be computed one after the other."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from dask.array import PerformanceWarning
from dask.task_spec import DataNode, GraphNode
from dask.typing import Key

from incremental._data.graphs import Graph, cull
from incremental._planning.trace import PATIENCE, Trace


@dataclass(slots=True, eq=False)
class Window:
    """A graph of its own: some consecutive blocks, or one value that several windows need."""

    #: The tasks in an order to compute them in.
    tasks: dict[Key, GraphNode]
    #: The values that it takes from earlier windows, and the window each comes from.
    inputs: dict[Key, Window]
    #: The values that are asked of it, each once.
    outputs: Collection[Key]
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
    (neighbours that overlap) becomes a window without blocks, so that it is computed once; so does
    what most blocks are read from (an open file), which would make one window of them.

    Warns
    -----
    PerformanceWarning
        If the blocks are mixed so that most values have to be held from the first block to the
        last (``X[permutation]``).

    Examples
    --------
    >>> from dask.task_spec import Task, TaskRef
    >>> from incremental._planning.trace import trace
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
    starts = [*_starts(graph, traced), len(blocks)]
    window_of = [w for w, (a, b) in enumerate(pairwise(starts)) for _ in range(a, b)]
    lent: dict[int, set[Key]] = {}
    span: dict[tuple[Key, int], int] = {}
    for i, borrowed in enumerate(traced.borrowed):
        for key, holder in borrowed.items():
            if window_of[holder] != window_of[i]:
                lent.setdefault(window_of[holder], set()).add(key)
                span[key, holder] = i - holder
    _warn_if_all_to_all(span.values(), len(blocks))
    nothing: dict[Key, Window] = {}  # one for all: a million windows may take nothing
    result: list[Window] = []
    producer: dict[Key, Window] = {}
    for w, (start, stop) in enumerate(pairwise(starts)):
        tasks = {key: graph[key] for own in traced.owned[start:stop] for key in own}
        outputs = set(blocks[start]).union(*blocks[start + 1 : stop])
        for key in [key for key in tasks if key in lent[w]] if w in lent else ():
            result.append(_split_off(key, tasks, outputs, producer))
        inputs = _inputs(tasks, outputs, producer) or nothing
        is_one = len(outputs) == len(blocks[start])  # whose keys, a tuple, take less than a set
        asked = blocks[start] if is_one and stop - start == 1 else outputs
        result.append(Window(tasks, inputs, asked, range(start, stop)))
    for window in result:
        for lender in set(window.inputs.values()) if window.inputs else ():
            lender.n_users += 1
    return result


def _starts(graph: Graph, traced: Trace) -> list[int]:
    common = _common(traced)
    starts: list[int] = []
    for i, borrowed in enumerate(traced.borrowed):  # the first one borrows nothing
        joins = any(h >= starts[-1] for h in borrowed.values())
        if not joins or traced.reads[i] or _reads_from(common, graph, traced.owned[i]):
            starts.append(i)
    return starts


def _common(traced: Trace) -> set[Key]:
    """Return the values of the first of many blocks that are held for most of the others."""
    n_blocks = len(traced.borrowed)
    if n_blocks <= PATIENCE:  # so few may be held
        return set()
    later = traced.borrowed[n_blocks // 2 :]
    return {key for borrowed in later for key, holder in borrowed.items() if holder == 0}


def _reads_from(common: set[Key], graph: Graph, keys: list[Key]) -> bool:
    """Say whether one of the tasks is made of what is common to the blocks, and of that alone.

    Data in memory do not count, as positions that rows are selected by: they may as well be a part
    of the task.
    """
    for key in keys if common else ():
        below = {d for d in graph[key].dependencies if not isinstance(graph.get(d), DataNode)}
        if below and below <= common:
            return True
    return False


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
