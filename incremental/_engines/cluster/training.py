"""Training on a cluster, as the client sees it: the turns of a pass."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import getitem
from typing import Any

import distributed
from dask.delayed import Delayed
from dask.task_spec import Alias, Task, TaskRef

from incremental._data.blocks import Blocks
from incremental._data.graphs import cull
from incremental._engines.base import Turn
from incremental._engines.budget import Budget
from incremental._engines.cluster.attempts import Attempts
from incremental._engines.cluster.chain import Chain
from incremental._engines.cluster.convoy import Alone
from incremental._engines.cluster.progress import Progress
from incremental._planning.plan import Plan


class Pass:
    """One pass of training: turns for the caller, chains on the cluster.

    Parameters
    ----------
    learner, planned, client, budget, listening, company
        As for `turns`.
    """

    def __init__(
        self,
        learner: Any,
        planned: Plan,
        client: distributed.Client,
        budget: Budget,
        listening: bool,
        company: Alone,
    ):
        self.blocks = planned.blocks
        self.listening = listening
        self._progress = Progress(
            learner, planned.blocks.numbers, len(planned.blocks), planned.blocks.largest
        )
        #: No chain was opened yet.
        self._together = True

        def open_chain(limit: Callable[[int], int], company: Alone) -> Chain:
            interval = max(1, budget.n_blocks)
            # One task a block after a loss, and where nothing is to be loaded ahead, or by another.
            together = (
                self._together and budget.n_blocks > 0 and not listening and not company.names
            )
            self._together = False

            def in_memory(n_done: int) -> int:
                return min(limit(n_done), 1 + budget.blocks_of(self._progress.largest))

            return Chain(
                self._progress, client, planned, in_memory, company, interval, listening, together
            )

        self._attempts = Attempts(
            client, open_chain, planned.blocks.numbers, budget.n_blocks, company
        )

    def learn(self, position: int) -> bool:
        """Wait until a block is learned; return whether it is known now that one had rows."""
        progress = self._progress
        n_rows = progress.learner.n_rows
        needs_model = self.listening or position + 1 == progress.stop

        def is_learned(chain: Chain) -> bool:
            has_model = not needs_model or position in progress.checkpoints
            return chain.n_done > position and has_model

        self._attempts.until(is_learned)
        progress.tell(position)
        return progress.learner.n_rows > n_rows

    def close(self) -> None:
        """Bring the learner up to the last block that the caller knows to be learned."""
        try:
            self._finish()
        finally:
            self._attempts.close()

    def _finish(self) -> None:
        progress = self._progress
        n_learned = progress.n_told
        if self._attempts.failed_at is not None:
            # Where a chain that repeats what was told has failed, there is no model after that.
            n_learned = min(n_learned, self._attempts.failed_at)
        if not n_learned or (progress.position == n_learned - 1 and not progress.n_waiting):
            return
        progress.stop = n_learned
        last = n_learned - 1
        checkpoint, error = self._attempts.until(
            lambda chain: chain.finish(last) if chain.n_done > last else None
        )
        progress.adopt(last, checkpoint)
        if error is not None:
            raise error


class ClusterTurn(Turn):
    """A block that is learned on the cluster.

    Parameters
    ----------
    training : Pass
        What it is a turn of.
    position : int
        Of its block in the plan.
    """

    in_place = False

    def __init__(self, training: Pass, position: int):
        self.number = training.blocks.numbers[position]
        self._training = training
        self._position = position

    @property
    def data(self) -> dict[str, Any]:  # type: ignore[override]
        """Lazy values of the block, one ``Delayed`` for each, if somebody listens."""
        blocks = self._training.blocks
        names = blocks.packed or blocks.names
        if not self._training.listening:
            return dict.fromkeys(names)
        return {name: [_delayed(blocks, self._position, name)] for name in names}

    def learn(self) -> bool:
        """Wait until the block is learned; return whether it is known now that one had rows."""
        return self._training.learn(self._position)


def _delayed(blocks: Blocks, position: int, value: str) -> Delayed:
    """Return a value of a block, lazily."""
    keys = blocks.keys[position]
    name = f"block-{uuid.uuid4().hex}"  # the key itself may be that of a persisted value
    if blocks.packed:
        (key,) = keys
        task: Any = Task(name, getitem, TaskRef(key), value)
    else:
        key = keys[blocks.names.index(value)]
        task = Alias(name, key)
    return Delayed(name, {**cull(blocks.graph, [key]), name: task})


@contextmanager
def turns(
    learner: Any,
    planned: Plan,
    client: distributed.Client,
    budget: Budget,
    listening: bool,
    company: Alone,
) -> Iterator[Iterator[ClusterTurn]]:
    """Yield the turns of one pass, as `Engine.train` does.

    Parameters
    ----------
    learner : Any
        Gets the model of the cluster at each checkpoint, and when the context is left.
    planned : Plan
        The blocks, in the order to learn them in.
    client : distributed.Client
        Where.
    budget : Budget
        At most so many blocks are under way besides the one that is being learned, and so many lie
        between two checkpoints.
    listening : bool
        `learner` gets the model after each block.
    company : Alone
        Whom the pass shares values with.

    Raises
    ------
    BlockError
        If a block cannot be computed or learned, after all blocks before it were learned.
    """
    training = Pass(learner, planned, client, budget, listening, company)
    try:
        yield (ClusterTurn(training, position) for position in range(len(planned.blocks)))
    finally:
        training.close()
