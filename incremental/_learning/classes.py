"""Classes: which estimators have to be told them, and which there are."""

from __future__ import annotations

import inspect
from typing import Any

from sklearn.base import is_classifier, is_regressor
from sklearn.utils import get_tags

from incremental._data.containers import is_lazy
from incremental._engines.base import Engine, Prefetch
from incremental._learning.balance import balanced, balanced_weights
from incremental._learning.label_checks import are_outputs, are_same, check_classes, check_labels
from incremental._learning.labels import Ask, Found, ask_for, find, last_step, merge
from incremental._planning.plan import Plan
from incremental.exceptions import shorten


def accepts(method: Any, name: str) -> bool:
    """Say whether a method has a parameter of this name.

    Examples
    --------
    >>> accepts(len, "obj"), accepts(len, "classes")
    (True, False)
    """
    return name in _parameters(method)


def _parameters(method: Any) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(method).parameters)
    except (TypeError, ValueError):
        return {}


def needs_classes(estimator: Any, given: bool = False) -> bool:
    """Say whether the first ``partial_fit`` has to be told all classes.

    Parameters
    ----------
    estimator : estimator
        Has ``partial_fit``.
    given : bool, default=False
        Whether the user has named them.  Then they are also for what takes any keyword, whether it
        says that it is a classifier or not.
    """
    if is_regressor(estimator):  # what skorch makes takes classes, too, and ignores them
        return False
    if not hasattr(estimator, "partial_fit"):  # what learns otherwise finds them in y
        return False
    named = _names_classes(estimator)
    if named is not None:
        return named
    inner = getattr(estimator, "estimator", None)
    if hasattr(inner, "partial_fit"):  # SelectFromModel hands parameters on
        return is_classifier(inner) and needs_classes(inner)
    return given or is_classifier(estimator)


def _names_classes(estimator: Any) -> bool | None:
    """Say whether ``partial_fit`` has a parameter `classes`; None if it takes any keyword.

    One that takes any, and that overrides another one, hands them on to that.
    """
    inherited = [
        vars(c)["partial_fit"] for c in type(estimator).__mro__ if "partial_fit" in vars(c)
    ]
    for method in (estimator.partial_fit, *map(inspect.unwrap, inherited)):
        parameters = _parameters(method)
        if "classes" in parameters:
            return True
        if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            return False
    return None


def needs_y(estimator: Any) -> bool:
    """Say whether an estimator cannot learn without y."""
    if get_tags(estimator).target_tags.required:
        return True
    inner = getattr(estimator, "estimator", None)  # SelectFromModel hands y on
    return hasattr(inner, "partial_fit") and needs_y(inner)


def known_classes(estimator: Any, classes: Any, y: Any, former: Any = None) -> Any:
    """Return all labels that an estimator is to tell apart; None if only reading y tells them.

    Parameters
    ----------
    estimator : estimator
        May have learned before.
    classes : array-like, list of them or None
        As the user gave them.
    y : array-like or dask collection
        Labels in memory are checked.
    former : array-like, list of them or None
        What was returned before, if the estimator does not say what it has learned.

    Raises
    ------
    ValueError
        If `classes` are none, differ from those learned, or lack a label of y.
    """
    learned = getattr(estimator, "classes_", former)
    if classes is not None:
        classes = check_classes(classes, y)
        if ask_for(estimator).outputs and not are_outputs(classes):
            shape: tuple = getattr(y, "shape", ())
            if shape[1:] != (1,):
                raise ValueError(
                    f"classes must be a list of labels for each output of y, which "
                    f"{type(last_step(estimator)).__name__} takes. Got {shorten(classes)} instead; "
                    f"pass [{shorten(classes)}, ...]."
                )
            classes = [classes]
        if learned is not None and not are_same(classes, learned):
            raise ValueError(
                f"classes must stay those that the model has learned, {shorten(learned)}. Got "
                f"{shorten(classes)} instead; call fit to begin anew."
            )
    elif learned is not None:
        classes = learned
    elif not is_lazy(y):
        return find(ask_for(estimator), y).labels
    if not is_lazy(y):
        check_labels(y, classes)
    return classes


def find_classes(
    estimator: Any, classes: Any, y: Any, planned: Plan, engine: Engine, prefetch: Prefetch
) -> Any:
    """Return all labels, and balance their weights; both take one pass over y, if any.

    Parameters
    ----------
    estimator : estimator
        Is given the weights of classes where it asks for balanced ones.
    classes : array-like, list of them or None
        Those of :func:`known_classes`.
    y : array-like or dask collection
        The labels.
    planned : Plan
        The blocks that y is one value of.
    engine, prefetch
        As for :func:`incremental._engines.base.Engine.stream`.
    """
    parameters = balanced(estimator)
    if not asks_for_labels(estimator, classes):
        return classes
    shape: tuple = getattr(y, "shape", ())
    if parameters and len(shape) == 2 and shape[1] > 1:
        raise ValueError(
            f"y should be a 1d array for class_weight='balanced'. Got {shape[1]} columns instead."
        )
    found = _find(ask_for(estimator, counts=bool(parameters)), y, planned, engine, prefetch)
    classes = found.labels if classes is None else classes
    if parameters:
        weights = balanced_weights(found.counts, classes)
        estimator.set_params(**dict.fromkeys(parameters, weights))
    return classes


def asks_for_labels(estimator: Any, classes: Any) -> bool:
    """Say whether labels are to be found, or to be counted."""
    return classes is None or bool(balanced(estimator))


def _find(asked: Ask, y: Any, planned: Plan, engine: Engine, prefetch: Prefetch) -> Found:
    if not is_lazy(y):
        return find(asked, y)
    target = planned.blocks.only("y").map("labels", _find_in_block, asked, label="find-classes")
    with engine.stream(Plan(target), prefetch=prefetch) as computed:
        return merge([block["labels"] for _, block in computed])


def _find_in_block(ask: Ask, number: int, y: Any) -> Found:
    return find(ask, y)
