"""What wraps a model that it trains, and what scores see through it."""

from __future__ import annotations

import copy
from typing import Any

from sklearn.base import is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from incremental._learning.labels import last_step
from incremental._scoring.scorers import find_scorer


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


def handed_on(model: Any, scorer: Any = None) -> tuple[list[Any], Any]:
    """Return the models that a score is handed on through, and the scorer that it comes to.

    The last model is the one that is scored: the last step of a pipeline, what is frozen, or what
    is trained.
    """
    models = _inwards(model)
    for outer in models:
        if scorer is None and isinstance(outer, ModelWrapper) and outer.scoring is not None:
            scorer = find_scorer(outer, outer.scoring)
    return models, scorer


def _inwards(model: Any) -> list[Any]:
    models = [model]
    while True:
        if isinstance(model, Pipeline):
            model = last_step(model)
        elif isinstance(model, FrozenEstimator):
            model = model.estimator
        elif isinstance(model, ModelWrapper):
            model = model._model
        else:
            return models
        models.append(model)


def learned_classes(model: Any) -> Any:
    """Return the classes that a classifier has learned; for several outputs a list of them.

    Raises
    ------
    AttributeError
        If it has none.

    Examples
    --------
    >>> from sklearn.multioutput import MultiOutputClassifier
    >>> from sklearn.naive_bayes import GaussianNB
    >>> model = MultiOutputClassifier(GaussianNB())
    >>> _ = model.partial_fit([[0], [1]], [[0, 2], [1, 3]], [[0, 1], [2, 3]])
    >>> learned_classes(model)
    [array([0, 1]), array([2, 3])]
    """
    scored = _inwards(model)[-1]
    # MultiOutputClassifier keeps them where ``fit`` has trained it, but not ``partial_fit``.
    if not hasattr(scored, "classes_") and hasattr(scored, "estimators_") and is_classifier(scored):
        return [each.classes_ for each in scored.estimators_]
    return model.classes_


def with_classes(model: Any) -> Any:
    """Return a model that has the attribute ``classes_``, if it is a classifier that has learned.

    Scorers ask classifiers for it.
    """
    try:
        classes = learned_classes(model)
    except AttributeError:
        return model
    return model if hasattr(model, "classes_") else disguised(model, {"classes_": classes})


def disguised(model: Any, attributes: dict[str, Any]) -> Any:
    """Return a copy of a model that has other attributes than its class."""
    shim = copy.copy(model)
    changed = {"__reduce__": object.__reduce__, **attributes}
    shim.__class__ = type(type(model).__name__, (type(model),), changed)
    return shim
