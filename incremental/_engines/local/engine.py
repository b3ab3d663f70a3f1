"""The engine of this process."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from dask.task_spec import GraphNode
from dask.typing import Key

from incremental._data.graphs import Graph
from incremental._data.values import Block
from incremental._engines.base import Engine, Prefetch, Turn
from incremental._engines.budget import Budget
from incremental._engines.local.schedulers import Scheduler
from incremental._engines.local.stream import stream
from incremental._planning.plan import Plan


class LearningHere(Engine):
    """Learns in the caller's thread, from a stream of blocks."""

    @contextmanager
    def train(
        self, learner: Any, planned: Plan, *, prefetch: Prefetch = None, listening: bool = False
    ) -> Iterator[Iterator[Turn]]:
        with self.stream(planned, prefetch=prefetch) as computed:

            def turns() -> Iterator[Turn]:
                for number, block in computed:
                    turn = LocalTurn(number, block, learner)
                    del block  # not held while the next one is waited for
                    yield turn

            try:
                yield turns()
            finally:
                # Also what came before an error is learned, so that only the rest is to be done.
                learner.finish()


class LocalEngine(LearningHere):
    """Computes blocks by one of dask's local schedulers, and learns in the caller's thread.

    Parameters
    ----------
    scheduler : Scheduler
        Computes the blocks.
    """

    def __init__(self, scheduler: Scheduler):
        self._scheduler = scheduler

    def get(self, graph: Graph, keys: Sequence[Key]) -> Sequence[Any]:
        return self._scheduler.get(graph, keys)

    @property
    def workers(self) -> int:
        return self._scheduler.workers

    def budget(self, prefetch: Prefetch) -> Budget:
        return self._scheduler.budget(prefetch)

    def make_store(self, task: GraphNode) -> Any:
        # A copy writes all to the file, so that other processes see it; else it may wait in memory.
        return (task if self._scheduler.in_this_process else pickle.loads(pickle.dumps(task)))({})

    def stream(
        self, planned: Plan, *, prefetch: Prefetch = None
    ) -> AbstractContextManager[Iterator[tuple[int, Block]]]:
        return stream(planned, self._scheduler, self.budget(prefetch))


class LocalTurn(Turn):
    """A block in memory, learned in place.

    Parameters
    ----------
    number : int
        What to call the block.
    data : dict
        Its values by name.
    learner : Learner
        Learns it.
    """

    in_place = True

    def __init__(self, number: int, data: Block, learner: Any):
        self.number = number
        self.data = data
        self._learner = learner

    def learn(self) -> bool:
        data, self.data = self.data, {}
        return self._learner.learn(self.number, data)
