"""What can go wrong on a cluster: clients that close, workers that go, blocks that fail."""

from __future__ import annotations

from collections.abc import Iterable

import dask
import distributed

from incremental.exceptions import BlockError, describe


def check_open(client: distributed.Client, cause: Exception | None = None) -> None:
    """Refuse a client that was closed.

    Raises
    ------
    ConnectionError
        If it was.
    """
    if client.status in ("closing", "closed"):
        raise ConnectionError(
            "The client must stay open, and its scheduler must run, until all blocks are done. "
            "It was closed; a model has learned what it had at the end of a window. Go on with "
            "partial_fit and a new client."
        ) from cause


class Lost(Exception):
    """The cluster has lost what it cannot compute again."""


class FailedTogether(Lost):
    """One of several blocks that one task learns has failed, or all take too long."""

    def __init__(self, positions: range):
        super().__init__(positions)
        self.positions = positions


class Failed(Exception):
    """A block could not be computed or learned."""

    def __init__(self, position: int, error: BaseException):
        super().__init__(position, error)
        self.position = position
        self.error = error

    def as_block_error(self, number: int) -> BlockError:
        """Return what is raised for the block of this number."""
        if isinstance(self.error, BlockError):
            return self.error
        error = BlockError(f"Block {number} could not be computed: {describe(self.error)}", number)
        error.__cause__ = self.error
        return error


class Losses:
    """Counts losses without progress, so that a block that kills its workers is given up."""

    def __init__(self):
        self._n_times = self._furthest = 0

    def limit(self, limit: int, position: int) -> int:
        """Return how many blocks to have under way at once, with those before `position` done."""
        # Alone until all are done that were under way when the last one was lost.
        return limit if self._n_times < 2 or position > self._furthest + limit else 1

    def add(self, position: int) -> None:
        """Take note of a loss after all blocks before `position` were done."""
        self._n_times = 1 if position > self._furthest else self._n_times + 1
        self._furthest = max(position, self._furthest)
        # Those that dask allows each task, and one to find out which block it is.
        if self._n_times > 1 + dask.config.get("distributed.scheduler.allowed-failures", 3):
            raise Failed(
                position,
                RuntimeError(
                    f"{self._n_times} times in a row, the cluster lost its worker, or values that "
                    "are not computed from anything (scattered, or persisted by a client that has "
                    "gone)"
                ),
            )


def release(futures: Iterable[distributed.Future]) -> None:
    for future in futures:
        future.release()


def limit_of(prefetch: int) -> int:
    return prefetch + 1 if prefetch else 1
