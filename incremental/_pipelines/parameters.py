"""Parameters of ``fit``: named by the steps that get them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sklearn.feature_selection import SelectFromModel
from sklearn.utils.metadata_routing import process_routing

from incremental._pipelines.tree import is_tree, last_path, learning_steps


def name_params(estimator: Any, params: dict[str, Any]) -> dict[str, Any]:
    """Name parameters by the steps that get them: ``step__name``, those of the last one ``name``.

    Raises
    ------
    ValueError
        If there is no such step, or if it learns nothing.
    """
    if not is_tree(estimator):
        return params
    steps = learning_steps(estimator)
    last = f"{last_path(estimator)}__"
    named = {}
    for name, value in params.items():
        path = max((p for p in steps if p and name.startswith(f"{p}__")), key=len, default="")
        own = name.removeprefix(last)
        if not path and ("__" in own or "" not in steps):
            raise ValueError(
                f"Parameters are named step__parameter, and the step must be one that learns: "
                f"{', '.join(filter(None, steps)) or 'there is none'}. Got {name} instead; without "
                "a step they go to the last one."
            )
        named[name if path else own] = value
    return named


def of_last(estimator: Any, names: Iterable[str]) -> list[str]:
    """Return those names of `name_params` that are parameters of the last step."""
    return [name for name in names if "__" not in name] if is_tree(estimator) else list(names)


def of_inner(step: Any, routed: Any) -> dict[str, Any]:
    """Return the parameters that are routed to a step, as its ``partial_fit`` takes them.

    A SelectFromModel hands them on: they have the names that its estimator gives them.
    """
    params = routed.partial_fit
    if not isinstance(step, SelectFromModel):
        return params
    return process_routing(step, "partial_fit", **params).estimator.partial_fit


def own_params(names: Iterable[str], path: str) -> dict[str, str]:
    """Return what `name_params` calls the parameters of a step, and their own names."""
    prefix = f"{path}__"
    return {name: name[len(prefix) :] for name in names if name.startswith(prefix)}
