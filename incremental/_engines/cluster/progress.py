"""What the client knows of a pass."""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from incremental._engines.cluster.losses import Failed
from incremental._engines.cluster.tasks import Checkpoint


@dataclass
class Progress:
    """What the client knows of a pass, whatever chains are lost; changed by its methods only.

    ::

        blocks   0   1   2   3   4   5   6   7   8   9  10
                 |-- learner has --|                          `position` is 4
                             waiting                          `resume` is 3: its rows are needed
                 |--- the caller was told ----|               `n_told` is 7
                                     checkpoint               `checkpoints` has 7
    """

    #: Trains the estimator of the caller; is brought up to date at a checkpoint of what was told.
    learner: Any
    #: What the blocks are called.
    numbers: Sequence[int]
    #: The position behind the last block to learn.
    stop: int
    #: The bytes of the largest block that is known; 0 if none is.
    largest: int = 0
    #: The last block that `learner` has seen; -1 if none.
    position: int = -1
    #: The block that a chain starts with; before `position` + 1 if blocks wait for more rows.
    resume: int = 0
    #: The failure of one of the blocks that were learned together: the next chain learns those
    #: before it, but does not try it again.
    failure: Failed | None = None
    #: How many rows wait: `learner` has counted them, but the next chain sees them once more.
    n_waiting: int = 0
    #: How many blocks the caller knows to be learned.
    n_told: int = 0
    #: The checkpoints of blocks that the caller was not told of yet.
    checkpoints: dict[int, Checkpoint] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What a dashboard shows of the learner: the letters before the first other character."""
        return re.sub(r"[^A-Za-z-]", "", self.learner.label)

    def keep(self, position: int, checkpoint: Checkpoint) -> None:
        """Take the checkpoint of a block."""
        self.checkpoints[position] = checkpoint
        self.largest = max(self.largest, checkpoint.n_bytes)

    def tell(self, position: int) -> None:
        """Take note that the caller knows a block to be learned."""
        self.n_told = position + 1
        for at in [at for at in self.checkpoints if at <= position]:
            self.adopt(at, self.checkpoints.pop(at))

    def adopt(self, position: int, checkpoint: Checkpoint) -> None:
        """Bring the learner of the caller up to a checkpoint."""
        self.learner.model = checkpoint.model
        self.learner.n_batches = checkpoint.n_batches
        self.learner.n_rows = checkpoint.n_rows
        self.position, self.resume = position, position + 1
        self.n_waiting = checkpoint.n_waiting
        if checkpoint.waiting:  # their rows are on the cluster only: they are read again
            self.resume = position
            while self.numbers[self.resume] != checkpoint.waiting[0]:
                self.resume -= 1

    def starting(self) -> Any:
        """Return the learner that a chain starts from."""
        learner = copy(self.learner)
        learner.n_rows -= self.n_waiting  # counted once more when they are seen again
        return learner
