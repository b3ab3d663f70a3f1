"""One pass of training: a step for each block, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from incremental._runner import Runner
from incremental._stream import Plan, stream
from incremental._training import Learner


class Step:
    """A block whose turn it is.

    Parameters
    ----------
    number : int
        What to call the block.
    data : dict
        Its values by name: what callbacks are shown of it.
    learner : Learner
        Learns it in place.
    seed : sequence of int or None
        Draws the order of its rows.
    """

    def __init__(
        self, number: int, data: dict[str, Any], learner: Learner, seed: Sequence[int] | None
    ):
        self.number = number
        self.data = data
        self._learner = learner
        self._seed = seed

    def learn(self) -> bool:
        """Learn from the block; return False if it has no rows."""
        data, self.data = self.data, {}
        return self._learner.learn(self.number, data, self._seed)


@contextmanager
def steps(
    learner: Learner,
    planned: Plan,
    runner: Runner,
    *,
    prefetch: int | None = None,
    shuffle: bool = False,
    seed: Sequence[int] = (),
) -> Iterator[Iterator[Step]]:
    """Yield the steps of one pass; when the context is left, nothing waits to be learned.

    Parameters
    ----------
    learner : Learner
        Has learned a block when its step's ``learn`` returns.
    planned : Plan
        The blocks.
    runner : Runner
        Where they are computed.
    prefetch : int, default=None
        As for :func:`incremental._stream.stream`.
    shuffle : bool, default=False
        Learn the blocks, and the rows within each, in an order drawn from `seed`.
    seed : sequence of int, default=()
        Another one for each pass.

    Raises
    ------
    BlockError
        If a block cannot be computed, after all blocks before it were handed over.
    """
    if shuffle:
        planned = planned.take(planned.shuffled(np.random.default_rng(seed)))
    number = -1
    with stream(planned, runner, prefetch=prefetch) as computed:

        def hand_over() -> Iterator[Step]:
            nonlocal number
            for number, block in computed:
                yield Step(number, block, learner, seed if shuffle else None)

        try:
            yield hand_over()
        finally:
            # Also what came before an error is learned, so that only the rest is to be done.
            learner.finish(number + 1)
