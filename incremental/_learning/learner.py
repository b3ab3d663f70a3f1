"""Learning from blocks: what one call of ``partial_fit`` gets, and when."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.pipeline import Pipeline

from incremental._compat import hands_parameters_on
from incremental._data.values import Block, n_bytes, n_rows
from incremental._learning.batches import Batches
from incremental._learning.block_checks import check_block, not_finite
from incremental._learning.label_checks import check_labels
from incremental._learning.labels import learner_in, name_rows
from incremental.exceptions import BlockError, describe


def _copy_of_what_learns(model: Any) -> Any:
    """Return a copy whose last step can learn; the steps before it no longer change."""
    if not isinstance(model, Pipeline):
        return copy.deepcopy(model)
    *before, (name, last) = model.steps
    model = copy.copy(model)
    model.steps = [*before, (name, _copy_of_what_learns(last))]
    return model


class Learner:
    """A model and all that it takes to go on training it; can be copied and pickled.

    Parameters
    ----------
    model : estimator
        Learns in place; of a pipeline the last step, from blocks that went through the others.
    seed : int
        Draws the orders that the model sees, for as long as it learns.
    classes : ndarray, list of ndarray or None
        Given to the first ``partial_fit``.
    params : dict
        Given to every ``partial_fit``.
    promise : tuple or None
        The shape (but for the rows) and the dtype of a block of X.
    batch_size : int or None
        Rows that one ``partial_fit`` gets, at most; None gives it whole blocks.
    """

    def __init__(
        self,
        model: Any,
        seed: int,
        classes: Any,
        params: dict[str, Any],
        promise: Any = None,
        batch_size: int | None = None,
    ):
        #: Learns in place; on a cluster another object after each checkpoint.
        self.model = model
        #: Draws the orders of blocks and rows, in every pass of this model.
        self.seed = seed
        #: What labels are compared to; None compares none.
        self.classes = classes
        #: Given to every ``partial_fit``, the classes among them.
        self.params = dict(params)
        if classes is not None:
            self.params["classes"] = classes
        #: What a block of X has to look like: its shape but for the rows, and its dtype.
        self.promise = promise
        #: scikit-learn keeps its configuration for each thread; for those who learn in another one.
        self.config = get_config()
        #: Calls of ``partial_fit``, and rows of blocks that were taken.
        self.n_batches = 0
        self.n_rows = 0
        #: Whether the model is not yet that of the estimator that trains it.
        self.is_new = True
        #: A row of X, to find out what the model returns.
        self.example: Any = None
        #: The numbers of the blocks that wait until there are more rows.
        self.waiting: list[int] = []
        #: Called with a number and a number of rows, gives the rows of a shuffled block.
        self.order: Callable | None = None
        #: Rows that wait until there are enough for a batch.
        self._batches = Batches(batch_size)
        #: How long a block took, and the bytes of the largest one, if the engine has measured them.
        self.seconds, self.n_bytes = float("nan"), 0
        #: Number, rows, and rows that were learned, of each block that is not learned to its end.
        self._unfinished: list[tuple[int, int, int]] = []

    def learn(self, number: int, block: Block) -> bool:
        """Learn from one block; return False if it has no rows.

        Parameters
        ----------
        number : int
            What to call the block in an error.
        block : dict
            Its values by name.

        Raises
        ------
        BlockError
            If the block is not what it has to be, or if the estimator refuses it.
        """
        n = check_block(number, block, self.promise)
        if n == 0:
            return False
        if self.classes is not None:
            check_labels(block.get("y"), self.classes, number, self.order)
        self._unfinished.append((number, n, 0))
        self._learn_batches(self._batches.add(block))
        self.n_rows += n
        self.waiting.append(number)
        del self.waiting[: len(self.waiting) - self._batches.n_blocks]
        return True

    def finish(self) -> None:
        """Learn what waits for more rows."""
        self.waiting = []
        self._learn_batches(self._batches.rest())

    @property
    def label(self) -> str:
        """Return what a dashboard calls what learns."""
        return type(learner_in(self.model)).__name__

    @property
    def n_waiting(self) -> int:
        """Return how many rows wait until there are more."""
        return self._batches.n_rows

    def copy(self) -> Learner:
        """Return a learner that shares nothing with this one but data and what never changes."""
        other = copy.copy(self)
        other.model = _copy_of_what_learns(self.model)
        other._batches = self._batches.copy()
        other.waiting, other._unfinished = list(self.waiting), list(self._unfinished)
        return other

    def __sizeof__(self) -> int:
        # dask weighs with it where to learn: to move the model or to move the block.
        return object.__sizeof__(self) + n_bytes(
            [getattr(self.model, "__dict__", {}), *self._batches.blocks()]
        )

    def _learn_batches(self, batches: list[Block]) -> None:
        for batch in batches:
            try:
                self._learn_batch(batch)
            except BaseException:
                self._batches.rest()  # what waits comes after: it is not to be learned either
                raise
            self.n_batches += 1
            self._unfinished = _without_first(self._unfinished, n_rows(batch))

    def _learn_batch(self, batch: Block) -> None:
        self._partial_fit(learner_in(self.model), batch, self.params)

    def _partial_fit(self, estimator: Any, batch: Block, params: dict[str, Any]) -> None:
        """Call ``partial_fit``; an error names the block."""
        data = {name: value for name, value in batch.items() if name != "y"}
        target = (batch["y"],) if "y" in batch else ()
        try:
            with hands_parameters_on(estimator):
                estimator.partial_fit(data.pop("X"), *target, **data, **params)
        except Exception as error:
            raise self._failed(estimator, batch, error) from error

    def _failed(self, estimator: Any, batch: Block, error: Exception) -> BlockError:
        """Return the error that names the first block that was not learned to its end."""
        n, learner = n_rows(batch), type(estimator).__name__
        number, size, learned = self._unfinished[0]
        if (size, learned) == (n, 0):
            message = f"Block {number} ({n} rows) could not be learned by {learner}"
        else:
            message = (
                f"Block {number} could not be learned by {learner} from row {learned} on, in a "
                f"batch of {n} rows"
            )
        return BlockError(f"{message}: {describe(error)}{self._where(batch, error)}", number)

    def _where(self, batch: Block, error: Exception) -> str:
        """Say in which rows the values are that the estimator complains about."""
        if not any(word in str(error) for word in ("NaN", "infinity")):
            return ""
        found = []
        for name, values in batch.items():
            bad = not_finite(values)
            for number, size, learned in self._unfinished:
                rows = bad[bad < size - learned] + learned
                if len(rows):
                    if self.order is not None:
                        rows = np.sort(self.order(number, size)[rows])
                    found.append(f"{name_rows(rows)} of {name} in block {number}")
                bad = bad[bad >= size - learned] - (size - learned)
        return f"\nNaN or infinity: {'; '.join(found)}." if found else ""


def _without_first(
    unfinished: list[tuple[int, int, int]], n_learned: int
) -> list[tuple[int, int, int]]:
    """Return the blocks that are not learned to their end after `n_learned` more rows are.

    Examples
    --------
    >>> _without_first([(0, 5, 3), (1, 5, 0), (2, 5, 0)], 4)
    [(1, 5, 2), (2, 5, 0)]
    """
    left = []
    for number, size, learned in unfinished:
        now = min(size - learned, n_learned)
        n_learned -= now
        if learned + now < size:
            left.append((number, size, learned + now))
    return left
