"""Windows wait until what is ahead of the consumer leaves them room in memory."""

from __future__ import annotations

import threading
from collections import deque

from incremental._engines.budget import Budget
from incremental._engines.execute import Stopped


class Room:
    """Lets a window be computed when what is ahead of the consumer fits into a budget with it.

    What is ahead are the windows that are computed, with the bytes that they have, and those that
    are being computed, with the bytes that they are expected to have: as many as the largest of
    those seen last, or as many as is known beforehand, if these are more.

    Parameters
    ----------
    budget : Budget
        How much there is room for.

    Notes
    -----
    Windows enter in their order: if a later one took the room of an earlier one, the earlier one
    would be beyond the budget, for the window that the consumer takes next does not wait.  So
    nobody waits for ever: threads take windows in their order, too, and those that wait here go on
    when the consumer has taken what is before them.

    Examples
    --------
    >>> room = Room(Budget(n_blocks=4, n_bytes=100, unseen=100))
    >>> room.expect(0), room.expect(1), room.expect(2, known=70)
    (None, None, None)
    >>> room.enter(0)  # may be as large as all
    >>> room.fits(1)
    False
    >>> room.fill(0, 40)
    >>> room.enter(1)
    >>> room.fits(2)
    False
    """

    def __init__(self, budget: Budget):
        self._budget = budget
        #: The windows that are to enter, in their order, and what is known of their bytes.
        self._waiting: dict[int, int] = {}
        #: The bytes of each window that is ahead, by its number.
        self._n_bytes: dict[int, float] = {}
        #: Those of the windows that were computed last, as many as may be ahead.
        self._seen: deque[int] = deque(maxlen=max(1, budget.n_blocks))
        #: The number of the window that the consumer takes next.
        self._next = 0
        #: Whether the consumer has gone.
        self._is_closed = False
        #: Told whenever there may be more room.
        self._changed = threading.Condition()

    def expect(self, number: int, known: int = 0) -> None:
        """Take note that a window is to enter, of which so many bytes are known beforehand."""
        with self._changed:
            self._waiting[number] = known

    def fits(self, number: int) -> bool:
        """Say whether it is the turn of a window to enter, and there is room for it."""
        if number != next(iter(self._waiting)):
            return False
        used = sum(self._n_bytes.values())
        return number == self._next or used + self._expected(number) <= self._budget.n_bytes

    def _expected(self, number: int) -> float:
        known = self._waiting[number]
        return max(known, *self._seen) if self._seen else known or self._budget.unseen

    def enter(self, number: int) -> None:
        """Wait until a window may be computed."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or self.fits(number))
            if self._is_closed:
                raise Stopped
            self._n_bytes[number] = self._expected(number)
            del self._waiting[number]
            self._changed.notify_all()

    def fill(self, number: int, n_bytes: int) -> None:
        """Take note of what a window has."""
        with self._changed:
            self._seen.append(n_bytes)
            self._n_bytes[number] = n_bytes
            self._changed.notify_all()

    def take(self, number: int) -> None:
        """Take note that the consumer has a window; all that it has not learned is ahead still."""
        with self._changed:
            self._next = number + 1
            self._changed.notify_all()

    def leave(self, number: int) -> None:
        """Take note that the consumer has the last block of a window."""
        with self._changed:
            self._n_bytes.pop(number, None)
            self._changed.notify_all()

    def close(self) -> None:
        """Let nobody wait."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    @property
    def largest(self) -> int:
        """Return the most bytes of a window that were seen last; 0 if there is none."""
        return max(self._seen, default=0)
