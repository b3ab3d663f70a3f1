"""Compute blocks ahead of the consumer and hand them over in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from dask.callbacks import Callback
from dask.typing import Key

from incremental._data.graphs import cull
from incremental._data.values import Block, n_bytes
from incremental._engines.budget import Budget
from incremental._engines.execute import FAILURE
from incremental._engines.local.ahead import Ahead
from incremental._engines.local.diagnostics import Watch
from incremental._engines.local.schedulers import Scheduler
from incremental._planning.plan import Plan


@contextmanager
def stream(
    planned: Plan, scheduler: Scheduler, budget: Budget
) -> Iterator[Iterator[tuple[int, Block]]]:
    """Yield an iterator over the computed blocks.

    Parameters
    ----------
    planned : Plan
        What to compute, in this order.
    scheduler : Scheduler
        Where to compute it.
    budget : Budget
        At most so many blocks are computed, or being computed, ahead of the one that the consumer
        has, and at most so many bytes.  A window that is larger (a source that holds many blocks)
        is computed while the one before it is consumed, and one that costs less than a hand-over
        to the pool when it is asked for.

    Raises
    ------
    BlockError
        If a block cannot be computed, after all blocks before it were handed over.

    Notes
    -----
    When the context is left, however it is left, waiting work is cancelled and running work ends
    with its current task.
    """
    blocks = planned.blocks
    watch = (
        Watch(cull(blocks.graph, [k for b in blocks.keys for k in b])) if Callback.active else None
    )
    ahead = Ahead(scheduler, budget, watch)
    failed = True
    try:
        yield _hand_over(planned, ahead)
        failed = False
    finally:
        ahead.close()
        if watch is not None:
            watch.finish(failed)


def _hand_over(planned: Plan, ahead: Ahead) -> Iterator[tuple[int, Block]]:
    blocks, numbers = planned.blocks, planned.blocks.numbers
    waiting = deque(planned.windows)
    ahead.fill(waiting, blocks)
    while ahead.running:
        window, result = ahead.next(blocks)
        values = dict(result)
        result.clear()  # the future holds it, too
        last: dict[Key, int] = {}
        if len(window.blocks) > 1:  # most have one
            last = {key: position for position in window.blocks for key in blocks.keys[position]}
        for position in window.blocks:
            keys = blocks.keys[position]
            if FAILURE in values and not all(key in values for key in keys):
                ahead.fail(blocks, [position], values[FAILURE])
            block = blocks.as_dict([values[key] for key in keys])
            if not ahead.size and not blocks.n_bytes(position):
                ahead.size = n_bytes(block)
            for key in keys:  # let go when no later block of the window is the same value
                if last.get(key, position) == position:
                    values.pop(key, None)
            ahead.hand_over(window, position)
            ahead.fill(waiting, blocks)
            yield numbers[position], block
            del block
