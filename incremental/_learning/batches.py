"""Rows of blocks: put together, cut, and put in another order."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp

# Private: the rows of whatever scikit-learn takes; used by most of its extensions.
from sklearn.utils.validation import _num_samples

Block = dict[str, Any]


def n_rows(block: Block) -> int:
    """Return the number of rows of a block."""
    return _num_samples(block["X"])


def rows(values: Any, which: Any) -> Any:
    """Return rows of an array, a frame, a sparse matrix or a list; a view where `which` is a slice.

    Examples
    --------
    >>> rows(["a", "b", "c"], slice(1, 3)), rows(["a", "b"], np.array([1, 0]))
    (['b', 'c'], ['b', 'a'])
    """
    if hasattr(values, "iloc"):
        return values.iloc[which]
    if isinstance(values, (list, tuple)):
        return values[which] if isinstance(which, slice) else [values[i] for i in which]
    if hasattr(values, "tocsr"):
        return values.tocsr()[which]
    return values[which]


def concatenate(parts: list[Any]) -> Any:
    """Put values of several blocks together, as what they are.

    Examples
    --------
    >>> concatenate([["a"], ["b", "c"]])
    ['a', 'b', 'c']
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    if isinstance(first, list):
        return [value for part in parts for value in part]
    if sp.issparse(first):
        return sp.vstack(parts, format="csr")
    if hasattr(first, "iloc"):
        import pandas as pd

        return pd.concat(parts)
    return np.concatenate(parts)


def shuffled(block: Block, rng: np.random.Generator) -> Block:
    """Return a block with its rows in another order."""
    order = rng.permutation(n_rows(block))
    return {name: rows(values, order) for name, values in block.items()}


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
        self._full: list[Block] = []  # fits one batch, or is larger than one
        self._waiting: list[Block] = []
        self._n_full = self._n_waiting = 0  # rows: counted once, for many blocks may wait

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
