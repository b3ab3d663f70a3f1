"""Tasks of a fit, as scikit-learn's callbacks see them: fit, step or pass, block."""

from __future__ import annotations

import copy
from typing import Any

from incremental._compat import callback_context, has_callbacks


class Task:
    """One task and what its hooks are told; does nothing if nobody listens.

    Parameters
    ----------
    estimator : Incremental
        Whose fit it is.
    former : estimator or None
        The model of an earlier fit, which is not what this one has fitted.
    context : CallbackContext or None
        None if nobody listens.
    data : dict
        X, y and metadata of the task.
    """

    def __init__(self, estimator: Any, former: Any, context: Any, data: dict[str, Any]):
        self._estimator, self._former, self._context = estimator, former, context
        self._data = data
        if context is not None:
            context.call_on_fit_task_begin(estimator=estimator, **data)

    @classmethod
    def root(
        cls, estimator: Any, former: Any, n_passes: int | None, X: Any, y: Any, rows: dict[str, Any]
    ) -> Task:
        """Begin the task of a whole fit; None if the number of its passes is not known."""
        context = callback_context(estimator, n_passes)
        data = _data({"X": X, "y": y, **rows})
        return cls(estimator, former, context if has_callbacks(estimator) else None, data)

    @property
    def listens(self) -> bool:
        """Say whether anybody is told."""
        return self._context is not None

    def begin(self, name: str, n_subtasks: int, block: dict[str, Any] | None = None) -> Task:
        """Begin a task within this one, about a block or about the same data."""
        if self._context is None:
            return self
        data = self._data if block is None else _data(block)
        context = self._context.subcontext(name, max_subtasks=n_subtasks)
        return Task(self._estimator, self._former, context, data)

    def end(self) -> bool:
        """End the task; return whether a hook asks to stop."""
        if self._context is None:
            return False
        return self._context.call_on_fit_task_end(
            estimator=self._estimator, reconstruction_attributes=self._fitted, **self._data
        )

    def _fitted(self) -> dict[str, Any] | None:
        model = vars(self._estimator).get("estimator_")
        # None: the steps before learn, or all blocks were empty so far.
        return None if model is self._former else {"estimator_": copy.deepcopy(model)}


def _data(values: dict[str, Any]) -> dict[str, Any]:
    rows = {name: value for name, value in values.items() if name not in ("X", "y")}
    return {"X": values.get("X"), "y": values.get("y"), "metadata": rows or None}
