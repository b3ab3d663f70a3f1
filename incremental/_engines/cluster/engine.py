"""The engine of a ``distributed`` cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from itertools import chain
from typing import Any

import distributed
import joblib
from dask.task_spec import GraphNode
from dask.typing import Key

from incremental._compat import fused
from incremental._data.blocks import Blocks
from incremental._data.graphs import Graph
from incremental._data.values import Block
from incremental._engines.base import Engine, Prefetch, Turn
from incremental._engines.budget import Budget, make_budget
from incremental._engines.cluster.convoy import Alone
from incremental._engines.cluster.losses import check_open
from incremental._engines.cluster.stream import stream
from incremental._engines.cluster.training import turns
from incremental._planning.plan import Plan
from incremental.exceptions import BlockError


class ClusterEngine(Engine):
    """Computes blocks, and learns from them, on the workers of a client.

    Parameters
    ----------
    client : distributed.Client
        The client.
    """

    def __init__(self, client: distributed.Client):
        self.client = client

    def get(self, graph: Graph, keys: Sequence[Key]) -> Sequence[Any]:
        # One block of all values, so that it survives losses like any other.
        names = tuple(map(str, range(len(keys))))
        block = Blocks(
            graph=dict(graph),
            names=names,
            keys=[tuple(keys)],
            lengths=[None],
            numbers=[0],
            collections=[],
            promise=None,
        )
        try:
            with self.stream(Plan(block), prefetch=0) as computed:
                [(_, values)] = computed
            return [values[name] for name in names]
        except BlockError as failed:
            error = failed.__cause__ or failed
        raise error  # not within the except clause, see `Attempts.until`

    def make_store(self, task: GraphNode) -> Any:
        raise ValueError(
            "On a cluster, rows must be shuffled between workers. Got a shuffle through files, "
            "whose rows would be written twice if a worker were lost; make X and y while the "
            "client is active, set dask's option dataframe.shuffle.method to 'p2p' or 'tasks' for "
            "frames, or pass shuffle='tasks' to Bag.groupby."
        )

    @property
    def workers(self) -> int:
        return sum(worker["nthreads"] for worker in self._workers())

    def budget(self, prefetch: Prefetch) -> Budget:
        workers = self._workers()  # asked once: each question costs as much as a task
        # None if they have no limit.
        memory = sum(worker["memory_limit"] or 0 for worker in workers) or None
        return make_budget(prefetch, sum(w["nthreads"] for w in workers), lambda: memory)

    def prepare(self, blocks: Blocks) -> Blocks:
        # Each task costs the scheduler much more than it costs to fuse.
        graph = fused(blocks.graph, chain.from_iterable(blocks.keys))
        return replace(blocks, graph=graph)

    def company(self, planned: Plan) -> AbstractContextManager[Alone]:
        """Return a context with whom the blocks are shared."""
        return nullcontext(Alone())

    @contextmanager
    def stream(
        self, planned: Plan, *, prefetch: Prefetch = None
    ) -> Iterator[Iterator[tuple[int, Block]]]:
        n_ahead = self.budget(prefetch).blocks_of(planned.blocks.largest)
        with (
            self.company(planned) as company,
            stream(planned, self.client, n_ahead, company) as computed,
        ):
            yield computed

    @contextmanager
    def train(
        self, learner: Any, planned: Plan, *, prefetch: Prefetch = None, listening: bool = False
    ) -> Iterator[Iterator[Turn]]:
        budget = self.budget(prefetch)
        with (
            self.company(planned) as company,
            turns(learner, planned, self.client, budget, listening, company) as found,
        ):
            yield found

    def _workers(self) -> list[dict[str, Any]]:
        """Return what the scheduler knows of each worker."""
        check_open(self.client)
        return list(self.client.scheduler_info(n_workers=-1)["workers"].values())


@contextmanager
def open_cluster(client: distributed.Client) -> Iterator[ClusterEngine]:
    """Yield an engine; within a task, let another one have its thread meanwhile."""
    with out_of_the_way():
        yield ClusterEngine(client)


@contextmanager
def out_of_the_way() -> Iterator[None]:
    """Within a task, let another one have its thread meanwhile."""
    with ExitStack() as stack:
        try:
            distributed.secede()
        except ValueError:  # not within a task
            pass
        except KeyError:  # somebody around us, who goes on to compute, has left the threads already
            stack.enter_context(joblib.parallel_config("sequential"))
        else:
            stack.callback(distributed.rejoin)
            # joblib's dask backend leaves them, too, wherever an estimator computes in parallel.
            stack.enter_context(joblib.parallel_config("sequential"))
        yield
