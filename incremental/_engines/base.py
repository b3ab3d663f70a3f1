"""What an engine does: it computes blocks and lets a model learn from them.

There is one engine for this process (`incremental._engines.local`) and one for a cluster
(`incremental._engines.cluster`); `incremental._engines.open.open_engine` alone knows which there
are.  Whoever has an engine has no need to know which one it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from dask.task_spec import GraphNode
from dask.typing import Key

from incremental._data.blocks import Blocks
from incremental._data.graphs import Graph
from incremental._data.values import Block
from incremental._engines.budget import Budget, Prefetch
from incremental._planning.plan import Plan, plan


class Turn(ABC):
    """A block whose turn it is to be learned."""

    #: What the block is called: its position in the data.
    number: int
    #: The values of the block by name: what callbacks are shown.
    data: dict[str, Any]
    #: Whether `learn` changes the model itself, so that it must not be interrupted.
    in_place: bool

    @abstractmethod
    def learn(self) -> bool:
        """Learn from the block; return False if it has no rows."""


class Engine(ABC):
    """Computes blocks, and learns from them."""

    @abstractmethod
    def get(self, graph: Graph, keys: Sequence[Key]) -> Sequence[Any]:
        """Compute the values of `keys`."""

    @abstractmethod
    def make_store(self, task: GraphNode) -> Any:
        """Make the file through which rows are shuffled.

        Raises
        ------
        ValueError
            If that is not safe where this engine computes.
        """

    @property
    @abstractmethod
    def workers(self) -> int:
        """Say how many blocks are computed at once."""

    @abstractmethod
    def budget(self, prefetch: Prefetch) -> Budget:
        """Return how much is computed ahead of the block that is learned."""

    def prepare(self, blocks: Blocks) -> Blocks:
        """Return the blocks as they are best planned here."""
        return blocks

    def plan(self, blocks: Blocks) -> Plan:
        """Cut blocks into windows, as :func:`incremental._planning.plan.plan` does."""
        return plan(self.prepare(blocks), self.get, self.make_store)

    @abstractmethod
    def stream(
        self, planned: Plan, *, prefetch: Prefetch = None
    ) -> AbstractContextManager[Iterator[tuple[int, Block]]]:
        """Return a context with an iterator over numbers and values of computed blocks.

        Parameters
        ----------
        planned : Plan
            What to compute, in this order.
        prefetch : int or str, default=None
            At most so many blocks, or bytes ("500 MB"), are computed, or being computed, ahead of
            the block that the consumer has; see `incremental._engines.budget`.

        Raises
        ------
        BlockError
            If a block cannot be computed, after all blocks before it were handed over.

        Notes
        -----
        On a cluster, the values come to the client, so that this is for what is small: labels,
        parts of scores.  When the context is left, however it is left, waiting work is cancelled
        and running work ends with its current task.
        """

    @abstractmethod
    def train(
        self, learner: Any, planned: Plan, *, prefetch: Prefetch = None, listening: bool = False
    ) -> AbstractContextManager[Iterator[Turn]]:
        """Return a context with the turns of a pass; when it is left, nothing waits to be learned.

        Parameters
        ----------
        learner : Learner
            Has learned a block when its turn's ``learn`` returns.
        planned : Plan
            The blocks, in the order to learn them in.
        prefetch : int or str, default=None
            As for `stream`.
        listening : bool, default=False
            Whether the model and the data of each block are looked at.  On a cluster, `learner` is
            brought up to date after each block then, otherwise at each checkpoint.

        Raises
        ------
        BlockError
            If a block cannot be computed or learned, after all blocks before it were learned.
        """
