"""The errors that `incremental` raises of its own."""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Any


class BlockError(RuntimeError):
    """A block could not be computed, or not be learned.

    The original error is its ``__cause__``.  Read more in :doc:`/guide/failures`.

    Parameters
    ----------
    message : str
        What happened.
    block : int
        The position of the block in X, counted from 0.  All blocks that come before it in the
        order of the pass were learned.

    Attributes
    ----------
    block : int
        The position of the block.

    See Also
    --------
    Incremental : Raises it.

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
        return str(self.args[0])

    def __reduce__(self) -> Any:
        # Between processes, an exception would lose its cause.
        return _with_cause, (type(self), self.args, self.__cause__)


def _with_cause(
    kind: type[BlockError], args: tuple[Any, ...], cause: BaseException | None
) -> BlockError:
    error = kind(*args)
    error.__cause__ = cause
    return error


#: What the text of an error says of a block before it says why.
NOT_COMPUTED = "could not be computed"

#: Characters of somebody else's text in a message, at most: an encoder lists all that it misses.
N_CHARACTERS = 1_000


def describe(error: BaseException) -> str:
    """Return the type and the text of an error; of a long text its beginning and its end.

    Examples
    --------
    >>> describe(ValueError("too large"))
    'ValueError: too large'
    >>> len(describe(ValueError("x" * 1_000_000)))
    1017
    """
    try:
        text = shorten_text(str(error), N_CHARACTERS)
    except Exception:  # that of somebody else
        text = ""
    if isinstance(error, BrokenProcessPool):
        text += (
            ' Processes end so without memory, or in a script without if __name__ == "__main__": '
            "around what it does."
        )
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def shorten_text(text: str, n: int) -> str:
    """Return `text`, or its beginning and its end if it has more than `n` characters.

    Examples
    --------
    >>> shorten_text("abcdefgh", 4)
    'ab ... gh'
    """
    return text if len(text) <= n else f"{text[: n // 2]} ... {text[len(text) - n // 2 :]}"


def shorten(values: Any, n: int = 10) -> str:
    """Return how a message shows values: whatever they are, it is short.

    Parameters
    ----------
    values : object
        Of a list, tuple, set or array the first `n` are shown, and how many there are.
    n : int, default=10
        How many are shown.

    Examples
    --------
    >>> shorten([0, 1]), shorten(range(100_000), 3), shorten([[0, 1], ["a"]])
    ('[0, 1]', '[0, 1, 2, ... (100,000 in all)]', "[[0, 1], ['a']]")
    >>> shorten("a" * 1_000)[:5], len(shorten("a" * 1_000))
    ("'aaaa", 105)
    """
    if hasattr(values, "tolist") and getattr(values, "ndim", False):
        first = values[:n].tolist()
    elif isinstance(values, (list, tuple, set, frozenset, range)):
        first = list(islice(values, n))
    else:
        return shorten_text(repr(values), 100)
    rest = [f"... ({len(values):,} in all)"] if len(values) > n else []
    return f"[{', '.join([*(shorten(value, n) for value in first), *rest])}]"
