"""Blocks and the windows that compute them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import InitVar, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from dask.task_spec import DataNode, GraphNode
from dask.typing import Key
from dask.utils import disable_gc, key_split

from incremental._compat import is_store
from incremental._data.blocks import Blocks
from incremental._data.graphs import Graph, cull
from incremental._planning.effects import one_after_the_other, shuffles
from incremental._planning.graph import stages
from incremental._planning.trace import Trace, trace
from incremental._planning.windows import Window, windows
from incremental.exceptions import BlockError, describe

Get = Callable[[Graph, Sequence[Key]], Sequence[Any]]
MakeStore = Callable[[GraphNode], Any]


@dataclass
class Plan:
    """Blocks and the windows that compute them; good for any number of passes."""

    blocks: Blocks
    traced: InitVar[Trace | None] = None

    def __post_init__(self, traced: Trace | None) -> None:
        self._traced = traced

    @cached_property
    def windows(self) -> list[Window]:
        """The windows, in the order of the blocks."""
        graph, keys = self.blocks.graph, self.blocks.keys
        traced, self._traced = self._traced, None  # not needed any more
        with disable_gc():  # see `plan`
            return windows(graph, keys, traced or trace(graph, keys))

    def shuffled(self, rng: np.random.Generator) -> list[int]:
        """Return the positions of the blocks in another order.

        Blocks of one window stay together, so that their source is still read once.
        """
        order: list[int] = []
        for group in self._groups(rng):
            order.extend(rng.permutation(group).tolist())
        return order

    def held_out(self, fraction: float, rng: np.random.Generator) -> tuple[list[int], list[int]]:
        """Return the positions of the blocks to keep, and of about that fraction of them, drawn.

        Blocks of one window stay together where that leaves some on both sides, so that no source
        is read for both.
        """
        n_blocks = len(self.blocks)
        wanted = min(max(1, round(fraction * n_blocks)), n_blocks - 1)
        drawn: set[int] = set()
        for group in self._groups(rng):
            if len(drawn) + len(group) <= wanted:
                drawn.update(group)
        if not drawn:
            drawn.update(rng.permutation(n_blocks)[:wanted].tolist())
        return [i for i in range(n_blocks) if i not in drawn], sorted(drawn)

    def _groups(self, rng: np.random.Generator) -> Iterator[list[int]]:
        groups = [list(window.blocks) for window in self.windows if window.blocks]
        for i in rng.permutation(len(groups)):
            yield groups[i]


def plan(blocks: Blocks, get: Get, make_store: MakeStore) -> Plan:
    """Cut the graph of `blocks` into windows.

    What all blocks need of all blocks (a mean), and what must take place once
    (`incremental._planning.effects`), is computed here, and its value put in its place.

    Parameters
    ----------
    blocks : Blocks
        The blocks.
    get : callable
        Computes such a value: ``get(graph, keys)``.
    make_store : callable
        Computes the task of a file that tasks are to write to.

    Raises
    ------
    BlockError
        If such a value cannot be computed; its block is 0, since nothing can be learned.
    ValueError
        If blocks are shuffled through files where they cannot be.

    Notes
    -----
    Values that depend on each other are computed one after the other, each in a pass of its own:
    in one graph the second would have to hold every source that it shares with the first.
    """
    # A plan makes many objects that stay: a collection in between would look at all of them, again
    # and again, and find nothing.  Not so where values are computed, which may leave garbage.
    with disable_gc():
        whole, shared = _with_stores(blocks, make_store)
        traced, shared = _hoisted(whole, blocks.keys, shared)
    if shared:
        whole = dict(whole)
        for keys in stages(whole, shared):
            whole.update(_compute_shared(whole, keys, get))
    return Plan(replace(blocks, graph=whole), traced)


def _with_stores(blocks: Blocks, make_store: MakeStore) -> tuple[dict[Key, GraphNode], set[Key]]:
    """Make the files of shuffles; return a graph that has them, and the barriers of all."""
    graph = blocks.graph
    if not any(map(is_store, graph)):
        return graph, set()
    graph = cull(graph, [key for block in blocks.keys for key in block])
    barriers: set[Key] = set()
    for store, shuffle in shuffles(graph).items():
        graph[store] = DataNode(store, make_store(graph[store]))
        graph.update(one_after_the_other(graph, shuffle.writers))
        barriers |= shuffle.barriers
    return graph, barriers


def _hoisted(
    graph: Graph, blocks: Sequence[tuple[Key, ...]], shared: set[Key]
) -> tuple[Trace, set[Key]]:
    """Return `shared` and all else that is computed before the first block, and a trace without."""
    found = shared
    while True:
        if found:
            graph = {**graph, **{key: DataNode(key, None) for key in found}}
        traced = trace(graph, blocks)
        found = traced.hoistable
        if not found:
            return traced, shared
        shared = shared | found


def _compute_shared(graph: Graph, keys: list[Key], get: Get) -> dict[Key, DataNode]:
    try:
        values = get(cull(graph, keys), keys)
    except Exception as error:
        names = ", ".join(sorted({key_split(key) for key in keys}))
        raise BlockError(
            f"A value that all blocks need ({names}) could not be computed, so that no block was "
            f"learned: {describe(error)}",
            0,
        ) from error
    return {key: DataNode(key, value) for key, value in zip(keys, values, strict=True)}
