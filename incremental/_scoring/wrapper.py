"""What wraps a model that it trains."""

from __future__ import annotations

from typing import Any


class ModelWrapper:
    """Base of what trains a model and hands its methods on to it.

    The scores see through it: they ask the model.
    """

    estimator: Any
    scoring: Any

    @property
    def _model(self) -> Any:
        """Return the fitted model, or the estimator where there is none yet."""
        return self.__dict__.get("estimator_", self.estimator)
