"""How long values stay on the cluster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import distributed

from incremental._engines.cluster.losses import release
from incremental._planning.windows import Window


class Held:
    """Values on the cluster that are held for as long as somebody needs them.

    Parameters
    ----------
    windows : sequence of Window
        Those that are computed; their users are counted.
    """

    def __init__(self, windows: Sequence[Window]):
        #: How many windows that are not done take values from each window.
        self._users = Counter(
            lender for window in windows for lender in set(window.inputs.values())
        )
        #: The values of each window that its blocks, or its users, need.
        self._of_window: dict[Window, list[distributed.Future]] = {}
        #: What all windows need.
        self._of_all: list[distributed.Future] = []

    def for_all(self, future: distributed.Future) -> None:
        """Hold a value until the end."""
        self._of_all.append(future)

    def for_window(self, window: Window, future: distributed.Future) -> None:
        """Hold a value until a window is done, or all those that take values from it."""
        self._of_window.setdefault(window, []).append(future)

    def done(self, window: Window) -> None:
        """Let go of what a window has needed, and of what it was the last one to take."""
        release(self._of_window.pop(window, ()))
        for lender in set(window.inputs.values()):
            self._users[lender] -= 1
            if not self._users[lender]:
                self.done(lender)

    def close(self) -> None:
        """Let go of everything."""
        release(self._of_all)
        for futures in self._of_window.values():
            release(futures)
        self._of_all.clear()
        self._of_window.clear()
