"""Feeds that need the same values travel together: each value is computed once for all of them.

Each feed submits its own tasks, and holds its own futures.  What several of a convoy need has the
same key for all of them, so that dask's scheduler takes it for one task.  A shared clock keeps them
close to each other, so that such a value is needed by all at about the same time::

    visit        0     1     2     3     4     5     6      of the values that are shared
    feed A       done  done  ....  ....  ....
    feed B       done  ....  ....  ....  ....               the slowest: `front` is 1
    feed C             done  ....        ....               has no block of visits 0 and 3

    with at most 4 blocks of each feed under way, nobody submits visit 5 before B has done visit 1

Who is the first to submit a value holds it until all who need it have submitted it, too.

A convoy saves time and nothing else: a feed that has lost something leaves it, and the one that
goes on from there is alone, under keys of its own.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import distributed
from dask.typing import Key

from incremental._engines.cluster.losses import release


def _nothing() -> None:
    pass


class Alone:
    """What a feed has in common with others: nothing.

    Parameters
    ----------
    check : callable
        Called now and then; raises what ends the feed if nobody needs it any more.
    """

    #: What the keys of shared values are called on the cluster.
    names: Mapping[Key, Key] = {}

    def __init__(self, check: Callable[[], None] = _nothing):
        self.check = check
        #: Anchors that no chain has yet; changed with the lock of `join` held.
        self.anchors: list[distributed.Future] = []

    def join(self, wake: Callable[[], None]) -> AbstractContextManager:
        """Take part; `wake` is called when there is room again.  Returns a lock to submit with."""
        return nullcontext()

    def has_room(self, position: int, limit: int) -> bool:
        """Say whether the others are so far that the block at `position` may be submitted."""
        return True

    def is_there(self, name: Key) -> bool:
        """Say whether another one has submitted a shared value, and holds it."""
        return False

    def first(self, names: Iterable[Key]) -> list[Key]:
        """Return the shared values that the caller has to hold, as the first one to submit them."""
        return []

    def submitted(self, names: Iterable[Key], futures: Sequence[distributed.Future]) -> None:
        """Take note that values are submitted, and hold some of them."""

    def done(self, position: int) -> None:
        """Take note that all blocks before `position` are done."""

    def leave(self) -> None:
        """Let the others go on without the caller."""
        release(self.anchors)
        self.anchors.clear()


class Convoy:
    """Feeds that travel together; changed with its lock held.

    Parameters
    ----------
    members : sequence of Member
        Who takes part.
    """

    def __init__(self, members: Sequence[Member]):
        self.lock = threading.RLock()
        #: Those that have not left.
        self._members = set(members)
        #: How many of them have not submitted a value that is to be held.
        self._n_missing = Counter(name for member in members for name in member.missing)
        #: The values that are held.
        self._held: dict[Key, distributed.Future] = {}
        #: Anchors that no chain has yet: to send some costs as much as a task for each worker.
        self.anchors: list[distributed.Future] = []
        #: The first visit that somebody has not done.
        self.front: float = 0
        for member in members:
            member.convoy, member.anchors = self, self.anchors

    def is_held(self, name: Key) -> bool:
        return name in self._held

    def hold(self, future: distributed.Future) -> None:
        self._held[future.key] = future

    def submitted(self, names: Iterable[Key]) -> None:
        """Take note that one more member has submitted values."""
        for name in names:
            self._n_missing[name] -= 1
            if not self._n_missing[name] and name in self._held:
                release([self._held.pop(name)])

    def advance(self) -> None:
        """Move the front, and wake those who have waited for that."""
        front = min((member.visit for member in self._members), default=math.inf)
        if front > self.front:
            self.front = front
            for member in self._members:
                member.follow(front)

    def leave(self, member: Member) -> None:
        if member in self._members:
            self._members.remove(member)
            self.advance()
        if not self._members:
            release(self.anchors)
            self.anchors.clear()


class Member(Alone):
    """What a feed has in common with the others of its convoy.

    Parameters
    ----------
    names : mapping
        What the keys of shared values are called on the cluster.
    held : iterable of keys
        What those of them are called there that are to be held until all have submitted them.
    visits : sequence of int
        The visit that each block belongs to, in rising order.
    check : callable
        As for `Alone`.
    """

    convoy: Convoy

    def __init__(
        self,
        names: Mapping[Key, Key],
        held: Iterable[Key],
        visits: Sequence[int],
        check: Callable[[], None],
    ):
        super().__init__(check)
        self.names = names
        #: The values that are to be held and are not submitted by this feed.
        self.missing = set(held)
        #: The first visit that it has not done.
        self.visit: float = visits[0] if visits else math.inf
        self._visits = visits
        #: When it is woken: it submits several blocks at once, as each message costs.
        self._begins_at: float = 0
        self._wake = _nothing

    def join(self, wake: Callable[[], None]) -> AbstractContextManager:
        self._wake = wake
        return self.convoy.lock

    def follow(self, front: float) -> None:
        """Submit more if the others are far enough."""
        if 0 < self._begins_at <= front:
            self._begins_at = 0
            self._wake()

    def has_room(self, position: int, limit: int) -> bool:
        with self.convoy.lock:
            front = self.convoy.front
            if front >= self._begins_at and self._visits[position] >= front + limit:
                self._begins_at = self._visits[position] - limit + 1 + limit // 2
            return front >= self._begins_at

    def is_there(self, name: Key) -> bool:
        return self.convoy.is_held(name)

    def first(self, names: Iterable[Key]) -> list[Key]:
        return [n for n in names if n in self.missing and not self.convoy.is_held(n)]

    def submitted(self, names: Iterable[Key], futures: Sequence[distributed.Future]) -> None:
        for future in futures:
            self.convoy.hold(future)
        found = self.missing.intersection(names)
        self.missing -= found
        self.convoy.submitted(found)

    def done(self, position: int) -> None:
        with self.convoy.lock:
            self.visit = self._visits[position] if position < len(self._visits) else math.inf
            self.convoy.advance()

    def leave(self) -> None:
        with self.convoy.lock:
            self.convoy.submitted(self.missing)
            self.missing = set()
            self.convoy.leave(self)
