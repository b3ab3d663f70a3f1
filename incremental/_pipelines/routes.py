"""The way of a block to the steps that learn from it, walked where the block is computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sklearn import config_context, get_config
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import FeatureUnion, Pipeline

from incremental._compat import num_samples, safe_indexing
from incremental._data.container import columns_of_rows
from incremental._learning.block_checks import check_block, check_rows
from incremental._pipelines.gathered import Summary
from incremental._planning.plan import Plan
from incremental._summaries.base import Summaries
from incremental._summaries.few import as_pandas
from incremental.exceptions import BlockError, describe

#: What is made of steps that are trained in passes of their own, if any.
OF_STEPS = (Pipeline, ColumnTransformer, FeatureUnion, FrozenEstimator)


def join(path: str, name: str) -> str:
    """Return the name of a step as in ``set_params``."""
    return f"{path}__{name}" if path else name


def passes_through(step: Any) -> bool:
    """Say whether a step of a Pipeline is none."""
    return step is None or step == "passthrough"


@dataclass(frozen=True, eq=False)
class Transform:
    """A step that is trained."""

    path: str
    estimator: Any
    done = "transformed"

    def __call__(self, X: Any, y: Any = None) -> Any:
        return self.estimator.transform(X)


@dataclass(frozen=True, eq=False)
class Select:
    """The columns that a ColumnTransformer gives to one of its steps."""

    path: str
    columns: Any
    done = "transformed"

    def __call__(self, X: Any, y: Any = None) -> Any:
        X = X if hasattr(X, "shape") else np.asarray(X, dtype=object)
        return safe_indexing(X, self.columns, axis=1)


@dataclass(frozen=True, eq=False)
class Summarise:
    """A step that learns from summaries of blocks."""

    path: str
    estimator: Any
    summaries: Summaries
    done = "summarised"

    def __call__(self, X: Any, y: Any = None) -> Summary:
        summary = self.summaries.block(self.estimator, as_pandas(X), y)
        return Summary(num_samples(X), summary, columns_of_rows(X))


#: What happens to a block on its way to a step.
Route = tuple[Transform | Select | Summarise, ...]


class _Routes(NamedTuple):
    """Where blocks go, and what goes with them."""

    #: From a block to each step that learns.
    routes: tuple[Route, ...]
    #: Return an X for each route, rather than the X of the only one.
    several: bool
    #: What a block calls its values besides X.
    names: tuple[str, ...]
    #: What X has to look like before.
    promise: Any
    #: scikit-learn keeps its configuration for each thread.
    config: dict[str, Any]


def _take_along(given: _Routes, number: int, X: Any, *others: Any) -> Any:
    """Take X along one or several routes; what these have in common is computed once."""
    known: dict[Route, Any] = {(): X}
    block = {"X": X, **dict(zip(given.names, others, strict=True))}
    if check_block(number, block, given.promise):  # else it is skipped later, as it is
        with config_context(**given.config):
            for route in given.routes:
                _arrive(number, route, known, block.get("y"))
    found = tuple(known.get(route, X) for route in given.routes)
    return found if given.several else found[0]


def _arrive(number: int, route: Route, known: dict[Route, Any], y: Any) -> Any:
    """Return X at the end of a route; keep what it is on the way."""
    if route not in known:
        X = _arrive(number, route[:-1], known, y)
        step = route[-1]
        try:
            found = step(X, y)
        except Exception as error:
            raise BlockError(
                f"Block {number} could not be {step.done} by the step {step.path}: "
                f"{describe(error)}",
                number,
            ) from error
        known[route] = check_rows(num_samples(X), found, f"The step {step.path}", number)
    return known[route]


def plan_along(planned: Plan, names: Iterable[str], routes: Sequence[Route], several: bool) -> Plan:
    """Return a plan of transformed blocks, with the values `names`, if there are, as they are."""
    keep = [name for name in dict.fromkeys(names) if name in planned.blocks.names]
    target = ["y"] if "y" in planned.blocks.names else []
    blocks = planned.blocks.only("X", *dict.fromkeys([*target, *keep]))
    given = _Routes(tuple(routes), several, blocks.names[1:], blocks.promise, get_config())
    return Plan(blocks.map("X", _take_along, given, label="transform", keep=keep))


def through(planned: Plan, model: Any, names: Iterable[str]) -> Plan:
    """Take blocks, where they are computed, through all steps of a trained pipeline but the last.

    Parameters
    ----------
    planned : Plan
        The blocks.
    model : estimator
        Blocks of anything but a pipeline stay as they are.
    names : iterable of str
        The values that the last step gets besides X and y.
    """
    route: list[Transform] = []
    path, given = "", model
    while isinstance(model, Pipeline):
        *before, (name, last) = model.steps
        route += [Transform(join(path, n), step) for n, step in before if not passes_through(step)]
        path, model = join(path, name), last
    if not isinstance(given, OF_STEPS):
        return planned
    return plan_along(planned, ["y", *names], [tuple(route)], False)


def name_row_changer(model: Any, method: str, X: Any) -> str:
    """Name what returns another number of rows than X has: a step, or the method of a model."""
    path = ""
    while isinstance(model, Pipeline):
        for name, step in model.steps[:-1]:
            if passes_through(step):
                continue
            before, X = X, step.transform(X)
            if num_samples(X) != num_samples(before):
                return f"The step {join(path, name)}"
        name, model = model.steps[-1]
        path = join(path, name)
    return f"{method} of {type(model).__name__}"
