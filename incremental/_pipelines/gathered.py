"""What a step gathers in a pass of summaries: merged in a tree that only the blocks decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from incremental._summaries.base import Summaries
from incremental.exceptions import BlockError, describe, shorten


@dataclass(frozen=True, eq=False)
class Summary:
    """What a block is to a step that learns from summaries; has the length of the block."""

    n_rows: int
    value: Any
    #: The number of columns of the block, and their names; None is what it does not have.
    columns: tuple[int | None, list[str] | None] = (None, None)

    def __len__(self) -> int:
        return self.n_rows


class Gathered:
    """The summaries of the blocks that a step has seen.

    They are merged like the digits of a binary counter, so that sums of floats are rounded alike
    whatever computes the blocks, and that few summaries are held::

        blocks   0   1   2   3   4       after block 4 there are two summaries:
                  \\ /     \\ /    |       of four blocks (rank 2) and of one (rank 0)
                    \\     /      |
                       .         .

    Parameters
    ----------
    name : str
        What errors call the step.
    estimator : estimator
        Has the parameters; is not changed.
    summaries : Summaries
        How it learns.

    Notes
    -----
    A copy shares the summaries, which nobody changes.  On a cluster a block whose rows wait for a
    batch of other steps is seen once more after a checkpoint; it counts once.
    """

    def __init__(self, name: str, estimator: Any, summaries: Summaries):
        self._name = name
        self.estimator = estimator
        self._summaries = summaries
        #: Ranks and summaries: a summary of rank r is that of 2 ** r blocks with rows.
        self._stack: list[tuple[int, Any]] = []
        #: The last block that was added, and the columns of all.
        self._last = -1
        self._columns: Any = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Gathered:
        other = Gathered(self._name, self.estimator, self._summaries)
        other._stack, other._last, other._columns = list(self._stack), self._last, self._columns
        return other

    def add(self, number: int, block: Summary) -> None:
        """Add the summary of a block; blocks come in the order of their numbers."""
        if number <= self._last:
            return
        self._check_columns(number, block.columns)
        rank, stack, summary = 0, list(self._stack), block.value
        try:
            while stack and stack[-1][0] == rank:
                summary = self._merge(stack.pop()[1], summary)
                rank += 1
            self._summaries.check_size(self.estimator, summary)
        except Exception as error:
            raise BlockError(
                f"The summary of block {number} could not be merged by the step {self._name}: "
                f"{describe(error)}",
                number,
            ) from error
        self._stack, self._last = [*stack, (rank, summary)], number

    def _check_columns(self, number: int, columns: tuple[int | None, list[str] | None]) -> None:
        """Refuse other columns than those before: what is summarised is known by its place."""
        if not self._stack:
            self._columns = columns
        if columns != self._columns:
            found, before = (
                f"{n or 'no'} columns without names" if names is None else shorten(names)
                for n, names in (columns, self._columns)
            )
            raise BlockError(
                f"Every block must have the same columns, in the same order, for the step "
                f"{self._name}. Got {found} in block {number}, and {before} before; select them "
                "in each block.",
                number,
            )

    def _merge(self, first: Any, second: Any) -> Any:
        return self._summaries.merge(self.estimator, first, second)

    def fit(self, estimator: Any) -> None:
        """Let an estimator learn from all that was gathered."""
        summaries = [summary for _, summary in self._stack]
        total = summaries.pop()
        while summaries:
            total = self._merge(summaries.pop(), total)
        self._summaries.fit(estimator, total)
