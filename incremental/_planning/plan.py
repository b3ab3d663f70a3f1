"""Blocks and the windows that compute them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import InitVar, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from dask.task_spec import DataNode
from dask.typing import Key
from dask.utils import disable_gc, key_split

from incremental._data.blocks import Blocks
from incremental._planning.windows import Graph, Trace, Window, cull, stages, trace, windows
from incremental.exceptions import BlockError, describe

Get = Callable[[Graph, Sequence[Key]], Sequence[Any]]


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
        with disable_gc():  # see `plan`
            return windows(graph, keys, self._traced or trace(graph, keys))

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


def plan(blocks: Blocks, get: Get) -> Plan:
    """Cut the graph of `blocks` into windows.

    What all blocks need of all blocks (a mean) is computed here, once, and its value put in its
    place.

    Parameters
    ----------
    blocks : Blocks
        The blocks.
    get : callable
        Computes such a value: ``get(graph, keys)``.

    Raises
    ------
    BlockError
        If such a value cannot be computed; its block is 0, since nothing can be learned.

    Notes
    -----
    Values that depend on each other are computed one after the other, each in a pass of its own:
    in one graph the second would have to hold every source that it shares with the first.
    """
    shared: set[Key] = set()
    # A plan makes many objects that stay: a collection in between would look at all of them, again
    # and again, and find nothing.  Not so where values are computed, which may leave garbage.
    with disable_gc():
        traced = trace(blocks.graph, blocks.keys)
        graph = dict(blocks.graph) if traced.hoistable else blocks.graph
        while found := traced.hoistable:
            shared |= found
            graph.update((key, DataNode(key, None)) for key in found)
            traced = trace(graph, blocks.keys)
    if shared:
        graph = dict(blocks.graph)
        for keys in stages(graph, shared):
            graph.update(_compute_shared(graph, keys, get))
        blocks = replace(blocks, graph=graph)
    return Plan(blocks, traced)


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
