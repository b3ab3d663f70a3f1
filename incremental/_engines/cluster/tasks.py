"""What runs on the workers: functions that take a learner and return another one, or parts of it.

None of them changes what it is given: the scheduler may run a task again, and others may have the
same learner.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from dask.task_spec import GraphNode
from dask.typing import Key
from sklearn import config_context

from incremental._data.blocks import Blocks
from incremental._data.values import n_bytes
from incremental._engines.cluster.losses import Failed
from incremental._engines.execute import FAILURE, execute
from incremental.exceptions import BlockError

#: After so many seconds, blocks that are learned together are given up, to be learned one by one.
TOO_LONG = 0.5


class Checkpoint(NamedTuple):
    """What it takes to go on: a learner without the rows that wait in it."""

    model: Any
    n_batches: int
    n_rows: int
    #: The numbers of the blocks that wait for more rows, and how many rows they have.
    waiting: list[int]
    n_waiting: int
    #: What each block took that one task has loaded and learned last, with others or alone.
    seconds: float
    #: The bytes of the largest block that was learned.
    n_bytes: int


class Load(NamedTuple):
    """What it takes to load a block: where it is, its tasks, and the keys of its values."""

    position: int
    number: int
    tasks: dict[Key, GraphNode]
    keys: tuple[Key, ...]


@contextmanager
def _copied(learner: Any) -> Iterator[Any]:
    """Yield a copy of `learner` that learns as configured where the fit was called."""
    with config_context(**learner.config):
        yield learner.copy()


def learn(number: int, layout: Blocks, learner: Any, *values: Any, anchor: None = None) -> Any:
    """Return a copy of `learner` that has learned a block.

    Parameters
    ----------
    number : int
        What the block is called.
    layout : Blocks
        Says what its values are; without any data.
    learner : Learner
        Has learned all blocks before.
    *values : object
        The values of the block.
    anchor : None
        Only for the scheduler, see `incremental._engines.cluster.chain`.
    """
    with _copied(learner) as learner:
        block = layout.as_dict(values)
        learner.n_bytes = max(learner.n_bytes, n_bytes(block))
        learner.learn(number, block)
    return learner


def load_and_learn(
    loads: Sequence[Load],
    layout: Blocks,
    inputs: Sequence[Key],
    learner: Any,
    *values: Any,
    anchor: None = None,
) -> Any:
    """Return a copy of `learner` that has learned blocks, each loaded when it is its turn.

    Parameters
    ----------
    loads : sequence of Load
        The blocks.
    layout, learner, anchor
        As for `learn`.
    inputs : sequence of keys
        What the blocks are loaded from, besides their own tasks.
    *values : object
        The values of `inputs`.

    Raises
    ------
    Failed
        If one of several blocks cannot be loaded or learned.
    """
    start = time.perf_counter()
    given = dict(zip(inputs, values, strict=True))
    with _copied(learner) as learner:
        for load in loads:
            if load is not loads[0] and time.perf_counter() - start > TOO_LONG:
                raise TimeoutError(f"{len(loads)} blocks take longer than the first one has said")
            try:
                loaded = execute(load.tasks, given, set(load.keys))
                if FAILURE in loaded:
                    raise loaded[FAILURE]
                learner.learn(load.number, layout.as_dict([loaded[key] for key in load.keys]))
            except Exception as error:
                if len(loads) == 1:
                    raise
                raise Failed(load.position, error) from error
    learner.seconds = (time.perf_counter() - start) / len(loads)
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
        learner.model,
        learner.n_batches,
        learner.n_rows,
        learner.waiting,
        learner.n_waiting,
        learner.seconds,
        learner.n_bytes,
    )
