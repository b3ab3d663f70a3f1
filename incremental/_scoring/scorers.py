"""Scorers: found by what the user passes as `scoring`, and asked what they need."""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from typing import Any

from sklearn.exceptions import NotFittedError
from sklearn.metrics import check_scoring, get_scorer, get_scorer_names

from incremental._compat import response_methods, scorers_in
from incremental.exceptions import shorten

#: How the first parameter of a metric is called; that of a scorer is a model.
_FIRST_OF_METRICS = ("y", "y_true", "labels_true", "y_pred")


def find_scorer(estimator: Any, scoring: Any) -> Any:
    """Return the scorer, or the one that asks several, of what was passed as `scoring`.

    Raises
    ------
    ValueError
        If there is no such score, or if it is a metric.

    Examples
    --------
    >>> from sklearn.linear_model import SGDClassifier
    >>> find_scorer(SGDClassifier(), "acuracy")
    Traceback (most recent call last):
    ValueError: scoring must be ... Got 'acuracy' instead; did you mean 'accuracy'...
    """
    several = scoring.values() if isinstance(scoring, dict) else scoring
    for one in several if isinstance(scoring, (dict, list, tuple, set)) else [scoring]:
        if callable(one):
            _check_is_no_metric(one)
        else:
            _check_name(one)
    return check_scoring(estimator, scoring)


def _check_name(name: Any) -> None:
    try:
        get_scorer(name)
    except ValueError:
        names = get_scorer_names()
        begun = [one for one in names if name and one.startswith(str(name))]
        near = begun[:3] or get_close_matches(str(name), names)
        meant = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
        raise ValueError(
            "scoring must be the name of a score, a callable, or several of them. Got "
            f"{shorten(name)} instead; {meant}sklearn.metrics.get_scorer_names() has all of them."
        ) from None


def _check_is_no_metric(scorer: Any) -> None:
    try:
        signature = inspect.signature(scorer)
    except (TypeError, ValueError):  # written in C
        return
    try:
        signature.bind("model", "X", "y")
        is_metric = next(iter(signature.parameters)) in _FIRST_OF_METRICS
    except TypeError:
        is_metric = True
    if is_metric:
        name = getattr(scorer, "__name__", repr(scorer))
        raise ValueError(
            "scoring must be the name of a score, or a callable that is given a model, X and y. "
            f"Got {name}{signature} instead, a metric; pass sklearn.metrics.make_scorer({name}), "
            "for a loss with greater_is_better=False."
        )


def check_needs(model: Any, scorer: Any, has_y: bool) -> None:
    """Refuse a scorer that calls methods that a model does not have, or compares to no y.

    Parameters
    ----------
    model : estimator
        What is scored; fitted or not.
    scorer : callable
        What a user has written does not say what it needs.
    has_y : bool
        Whether there is a y.

    Raises
    ------
    ValueError
        If there is none.
    AttributeError
        If there is no such method: as scikit-learn does, but before anything is read.
    """
    for one in scorers_in(scorer):
        methods = response_methods(one)
        if methods is None:
            continue
        if not has_y:
            raise ValueError(
                f"The scoring {one!r} requires y to be passed, but the target y is None. Pass y."
            )
        missing = [_why_missing(model, method) for method in methods]
        if all(missing):
            raise AttributeError(
                f"The scoring {one!r} needs {' or '.join(methods)}, which "
                f"{type(model).__name__} does not have: {missing[0]}. Pass another scoring, or a "
                "model that has it."
            )


def _why_missing(model: Any, method: str) -> str:
    """Return why a model does not have a method; an empty text if it has."""
    try:
        getattr(model, method)
    except NotFittedError:  # which is an AttributeError, too: it may have it then
        return ""
    except AttributeError as error:
        return str(error.__cause__ or error).rstrip(".")
    return ""
