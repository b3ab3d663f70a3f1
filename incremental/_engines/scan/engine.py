"""The engine of a fit that meets others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from dask.typing import Key

from incremental._data.values import Block
from incremental._engines.local.engine import LearningHere
from incremental._engines.local.schedulers import open_scheduler
from incremental._engines.local.stream import stream
from incremental._engines.scan.requests import Get, Stream, Values
from incremental._engines.scan.tasks import Task
from incremental._planning.plan import Plan
from incremental._planning.windows import Graph


class ScanEngine(LearningHere):
    """Computes what it is asked for together with the other tasks of a session.

    Parameters
    ----------
    task : Task
        Who asks.
    scheduler : callable
        The scheduler of dask's that would compute the data alone.
    """

    def __init__(self, task: Task, scheduler: Get):
        self._task = task
        self._scheduler = scheduler

    def get(self, graph: Graph, keys: Sequence[Key]) -> Sequence[Any]:
        if self._task.is_alone:
            with open_scheduler(self._scheduler) as scheduler:
                return scheduler.get(graph, keys)
        return Values(self._task, self._scheduler, graph, keys).result()

    @contextmanager
    def stream(
        self, planned: Plan, *, prefetch: int | None = None
    ) -> Iterator[Iterator[tuple[int, Block]]]:
        if self._task.is_alone:  # it has a stream already
            with (
                open_scheduler(self._scheduler) as scheduler,
                stream(planned, scheduler, prefetch=prefetch) as computed,
            ):
                yield computed
            return
        request = Stream(self._task, self._scheduler, planned, prefetch)

        def blocks() -> Iterator[tuple[int, Block]]:
            for position, number in enumerate(planned.blocks.numbers):
                block = request.next(position)
                assert block is not None
                yield number, block
                del block

        try:
            # Nobody has the next block before this task has learned the one that it has.
            with self._task.alone():
                yield blocks()
        finally:
            request.close()
