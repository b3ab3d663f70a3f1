"""A ColumnTransformer: which step gets which columns, and what it is put together from."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import joblib
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator

from incremental._compat import NAMED_REMAINDER
from incremental._pipelines.composites import TreeOf, Union
from incremental._pipelines.layout import UNKNOWN, Known
from incremental._pipelines.node import Leaf, Node
from incremental._pipelines.routes import Route, Select, join


class ByColumn(Union):
    """A ColumnTransformer: steps side by side, each for some columns."""

    needs_rows = True

    def __init__(self, path: str, estimator: ColumnTransformer, tree_of: TreeOf):
        super().__init__(path, estimator, tree_of)
        #: The columns of each step that gets some, as they are in the first block; None before.
        self._selected: dict[str, Select] | None = None
        #: Steps that have no columns before, or whose columns only the first block tells.
        self._unchecked: set[str] = set()
        #: Steps that are known before to get none.
        self._without: set[str] = set()

    def _given(self) -> Iterator[tuple[str, Any]]:
        yield from ((name, step) for name, step, _ in self.estimator.transformers)
        yield "remainder", self.estimator.remainder

    def _branches(self) -> Iterator[tuple[str, Any]]:
        return self._given()

    def inputs(self, known: Known) -> Generator[tuple[Leaf, Known], None, Known]:
        parts = self._undecided() if known.rows is None else self._decided(known)
        self._unchecked = self.nodes.keys() - parts.keys()
        self._without = set() if known.rows is None else self._unchecked
        return (yield from self._inputs_of(parts))

    def _decided(self, known: Known) -> dict[str, Known]:
        """Return what is known of the X of each step that gets columns."""
        parts = {}
        for name, select in self._select(known.rows).items():
            rows = select(known.rows)
            is_frame = known.dtypes and hasattr(rows, "columns")
            parts[name] = Known(rows, dict(rows.dtypes.items()) if is_frame else {})
        return parts

    def _undecided(self) -> dict[str, Known]:
        """Return the same for those steps that get columns whatever X is."""
        return {
            name: UNKNOWN
            for name, _, columns in self.estimator.transformers
            if not callable(columns) and _selects_any(columns)
        }

    def _select(self, X: Any) -> dict[str, Select]:
        """Find the columns of each step as a ColumnTransformer does: names, masks, callables."""
        by_column = ColumnTransformer(
            [(name, _Nothing(), columns) for name, _, columns in self.estimator.transformers],
            remainder=_Nothing(),
            **NAMED_REMAINDER,
        )
        with joblib.parallel_config("sequential"):  # see `Passes`
            found = by_column.fit(X).transformers_
        return {
            name: Select(join(self.path, name), columns)
            for name, _, columns in found
            if _selects_any(columns)
        }

    def settle(self, X: Any, number: int) -> None:
        if self._selected is None:
            with self.naming(number):
                self._selected = self._select(X)
            self.nodes = {n: node for n, node in self.nodes.items() if n in self._selected}
            for name in self._unchecked & self.nodes.keys():
                self.nodes[name].check(UNKNOWN)
        super().settle(X, number)

    def _part(self, name: str, X: Any) -> Any:
        return None if X is None else self._of(name)(X)

    def _of(self, name: str) -> Select:
        assert self._selected is not None  # `settle` comes first
        return self._selected[name]

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
        return _Complete(self.nodes[name].estimator) if name in self.nodes else step

    def _with_columns(self) -> dict[str, Node]:
        return {name: node for name, node in self.nodes.items() if name not in self._without}

    def _route(self, name: str, route: Route) -> Route:
        return (*route, self._of(name))


class _Complete(FrozenEstimator):
    """A step that is known to be complete: scikit-learn 1.6 takes what hashes for unfitted."""

    def fit(self, X, y=None, *args, **kwargs):
        return self


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
    """Say whether a selection of columns is one, as scikit-learn does.

    Examples
    --------
    >>> [_selects_any(columns) for columns in ([], [False, False], ["a"], "a", slice(0, 0))]
    [False, False, True, True, True]
    """
    if hasattr(columns, "__len__") and not isinstance(columns, str):
        return len(columns) > 0 and (np.asarray(columns).dtype != bool or bool(np.any(columns)))
    return True
