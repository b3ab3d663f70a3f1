"""One pass of training: a step for each block, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from incremental._engines.local.schedulers import Runner
from incremental._engines.local.stream import Plan, stream
from incremental._learning.batches import shuffled
from incremental._learning.learner import Learner, check_block


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
    """

    #: Whether `learn` changes the model itself, so that it must not be interrupted.
    in_place = True

    def __init__(self, number: int, data: dict[str, Any], learner: Learner):
        self.number = number
        self.data = data
        self._learner = learner

    def learn(self) -> bool:
        """Learn from the block; return False if it has no rows."""
        data, self.data = self.data, {}
        return self._learner.learn(self.number, data)


def in_new_order(planned: Plan, promise: Any, seed: Sequence[int]) -> Plan:
    """Return a plan of the blocks, and of the rows within each, in an order drawn from `seed`.

    Rows are moved where the blocks are computed, ahead of their turn.
    """
    blocks = planned.blocks.take(planned.shuffled(np.random.default_rng(seed)))
    state = blocks.names, promise, list(seed)
    return Plan(blocks.map("block", _shuffle_rows, state, label="shuffle"))


def _shuffle_rows(state: tuple[Any, ...], number: int, *values: Any) -> dict[str, Any]:
    names, promise, seed = state
    block = dict(zip(names, values, strict=True))
    check_block(number, block, promise)
    return shuffled(block, np.random.default_rng([*seed, number]))


def _row_order(seed: list[int], number: int, n: int) -> np.ndarray:
    return shuffled({"X": np.arange(n)}, np.random.default_rng([*seed, number]))["X"]


@contextmanager
def steps(
    learner: Learner,
    planned: Plan,
    runner: Runner,
    *,
    prefetch: int | None = None,
    shuffle: bool = False,
    seed: Sequence[int] = (),
    listening: bool = False,
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
        As for :func:`incremental._engines.local.stream.stream`.
    shuffle : bool, default=False
        Learn the blocks, and the rows within each, in an order drawn from `seed`.
    seed : sequence of int, default=()
        Another one for each pass.
    listening : bool, default=False
        Whether the model and the data of each block are looked at.  On a cluster, the learner is
        brought up to date after each block then, otherwise after each window.

    Raises
    ------
    BlockError
        If a block cannot be computed, after all blocks before it were handed over.
    """
    learner.order = None
    names = planned.blocks.names
    if shuffle:
        planned = in_new_order(planned, learner.promise, seed)
        learner.order = partial(_row_order, list(seed))
    if runner.client is not None:
        from incremental._engines.cluster import feed as _cluster  # need distributed
        from incremental._engines.cluster import training as _cluster_training  # need distributed

        assert isinstance(runner, _cluster.ClusterRunner)
        with _cluster_training.steps(learner, planned, names, runner, prefetch, listening) as found:
            yield found
        return
    with stream(planned, runner, prefetch=prefetch) as computed:

        def hand_over() -> Iterator[Step]:
            for number, block in computed:
                step = Step(number, block["block"] if shuffle else block, learner)
                del block  # not held while the next one is waited for
                yield step

        try:
            yield hand_over()
        finally:
            # Also what came before an error is learned, so that only the rest is to be done.
            learner.finish()
