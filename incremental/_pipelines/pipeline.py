"""Pipelines out of core: the steps are trained one after the other, each in a pass over blocks.

A block goes through the steps that are trained already, where it is computed, and reaches those
that learn in this pass.  Branches of a ColumnTransformer or a FeatureUnion learn in the same pass,
so that there are as many passes as steps with ``partial_fit`` come one after the other.
"""

from __future__ import annotations

import copy
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sklearn import config_context, get_config
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
)
from sklearn.utils import Tags, get_tags
from sklearn.utils.metadata_routing import process_routing

from incremental._compat import num_samples, safe_indexing
from incremental._data.blocks import UNKNOWN_CATEGORIES, Blocks
from incremental._data.values import Block, n_rows, rows
from incremental._engines.base import Engine
from incremental._learning.block_checks import check_block, check_rows
from incremental._learning.classes import needs_classes, needs_y
from incremental._learning.labels import last_step
from incremental._learning.learner import Learner
from incremental._pipelines.layout import UNKNOWN, Known, check_takes, known_of
from incremental._pipelines.transformers import (
    counts_nothing,
    is_stateless,
    learns,
    refusal,
)
from incremental._planning.plan import Plan
from incremental.exceptions import BlockError, describe, shorten

#: Rows of the first block that steps are fitted on which look at the layout only.
N_HEAD = 1_000


NO_ROWS = (
    "Found array with 0 sample(s): every block of X is empty while a minimum of 1 is required."
)


def is_tree(estimator: Any) -> bool:
    """Say whether an estimator is made of steps that are trained in passes of their own, if any."""
    return isinstance(estimator, (Pipeline, ColumnTransformer, FeatureUnion, FrozenEstimator))


def _passes_through(step: Any) -> bool:
    """Say whether a step of a Pipeline is none."""
    return step is None or step == "passthrough"


# Operations on blocks


@dataclass(frozen=True, eq=False)
class _Transform:
    """A step that is trained."""

    path: str
    estimator: Any

    def __call__(self, X: Any) -> Any:
        return self.estimator.transform(X)


@dataclass(frozen=True, eq=False)
class _Select:
    """The columns that a ColumnTransformer gives to one of its steps."""

    path: str
    columns: Any

    def __call__(self, X: Any) -> Any:
        X = X if hasattr(X, "shape") else np.asarray(X, dtype=object)
        return safe_indexing(X, self.columns, axis=1)


#: What happens to a block on its way to a step.
Route = tuple[_Transform | _Select, ...]


class _Through(NamedTuple):
    """Where blocks go, and what goes with them."""

    #: From a block to each step that learns.
    routes: tuple[Route, ...]
    #: Return an X for each route, rather than the X of the only one.
    several: bool
    #: What X has to look like before.
    promise: Any
    #: scikit-learn keeps its configuration for each thread.
    config: dict[str, Any]


def _go_through(through: _Through, number: int, X: Any, *others: Any) -> Any:
    """Take X along one or several routes; what these have in common is computed once."""
    known: dict[Route, Any] = {(): X}
    if check_block(number, {"X": X}, through.promise):  # else it is skipped later, as it is
        with config_context(**through.config):
            for route in through.routes:
                _follow(number, route, known)
    found = tuple(known.get(route, X) for route in through.routes)
    return found if through.several else found[0]


def _follow(number: int, route: Route, known: dict[Route, Any]) -> Any:
    if route not in known:
        X = _follow(number, route[:-1], known)
        step = route[-1]
        try:
            found = step(X)
        except Exception as error:
            raise BlockError(
                f"Block {number} could not be transformed by the step {step.path}: "
                f"{describe(error)}",
                number,
            ) from error
        known[route] = check_rows(num_samples(X), found, f"The step {step.path}", number)
    return known[route]


def _map(planned: Plan, names: Iterable[str], routes: Sequence[Route], several: bool) -> Plan:
    """Return a plan of transformed blocks, with the values `names` as they are."""
    keep = [name for name in ("y", *names) if name in planned.blocks.names]
    blocks = planned.blocks.only("X", *dict.fromkeys(keep))
    state = _Through(tuple(routes), several, blocks.promise, get_config())
    return Plan(blocks.map("X", _go_through, state, label="transform", keep=blocks.names[1:]))


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
    route: list[_Transform] = []
    path, given = "", model
    while isinstance(model, Pipeline):
        *before, (name, last) = model.steps
        route += [
            _Transform(_join(path, n), step) for n, step in before if not _passes_through(step)
        ]
        path, model = _join(path, name), last
    return _map(planned, names, [tuple(route)], False) if is_tree(given) else planned


def name_row_changer(model: Any, method: str, X: Any) -> str:
    """Name what returns another number of rows than X has: a step, or the method of a model."""
    path = ""
    while isinstance(model, Pipeline):
        for name, step in model.steps[:-1]:
            if _passes_through(step):
                continue
            before, X = X, step.transform(X)
            if num_samples(X) != num_samples(before):
                return f"The step {_join(path, name)}"
        name, model = model.steps[-1]
        path = _join(path, name)
    return f"{method} of {type(model).__name__}"


# Steps


class _Node:
    """A step, or several.

    Parameters
    ----------
    path : str
        Its name as in ``set_params``.
    estimator : estimator
        Only changed by `settle`, and by those who train it.

    Attributes
    ----------
    complete : bool
        Whether it can transform blocks.
    """

    complete = False

    def __init__(self, path: str, estimator: Any):
        self.path = path
        self.estimator = estimator

    def inputs(self, known: Known) -> Generator[tuple[_Leaf, Known], None, Known]:
        """Yield the steps that are not made of others, and what is known of their X.

        Parameters
        ----------
        known : Known
            What is known of the X that this one is given.

        Returns
        -------
        known : Known
            What is known of the X that it returns.
        """
        raise NotImplementedError

    def check(self, known: Known) -> None:
        """Refuse what cannot be trained on blocks that are as is known."""
        for leaf, part in self.inputs(known):
            leaf.check_step(part)
            check_takes(leaf.estimator, part, leaf.path)

    def parts(self) -> Iterator[Any]:
        """Yield its estimator, and then those of all steps inside."""
        yield self.estimator

    def leaves(self) -> Iterator[_Leaf]:
        """Yield all steps that are not made of others."""
        raise NotImplementedError

    @property
    def needs_rows(self) -> bool:
        """Say whether it has to see some rows to be complete."""
        raise NotImplementedError

    def settle(self, X: Any, number: int) -> None:
        """Complete what is complete but for a look at some rows; None if nothing needs one.

        Raises
        ------
        BlockError
            If a step refuses the rows, which are those of the block `number`.
        """
        raise NotImplementedError

    @contextmanager
    def _naming(self, number: int) -> Iterator[None]:
        """Name the step, and the block, whose first rows it refuses."""
        try:
            yield
        except BlockError:  # of a step inside
            raise
        except Exception as error:
            raise BlockError(
                f"The first rows of block {number} could not be learned by the step "
                f"{self.path or type(self.estimator).__name__}: {describe(error)}",
                number,
            ) from error

    def learning(self, route: Route = ()) -> list[tuple[_Leaf, Route]]:
        """Return the steps that learn in the next pass, and the routes to them."""
        raise NotImplementedError

    def operation(self) -> _Transform:
        return _Transform(self.path, self.estimator)


class _Leaf(_Node):
    """One step."""

    def inputs(self, known: Known) -> Generator[tuple[_Leaf, Known], None, Known]:
        yield self, known
        return UNKNOWN

    def check_step(self, known: Known) -> None:
        """Refuse a step that cannot be trained block by block."""
        estimator = self.estimator
        if not hasattr(estimator, "get_params"):
            raise TypeError(
                f"Step {self.path} must be an estimator. Got {shorten(estimator)} instead."
            )
        why = refusal(estimator)
        if why is not None and not self._has_categories(known):
            raise TypeError(
                f"Every step must be one that can be trained block by block, but {self.path} "
                f"({estimator!r}) {why}"
            )

    def _has_categories(self, known: Known) -> bool:
        """Say whether an encoder finds all categories in the dtypes of X."""
        if not isinstance(self.estimator, (OneHotEncoder, OrdinalEncoder)):
            return False
        if not counts_nothing(self.estimator) or not known.is_frame:
            return False
        for column, dtype in known.rows.dtypes.items():
            if dtype != "category":
                return False
            if UNKNOWN_CATEGORIES in dtype.categories:
                raise TypeError(
                    f"Step {self.path} needs the categories of the column {column!r}, which dask "
                    "does not know. Make them known (X.categorize(), or astype with a "
                    "pandas.CategoricalDtype([...])), or pass categories=[...]."
                )
        return True

    def leaves(self) -> Iterator[_Leaf]:
        yield self

    @property
    def needs_rows(self) -> bool:
        if is_stateless(self.estimator):  # text and dicts have no columns to note
            return get_tags(self.estimator).input_tags.two_d_array
        return not self.learns

    @property
    def learns(self) -> bool:
        return learns(self.estimator)

    def settle(self, X: Any, number: int) -> None:
        if self.complete or self.learns:
            return
        if X is not None:
            with self._naming(number):
                self._fit(X)
        self.complete = True

    def _fit(self, X: Any) -> None:
        estimator = self.estimator
        encodes = isinstance(estimator, (OneHotEncoder, OrdinalEncoder))
        if encodes and isinstance(estimator.categories, str):
            categories = [np.sort(np.asarray(dtype.categories)) for dtype in X.dtypes]
            estimator.set_params(categories=categories)
        if isinstance(estimator, SimpleImputer):
            # A column that is missing in the first rows is not missing everywhere.
            keep = estimator.keep_empty_features
            estimator.set_params(keep_empty_features=True).fit(X)
            estimator.set_params(keep_empty_features=keep)
        else:
            estimator.fit(X, None)

    def learning(self, route: Route = ()) -> list[tuple[_Leaf, Route]]:
        return [(self, route)]


class _Steps(_Node):
    """What is made of other steps."""

    #: Those that are neither passed through nor dropped.
    nodes: dict[Any, _Node]

    def parts(self) -> Iterator[Any]:
        yield self.estimator
        for node in self.nodes.values():
            yield from node.parts()

    def leaves(self) -> Iterator[_Leaf]:
        for node in self.nodes.values():
            yield from node.leaves()

    @property
    def needs_rows(self) -> bool:
        return any(node.needs_rows for node in self.nodes.values())


class _Chain(_Steps):
    """A Pipeline: one step after the other."""

    def __init__(self, path: str, estimator: Pipeline):
        super().__init__(path, estimator)
        self.nodes = {
            i: _node(_join(path, name), step)
            for i, (name, step) in enumerate(estimator.steps)
            if not _passes_through(step)
        }

    def inputs(self, known: Known) -> Generator[tuple[_Leaf, Known], None, Known]:
        for node in self.nodes.values():
            known = yield from node.inputs(known)
        return known

    def settle(self, X: Any, number: int) -> None:
        for i, node in self.nodes.items():
            node.settle(X, number)
            if not node.complete:
                return
            if X is not None and node is not list(self.nodes.values())[-1]:
                with node._naming(number):
                    X = check_rows(
                        num_samples(X), node.estimator.transform(X), f"The step {node.path}", number
                    )
            self.estimator.steps[i] = (self.estimator.steps[i][0], node.estimator)
        self.complete = True

    def learning(self, route: Route = ()) -> list[tuple[_Leaf, Route]]:
        nodes = iter(self.nodes.values())
        while (node := next(nodes)).complete:  # one is not, or this would be complete
            route = (*route, node.operation())
        return node.learning(route)


class _Union(_Steps):
    """A FeatureUnion: steps side by side."""

    def __init__(self, path: str, estimator: Any):
        super().__init__(path, estimator)
        self.nodes = {
            name: _node(_join(path, name), step)
            for name, step in self._branches()
            if not isinstance(step, str)
        }

    def _branches(self) -> Iterator[tuple[str, Any]]:
        """Yield the names of branches and what takes the place of the steps that were given."""
        for name, step in self._given():
            if step == "passthrough":  # what scikit-learn puts in its place, too
                step = FunctionTransformer(feature_names_out="one-to-one")
            yield name, step

    def inputs(self, known: Known) -> Generator[tuple[_Leaf, Known], None, Known]:
        dtypes: dict[Any, Any] = {}
        for name, step in self._given():
            part = self._known_part(name, known)
            if part is None:
                continue
            if isinstance(step, str) and step == "passthrough":
                dtypes |= part.dtypes
            elif name in self.nodes:
                found = yield from self.nodes[name].inputs(part)
                dtypes |= found.dtypes
        return Known(None, dtypes)

    def _given(self) -> Iterator[tuple[str, Any]]:
        """Yield the names and steps as they were given."""
        yield from self.estimator.transformer_list

    def _known_part(self, name: str, known: Known) -> Known | None:
        """Return what is known of the X of a step; None if it gets none."""
        return known

    def _part(self, node: _Node, X: Any) -> Any:
        return X

    def settle(self, X: Any, number: int) -> None:
        if self.complete:
            return
        for node in self.nodes.values():
            with self._naming(number):
                part = self._part(node, X)
            node.settle(part, number)
        if all(node.complete for node in self.nodes.values()):
            with self._naming(number):
                self._assemble(X)
            self.complete = True

    def _assemble(self, X: Any) -> None:
        self.estimator.transformer_list = [
            (name, self.nodes[name].estimator if name in self.nodes else step)
            for name, step in self.estimator.transformer_list
        ]

    def learning(self, route: Route = ()) -> list[tuple[_Leaf, Route]]:
        return [
            found
            for node in self.nodes.values()
            if not node.complete
            for found in node.learning(self._route(node, route))
        ]

    def _route(self, node: _Node, route: Route) -> Route:
        return route


class _ByColumn(_Union):
    """A ColumnTransformer: steps side by side, each for some columns."""

    needs_rows = True

    def __init__(self, path: str, estimator: ColumnTransformer):
        super().__init__(path, estimator)
        self._selected: dict[str, _Select] | None = None
        #: Those whose columns are found in the first block only, or are none before.
        self._unchecked: set[str] = set()

    def _given(self) -> Iterator[tuple[str, Any]]:
        yield from ((name, step) for name, step, _ in self.estimator.transformers)
        yield "remainder", self.estimator.remainder

    def _branches(self) -> Iterator[tuple[str, Any]]:
        return self._given()

    def inputs(self, known: Known) -> Generator[tuple[_Leaf, Known], None, Known]:
        self._selected = None if known.rows is None else self._resolve(known.rows)
        self._unchecked = set()
        try:
            return (yield from super().inputs(known))
        finally:
            self._selected = None  # to be found in the first block

    def _known_part(self, name: str, known: Known) -> Known | None:
        if self._selected is not None:
            if name not in self._selected:
                self._unchecked.add(name)
                return None
            rows = self._selected[name](known.rows)
            is_frame = getattr(rows, "ndim", 0) == 2 and hasattr(rows, "iloc")
            return Known(rows, dict(rows.dtypes.items()) if is_frame and known.dtypes else {})
        columns = {name: columns for name, _, columns in self.estimator.transformers}
        if name in columns and not callable(columns[name]):
            return UNKNOWN if _selects_any(columns[name]) else None
        self._unchecked.add(name)
        return None

    def _resolve(self, X: Any) -> dict[str, _Select]:
        """Find the columns of each step as a ColumnTransformer does: names, masks, callables."""
        by_column = ColumnTransformer(
            [(name, _Nothing(), columns) for name, _, columns in self.estimator.transformers],
            remainder=_Nothing(),
        )
        found = by_column.fit(X).transformers_
        self._selected = {
            name: _Select(_join(self.path, name), columns)
            for name, _, columns in found
            if _selects_any(columns)
        }
        return self._selected

    def _part(self, node: _Node, X: Any) -> Any:
        assert self._selected is not None or X is None
        select = (self._selected or {}).get(node.path[len(self.path) :].removeprefix("__"))
        return None if X is None or select is None else select(X)

    def settle(self, X: Any, number: int) -> None:
        if self._selected is None:
            with self._naming(number):
                selected = self._resolve(X)
            self.nodes = {n: node for n, node in self.nodes.items() if n in selected}
            for name in self._unchecked & self.nodes.keys():
                self.nodes[name].check(UNKNOWN)
        super().settle(X, number)

    def _assemble(self, X: Any) -> None:
        """Fit it on some rows with steps that stay as they are."""
        by_column, given = self.estimator, (self.estimator.transformers, self.estimator.remainder)
        by_column.transformers = [
            (name, self._frozen(name, step), columns) for name, step, columns in given[0]
        ]
        by_column.remainder = self._frozen("remainder", given[1])
        try:
            by_column.fit(X)
        finally:
            by_column.transformers, by_column.remainder = given
        by_column.transformers_ = [
            (name, self.nodes[name].estimator if name in self.nodes else step, columns)
            for name, step, columns in by_column.transformers_
        ]

    def _frozen(self, name: str, step: Any) -> Any:
        return FrozenEstimator(self.nodes[name].estimator) if name in self.nodes else step

    def _route(self, node: _Node, route: Route) -> Route:
        assert self._selected is not None
        return (*route, self._selected[node.path[len(self.path) :].removeprefix("__")])


class _Nothing(TransformerMixin, BaseEstimator):
    """Gives no columns."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return np.empty((X.shape[0], 0))

    def get_feature_names_out(self, input_features=None):
        return np.empty(0, dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


def _selects_any(columns: Any) -> bool:
    if hasattr(columns, "__len__") and not isinstance(columns, str):
        return len(columns) > 0 and (np.asarray(columns).dtype != bool or bool(np.any(columns)))
    return True


def _join(path: str, name: str) -> str:
    return f"{path}__{name}" if path else name


def _node(path: str, estimator: Any) -> _Node:
    if isinstance(estimator, Pipeline):
        return _Chain(path, estimator)
    if isinstance(estimator, ColumnTransformer):
        return _ByColumn(path, estimator)
    if isinstance(estimator, FeatureUnion):
        return _Union(path, estimator)
    return _Leaf(path, estimator)


# Passes


class _Together(Learner):
    """Steps that learn in the same pass, each from an X of its own.

    Parameters
    ----------
    steps : list of estimator
        Learn in place.
    columns : list of dict
        For each step what a block calls its values, and what ``partial_fit`` calls them.
    params : list of dict
        For each step the parameters that are the same for all blocks.
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
        super().__init__(steps, seed, classes, {}, None, batch_size)
        self._columns = [{_name_of_X(i): "X", **one} for i, one in enumerate(columns)]
        self._params = params

    @property
    def label(self) -> str:
        return "-".join(dict.fromkeys(type(step).__name__ for step in self.model))

    def learn(self, number: int, block: Block) -> bool:
        """Learn from one block, whose "X" has one for each step."""
        parts = {_name_of_X(i): X for i, X in enumerate(block["X"])}
        return super().learn(number, {**block, **parts})

    def _learn_batch(self, batch: Block) -> None:
        for step, columns, params in zip(self.model, self._columns, self._params, strict=True):
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
    X : dask collection, list of Delayed, or data in memory
        What the blocks are cut from: tells which columns there are.

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
        X: Any,
    ):
        self.first_rows: Any = None
        self._last = last_step(model)
        self._tree = _node("", model)
        self._tree.check(known_of(X))  # notes what cannot be checked before the first rows
        self._planned = planned
        self._engine = engine
        self._params = params
        self._seed = seed
        self._classes = classes
        self._batch_size = batch_size

    def __iter__(self) -> Iterator[tuple[_Together, Plan]]:
        """Yield who learns and what, for each pass."""
        number = 0
        if self._tree.needs_rows:
            number, self.first_rows = first_rows(self._planned.blocks, self._engine)
        while True:
            self._tree.settle(self.first_rows, number)
            todo = [] if self._tree.complete else self._tree.learning()
            if not todo or todo[0][0].estimator is self._last:
                return
            together = self._together([leaf for leaf, _ in todo])
            names = [name for leaf, _ in todo for name in self._columns(leaf)]
            yield together, _map(self._planned, names, [route for _, route in todo], True)
            for (leaf, _), trained in zip(todo, together.model, strict=True):
                leaf.estimator = trained
                leaf.complete = True

    def _columns(self, leaf: _Leaf) -> dict[str, str]:
        names = self._planned.blocks.names
        return {**({"y": "y"} if "y" in names else {}), **own_params(names, leaf.path)}

    def _together(self, leaves: list[_Leaf]) -> _Together:
        params = []
        supervised = [needs_classes(leaf.estimator) for leaf in leaves]
        for leaf, is_supervised in zip(leaves, supervised, strict=True):
            names = own_params(self._params, leaf.path)
            own = {name: self._params[key] for key, name in names.items()}
            params.append({"classes": self._classes, **own} if is_supervised else own)
        return _Together(
            [leaf.estimator for leaf in leaves],
            [self._columns(leaf) for leaf in leaves],
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


# Checks and parameters, before anything is read


def check(estimator: Any, X: Any) -> None:
    """Refuse a tree of steps that cannot be trained on X block by block.

    Raises
    ------
    TypeError
        If a step can only be trained on all rows at once.
    """
    _node("", estimator).check(known_of(X))


def parts(estimator: Any) -> Iterator[Any]:
    """Yield an estimator, and then all steps inside, each before those that it is made of."""
    return _node("", estimator).parts()


def needs_no_fit(estimator: Any) -> bool:
    """Say whether an estimator works as it is.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import Normalizer, StandardScaler
    >>> needs_no_fit(make_pipeline(Normalizer())), needs_no_fit(make_pipeline(StandardScaler()))
    (True, False)
    """
    if not hasattr(estimator, "get_params") or isinstance(estimator, type):
        return False
    return all(
        is_stateless(part) or _is_frozen_and_fitted(part)
        for part in parts(estimator)
        if not isinstance(part, (Pipeline, FeatureUnion))
    )


def _is_frozen_and_fitted(estimator: Any) -> bool:
    return isinstance(estimator, FrozenEstimator) and estimator.__sklearn_is_fitted__()


def who_needs_y(estimator: Any, is_new: bool = True) -> str | None:
    """Name what cannot learn without y; None if everything can.

    Parameters
    ----------
    estimator : estimator
        The model.
    is_new : bool, default=True
        Whether all steps of a pipeline have to learn, and not only the last one.

    Examples
    --------
    >>> from sklearn.linear_model import SGDClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> who_needs_y(make_pipeline(SelectFromModel(SGDClassifier()), StandardScaler()))
    'SelectFromModel (the step selectfrommodel)'
    >>> who_needs_y(SGDClassifier()), who_needs_y(StandardScaler())
    ('SGDClassifier', None)
    """
    for path, step in learning_steps(estimator).items():
        if (is_new or not path) and needs_y(step):
            return f"{type(step).__name__} (the step {path})" if path else type(step).__name__
    return None


def tags_of(estimator: Any) -> Tags:
    """Return the tags of an estimator; a tree has those that scikit-learn leaves at their defaults.

    It requires y if a step that learns does, and takes as X what its first step takes.
    """
    tags = copy.deepcopy(get_tags(estimator))
    tags.target_tags.required = who_needs_y(estimator) is not None
    if not is_tree(estimator):
        return tags
    tags.requires_fit = not needs_no_fit(estimator)
    first = first_step(estimator)
    if first is not None and not is_tree(first):
        given = get_tags(first).input_tags
        for name in ("one_d_array", "two_d_array", "three_d_array", "string", "dict"):
            setattr(tags.input_tags, name, getattr(given, name))
    return tags


def learning_steps(estimator: Any) -> dict[str, Any]:
    """Return the steps that learn, by their names as in ``set_params``; "" is the last one."""
    if not is_tree(estimator):
        return {"": estimator}
    last_path = _last_path(estimator)
    return {
        "" if leaf.path == last_path else leaf.path: leaf.estimator
        for leaf in _node("", estimator).leaves()
        if leaf.learns
    }


def _last_path(estimator: Any) -> str:
    path = ""
    while isinstance(estimator, Pipeline) and estimator.steps:
        name, estimator = estimator.steps[-1]
        path = _join(path, name)
    return path


def first_step(estimator: Any) -> Any:
    """Return the step that X reaches as it is; of a FeatureUnion the one whose columns it names.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> first_step(make_pipeline("passthrough", make_pipeline(FrozenEstimator(OneHotEncoder()))))
    OneHotEncoder()
    """
    while True:
        if isinstance(estimator, Pipeline):
            steps = [step for _, step in estimator.steps if not _passes_through(step)]
        elif isinstance(estimator, FeatureUnion):
            steps = [step for _, step in estimator.transformer_list if not isinstance(step, str)]
        elif isinstance(estimator, FrozenEstimator):
            steps = [estimator.estimator]
        else:
            return estimator
        estimator = steps[0] if steps else None


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
    last = f"{_last_path(estimator)}__"
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
