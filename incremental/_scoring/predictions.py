"""Scores of predictions: what the blocks answer is gathered, and stands for a model and its X."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from incremental._compat import response_methods, scorers_in
from incremental._data.values import concatenate
from incremental._scoring.wrapper import disguised, with_classes

#: The methods whose answers can be gathered.
RESPONSES = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "score_samples",
)


def methods_for(model: Any, scorer: Any) -> tuple[str, ...]:
    """Return the methods that a score may call; all where a callable does not say which."""
    wanted: set[str] = {"predict"}
    for one in scorers_in(scorer):
        wanted.update(response_methods(one) or RESPONSES)
    return tuple(method for method in RESPONSES if method in wanted and hasattr(model, method))


def respond(methods: tuple[str, ...], model: Any, X: Any, **values: Any) -> dict[str, Any]:
    """Return the answers of a block, and the values that go with them."""
    with np.errstate(divide="ignore"):  # log(0) may be nothing that the score asks for
        return {**{method: getattr(model, method)(X) for method in methods}, **values}


def gather(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Put the answers of all blocks together.

    Examples
    --------
    >>> gather([{"y": ["a"]}, {"y": ["b", "c"]}])
    {'y': ['a', 'b', 'c']}
    """
    return {name: _joined(name, [part[name] for part in parts]) for name in parts[0]}


def _joined(name: str, parts: list[Any]) -> Any:
    if name in RESPONSES and isinstance(parts[0], list) and np.ndim(parts[0][0]) == 2:
        # One array for each output; what answers with a list of rows has none of two dimensions.
        return [concatenate(list(columns)) for columns in zip(*parts, strict=True)]
    return concatenate(parts)


class Unseen(np.lib.mixins.NDArrayOperatorsMixin):
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


def answering(model: Any, X: Unseen, responses: dict[str, Any]) -> Any:
    """Return a copy of a model that answers with what was gathered if it is asked for X."""
    answers = {
        name: _answer(name, getattr(model, name), X, gathered)
        for name, gathered in responses.items()
    }
    return disguised(with_classes(model), answers)


def _answer(name: str, method: Any, unseen: Unseen, gathered: Any) -> Callable[..., Any]:
    def answer(self, X, *args, **params):
        return gathered if X is unseen and not (args or params) else method(X, *args, **params)

    answer.__name__ = name  # scorers ask for it
    return answer
