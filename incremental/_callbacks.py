"""Tasks of a fit, as scikit-learn's callbacks see them: fit, pass, block."""

from __future__ import annotations

import copy
from typing import Any


class Task:
    """One task and what its hooks are told; does nothing if nobody listens.

    Parameters
    ----------
    estimator : Incremental
        Whose fit it is.
    learner : Learner
        Has the model.
    context : CallbackContext or None
        None if nobody listens.
    data : dict
        X, y and metadata of the task.
    """

    def __init__(self, estimator: Any, learner: Any, context: Any, data: dict[str, Any]):
        self._estimator, self._learner, self._context = estimator, learner, context
        self._data = data
        if context is not None:
            context.call_on_fit_task_begin(estimator=estimator, **data)

    @classmethod
    def root(
        cls, estimator: Any, learner: Any, n_passes: int, X: Any, y: Any, rows: dict[str, Any]
    ) -> Task:
        """Begin the task of a whole fit."""
        context = estimator._init_callback_context(max_subtasks=n_passes)
        listens = getattr(estimator, "_skl_callbacks", None)
        return cls(estimator, learner, context if listens else None, _data(X, y, rows))

    @property
    def listens(self) -> bool:
        """Say whether anybody is told."""
        return self._context is not None

    def begin(self, name: str, n_subtasks: int, block: dict[str, Any] | None = None) -> Task:
        """Begin a task within this one, about a block or about the same data."""
        if self._context is None:
            return self
        data = self._data
        if block is not None:
            rows = {name: value for name, value in block.items() if name not in ("X", "y")}
            data = _data(block["X"], block.get("y"), rows)
        context = self._context.subcontext(name, max_subtasks=n_subtasks)
        return Task(self._estimator, self._learner, context, data)

    def end(self) -> bool:
        """End the task; return whether a hook asks to stop."""
        if self._context is None:
            return False
        return self._context.call_on_fit_task_end(
            estimator=self._estimator, reconstruction_attributes=self._fitted, **self._data
        )

    def _fitted(self) -> dict[str, Any] | None:
        if "estimator_" not in vars(self._estimator):  # all blocks were empty so far
            return None
        return {"estimator_": copy.deepcopy(self._learner.model)}


def _data(X: Any, y: Any, metadata: dict[str, Any]) -> dict[str, Any]:
    return {"X": X, "y": y, "metadata": metadata or None}
