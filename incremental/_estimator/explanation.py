"""What a fit would read, as text and as a table."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

from dask.utils import format_bytes


class Pass(NamedTuple):
    """One pass over blocks, or one value that is computed before."""

    #: What takes place: "find the labels of y", "train scaler", "pass of SGDClassifier", ...
    what: str
    #: How many tasks read: those that need nothing but what is in memory.
    reads: int


@dataclass(frozen=True)
class Explanation:
    """What `Incremental.fit` would do, found without reading anything.

    Attributes
    ----------
    model : str
        What is trained.
    n_blocks : int
        How many blocks X has.
    n_rows : int or None
        Rows of X; None if they are not known before.
    passes : list of Pass
        What is read, in this order: each has a name, `what`, and the number of its `reads`.  A task
        that reads something counts as one: a chunk of a file, a partition, a ``Delayed`` without
        arguments.  With early stopping all passes are named that there may be.
    block_bytes : int or None
        Bytes of the largest block of X; None if they are not known before.
    bytes_ahead : int or None
        The most bytes that wait or are being computed while a block is learned; None if neither
        the size of the blocks nor the free memory is known.
    prefetch : int
        The most blocks that do.
    scheduler : str
        What computes the blocks.
    workers : int
        How many it computes at once.
    warnings : list of str
        What is likely to be slow, to need much memory or to be learned badly.
    """

    model: str
    n_blocks: int
    n_rows: int | None
    passes: list[Pass]
    block_bytes: int | None
    bytes_ahead: int | None
    prefetch: int
    scheduler: str
    workers: int
    warnings: list[str]

    @property
    def reads(self) -> int:
        """All reads together."""
        return sum(one.reads for one in self.passes)

    def _settings(self) -> dict[str, str]:
        size, ahead = (
            unknown if n is None else format_bytes(n)
            for n, unknown in (
                (self.block_bytes, "not known before"),
                (self.bytes_ahead, "of unknown size"),
            )
        )
        rows = "not known before" if self.n_rows is None else f"{self.n_rows:,}"
        return {
            "Blocks": f"{self.n_blocks:,}",
            "Rows": rows,
            "Largest block of X": size,
            "Ahead of the model": f"at most {self.prefetch} blocks ({ahead})",
            "Scheduler": f"{self.scheduler}, {self.workers} at once",
        }

    def _passes(self) -> list[str]:
        return [
            f"{n} x {one.what}: {one.reads:,} reads each"
            if n > 1
            else f"{one.what}: {one.reads:,} reads"
            for one, n in Counter(self.passes).items()
        ]

    def __str__(self) -> str:
        lines = [f"{name}: {value}" for name, value in self._settings().items()]
        lines += [f"- {one}" for one in self._passes()]
        lines += [f"Warning: {one}" for one in self.warnings]
        return "\n".join([f"fit of {self.model}", *lines])

    def _repr_html_(self) -> str:
        """Return a table for notebooks."""
        cells = {**self._settings(), "Reads": self._passes(), "Warnings": self.warnings}
        rows = []
        for name, value in cells.items():
            lines = [value] if isinstance(value, str) else value
            if lines:
                text = "<br>".join(map(escape, lines))
                rows.append(f'<tr><th>{name}</th><td style="text-align: left">{text}</td></tr>')
        title = f"<caption>fit of {escape(self.model)}</caption>"
        return f"<table>{title}<tbody>{''.join(rows)}</tbody></table>"


def bytes_ahead(block_bytes: int | None, n_blocks: int, n_bytes: float) -> int | None:
    """Return the most bytes that are ahead of the model.

    Examples
    --------
    >>> bytes_ahead(10, 4, 100), bytes_ahead(50, 4, 100), bytes_ahead(None, 4, math.inf)
    (40, 100, None)

    A block that is larger than what may be ahead is ahead alone:

    >>> bytes_ahead(500, 4, 100), bytes_ahead(500, 0, 100)
    (500, 0)
    """
    if n_blocks == 0:
        return 0
    if block_bytes is not None:
        return int(max(block_bytes, min(block_bytes * n_blocks, n_bytes)))
    return int(n_bytes) if math.isfinite(n_bytes) else None
