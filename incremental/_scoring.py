"""Scores of data in blocks: predictions are gathered, X never is."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from sklearn.decomposition import LatentDirichletAllocation

from incremental._batches import concatenate
from incremental._runner import Runner
from incremental._stream import Plan, stream
from incremental._training import check_block
from incremental.exceptions import BlockError

RESPONSES = ("predict", "predict_proba", "predict_log_proba", "decision_function")


def gather(planned: Plan, model: Any, methods: tuple[str, ...], runner: Runner, prefetch: Any):
    """Read every block once; return its responses, and its values but for X, put together."""
    answered: dict[str, list[Any]] = {}
    with stream(planned, runner, prefetch=prefetch) as computed:
        for number, block in computed:
            if check_block(number, block) == 0:
                continue
            X = block.pop("X")
            for method in methods:
                answered.setdefault(method, []).append(getattr(model, method)(X))
            for name, value in block.items():
                answered.setdefault(name, []).append(value)
            del X, block
    return {name: concatenate(parts) for name, parts in answered.items()}


def rows_like(y: Any) -> np.ndarray:
    """Return an X without content of as many rows as y has; nobody looks at it."""
    return np.empty((len(y) if hasattr(y, "__len__") else y.shape[0], 0))


def answering(model: Any, responses: dict[str, Any]) -> Any:
    """Return a copy of a model that answers with what was gathered, whatever X it is asked."""
    answers: dict[str, Any] = {}
    for method in RESPONSES:
        if method in responses:
            answers[method] = _answer(method, responses[method])
    answers["__reduce__"] = object.__reduce__
    shim = copy.copy(model)
    shim.__class__ = type(type(model).__name__, (type(model),), answers)
    return shim


def _answer(method: str, gathered: Any) -> Any:
    def answer(self, X, **params):
        return gathered

    answer.__name__ = method  # scorers ask for it
    return answer


def response_methods(model: Any, scorer: Any) -> tuple[str, ...]:
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


def score_unsupervised(
    planned: Plan, model: Any, runner: Runner, prefetch: Any, params: dict[str, Any]
) -> float:
    """Add up, or average over the rows, the scores of the blocks."""
    if isinstance(model, LatentDirichletAllocation):
        raise NotImplementedError(
            "The score of LatentDirichletAllocation cannot be put together from the scores of "
            "blocks. Score data in memory instead: estimator_.score(X[:10_000].compute())."
        )
    total, n_rows = 0.0, 0
    average = hasattr(model, "score_samples")  # a mean log-likelihood; else a sum (an inertia)
    with stream(planned, runner, prefetch=prefetch) as computed:
        for number, block in computed:
            n = check_block(number, block)
            if n:
                X = block.pop("X")
                try:
                    total += model.score(X, **block, **params) * (n if average else 1)
                except Exception as error:
                    raise BlockError(
                        f"Block {number} could not be scored: {error}", number
                    ) from error
                n_rows += n
    return total / n_rows if average else total
