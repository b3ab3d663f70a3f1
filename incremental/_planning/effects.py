"""Tasks that do more than compute: they are neither repeated nor parted from what waits for them.

A plan may compute a value again, and may compute one long before another: true of reads and of what
is computed from them, as on any cluster that loses a worker.  dask has three kinds of tasks for
which it is wrong:

stores
    Without a cluster, dask shuffles frames and groups bags through files::

        store ---> writer 0 --\\
          |  \\---> writer 1 ----> barrier
          |                          |
          \\---------> reader 0 <-----+
           \\--------> reader 1 <----/

    A store that is made again is empty, and a writer that runs again doubles its rows.  So the
    whole shuffle takes place before the first block, once for a plan, and readers then only read.
    Its writers take turns, in the order of the partitions: so the order of the rows is the same
    for each scheduler, and for X and y that were made of one frame apart.
checkpoints
    ``dask.graph_manipulation.bind`` lets tasks wait for others that have effects.
P2P barriers
    A cluster shuffles in memory; dask marks the barrier by ``block_fusion``.

Of any other function nobody can know; it is taken for what dask takes it for, one of its arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Any

from dask.task_spec import GraphNode, Task, TaskRef
from dask.typing import Key

from incremental._compat import is_checkpoint, is_store
from incremental._data.graphs import Graph


def is_repeatable(task: GraphNode) -> bool:
    """Say whether a task may run again if all may that it depends on."""
    return not (task.block_fusion or is_checkpoint(task.key) or is_store(task.key))


@dataclass
class Shuffle:
    """The tasks of one shuffle through a file."""

    #: What fills the file, in the order of the partitions.
    writers: list[Key] = field(default_factory=list)
    #: What readers wait for.
    barriers: set[Key] = field(default_factory=set)


def shuffles(graph: Graph) -> dict[Key, Shuffle]:
    """Find the shuffles through files, by their stores.

    A reader is told by what it needs: the store, and something that was made of it, the barrier.

    Examples
    --------
    >>> store, writer = ("partd-1",), ("part", 0)
    >>> graph = {
    ...     store: Task(store, dict),
    ...     writer: Task(writer, dict.update, TaskRef(store), {"a": 1}),
    ...     "barrier": Task("barrier", list, TaskRef(writer)),
    ...     "reader": Task("reader", dict.get, TaskRef(store), "a", TaskRef("barrier")),
    ... }
    >>> shuffles(graph)
    {('partd-1',): Shuffle(writers=[('part', 0)], barriers={'barrier'})}
    """
    found = {key: Shuffle() for key in graph if is_store(key)}
    if not found:
        return found
    made_of: dict[Key, Set[Key]] = {}
    below = {key: task.dependencies for key, task in graph.items()}
    for key in TopologicalSorter(below).static_order():
        needed = below.get(key, frozenset())  # what is on a cluster already, a graph lacks
        for store in needed & found.keys():
            barriers = {d for d in needed if store in made_of[d]}
            found[store].barriers |= barriers
            if not barriers:
                found[store].writers.append(key)
        made_of[key] = (needed & found.keys()).union(*(made_of[d] for d in needed))
    for shuffle in found.values():
        shuffle.writers.sort(key=_partition)
    return found


def _partition(writer: Key) -> Any:
    return writer[1:] if isinstance(writer, tuple) else ()


def one_after_the_other(graph: Graph, writers: Iterable[Key]) -> dict[Key, Task]:
    """Return tasks that do what those of `writers` do, each after the one before it.

    Examples
    --------
    >>> graph = {"a": Task("a", print, "a"), "b": Task("b", print, "b")}
    >>> one_after_the_other(graph, ["a", "b"])["b"].dependencies
    frozenset({'a'})
    """
    found: dict[Key, Task] = {}
    before: list[TaskRef] = []
    for key in writers:
        found[key] = Task(key, _first, graph[key], *before)
        before = [TaskRef(key)]
    return found


def _first(value: Any, *_: Any) -> Any:
    return value
