"""The engine of a fit that meets others."""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from dask.task_spec import GraphNode
from dask.typing import Key

from incremental._compat import is_store
from incremental._data.blocks import Blocks
from incremental._data.graphs import Graph
from incremental._data.values import Block
from incremental._engines.base import Prefetch
from incremental._engines.budget import Budget
from incremental._engines.local.engine import LearningHere
from incremental._engines.local.schedulers import open_scheduler
from incremental._engines.local.stream import stream
from incremental._engines.scan.requests import Get, Stream, Values
from incremental._engines.scan.tasks import Task
from incremental._planning.plan import Plan


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

    def make_store(self, task: GraphNode) -> Any:
        return pickle.loads(pickle.dumps(task))({})  # a copy writes all to the file at once

    @property
    def workers(self) -> int:
        with open_scheduler(self._scheduler) as scheduler:
            return scheduler.workers

    def budget(self, prefetch: Prefetch) -> Budget:
        with open_scheduler(self._scheduler) as scheduler:
            return scheduler.budget(prefetch)

    def prepare(self, blocks: Blocks) -> Blocks:
        # A file through which rows are shuffled is written once; who comes later must not write to
        # it again, and so each fit has one of its own.
        return _apart(blocks) if any(map(is_store, blocks.graph)) else blocks

    @contextmanager
    def stream(
        self, planned: Plan, *, prefetch: Prefetch = None
    ) -> Iterator[Iterator[tuple[int, Block]]]:
        if self._task.is_alone:  # it has a stream already
            with (
                open_scheduler(self._scheduler) as scheduler,
                stream(planned, scheduler, scheduler.budget(prefetch)) as computed,
            ):
                yield computed
            return
        request = Stream(self._task, self._scheduler, planned, prefetch)

        def blocks() -> Iterator[tuple[int, Block]]:
            for position, number in enumerate(planned.blocks.numbers):
                block = request.next(position)
                yield number, block
                del block

        try:
            # Nobody has the next block before this task has learned the one that it has.
            with self._task.alone():
                yield blocks()
        finally:
            request.close()


def _apart(blocks: Blocks) -> Blocks:
    """Return the same blocks under keys that no other graph has."""
    token = uuid.uuid4().hex
    names: dict[Key, Key] = {}
    for key in blocks.graph:
        head = key[0] if isinstance(key, tuple) else key
        new = f"{head}-{token}" if isinstance(head, str) else f"{token}-{head!r}"
        names[key] = (new, *key[1:]) if isinstance(key, tuple) else new
    graph = {
        names[key]: task.substitute({d: names.get(d, d) for d in task.dependencies}, key=names[key])
        for key, task in blocks.graph.items()
    }
    keys = [tuple(names.get(key, key) for key in block) for block in blocks.keys]
    return replace(blocks, graph=graph, keys=keys)
