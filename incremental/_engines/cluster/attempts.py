"""The one loop that goes on after a loss: from one feed to the next, until what is asked is there.

::

    until(found)          found(feed)? -- yes --> return it
        |                      | no
        |                 feed.process() -- an event --> ask again
        |                      |
        |                      +-- Lost: close the feed, open another one where the first began
        |                      +-- lost too often, or Failed: raise the error of the block
        |                      +-- anything else: close the feed; the error of a closed client
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

import distributed

from incremental._engines.cluster.convoy import Alone
from incremental._engines.cluster.feed import Feed
from incremental._engines.cluster.losses import Failed, Losses, Lost, check_open

F = TypeVar("F", bound=Feed)
T = TypeVar("T")


class Attempts(Generic[F]):
    """Feeds, each opened when the one before it has lost what the cluster cannot compute again.

    Parameters
    ----------
    client : distributed.Client
        Where.
    open_feed : callable
        Opens one that goes on from what the caller has: given a function that says, given how many
        blocks are done, how many may be under way, and whom it shares values with.
    numbers : sequence of int
        What the blocks are called.
    prefetch : int
        How many blocks may be under way besides the one that is waited for.
    company : Alone
        Whom the first one shares values with; each one that comes after a loss is alone.
    """

    def __init__(
        self,
        client: distributed.Client,
        open_feed: Callable[[Callable[[int], int], Alone], F],
        numbers: Sequence[int],
        prefetch: int,
        company: Alone,
    ):
        #: The position of the block that failed, if one has; none that comes after it is done.
        self.failed_at: int | None = None
        self._client = client
        self._open_feed = open_feed
        self._numbers = numbers
        self._limit = prefetch + 1
        self._company = company
        self._losses = Losses()
        #: The feed that runs; None before the first, and after each loss.
        self._feed: F | None = None

    def until(self, found: Callable[[F], T | None]) -> T:
        """Return what `found` gives as soon as it gives something, whatever is lost before.

        Raises
        ------
        BlockError
            If it is the turn of a block that failed.
        ConnectionError
            If the client was closed.
        """
        failed: Failed | None = None
        while failed is None:
            if self._feed is None:
                limit = partial(self._losses.limit, self._limit)
                self._feed = self._open_feed(limit, self._company)
            feed = self._feed
            try:
                while not (result := found(feed)):
                    feed.process()
                return result
            except Lost:
                self.close()
                self._company = Alone(self._company.check)
                failed = self._losses.add(feed.n_done)
            except Failed as error:
                failed = error
            except Exception as failure:
                # The feed may miss tasks, and would be waited for until it has them.
                self.close()
                check_open(self._client, failure)
                raise
        # Not within the except clause: the error would have `failed`, which has the error, as its
        # context, and an error that leads to itself cannot be sent to another process.
        self.failed_at = failed.position
        raise failed.as_block_error(self._numbers[failed.position])

    def close(self) -> None:
        """Let go of everything on the cluster."""
        if self._feed is not None:
            feed, self._feed = self._feed, None
            feed.close()
