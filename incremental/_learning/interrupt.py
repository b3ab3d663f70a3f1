"""Ctrl-C, which waits while a block is being learned."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def whole_blocks() -> Iterator[Interrupt]:
    """Let Ctrl-C wait for the end of a step, so that no model is left with half a block.

    A second Ctrl-C comes through at once.  Outside the main thread, or where somebody else handles
    the signal, nothing is changed.
    """
    interrupt = Interrupt()
    mine = threading.current_thread() is threading.main_thread()
    if not mine or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield interrupt
        return
    interrupt.waits = True  # also while the signal itself changes hands
    try:
        signal.signal(signal.SIGINT, interrupt.on_signal)
        yield interrupt
    except KeyboardInterrupt:
        interrupt.pressed = False
        raise
    finally:
        interrupt.waits = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        interrupt.check()  # an error must not swallow it


class Interrupt:
    """Remembers that Ctrl-C was pressed while it had to wait."""

    def __init__(self):
        #: Whether Ctrl-C has to wait; changed by the contexts `deferred` and `allowed` only.
        self.waits = False
        #: Whether it was pressed, and has not been raised yet.
        self.pressed = False

    def deferred(self, wanted: bool = True) -> Deferred:
        """Let Ctrl-C wait for the end of this context; `wanted` False changes nothing.

        It is raised at the end if the context around this one lets it through, but not in the
        place of an error.
        """
        return Deferred(self, wanted)

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Let Ctrl-C through; it waits while the contexts around this one are entered and left."""
        before = self.waits
        try:
            self.waits = False
            self.check()
            yield
        finally:
            self.waits = before

    def on_signal(self, signum: int, frame: Any) -> None:
        """Raise KeyboardInterrupt, or keep it for later."""
        again, self.pressed = self.pressed, True
        if not self.waits or again:
            raise KeyboardInterrupt  # lost in a callback of the collector; the next check raises it

    def check(self) -> None:
        """Raise what had to wait."""
        if self.pressed:
            self.pressed = False
            raise KeyboardInterrupt


class Deferred:
    """A context in which Ctrl-C waits; there is one for each block, so that it has to cost little.

    Parameters
    ----------
    interrupt : Interrupt
        Remembers Ctrl-C.
    wanted : bool
        Whether it waits on account of this context.
    """

    __slots__ = ("_before", "_interrupt", "_wanted")

    def __init__(self, interrupt: Interrupt, wanted: bool):
        self._interrupt, self._wanted = interrupt, wanted

    def __enter__(self) -> None:
        self._before = self._interrupt.waits
        self._interrupt.waits = self._before or self._wanted

    def __exit__(self, error: type[BaseException] | None, *details: object) -> None:
        self._interrupt.waits = self._before
        if error is None and not self._before:
            self._interrupt.check()
