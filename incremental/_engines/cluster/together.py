"""Which blocks one task loads and learns together.

A task costs dask some milliseconds, and a value that moves to another worker costs as much.  Where
blocks take less than that, one task loads and learns as many of them, one after the other, as take
`TOGETHER`.  A trial says how long that is: a block that is loaded by the task that learns it.  The
first block of a pass is one, which delays nothing, as there is nothing else to learn yet.
"""

from __future__ import annotations

import math
import time
from collections.abc import Container, Iterable
from itertools import islice

from dask.task_spec import DataNode
from dask.typing import Key

from incremental._data.values import n_bytes
from incremental._engines.cluster.sending import LARGE
from incremental._planning.windows import Window

#: How long one task loads and learns blocks, in seconds.
TOGETHER = 50e-3

#: If the first block of a pass does not say that blocks take little, as it may be the first for the
#: workers, too, the block at this position is asked, and then each so many times as far.
FIRST_TRIAL, TRIALS_APART = 20, 4


class Together:
    """Chooses the blocks of a chain that one task loads and learns.

    Parameters
    ----------
    start : int
        The first position of the chain.
    allowed : bool
        Whether there are any.
    kept : container of keys
        Tasks that must be known to the scheduler by their names.
    """

    def __init__(self, start: int, allowed: bool, kept: Container[Key]):
        #: The last positions of what is loaded and learned by one task.
        self.ends: set[int] = set()
        self._start = start
        self._kept = kept
        #: How many blocks the next task loads and learns; 0 if they are loaded by others, ahead.
        self._n_blocks = 0
        #: From this position on, the next block may be a trial.
        self._next_trial = start if allowed else math.inf
        self._opened = time.monotonic()

    def next(self, waiting: Iterable[Window], position: int, n_done: int) -> list[Window]:
        """Return the next windows if one task is to load and learn their blocks.

        Parameters
        ----------
        waiting : iterable of Window
            All that are not submitted.
        position : int
            Of the first block that is not submitted.
        n_done : int
            All blocks before this one are done.
        """
        found: list[Window] = []
        size = 0
        n_blocks = self._n_blocks or int(self._is_trial(position, n_done))
        for window in islice(waiting, n_blocks):
            size += sum(n_bytes(t.value) for t in window.tasks.values() if isinstance(t, DataNode))
            if size > LARGE or not self._is_alone(window):
                break
            found.append(window)
        return found if len(found) > 1 or n_blocks == 1 else []

    def add(self, end: int) -> None:
        """Take note that one task loads and learns some blocks, the last one at this position."""
        self.ends.add(end)
        self._next_trial = max(FIRST_TRIAL, end * TRIALS_APART)

    def measured(self, seconds: float) -> None:
        """Take note of how long each block has taken of those that one task has learned."""
        n_blocks = int(TOGETHER / seconds)
        self._n_blocks = n_blocks if n_blocks > 1 else 0

    def _is_trial(self, position: int, n_done: int) -> bool:
        if position < self._next_trial:
            return False
        # Nothing is loaded ahead for a trial, so it is made only where blocks come fast.
        seconds = time.monotonic() - self._opened
        return position == self._start or seconds < (n_done - self._start) * TOGETHER / 2

    def _is_alone(self, window: Window) -> bool:
        """Say whether a window is one block that shares nothing, loaded at once in any case."""
        sources = [key for key, task in window.tasks.items() if not task.dependencies]
        return (
            len(window.blocks) == 1
            and not window.inputs
            and not window.n_users
            and not any(key in self._kept for key in window.tasks)
            and len(sources) <= len(window.outputs)
        )
