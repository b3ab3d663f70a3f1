"""The passes that train the steps of a pipeline, one after the other or side by side."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import joblib

from incremental._data.blocks import Blocks
from incremental._data.values import Block, n_rows, rows
from incremental._engines.base import Engine
from incremental._learning.block_checks import check_block
from incremental._learning.classes import needs_classes
from incremental._learning.labels import learner_in
from incremental._learning.learner import Learner
from incremental._pipelines.gathered import Gathered
from incremental._pipelines.layout import UNKNOWN, Known
from incremental._pipelines.node import Leaf
from incremental._pipelines.parameters import own_params
from incremental._pipelines.routes import Route, plan_along
from incremental._pipelines.targets import columns_of_y, targets_of, with_target
from incremental._pipelines.tree import goes_on, tree_of
from incremental._planning.plan import Plan

#: Rows of the first block that steps are fitted on which look at the layout only.
N_HEAD = 1_000

NO_ROWS = (
    "Found array with 0 sample(s): every block of X is empty while a minimum of 1 is required."
)


class StepsLearner(Learner):
    """Steps that learn in the same pass, each from an X of its own.

    Parameters
    ----------
    steps : list of estimator or Gathered
        Learn in place, or gather summaries.
    columns : list of dict
        For each step with ``partial_fit`` what a block calls its values, and what the method calls
        them.
    params : list of dict
        For each of these the parameters that are the same for all blocks.
    seed, classes, batch_size
        As for `Learner`.
    """

    def __init__(
        self,
        steps: list[Any],
        columns: list[dict[str, str]],
        params: list[dict[str, Any]],
        seed: int,
        classes: Any,
        batch_size: int | None,
    ):
        # Summaries are of whole blocks: without other steps there are no batches.
        batch_size = batch_size if columns else None
        super().__init__(steps, seed, classes, {}, None, batch_size)
        self._columns = [{_name_of_X(i): "X", **one} for i, one in enumerate(columns)]
        self._params = params

    @property
    def label(self) -> str:
        names = (
            type(step.estimator if isinstance(step, Gathered) else step).__name__
            for step in self.model
        )
        return "-".join(dict.fromkeys(names))

    def learn(self, number: int, block: Block) -> bool:
        """Learn from one block, whose "X" has one for each step, or a summary."""
        both = list(zip(self.model, block["X"], strict=True))
        given = [X for step, X in both if not isinstance(step, Gathered)] or block["X"][:1]
        parts = {_name_of_X(i): X for i, X in enumerate(given)}
        has_rows = super().learn(number, {**block, **parts})
        for step, summary in both if has_rows else ():
            if isinstance(step, Gathered):
                step.add(number, summary)
        return has_rows

    def _learn_batch(self, batch: Block) -> None:
        steps = [step for step in self.model if not isinstance(step, Gathered)]
        for step, columns, params in zip(steps, self._columns, self._params, strict=True):
            part = {name: batch[column] for column, name in columns.items()}
            self._partial_fit(step, part, params)


def _name_of_X(i: int) -> str:
    return f"X{i}" if i else "X"  # a block has an "X"


class Passes:
    """The passes that train all steps of a new pipeline but the last.

    Parameters
    ----------
    model : Pipeline, ColumnTransformer or FeatureUnion
        Not fitted; trained in place.
    planned : Plan
        The blocks of data.
    engine : Engine
        Where they are computed.
    params : dict
        Parameters of ``partial_fit`` that are the same for all blocks, named by `name_params`.
    seed, classes, batch_size
        As for `Learner`.
    known : Known
        What is known of X: tells which columns there are.
    is_target : bool, default=False
        Whether the model transforms y, which is the X of the blocks: then its last step, too.

    Attributes
    ----------
    first_rows : rows of X, or None
        What steps were fitted on that look at the layout only; None if there are none.
    """

    def __init__(
        self,
        model: Any,
        planned: Plan,
        engine: Engine,
        params: dict[str, Any],
        seed: int,
        classes: Any,
        batch_size: int | None,
        known: Known,
        is_target: bool = False,
    ):
        self.first_rows: Any = None
        #: Is trained by others, in as many passes as it takes; None if it learns from summaries.
        self._last = learner_in(model) if goes_on(model) and not is_target else None
        #: The names of regressors whose y is transformed, and the blocks that they learn from.
        self._inside: dict[str, Plan] = {}
        self._model = model
        self._tree = tree_of("", model)
        self._tree.check(known)  # notes what cannot be checked before the first rows
        self._planned = planned
        self._engine = engine
        self._params = params
        self._seed = seed
        self._classes = classes
        self._batch_size = batch_size

    def __iter__(self) -> Iterator[tuple[StepsLearner, Plan]]:
        """Yield who learns and what, for each pass."""
        for target in self._targets():
            yield from target
        number = 0
        if self._tree.needs_rows:
            number, self.first_rows = first_rows(self._planned.blocks, self._engine)
        while True:
            # A ColumnTransformer computes in parallel.  Where joblib's dask backend is set within a
            # task, that would leave the pool of the worker, which this fit may have left before.
            with joblib.parallel_config("sequential"):
                self._tree.settle(self.first_rows, number)
            todo = [] if self._tree.complete else self._tree.learning()
            if not todo or todo[0][0].estimator is self._last:
                return
            learner = self._learner_of([leaf for leaf, _ in todo])
            yield learner, self._along([leaf for leaf, _ in todo], [route for _, route in todo])
            for (leaf, _), trained in zip(todo, learner.model, strict=True):
                leaf.take(trained)

    @property
    def trained(self) -> Any:
        """Return the model that is trained."""
        return self._tree.estimator

    def _targets(self) -> Iterator[Passes]:
        """Yield what trains each transformer of y, from outside to inside.

        Between one and the next, the blocks for the steps inside are planned.
        """
        planned = self._planned
        for path, target in targets_of(self._model):
            passes = Passes(
                target.transformer_,
                columns_of_y(planned),
                self._engine,
                {},
                self._seed,
                None,
                self._batch_size,
                UNKNOWN,
                is_target=True,
            )
            yield passes
            target.transformer_ = passes.trained
            self._inside[path] = planned = with_target(planned, target)

    def _planned_for(self, leaf: Leaf) -> Plan:
        """Return the blocks for a step, and for those that learn in the same pass."""
        inside = [p for path, p in self._inside.items() if f"{leaf.path}__".startswith(f"{path}__")]
        return inside[-1] if inside else self._planned

    def ahead(self) -> Iterator[tuple[str, Plan, int | None]]:
        """Yield what each pass will be for, what it is over, and after how many blocks it ends.

        None ends after the last.  Nothing is read.
        """
        for target in self._targets():
            yield from target.ahead()
        if self._tree.needs_rows:
            lengths = self._planned.blocks.lengths
            n_read = next((i for i, n in enumerate(lengths, 1) if n != 0), len(lengths))
            yield "look at the first rows", Plan(self._planned.blocks.only("X")), n_read
        for leaves in self._tree.rounds():
            if leaves[0].estimator is self._last:
                return
            names = ", ".join(leaf.path or type(leaf.estimator).__name__ for leaf in leaves)
            yield f"train {names}", self._along(leaves, [()] * len(leaves)), None

    def _along(self, leaves: list[Leaf], routes: list[Route]) -> Plan:
        """Return the plan of a pass in which steps learn."""
        names = [name for leaf in leaves for name in self._columns(leaf)]
        return plan_along(self._planned_for(leaves[0]), names, routes, True)

    def _columns(self, leaf: Leaf) -> dict[str, str]:
        """Return what blocks call the values that a step learns from, and what it calls them."""
        if leaf.summaries is not None:  # they are taken where the block is computed
            return {}
        names = self._planned.blocks.names
        return {**({"y": "y"} if "y" in names else {}), **own_params(names, leaf.path)}

    def _learner_of(self, leaves: list[Leaf]) -> StepsLearner:
        blockwise = [leaf for leaf in leaves if leaf.summaries is None]
        params = []
        supervised = [needs_classes(leaf.estimator) for leaf in blockwise]
        for leaf, is_supervised in zip(blockwise, supervised, strict=True):
            names = own_params(self._params, leaf.path)
            own = {name: self._params[key] for key, name in names.items()}
            params.append({"classes": self._classes, **own} if is_supervised else own)
        return StepsLearner(
            [leaf.learner for leaf in leaves],
            [self._columns(leaf) for leaf in blockwise],
            params,
            self._seed,
            self._classes if any(supervised) else None,
            self._batch_size,
        )


def first_rows(blocks: Blocks, engine: Engine) -> tuple[int, Any]:
    """Read the first block that has rows; return its number and the first of them."""
    heads = blocks.only("X").map("X", _head, blocks.promise, label="first-rows")
    with engine.stream(Plan(heads), prefetch=0) as computed:
        for number, block in computed:
            if n_rows(block):
                return number, block["X"]
    raise ValueError(NO_ROWS)


def _head(promise: Any, number: int, X: Any) -> Any:
    check_block(number, {"X": X}, promise)
    return copy.deepcopy(rows(X, slice(0, N_HEAD)))  # a view would keep the whole block
