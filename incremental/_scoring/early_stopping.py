"""Early stopping: a score after each pass, and the model of the best one."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

from incremental._compat import metric_of
from incremental._data.blocks import Blocks, make_blocks
from incremental._engines.base import Engine, Prefetch
from incremental._learning.classes import accepts
from incremental._planning.plan import Plan
from incremental._scoring.score import NoRows, check, score
from incremental._scoring.scorers import find_scorer
from incremental._scoring.wrapper import handed_on
from incremental.exceptions import BlockError, shorten

#: What the data to validate on are called in errors.
GIVEN = "the data to validate on (X_val, y_val, sample_weight_val)"
HELD_OUT = "the blocks of X that early_stopping holds out"


def check_scorer(wrapper: Any, has_y: bool) -> Any:
    """Return the one scorer that decides, or None for the score of the estimator itself.

    Parameters
    ----------
    wrapper : Incremental
        Whose ``estimator`` is to be trained.
    has_y : bool
        Whether there is a y to validate on.

    Raises
    ------
    ValueError
        If there is none, or if there are several, or none without a y.
    AttributeError
        If the estimator does not have the method that the scorer asks for.
    NotImplementedError
        If blocks cannot be scored.
    """
    estimator, scoring = wrapper.estimator, wrapper.scoring
    if scoring is None:
        if not hasattr(estimator, "score"):
            raise ValueError(
                f"early_stopping=True needs a score, and {type(estimator).__name__} has none. Pass "
                "scoring."
            )
    elif not isinstance(scoring, str) and not callable(scoring):
        raise ValueError(
            f"early_stopping=True needs one score to decide by. Got scoring={shorten(scoring)} "
            "instead; pass the name of one, or a callable."
        )
    scorer = None if scoring is None else find_scorer(wrapper, scoring)
    # Not the wrapper: what it has learned before may be another model.
    check(estimator, scorer, has_y)
    return scorer


def make_blocks_of(blocks: Blocks, X: Any, y: Any, sample_weight: Any) -> Blocks | None:
    """Return the blocks of the data to validate on; None if some of `blocks` are to be held out.

    Raises
    ------
    ValueError
        If their numbers of rows or blocks differ, or if there is only one block with rows to learn
        from and to hold out.
    """
    if X is not None:
        rows = {} if sample_weight is None else {"sample_weight": sample_weight}
        try:
            return make_blocks(X, y, rows)
        except (TypeError, ValueError) as error:
            raise type(error)(f"In {GIVEN}: {error}") from None
    n_blocks = len(_with_rows(blocks))
    if n_blocks < 2:
        raise ValueError(
            "early_stopping=True holds out whole blocks, so that X must have at least 2. Got "
            f"{n_blocks} instead; cut X into more (rechunk, repartition, dask.array.from_array for "
            "data in memory), or pass X_val and y_val."
        )
    return None


def hold_out(planned: Plan, fraction: float, seed: int) -> tuple[Plan, Plan]:
    """Return plans of the blocks to learn from and of those to validate on.

    Blocks that are known to be empty are neither.
    """
    some = _with_rows(planned.blocks)
    if len(some) < len(planned.blocks):
        planned = Plan(planned.blocks.take(some))
    # Apart from the seeds of the passes, [seed, pass], and of the blocks in them.
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    learned, held_out = planned.held_out(fraction, rng)
    names = [n for n in planned.blocks.names if n in ("X", "y", "sample_weight")]
    blocks = planned.blocks
    return Plan(blocks.take(learned)), Plan(blocks.only(*names).take(held_out))


def _with_rows(blocks: Blocks) -> list[int]:
    """Return the positions of the blocks that may have rows."""
    return [i for i, n in enumerate(blocks.lengths) if n != 0]


class Validation:
    """Scores a model after each pass, keeps the best, and says when to stop.

    Parameters
    ----------
    planned : Plan
        The blocks to validate on.
    scorer : callable or None
        None is the score of the model.
    engine, prefetch
        As for :func:`incremental._engines.base.Engine.stream`.
    tol : float
        A score is a rise if it is above the best one by more than this.
    n_iter_no_change : int
        Stop after so many passes without a rise.
    name : str
        What the blocks are called in errors: `GIVEN` or `HELD_OUT`.

    Attributes
    ----------
    scores : list of float
        One for each pass.
    n_samples : list of int
        Rows that were learned until each score.
    best_score : float
        The highest of the scores; NaN if all are.
    best_model : estimator or None
        A copy of the model with the highest score; None if every score is NaN.
    """

    def __init__(
        self,
        planned: Plan,
        scorer: Any,
        engine: Engine,
        prefetch: Prefetch,
        tol: float,
        n_iter_no_change: int,
        name: str,
    ):
        self._planned = planned
        self._scorer = scorer
        self._engine = engine
        self._prefetch = prefetch
        self._tol = tol
        self._n_iter_no_change = n_iter_no_change
        self._name = name
        #: How many passes there were since the last rise.
        self._n_without_rise = 0
        self.scores: list[float] = []
        self.n_samples: list[int] = []
        self.best_score = np.nan
        self.best_model: Any = None

    def after_pass(self, model: Any, n_samples: int) -> bool:
        """Score the model; return whether to stop."""
        found = self._score(model)
        self.scores.append(found)
        self.n_samples.append(n_samples)
        best = -math.inf if math.isnan(self.best_score) else self.best_score
        rises = found > best + self._tol  # NaN does not
        self._n_without_rise = 0 if rises else self._n_without_rise + 1
        if found > best or (self.best_model is None and not math.isnan(found)):
            self.best_score, self.best_model = found, copy.deepcopy(model)
        return self._n_without_rise >= self._n_iter_no_change

    def planned_for(self, model: Any) -> Plan:
        """Return the blocks to validate on, with the values that the score looks at."""
        planned = self._planned
        models, scorer = handed_on(model, self._scorer)
        asked = models[-1].score if scorer is None else metric_of(scorer)
        if "sample_weight" in planned.blocks.names and not accepts(asked, "sample_weight"):
            names = [name for name in planned.blocks.names if name != "sample_weight"]
            planned = Plan(planned.blocks.only(*names))
        return planned

    def _score(self, model: Any) -> float:
        planned = self.planned_for(model)
        _, scorer = handed_on(model, self._scorer)
        try:
            return score(model, scorer, planned, self._engine, self._prefetch, {})
        except BlockError as error:
            # Its number is not that of a block to go on with.
            where = f"After pass {len(self.scores) + 1}, in {self._name}"
            raise BlockError(f"{where}: {error}", error.block) from error.__cause__
        except NoRows:
            numbers = list(planned.blocks.numbers)
            raise ValueError(
                f"One block at least must have rows in {self._name}. Got only empty ones instead, "
                f"{shorten(numbers)}, after pass {len(self.scores) + 1}; pass others as X_val and "
                "y_val, or hold out others or more (random_state, validation_fraction)."
            ) from None
