"""How much is computed ahead of the block that is learned: so many blocks, and so many bytes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from dask.utils import format_bytes, parse_bytes

#: How much is computed ahead: a number of blocks, a size ("500 MB"), or None for the default.
Prefetch = int | str | None

#: The default takes so much of the memory that is free.
SHARE = 1 / 4


class Budget(NamedTuple):
    """What is ahead of the consumer has at most so many blocks, and so many bytes.

    One block, or one window of blocks that have a source in common, is ahead however large it is:
    otherwise nothing would go on.
    """

    #: The most blocks; 0 computes each in the foreground, when its turn has come.
    n_blocks: int
    #: The most bytes; infinite where nobody knows how many are free.
    n_bytes: float
    #: What a block is taken for while none has been seen, and it is not known beforehand.
    unseen: float

    def blocks_of(self, n_bytes: int) -> int:
        """Return how many blocks of so many bytes may be ahead; 0 bytes are not known."""
        each = n_bytes or self.unseen
        return int(min(self.n_blocks, self.n_bytes // each)) if each else self.n_blocks

    def __str__(self) -> str:
        """Say how much that is, for an error."""
        text = f"up to prefetch={self.n_blocks}"
        if math.isfinite(self.n_bytes) and self.n_blocks:
            text += f", of at most {format_bytes(int(self.n_bytes))},"
        return text


def make_budget(prefetch: Prefetch, workers: int, free: Callable[[], float | None]) -> Budget:
    """Return what `prefetch` means where so many blocks are computed at once.

    Parameters
    ----------
    prefetch : int, str or None
        The most blocks, or the most bytes; of what is not said the default holds: two more blocks
        than workers, and a quarter of what is free.
    workers : int
        How many blocks are computed at once.
    free : callable
        Says how many bytes are free, None if that is unknown; asked only where it matters.

    Examples
    --------
    >>> make_budget(None, 2, lambda: 8_000_000)
    Budget(n_blocks=4, n_bytes=2000000.0, unseen=1000000.0)
    >>> make_budget(7, 2, lambda: None)
    Budget(n_blocks=7, n_bytes=inf, unseen=0.0)

    Who names a size means it: the first block is computed alone, until it is known how large it is.

    >>> make_budget("500 kB", 2, lambda: 8_000_000)
    Budget(n_blocks=4, n_bytes=500000, unseen=500000)
    """
    if isinstance(prefetch, str):
        n_bytes = parse_bytes(prefetch)
        return Budget(workers + 2, n_bytes, n_bytes)
    n_blocks = workers + 2 if prefetch is None else int(prefetch)  # an integer of NumPy, too
    n_free = free() if n_blocks else None
    if n_free is None:
        return Budget(n_blocks, math.inf, 0.0)
    # Who names none gets all workers, as from dask.
    return Budget(n_blocks, SHARE * n_free, SHARE * n_free / workers)


def widest(budgets: list[Budget]) -> Budget:
    """Return the budget that is enough for each."""
    return Budget(*(max(values) for values in zip(*budgets, strict=True)))
