"""Scores of data in blocks: each block is read once, where it is computed, and only sums or
predictions of it are kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from sklearn import config_context, get_config
from sklearn.pipeline import Pipeline

from incremental._compat import num_samples
from incremental._engines.base import Engine, Prefetch
from incremental._learning.block_checks import check_block
from incremental._learning.classes import needs_y
from incremental._pipelines.routes import through
from incremental._planning.plan import Plan
from incremental._scoring.predictions import (
    RESPONSES,
    Unseen,
    answering,
    gather,
    methods_for,
    respond,
)
from incremental._scoring.scorers import check_needs
from incremental._scoring.sums import SUMS
from incremental._scoring.wrapper import handed_on
from incremental.exceptions import BlockError, describe


class Question(NamedTuple):
    """What is asked of each block."""

    model: Any
    #: How the values of a block are called.
    names: tuple[str, ...]
    #: Given the model and the values of a block by name: its answer.
    answer: Callable[..., Any]
    #: Parameters of `answer` that are the same for all blocks.
    params: dict[str, Any]
    #: scikit-learn keeps its configuration for each thread.
    config: dict[str, Any]


class NoRows(ValueError):
    """There is nothing to score."""


def score(
    model: Any, scorer: Any, planned: Plan, engine: Engine, prefetch: Prefetch, params: dict
) -> Any:
    """Return the score of a fitted model on blocks.

    Parameters
    ----------
    model : estimator
        The fitted model.
    scorer : callable or None
        As from :func:`sklearn.metrics.check_scoring`; None is the model's own score.
    planned : Plan
        The blocks; everything but "X" and "y" has a value for each row.
    engine : Engine
        Where they are computed.
    prefetch : int, str or None
        As for :func:`incremental._engines.base.Engine.stream`.
    params : dict
        Parameters of the score that are the same for all blocks.

    Returns
    -------
    score : float or dict
        The accuracy and R^2 that scikit-learn gives its estimators, and the inertia of its
        k-means, are put together from sums; for any other score, the predictions of all blocks are
        gathered, and it is asked once.

    Raises
    ------
    BlockError
        If a block cannot be computed or scored.
    NoRows
        If every block is empty.
    NotImplementedError
        If the score looks at X.
    """
    rows = [name for name in planned.blocks.names if name not in ("X", "y")]
    models, scorer = handed_on(model, scorer)
    for outer in models:
        if isinstance(outer, Pipeline):
            planned = through(planned, outer, rows)
    model = models[-1]
    own = None if scorer is not None else _own(model)
    if own in SUMS and {*rows, *params} <= {"sample_weight"}:
        answer, merge = SUMS[own]
        return merge(_answers(model, answer, params, planned, engine, prefetch))
    answer = partial(respond, methods_for(model, scorer))
    gathered = gather(_answers(model, answer, {}, planned, engine, prefetch))
    y = gathered.pop("y", None)
    weights = {name: gathered.pop(name) for name in rows}
    some = y if y is not None else next(iter(gathered.values()), ())
    X = Unseen(num_samples(some), _looks_at_X(model, scorer))
    answers = answering(model, X, gathered)
    ask = answers.score if scorer is None else partial(scorer, answers)
    return ask(X, y, **weights, **params)


def check(model: Any, scorer: Any, has_y: bool, in_blocks: bool = True) -> None:
    """Refuse a score that cannot be, before anything is read.

    Parameters
    ----------
    model : estimator
        Fitted or not.
    scorer : callable or None
        As for `score`.
    has_y : bool
        Whether predictions can be compared to a y.
    in_blocks : bool, default=True
        Whether X is in blocks, which no score sees.

    Raises
    ------
    ValueError
        If it needs a y that there is not.
    AttributeError
        If the model does not have the method that the scorer asks for.
    NotImplementedError
        If it has nothing but X in blocks to go by.
    """
    models, scorer = handed_on(model, scorer)
    model = models[-1]
    if scorer is not None:
        check_needs(model, scorer, has_y)
    elif not has_y and needs_y(model):
        raise ValueError(
            f"The score of {type(model).__name__} requires y to be passed, but the target y is "
            "None. Pass y."
        )
    # Without a y there is nothing to compare predictions to.
    names = RESPONSES if has_y else ("score_samples",)
    by_predictions = any(hasattr(model, name) for name in names)
    if in_blocks and scorer is None and not by_predictions and _own(model) not in SUMS:
        raise NotImplementedError(_looks_at_X(model, scorer))


def _own(model: Any) -> Any:
    """Return the score that the class of a model has."""
    return getattr(type(model), "score", None)


def _looks_at_X(model: Any, scorer: Any) -> str:
    remedy = "Pass" if scorer is None else "Give it predictions only, pass another"
    what = f"{type(model).__name__}.score" if scorer is None else f"The scoring {scorer!r}"
    return (
        f"{what} must go by predictions, for of blocks nothing else is put together. It looks at X "
        f"instead. {remedy} scoring=..., or score data in memory: "
        "estimator_.score(X[:10_000].compute())."
    )


def _answers(
    model: Any,
    answer: Callable[..., Any],
    params: dict[str, Any],
    planned: Plan,
    engine: Engine,
    prefetch: Prefetch,
) -> list[Any]:
    """Ask every block with rows; each is read once and let go."""
    question = Question(model, planned.blocks.names, answer, params, get_config())
    label = f"score-{type(model).__name__}"
    asked = planned.blocks.map("answer", _ask, question, label=label)
    with engine.stream(Plan(asked), prefetch=prefetch) as computed:
        found = [block["answer"] for _, block in computed]
    found = [one for one in found if one is not None]
    if not found:
        raise NoRows(
            "Found array with 0 sample(s): every block of X is empty while a minimum of 1 is "
            "required."
        )
    return found


def _ask(question: Question, number: int, *values: Any) -> Any:
    block = dict(zip(question.names, values, strict=True))
    if check_block(number, block) == 0:
        return None
    try:
        with config_context(**question.config):
            return question.answer(question.model, **block, **question.params)
    except Exception as error:
        raise BlockError(
            f"Block {number} could not be scored: {describe(error)}", number
        ) from error
