"""What can go wrong on a cluster: clients that close, workers that go, blocks that fail."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import dask
import distributed

from incremental.exceptions import BlockError, describe


class Lost(Exception):
    """The cluster has lost what it cannot compute again."""


class Failed(Exception):
    """A block could not be computed or learned."""

    def __init__(self, position: int, error: BaseException):
        super().__init__(position, error)  # with which it is made again in another process
        #: The position of the block in its plan.
        self.position = position
        #: Why.
        self.error = error

    def as_block_error(self, number: int) -> BlockError:
        """Return what is raised for the block of this number."""
        if isinstance(self.error, BlockError):
            return self.error
        message = f"Block {number} could not be computed: {describe(self.error)}"
        if isinstance(self.error, distributed.KilledWorker):
            message += (
                "\nA worker ends when it has no memory left, when compiled code crashes, and when "
                "a block's function calls sys.exit() or os._exit(): raise another error there. "
                "dask does not tell this block from others that the worker had at the same time."
            )
        error = BlockError(message, number)
        error.__cause__ = self.error
        return error


class Losses:
    """Counts losses without progress, so that a block that kills its workers is given up."""

    def __init__(self):
        #: So many losses came one after the other without a block that was done in between.
        self._n_times = 0
        #: All blocks before this one were done at some time.
        self._furthest = 0

    def limit(self, limit: int, position: int) -> int:
        """Return how many blocks to have under way at once, with those before `position` done."""
        # Alone until all are done that were under way when the last one was lost.
        return limit if self._n_times < 2 or position > self._furthest + limit else 1

    def add(self, position: int) -> Failed | None:
        """Take note of a loss after all blocks before `position` were done.

        Returns
        -------
        failed : Failed or None
            What to raise if it happens too often.  Nobody is blamed before the block was alone at
            least once: any of those that were under way together may be the one.
        """
        self._n_times = 1 if position > self._furthest else self._n_times + 1
        self._furthest = max(position, self._furthest)
        # Those that dask allows each task, and one to find out which block it is.
        allowed = 1 + dask.config.get("distributed.scheduler.allowed-failures", 3)
        if self._n_times <= max(2, allowed):
            return None
        return Failed(
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
            "It was closed; a model has learned what it had at the last checkpoint. Go on with "
            "partial_fit and a new client."
        ) from cause


def warn_of_silence(client: distributed.Client) -> None:
    """Warn if no worker has what the blocks ask for, so that their wait may have no end."""
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    asked = dask.get_annotations().get("resources")
    missing = [
        f"{name}={amount}"
        for name, amount in (asked.items() if isinstance(asked, dict) else ())
        if all(worker["resources"].get(name, 0) < amount for worker in workers)
    ]
    if workers and missing:  # a cluster without workers grows, or starts them again
        warnings.warn(
            f"No worker has the resources that the blocks ask for ({', '.join(missing)}). One that "
            f'has is waited for: start it with --resources "{" ".join(missing)}".',
            UserWarning,
            stacklevel=2,
        )
