"""A TransformedTargetRegressor: y is transformed, block by block, for the model that is in it.

::

    y ---> transformer: trained over blocks of y first ---.
                                                          v
    X ------------------------------------------------> regressor: trained like any other model
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn import clone, config_context, get_config
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import check_array

from incremental._compat import num_samples, set_target_dimensions
from incremental._data.containers import as_container
from incremental._engines.base import Engine
from incremental._learning.labels import last_step
from incremental._pipelines.composites import Composite, TreeOf
from incremental._pipelines.layout import UNKNOWN, Known
from incremental._pipelines.node import Leaf, Node
from incremental._pipelines.routes import Route, join, through
from incremental._planning.plan import Plan
from incremental.exceptions import BlockError, describe


class OfTarget(Composite):
    """A TransformedTargetRegressor: the steps of its regressor; its transformer is about y."""

    def __init__(self, path: str, estimator: TransformedTargetRegressor, tree_of: TreeOf):
        super().__init__(path, estimator)
        transformer, regressor = parts_of(estimator)
        self._of_y = tree_of(join(path, "transformer"), transformer)
        self._regressor = tree_of(join(path, "regressor"), regressor)
        self.nodes: dict[str, Node] = {"regressor": self._regressor}

    def inputs(self, known: Known) -> Generator[tuple[Leaf, Known], None, Known]:
        yield from self._of_y.inputs(UNKNOWN)
        return (yield from self._regressor.inputs(known))

    def parts(self) -> Iterator[Any]:
        yield from super().parts()
        yield from self._of_y.parts()

    def settle(self, X: Any, number: int) -> None:
        self._regressor.settle(X, number)
        self.complete = self._regressor.complete

    def rounds(self) -> list[list[Leaf]]:
        return self._regressor.rounds()

    def learning(self, route: Route = ()) -> list[tuple[Leaf, Route]]:
        return self._regressor.learning(route)


def parts_of(model: TransformedTargetRegressor) -> tuple[Any, Any]:
    """Return the transformer and the regressor: those that learn, or those that were given.

    Raises
    ------
    ValueError
        If there is a transformer and a function, or only one function.
    """
    learning = vars(model)
    if "regressor_" in learning:
        return model.transformer_, model.regressor_
    functions = {"func": model.func, "inverse_func": model.inverse_func}
    missing = [name for name, function in functions.items() if function is None]
    if model.transformer is not None and len(missing) < 2:
        raise ValueError(
            "'transformer' and functions 'func'/'inverse_func' cannot both be set. Leave one out."
        )
    if len(missing) == 1:
        raise ValueError(
            f"func and inverse_func must be given together. Got no {missing[0]}; pass it, if only "
            "as the identity."
        )
    transformer = model.transformer
    if transformer is None:
        transformer = FunctionTransformer(
            **functions, validate=True, check_inverse=model.check_inverse
        ).set_output(transform="default")
    return transformer, LinearRegression() if model.regressor is None else model.regressor


def prepare(model: Any) -> None:
    """Give what transforms y a transformer and a regressor that can learn in place."""
    for _, target in targets_of(model):
        target.transformer_, target.regressor_ = map(clone, parts_of(target))


def targets_of(model: Any) -> Iterator[tuple[str, TransformedTargetRegressor]]:
    """Yield the names of the regressors whose y is transformed, and what transforms it."""
    path = ""
    while True:
        while isinstance(model, Pipeline) and model.steps:
            name, model = model.steps[-1]
            path = join(path, name)
        if not isinstance(model, TransformedTargetRegressor):
            return
        path = join(path, "regressor")
        yield path, model
        model = parts_of(model)[1]


def note_dimensions(model: Any, y: Any, planned: Plan, engine: Engine) -> None:
    """Tell what transforms y in how many dimensions it is; a list of Delayed tells in a block."""
    targets = list(targets_of(model))
    if not targets:
        return
    n_dimensions = as_container(y, "y").n_dimensions
    if n_dimensions is None:
        sizes = planned.blocks.only("y").map("n", _n_dimensions, None, label="target")
        with engine.stream(Plan(sizes.take([0])), prefetch=0) as computed:
            n_dimensions = next(block["n"] for _, block in computed)
    for _, target in targets:
        set_target_dimensions(target, n_dimensions)


def asks_for_dimensions(model: Any, y: Any) -> bool:
    """Say whether a block of y is read to know its dimensions."""
    return any(targets_of(model)) and as_container(y, "y").n_dimensions is None


def _n_dimensions(_: None, number: int, y: Any) -> int:
    return np.ndim(y)


def note_names(model: Any) -> None:
    """Let what transforms y have the names of columns that its regressor has learned."""
    for _, target in targets_of(model):
        if hasattr(target.regressor_, "feature_names_in_"):
            target.feature_names_in_ = target.regressor_.feature_names_in_


def columns_of_y(planned: Plan) -> Plan:
    """Return a plan of blocks whose X is y in two dimensions."""
    blocks = planned.blocks.only("y").map("X", _as_columns, get_config(), label="target")
    return Plan(blocks)


def _as_columns(config: dict[str, Any], number: int, y: Any) -> Any:
    if num_samples(y) == 0:
        return np.empty((0, 1))
    with config_context(**config):
        try:
            return _numbers(y)[0]
        except Exception as error:
            raise BlockError(f"Block {number} of y: {describe(error)}", number) from error


def _numbers(y: Any) -> tuple[Any, int]:
    """Return y as numbers in two dimensions, and in how many it was."""
    y = check_array(y, input_name="y", ensure_2d=False, dtype="numeric", allow_nd=True)
    return (y.reshape(-1, 1) if y.ndim == 1 else y), y.ndim


def with_target(planned: Plan, model: TransformedTargetRegressor) -> Plan:
    """Return a plan of the same blocks, whose y is transformed."""
    blocks = planned.blocks
    others = [name for name in blocks.names if name != "y"]
    target = blocks.only("y", *others).map(
        "y", _transform, (model.transformer_, get_config()), label="target", keep=others
    )
    return Plan(replace(target.only(*blocks.names), promise=blocks.promise))


def _transform(given: tuple[Any, dict[str, Any]], number: int, y: Any, *others: Any) -> Any:
    transformer, config = given
    if num_samples(y) == 0:
        return y
    try:
        with config_context(**config):
            columns, n_dimensions = _numbers(y)
            found = transformer.transform(columns)
    except Exception as error:
        raise BlockError(
            f"Block {number} of y could not be transformed by {type(transformer).__name__}: "
            f"{describe(error)}",
            number,
        ) from error
    if n_dimensions == 1 and found.ndim == 2 and found.shape[1] == 1:
        return found[:, 0]
    return found


def to_learn(planned: Plan, model: Any, names: Iterable[str]) -> Plan:
    """Take blocks, where they are computed, to the last step that learns: `through`, and y, too."""
    names = list(names)
    planned = through(planned, model, names)
    last = last_step(model)
    if not isinstance(last, TransformedTargetRegressor):
        return planned
    return to_learn(with_target(planned, last), last.regressor_, names)
