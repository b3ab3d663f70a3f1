"""Scores of data in blocks: each block is read once, where it is computed, and only sums or
predictions of it are kept."""

from __future__ import annotations

import copy
import warnings
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin, is_classifier, is_regressor
from sklearn.decomposition import LatentDirichletAllocation
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score
from sklearn.pipeline import Pipeline

from incremental._batches import concatenate, n_rows
from incremental._pipeline import through
from incremental._runner import Runner
from incremental._stream import Plan, stream
from incremental._training import check_block, last_step
from incremental.exceptions import BlockError, describe

RESPONSES = ("predict", "predict_proba", "predict_log_proba", "decision_function")


class Question(NamedTuple):
    """What is asked of each block."""

    model: Any
    #: How the values of a block are called.
    names: tuple[str, ...]
    #: Of a block without "X": its answer.
    answer: Any


def score(
    model: Any, scorer: Any, planned: Plan, runner: Runner, prefetch: int | None, params: dict
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
    runner : Runner
        Where they are computed.
    prefetch : int or None
        As for :func:`incremental._stream.stream`.
    params : dict
        Parameters of the score that are the same for all blocks.

    Returns
    -------
    score : float or dict
        The accuracy and R^2 that scikit-learn gives its estimators are put together from sums, a
        score without predictions is the sum or the average of the blocks' scores; for any other,
        the predictions of all blocks are gathered.

    Raises
    ------
    BlockError
        If a block cannot be computed or scored.
    """
    rows = [name for name in planned.blocks.names if name not in ("X", "y")]
    model = _unfrozen(model)
    while isinstance(model, Pipeline):
        planned, model = through(planned, model, rows), _unfrozen(last_step(model))
    own = None if scorer is not None or params else getattr(type(model), "score", None)
    if own is ClassifierMixin.score and rows in ([], ["sample_weight"]):
        correct, total = zip(*_answers(model, _hits, planned, runner, prefetch), strict=True)
        return float(np.sum(correct) / np.sum(total))
    if own is RegressorMixin.score and rows in ([], ["sample_weight"]):
        return _r2(_answers(model, _moments, planned, runner, prefetch))
    if scorer is None and not (is_classifier(model) or is_regressor(model)):
        if isinstance(model, LatentDirichletAllocation):
            raise NotImplementedError(
                "The score of LatentDirichletAllocation cannot be put together from the scores of "
                "blocks. Score data in memory instead: estimator_.score(X[:10_000].compute())."
            )
        answer = partial(_own_score, params)
        scores, sizes = zip(*_answers(model, answer, planned, runner, prefetch), strict=True)
        if hasattr(model, "score_samples"):  # a mean log-likelihood; else a sum (an inertia)
            return float(np.average(scores, weights=sizes))
        return float(np.sum(scores))
    answer = partial(_respond, _methods(model, scorer))
    parts = _answers(model, answer, planned, runner, prefetch)
    gathered = {name: _joined(name, [part[name] for part in parts]) for name in parts[0]}
    y = gathered.pop("y", None)
    weights = {name: gathered.pop(name) for name in rows}
    answers = _answering(model, gathered)
    ask = answers.score if scorer is None else partial(scorer, answers)
    return ask(_without_content(y, next(iter(gathered.values()), ())), y, **weights, **params)


def _unfrozen(model: Any) -> Any:
    """Return what a frozen estimator hands every call on to."""
    while isinstance(model, FrozenEstimator):
        model = model.estimator
    return model


def _answers(model: Any, answer: Any, planned: Plan, runner: Runner, prefetch: Any) -> list[Any]:
    """Ask every block with rows; each is read once and let go."""
    question = Question(model, planned.blocks.names, answer)
    label = f"score-{type(model).__name__}"
    asked = planned.blocks.map("answer", _ask, question, label=label)
    with stream(Plan(asked), runner, prefetch=prefetch) as computed:
        found = [block["answer"] for _, block in computed]
    found = [one for one in found if one is not None]
    if not found:
        raise ValueError(
            "Found array with 0 sample(s): every block of X is empty while a minimum of 1 is "
            "required."
        )
    return found


def _ask(question: Question, number: int, *values: Any) -> Any:
    block = dict(zip(question.names, values, strict=True))
    if check_block(number, block) == 0:
        return None
    try:
        return question.answer(question.model, block.pop("X"), block)
    except Exception as error:
        raise BlockError(
            f"Block {number} could not be scored: {describe(error)}", number
        ) from error


def _hits(model: Any, X: Any, block: dict[str, Any]) -> tuple[float, float]:
    weight = block.get("sample_weight")
    y, predicted = block["y"], model.predict(X)
    hits = accuracy_score(y, predicted, normalize=False, sample_weight=weight)
    return hits, len(predicted) if weight is None else np.sum(weight)


def _moments(model: Any, X: Any, block: dict[str, Any]) -> tuple[Any, ...]:
    y, predicted = (np.asarray(v, dtype=float) for v in (block["y"], model.predict(X)))
    y, predicted = y.reshape(len(y), -1), predicted.reshape(len(y), -1)
    weight = np.asarray(block.get("sample_weight", np.ones(len(y))), dtype=float)
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
    if n_samples < 2:
        message = "R^2 score is not well-defined with less than two samples."
        warnings.warn(message, UndefinedMetricWarning, stacklevel=4)
        return float("nan")
    constant = around_mean == 0  # scikit-learn's convention: 1 if predicted exactly, else 0
    scores = np.where(constant, around_prediction == 0, 0.0)
    scores[~constant] = 1 - around_prediction[~constant] / around_mean[~constant]
    return float(np.mean(scores))


def _own_score(params: dict[str, Any], model: Any, X: Any, block: dict[str, Any]) -> Any:
    return model.score(X, **block, **params), n_rows({"X": X})


def _respond(methods: tuple[str, ...], model: Any, X: Any, block: dict[str, Any]) -> dict[str, Any]:
    return {**{method: getattr(model, method)(X) for method in methods}, **block}


def _joined(name: str, parts: list[Any]) -> Any:
    first = parts[0]
    if name in RESPONSES and isinstance(first, list) and np.ndim(first[0]):
        # One array for each output.
        return [np.concatenate(columns) for columns in zip(*parts, strict=True)]
    return concatenate(parts)


def _methods(model: Any, scorer: Any) -> tuple[str, ...]:
    """Return the methods that a scorer may call."""
    available = tuple(method for method in RESPONSES if hasattr(model, method))
    if scorer is None:
        return tuple(method for method in available if method == "predict")
    # Private: no public way to ask a scorer; without it every method of the model is called.
    several = getattr(scorer, "_scorers", {"score": scorer}).values()
    wanted: set[str] = set()
    for one in several:
        names = getattr(one, "_response_method", available)
        wanted.update((names,) if isinstance(names, str) else names)
    return tuple(method for method in available if method in wanted | {"predict"})


def _answering(model: Any, responses: dict[str, Any]) -> Any:
    """Return a copy of a model that answers with what was gathered, whatever X it is asked."""
    answers: dict[str, Any] = {
        method: _answer(method, responses[method]) for method in RESPONSES if method in responses
    }
    answers["__reduce__"] = object.__reduce__
    shim = copy.copy(model)
    shim.__class__ = type(type(model).__name__, (type(model),), answers)
    return shim


def _answer(method: str, gathered: Any) -> Any:
    def answer(self, X, **params):
        return gathered

    answer.__name__ = method  # scorers ask for it
    return answer


def _without_content(y: Any, responses: Any) -> np.ndarray:
    """Return an X without content of as many rows as there are; nobody looks at it."""
    rows = responses if y is None else y
    return np.empty((len(rows) if hasattr(rows, "__len__") else rows.shape[0], 0))
