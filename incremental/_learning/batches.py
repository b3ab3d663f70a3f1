"""Batches of nearly equal size, cut from blocks or put together of them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from incremental._data.values import Block, concatenate, n_rows, rows


def split(block: Block, batch_size: int) -> list[Block]:
    """Cut a block into nearly equal batches of at most `batch_size` rows.

    Examples
    --------
    >>> [batch["X"] for batch in split({"X": [1, 2, 3, 4, 5]}, 4)]
    [[1, 2, 3], [4, 5]]
    """
    n = n_rows(block)
    n_batches = -(-n // batch_size)
    if n_batches == 1:
        return [block]
    small, larger = divmod(n, n_batches)
    stops = np.cumsum([0] + [small + 1] * larger + [small] * (n_batches - larger)).tolist()
    return [
        {name: rows(values, slice(start, stop)) for name, values in block.items()}
        for start, stop in pairwise(stops)
    ]


class Batches:
    """Blocks in, batches of nearly equal size out.

    Large blocks are split; small ones wait until they are `batch_size` rows together.  What waits
    at the end joins the batch before it if it is less than half of one, so that no batch is a tiny
    remainder, unless all the data are.

    Parameters
    ----------
    batch_size : int or None
        Rows of a batch, at most; None leaves the blocks as they are.

    Examples
    --------
    >>> batches = Batches(4)
    >>> [batch["X"] for x in ([1, 2], [3], [4, 5, 6], [7]) for batch in batches.add({"X": x})]
    [[1, 2, 3]]
    >>> [batch["X"] for batch in batches.rest()]
    [[4, 5, 6, 7]]
    """

    def __init__(self, batch_size: int | None):
        self.batch_size = batch_size
        #: Blocks that fill one batch or more; kept until it is known whether a small rest joins.
        self._full: list[Block] = []
        #: Blocks that fill less than one.
        self._waiting: list[Block] = []
        #: Their rows, counted once: many blocks may wait.
        self._n_full = self._n_waiting = 0

    def add(self, block: Block) -> list[Block]:
        """Take a block and return the batches that are ready."""
        if self.batch_size is None:
            return [block]
        ready: list[Block] = []
        n = n_rows(block)
        if self._n_waiting + n > self.batch_size <= 2 * self._n_waiting:
            ready = self._next()
        self._waiting.append(block)
        self._n_waiting += n
        if self._n_waiting >= self.batch_size:
            ready += self._next()
        return ready

    def _next(self) -> list[Block]:
        """Return the batches of what is full; what waits is full now."""
        ready = self._release(self._full)
        self._full, self._waiting = self._waiting, []
        self._n_full, self._n_waiting = self._n_waiting, 0
        return ready

    def blocks(self) -> list[Block]:
        """Return the blocks that wait for more rows, or for the end."""
        return [*self._full, *self._waiting]

    @property
    def last(self) -> Block:
        """Return the last of these; one without values if nothing waits."""
        return (self._waiting or self._full or [{}])[-1]

    @property
    def n_blocks(self) -> int:
        """Return how many these are."""
        return len(self._full) + len(self._waiting)

    @property
    def n_rows(self) -> int:
        """Return how many rows they have."""
        return self._n_full + self._n_waiting

    def copy(self) -> Batches:
        """Return a copy that takes other blocks from now on."""
        other = Batches(self.batch_size)
        other._full, other._waiting = self._full, list(self._waiting)  # nothing is added to _full
        other._n_full, other._n_waiting = self._n_full, self._n_waiting
        return other

    def rest(self) -> list[Block]:
        """Return the last batches."""
        if 2 * self._n_waiting < (self.batch_size or 0):
            self._full, self._waiting = [*self._full, *self._waiting], []
        return [*self._next(), *self._next()]

    def _release(self, blocks: list[Block]) -> list[Block]:
        if not blocks or self.batch_size is None:
            return []
        names = blocks[0]
        together = {name: concatenate([block[name] for block in blocks]) for name in names}
        return split(together, self.batch_size)
