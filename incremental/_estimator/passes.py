"""The passes that train the model, and what the wrapper takes over after each block."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from incremental._engines.base import Engine
from incremental._estimator.callbacks import Task
from incremental._learning.interrupt import Interrupt
from incremental._learning.learner import Learner
from incremental._learning.order import in_new_order, row_order
from incremental._pipelines.passes import NO_ROWS
from incremental._planning.plan import Plan
from incremental._scoring.early_stopping import Validation
from incremental.exceptions import BlockError


class Passes:
    """Trains the model, or the last step of a pipeline, in passes over all blocks.

    Parameters
    ----------
    wrapper : Incremental
        Is given the model as soon as it has learned a block, and after each block that it learns.
    learner : Learner
        Has the model.
    planned : Plan
        The blocks.
    engine : Engine
        Computes them, and lets the learner learn.
    interrupt : Interrupt
        Keeps Ctrl-C waiting while the model is changed.
    """

    def __init__(
        self, wrapper: Any, learner: Learner, planned: Plan, engine: Engine, interrupt: Interrupt
    ):
        self._wrapper = wrapper
        self._learner = learner
        self._planned = planned
        self._engine = engine
        self._interrupt = interrupt

    def run(self, n_passes: int, validation: Validation | None, fit_task: Task) -> None:
        """Make at most `n_passes`; `validation` says after each whether it was the last one."""
        for i in range(n_passes):
            pass_task = fit_task.begin("pass", len(self._planned.blocks))
            with errors_of(self._planned, partial(self._what_is_left, i, n_passes)):
                if not self._one_pass(pass_task):
                    raise ValueError(NO_ROWS)
            self._wrapper.n_iter_ += 1
            stop = validation is not None and self._validate(validation)
            if pass_task.end() or stop:
                break
        if validation is not None and validation.best_model is not None:
            self._wrapper.estimator_ = validation.best_model

    def _one_pass(self, task: Task) -> bool:
        """Learn from each block; return whether there was one with rows."""
        learner, n_batches = self._learner, self._learner.n_batches
        planned = self._in_order()
        train = self._engine.train(
            learner, planned, prefetch=self._wrapper.prefetch, listening=task.listens
        )
        try:
            with self._interrupt.deferred(), train as turns, self._interrupt.allowed():
                learned, complete = self._take_turns(turns, task)
        finally:
            with self._interrupt.deferred():
                take_over(self._wrapper, learner)  # also what was learned when the context was left
        if learned:
            in_one = complete and learner.n_batches - n_batches == 1
            self._wrapper._in_one_batch = in_one and not self._wrapper.shuffle
        return learned

    def _take_turns(self, turns: Iterator, task: Task) -> tuple[bool, bool]:
        """Return whether there was a block with rows, and whether all blocks had their turn."""
        learned = False
        for turn in turns:
            block_task = task.begin("block", 0, turn.data)
            with self._interrupt.deferred(turn.in_place):
                learned = turn.learn() or learned
                take_over(self._wrapper, self._learner)
            if block_task.end():
                return learned, False
        return learned, True

    def _in_order(self) -> Plan:
        """Return the blocks in the order of this pass."""
        self._learner.order = None
        if not self._wrapper.shuffle:
            return self._planned
        n_before = 0 if self._learner.is_new else self._wrapper.n_iter_
        seed = [self._learner.seed, n_before]
        self._learner.order = row_order(seed)
        return in_new_order(self._planned, self._learner.promise, seed)

    def _validate(self, validation: Validation) -> bool:
        stop = validation.after_pass(self._learner.model, self._learner.n_rows)
        self._wrapper.validation_scores_ = validation.scores
        self._wrapper.validation_n_samples_ = validation.n_samples
        self._wrapper.best_validation_score_ = validation.best_score
        return stop

    def _what_is_left(self, i: int, n_passes: int) -> str:
        """Say what `partial_fit` on the rest does not make good where a block has failed."""
        if self._learner.is_new and "estimator_" in vars(self._wrapper):
            return "The model of the fit before is unchanged: call fit."
        return "" if n_passes == 1 else f"This was pass {i + 1} of {n_passes}."


def take_over(wrapper: Any, learner: Learner) -> None:
    """Make the model of a learner that has learned something that of the wrapper."""
    if learner.n_batches:
        make_model(wrapper, learner)
        wrapper._in_one_batch = False


def make_model(wrapper: Any, learner: Learner) -> None:
    """Make the model of a learner that of the wrapper; a new one replaces all that was learned."""
    wrapper.estimator_ = learner.model  # another object after each turn, where a cluster learns
    if not learner.is_new:
        return
    learner.is_new = False
    wrapper._seed, wrapper._classes = learner.seed, learner.params.get("classes")
    wrapper._example = learner.example
    wrapper.n_iter_ = 0
    for name in ("validation_scores_", "validation_n_samples_", "best_validation_score_"):
        vars(wrapper).pop(name, None)  # those of an earlier fit


@contextmanager
def errors_of(planned: Plan, what_is_left: Callable[[], str]) -> Iterator[None]:
    """Say what is left to do where a block fails.

    Data in memory have no blocks to name: raise what the bare estimator raises.
    """
    try:
        yield
    except BlockError as error:
        if not planned.blocks.collections and error.__cause__ is not None:
            raise error.__cause__ from None
        error.args = (f"{error}\n{_add_nan(error)}{what_is_left()}".strip(), error.block)
        raise


def _add_nan(error: BlockError) -> str:
    """Say what helps where an encoder was given `categories`, but not that values are missing."""
    unknown = re.search(r"unknown categories \[(.*)\]", str(error))
    is_missing = unknown is not None and "nan" in re.findall(r"[^\s,()]+", unknown[1])
    return "Values are missing: add np.nan to categories. " if is_missing else ""
