"""A look before a long run: the phases of a fit, of which none reads."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
from dask.task_spec import GraphNode
from dask.typing import Key
from dask.utils import format_bytes, key_split
from sklearn.base import clone

from incremental._data.blocks import Blocks
from incremental._data.graphs import Graph
from incremental._data.nearly_right import is_lazy
from incremental._engines.base import Budget, Engine, Prefetch
from incremental._engines.open import name_scheduler, open_engine
from incremental._estimator.explanation import Explanation, Pass, bytes_ahead
from incremental._estimator.fit import Fit
from incremental._estimator.scored import ScoredModel
from incremental._learning.classes import asks_for_labels
from incremental._learning.labels import learner_in
from incremental._learning.order import in_new_order
from incremental._pipelines.targets import asks_for_dimensions
from incremental._pipelines.tree import goes_on
from incremental._planning.graph import is_source
from incremental._planning.plan import Plan, plan
from incremental._types import Data
from incremental.exceptions import shorten


class Plans(Engine):
    """Plans as another engine does, and takes note of what that would compute before.

    Parameters
    ----------
    engine : Engine
        The engine of the fit.
    """

    def __init__(self, engine: Engine):
        self._engine = engine
        #: The tasks that need nothing but what is in memory.
        self._sources: set[Key] = set()
        #: What takes place, in its order.
        self.passes: list[Pass] = []

    @property
    def workers(self) -> int:
        return self._engine.workers

    def budget(self, prefetch: Prefetch) -> Budget:
        return self._engine.budget(prefetch)

    def plan(self, blocks: Blocks) -> Plan:
        blocks = self._engine.prepare(blocks)
        self._sources |= {key for key in blocks.graph if is_source(blocks.graph, key)}
        return plan(blocks, self.get, self.make_store)

    def get(self, graph: Graph, keys: Sequence[Key]) -> list[None]:
        names = ", ".join(sorted({key_split(key) for key in keys}))
        self.passes.append(Pass(f"compute {names} before", len(self._sources & graph.keys())))
        return [None] * len(keys)

    def make_store(self, task: GraphNode) -> None:
        return None

    def add(self, what: str, planned: Plan, n_blocks: int | None = None) -> None:
        """Take note of a pass; of one that ends after some blocks, after how many."""
        reads = 0
        for window in planned.windows:
            reads += len(self._sources & window.tasks.keys())
            if n_blocks is not None and window.blocks.stop >= n_blocks:
                break
        self.passes.append(Pass(what, reads))

    def stream(self, planned: Plan, *, prefetch: Prefetch = None) -> NoReturn:
        raise NotImplementedError("what only plans computes nothing")

    train = stream  # type: ignore[assignment]


class Look(Fit):
    """A fit of which the phases are named, and none reads."""

    def explain(self, fit_params: dict[str, Any]) -> Explanation:
        """Return what `run` would do."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            blocks, held_out, collections = self._prepare(fit_params)
            with open_engine(collections) as engine:
                plans = Plans(engine)
                planned = self._passes(blocks, held_out, plans)
                budget = plans.budget(self._wrapper.prefetch)
        found = [str(warning.message) for warning in caught]
        block_bytes = blocks.largest or None
        if block_bytes is not None and block_bytes > budget.n_bytes:
            found.append(
                f"The largest block has {format_bytes(block_bytes)}, more than the "
                f"{format_bytes(int(budget.n_bytes))} that may be ahead of the model: blocks are "
                "computed one by one. Cut X into smaller blocks (rechunk, repartition)."
            )
        found += self._one_label_a_block(planned.blocks)
        return Explanation(
            model=shorten(self._wrapper.estimator),
            n_blocks=len(blocks),
            n_rows=None if None in blocks.lengths else sum(blocks.lengths),  # type: ignore[arg-type]
            passes=plans.passes,
            block_bytes=block_bytes,
            bytes_ahead=bytes_ahead(block_bytes, budget.n_blocks, budget.n_bytes),
            prefetch=budget.n_blocks,
            scheduler=name_scheduler(collections),
            workers=plans.workers,
            warnings=list(dict.fromkeys(found)),
        )

    def _passes(self, blocks: Blocks, held_out: Blocks | None, plans: Plans) -> Plan:
        """Name the passes; return the plan of all blocks."""
        whole = planned = plans.plan(blocks)
        has_lazy_y = self._supervised and is_lazy(self._y)
        if has_lazy_y and asks_for_labels(self._model, self._classes):
            plans.add("find the labels of y", Plan(planned.blocks.only("y")))
        planned, validation = self._hold_out(planned, held_out, plans)
        if asks_for_dimensions(self._model, self._y):
            plans.add("look at y", Plan(planned.blocks.only("y").take([0])))
        if self._has_steps:
            for one in self._step_passes(planned, plans).ahead():
                plans.add(*one)
        if not goes_on(self._model):
            return whole
        learner, planned = self._make_learner(planned, None)
        name = type(learner_in(self._model)).__name__
        for i in range(self._n_passes):
            if self._wrapper.shuffle:
                order = in_new_order(planned, learner.promise, [learner.seed, i])
                plans.add(f"pass of {name}", order)
            else:
                plans.add(f"pass of {name}", planned)
            if validation is not None:
                plans.add("validate", validation.planned_for(self._model))
        return whole

    def _one_label_a_block(self, blocks: Blocks) -> list[str]:
        """Warn of y in memory that is sorted by its labels."""
        if not self._supervised or is_lazy(self._y) or len(blocks) < 2:
            return []
        at = blocks.names.index("y")
        parts = [blocks.graph[keys[at]].value for keys in blocks.keys]  # type: ignore[attr-defined]
        n_of_one = sum(len(np.unique(np.asarray(part), axis=0)) == 1 for part in parts)
        if 2 * n_of_one <= len(parts):
            return []
        return [
            f"{n_of_one} of {len(parts)} blocks have one label only, as of data that are sorted by "
            "their labels: what is learned of one is forgotten in those of the others. Mix the "
            "data before; shuffle=True moves no row to another block."
        ]


class ExplainedModel(ScoredModel):
    """Base that says what a fit would do."""

    def explain(
        self,
        X: Data,
        y: Data | None = None,
        *,
        X_val: Data | None = None,
        y_val: Data | None = None,
        sample_weight_val: Data | None = None,
        **fit_params: Any,
    ) -> Explanation:
        """Say what `fit` would read and compute; nothing is read.

        Parameters
        ----------
        X : dask collection, list of Delayed, or array-like of shape (n_samples, n_features)
            The data.
        y : the same with shape (n_samples,) or (n_samples, n_outputs), default=None
            The target.
        X_val, y_val, sample_weight_val : the same, default=None
            As for `fit`.
        **fit_params : dict
            As for `fit`.

        Returns
        -------
        Explanation
            A text (``print``) and, in notebooks, a table, with these attributes: ``model``,
            ``n_blocks``, ``n_rows``, ``passes`` (of each ``what`` it does and how often it
            ``reads``), ``reads`` of all passes, ``block_bytes``, ``bytes_ahead``, ``prefetch``,
            ``scheduler``, ``workers`` and ``warnings``.  What is not known before is None.

        Raises
        ------
        TypeError or ValueError
            If `fit` would refuse the data, or a parameter, before it reads a block.

        See Also
        --------
        fit : Does it.

        Notes
        -----
        The figures are those of the plan that `fit` makes.  Where only rows tell which steps of a
        ColumnTransformer get columns, all are named.  The labels of y are looked at if y is in
        memory.

        Examples
        --------
        >>> from sklearn.linear_model import SGDClassifier
        >>> from incremental import Incremental
        >>> from incremental.datasets import make_classification
        >>> X, y = make_classification(n_samples=10_000, chunks=1_000, random_state=0)
        >>> explanation = Incremental(SGDClassifier(), max_iter=3, prefetch=4).explain(X, y)
        >>> print(explanation)
        fit of SGDClassifier()
        Blocks: 10
        Rows: 10,000
        Largest block of X: 156.25 kiB
        Ahead of the model: at most 4 blocks (625.00 kiB)
        Scheduler: threads, ... at once
        - find the labels of y: 10 reads
        - 3 x pass of SGDClassifier: 10 reads each
        >>> explanation.passes[0].reads
        10
        """
        wrapper = clone(self)  # its random_state is another one: none of the user's is drawn from
        if wrapper.random_state is None:
            wrapper.random_state = 0
        return Look.anew(wrapper, X, y, (X_val, y_val, sample_weight_val)).explain(fit_params)
