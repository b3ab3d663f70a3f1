"""Scores of data in blocks: each block is read once, where it is computed, and only sums or
predictions of it are kept."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn import config_context, get_config
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.cluster import MiniBatchKMeans
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score, check_scoring, mean_squared_error
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from incremental._compat import num_samples
from incremental._data.values import concatenate, n_rows
from incremental._engines.base import Engine
from incremental._learning.block_checks import check_block
from incremental._learning.learner import last_step
from incremental._pipelines.pipeline import through
from incremental._planning.plan import Plan
from incremental._scoring.wrapper import ModelWrapper
from incremental.exceptions import BlockError, describe

RESPONSES = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "score_samples",
)


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
    model: Any, scorer: Any, planned: Plan, engine: Engine, prefetch: int | None, params: dict
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
    prefetch : int or None
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
    answer = partial(_respond, _methods(model, scorer))
    parts = _answers(model, answer, {}, planned, engine, prefetch)
    gathered = {name: _joined(name, [part[name] for part in parts]) for name in parts[0]}
    y = gathered.pop("y", None)
    weights = {name: gathered.pop(name) for name in rows}
    some = y if y is not None else next(iter(gathered.values()), ())
    X = _Unseen(num_samples(some), _looks_at_X(model, scorer))
    answers = _answering(model, X, gathered)
    ask = answers.score if scorer is None else partial(scorer, answers)
    return ask(X, y, **weights, **params)


def check(model: Any, scorer: Any, has_y: bool) -> None:
    """Refuse a score that has nothing but X to go by, before anything is read.

    Parameters
    ----------
    model : estimator
        Fitted or not.
    scorer : callable or None
        As for `score`.
    has_y : bool
        Whether predictions can be compared to a y.

    Raises
    ------
    NotImplementedError
        If it is one.
    """
    models, scorer = handed_on(model, scorer)
    model = models[-1]
    # Without a y there is nothing to compare predictions to.
    names = RESPONSES if has_y else ("score_samples",)
    by_predictions = any(hasattr(model, name) for name in names)
    if scorer is None and not by_predictions and _own(model) not in SUMS:
        raise NotImplementedError(_looks_at_X(model, scorer))


def needs_y(model: Any) -> bool:
    """Say whether the model's own score cannot do without y."""
    models, _ = handed_on(model)
    last = models[-1]
    return not isinstance(last, str) and get_tags(last).target_tags.required  # "passthrough"


def handed_on(model: Any, scorer: Any = None) -> tuple[list[Any], Any]:
    """Return the models that a score is handed on through, and the scorer that it comes to.

    The last model is the one that is scored: the last step of a pipeline, what is frozen, or what
    is trained.
    """
    models = [model]
    while True:
        if isinstance(model, Pipeline):
            model = last_step(model)
        elif isinstance(model, FrozenEstimator):
            model = model.estimator
        elif isinstance(model, ModelWrapper):
            if scorer is None and model.scoring is not None:
                scorer = check_scoring(model, model.scoring)
            model = model._model
        else:
            return models, scorer
        models.append(model)


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
    prefetch: int | None,
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


# Scores that are sums


def _hits(model: Any, X: Any, y: Any, sample_weight: Any = None) -> tuple[float, float]:
    weight = _some(sample_weight)
    hits = accuracy_score(y, model.predict(X), normalize=False, sample_weight=weight)
    if weight is not None:
        return hits, np.sum(weight)
    return (hits, n_rows({"X": X})) if sample_weight is None else (0.0, 0.0)


def _accuracy(parts: list[tuple[float, float]]) -> float:
    correct, total = zip(*parts, strict=True)
    _check_total(np.sum(total))
    return float(np.sum(correct) / np.sum(total))


def _moments(model: Any, X: Any, y: Any, sample_weight: Any = None) -> tuple[Any, ...]:
    predicted = model.predict(X)
    mean_squared_error(y, predicted, sample_weight=_some(sample_weight))  # refuses what R^2 refuses
    y, predicted = (np.asarray(v, dtype=float) for v in (y, predicted))
    y, predicted = y.reshape(len(y), -1), predicted.reshape(len(y), -1)
    weight = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    total = weight.sum()
    shift = y[0]  # so that the mean of a constant is that constant
    mean = shift + weight @ (y - shift) / total if total else shift
    return len(y), total, mean, weight @ (y - mean) ** 2, weight @ (y - predicted) ** 2


def _r2(parts: list[tuple[Any, ...]]) -> float:
    """Merge the sums of blocks.

    References
    ----------
    T. F. Chan, G. H. Golub, R. J. LeVeque: Algorithms for computing the sample variance, The
    American Statistician 37 (1983).
    """
    n_samples, total, mean, around_mean, around_prediction = parts[0]
    for n, weight, other_mean, other_around_mean, other_around_prediction in parts[1:]:
        n_samples += n
        around_prediction = around_prediction + other_around_prediction
        if weight:
            share = weight / (total + weight)
            between = (other_mean - mean) ** 2 * total * share
            around_mean = around_mean + other_around_mean + between
            mean = mean + (other_mean - mean) * share
            total += weight
    _check_total(total)
    if n_samples < 2:
        message = "R^2 score is not well-defined with less than two samples."
        warnings.warn(message, UndefinedMetricWarning, stacklevel=4)
        return float("nan")
    constant = around_mean == 0  # scikit-learn's convention: 1 if predicted exactly, else 0
    scores = np.where(constant, around_prediction == 0, 0.0)
    scores[~constant] = 1 - around_prediction[~constant] / around_mean[~constant]
    return float(np.mean(scores))


def _some(weight: Any) -> Any:
    """Return weights if there are any but 0: only all of them together must not be 0."""
    return weight if weight is None or np.any(weight) else None


def _check_total(weight: float) -> None:
    if weight == 0:  # in the words of scikit-learn
        raise ValueError("Sample weights must contain at least one non-zero number.")


def _own_score(model: Any, X: Any, **values: Any) -> float:
    return model.score(X, **values)


def _sum(parts: list[float]) -> float:
    return float(np.sum(parts))


#: What a block is asked for, and what puts the answers together, for each score that is a sum over
#: rows.  A class that has a score of its own is none of these.
SUMS: dict[Any, tuple[Callable[..., Any], Callable[[list[Any]], float]]] = {
    ClassifierMixin.score: (_hits, _accuracy),
    RegressorMixin.score: (_moments, _r2),
    MiniBatchKMeans.score: (_own_score, _sum),
}


# Scores of predictions


def _respond(methods: tuple[str, ...], model: Any, X: Any, **values: Any) -> dict[str, Any]:
    with np.errstate(divide="ignore"):  # log(0) may be nothing that the score asks for
        return {**{method: getattr(model, method)(X) for method in methods}, **values}


def _joined(name: str, parts: list[Any]) -> Any:
    if name in RESPONSES and isinstance(parts[0], list) and np.ndim(parts[0][0]):
        # One array for each output.
        return [concatenate(list(columns)) for columns in zip(*parts, strict=True)]
    return concatenate(parts)


def _methods(model: Any, scorer: Any) -> tuple[str, ...]:
    """Return the methods that a score may call."""
    available = tuple(method for method in RESPONSES if hasattr(model, method))
    # Private: no public way to ask a scorer; without it every method of the model is called.
    several = getattr(scorer, "_scorers", {"score": scorer}).values()
    wanted: set[str] = set()
    for one in several:
        names = getattr(one, "_response_method", available)
        wanted.update((names,) if isinstance(names, str) else names)
    return tuple(method for method in available if method in wanted | {"predict"})


class _Unseen(np.lib.mixins.NDArrayOperatorsMixin):
    """Stands for an X that is not there: has a length, and refuses any other question.

    Parameters
    ----------
    n_rows : int
        Its length.
    refusal : str
        The message of the error.
    """

    def __init__(self, n_rows: int, refusal: str):
        self._n_rows = n_rows
        self._refusal = refusal

    def __len__(self) -> int:
        return self._n_rows

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(self._refusal)

    __getattr__ = __getitem__ = __reduce_ex__ = _refuse
    __array__ = __array_ufunc__ = __array_function__ = _refuse


def _answering(model: Any, X: _Unseen, responses: dict[str, Any]) -> Any:
    """Return a copy of a model that answers with what was gathered if it is asked for X."""
    answers: dict[str, Any] = {
        name: _answer(name, getattr(model, name), X, gathered)
        for name, gathered in responses.items()
    }
    answers["__reduce__"] = object.__reduce__
    shim = copy.copy(model)
    shim.__class__ = type(type(model).__name__, (type(model),), answers)
    return shim


def _answer(name: str, method: Any, unseen: _Unseen, gathered: Any) -> Callable[..., Any]:
    def answer(self, X, *args, **params):
        return gathered if X is unseen and not (args or params) else method(X, *args, **params)

    answer.__name__ = name  # scorers ask for it
    return answer
