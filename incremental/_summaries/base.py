"""What it takes to learn from summaries of blocks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dask.config


class Summaries(ABC):
    """How one kind of estimator learns from summaries of blocks.

    A summary is small, can be pickled, and holds all that the estimator has to know of the rows
    that it was made of::

        summary of block 0 --.
                              merge --.
        summary of block 1 --'         merge --> check_size, fit
        summary of block 2 ------------'

    None of the methods but `fit` changes an estimator, and none of them a summary.
    """

    def refusal(self, estimator: Any) -> str | None:
        """Say why the parameters of an estimator cannot be learned so, and what to do instead."""
        return None

    @abstractmethod
    def block(self, estimator: Any, X: Any, y: Any = None) -> Any:
        """Return the summary of one block, which may be without rows.

        It runs where the block is computed: beside others, or in another process.
        """

    @abstractmethod
    def merge(self, estimator: Any, first: Any, second: Any) -> Any:
        """Return the summary of the rows of `first`, followed by those of `second`.

        Associative, up to the rounding of floats.
        """

    @abstractmethod
    def fit(self, estimator: Any, summary: Any) -> None:
        """Give the estimator what its own ``fit`` on all rows would have given it, in place."""

    def check_size(self, estimator: Any, summary: Any) -> None:  # noqa: B027
        """Refuse a summary that has grown beyond the limit.

        Raises
        ------
        ValueError
            If it has; names the column, the count and the limit.
        """


@contextmanager
def parameters(estimator: Any, **params: Any) -> Iterator[None]:
    """Let an estimator have other parameters for a while."""
    before = {name: getattr(estimator, name) for name in params}
    try:
        estimator.set_params(**params)
        yield
    finally:
        estimator.set_params(**before)


#: Different values that a summary keeps, at most; a string takes about 100 bytes.
MOST_VALUES = 2_000_000


def most_values() -> int:
    """Return how many different values a summary keeps at most, which can be configured."""
    return dask.config.get("incremental.most-values", MOST_VALUES)


RAISE_THE_LIMIT = 'If memory allows for more, dask.config.set({"incremental.most-values": ...}).'
