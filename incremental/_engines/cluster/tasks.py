"""What runs on the workers: functions that take a learner and return another one, or parts of it.

None of them changes what it is given: the scheduler may run a task again, and others may have the
same learner.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from sklearn import config_context

from incremental._data.blocks import Blocks
from incremental.exceptions import BlockError


class Checkpoint(NamedTuple):
    """What it takes to go on: a learner without the rows that wait in it."""

    model: Any
    n_batches: int
    n_rows: int
    #: The numbers of the blocks that wait for more rows, and how many rows they have.
    waiting: list[int]
    n_waiting: int


@contextmanager
def _copied(learner: Any) -> Iterator[Any]:
    """Yield a copy of `learner` that learns as configured where the fit was called."""
    with config_context(**learner.config):
        yield learner.copy()


def learn(learner: Any, number: int, layout: Blocks, *values: Any, anchor: None = None) -> Any:
    """Return a copy of `learner` that has learned a block.

    Parameters
    ----------
    learner : Learner
        Has learned all blocks before.
    number : int
        What the block is called.
    layout : Blocks
        Says what its values are; without any data.
    *values : object
        The values of the block.
    anchor : None
        Only for the scheduler, see `incremental._engines.cluster.chain`.
    """
    with _copied(learner) as learner:
        learner.learn(number, layout.as_dict(values))
    return learner


def finish(learner: Any) -> Checkpoint:
    """Return a checkpoint after the rows that wait were learned."""
    with _copied(learner) as learner:
        learner.finish()
    return checkpoint(learner)


def finish_before_error(learner: Any) -> Checkpoint:
    """Return a checkpoint after those rows that wait were learned that come before an error."""
    with _copied(learner) as learner, suppress(BlockError):
        learner.finish()
    return checkpoint(learner)


def checkpoint(learner: Any) -> Checkpoint:
    """Return a checkpoint."""
    return Checkpoint(
        learner.model, learner.n_batches, learner.n_rows, learner.waiting, learner.n_waiting
    )
