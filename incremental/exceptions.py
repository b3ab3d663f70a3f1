"""The errors that `incremental` raises of its own."""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool


class BlockError(RuntimeError):
    """A block could not be computed, or not be learned.

    The original error is its ``__cause__``.

    Parameters
    ----------
    message : str
        What happened.
    block : int
        The position of the block, counted from 0.  Everything before it was learned.

    Attributes
    ----------
    block : int
        The position of the block.

    Examples
    --------
    >>> from incremental import BlockError
    >>> BlockError("block 3 could not be read", 3).block
    3
    """

    def __init__(self, message: str, block: int):
        super().__init__(message, block)
        self.block = block

    def __str__(self) -> str:
        return self.args[0]

    def __reduce__(self):
        # Between processes, an exception would lose its cause.
        return _with_cause, (type(self), self.args, self.__cause__)


def _with_cause(kind: type[BlockError], args: tuple, cause: BaseException | None) -> BlockError:
    error = kind(*args)
    error.__cause__ = cause
    return error


def describe(error: BaseException) -> str:
    """Return the type and the text of an error in one line."""
    try:
        text = str(error)
    except Exception:  # that of somebody else
        text = ""
    if isinstance(error, BrokenProcessPool):
        text += (
            ' Processes end so without memory, or in a script without if __name__ == "__main__": '
            "around what it does."
        )
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
