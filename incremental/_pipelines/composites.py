"""What is made of steps: one after the other, or side by side."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from itertools import chain, zip_longest
from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from incremental._compat import num_samples
from incremental._learning.block_checks import check_rows
from incremental._pipelines.layout import Known
from incremental._pipelines.node import Leaf, Node
from incremental._pipelines.routes import Route, join, passes_through

#: Makes the node of an estimator, given its path.
TreeOf = Callable[[str, Any], Node]


class Composite(Node):
    """What is made of other steps."""

    #: Those that are neither passed through nor dropped, by their names, or places in a Pipeline.
    nodes: dict[Any, Node]

    def parts(self) -> Iterator[Any]:
        yield self.estimator
        for node in self.nodes.values():
            yield from node.parts()

    def leaves(self) -> Iterator[Leaf]:
        for node in self.nodes.values():
            yield from node.leaves()

    def rounds(self) -> list[list[Leaf]]:
        return [leaves for node in self.nodes.values() for leaves in node.rounds()]

    @property
    def needs_rows(self) -> bool:
        return any(node.needs_rows for node in self.nodes.values())


class InOrder(Composite):
    """A Pipeline: one step after the other."""

    def __init__(self, path: str, estimator: Pipeline, tree_of: TreeOf):
        super().__init__(path, estimator)
        self.nodes = {
            i: tree_of(join(path, name), step)
            for i, (name, step) in enumerate(estimator.steps)
            if not passes_through(step)
        }

    def inputs(self, known: Known) -> Generator[tuple[Leaf, Known], None, Known]:
        for node in self.nodes.values():
            known = yield from node.inputs(known)
        return known

    def settle(self, X: Any, number: int) -> None:
        for i, node in self.nodes.items():
            node.settle(X, number)
            if not node.complete:
                return
            if X is not None and node is not list(self.nodes.values())[-1]:
                with node.naming(number):
                    X = check_rows(
                        num_samples(X), node.estimator.transform(X), f"The step {node.path}", number
                    )
            self.estimator.steps[i] = (self.estimator.steps[i][0], node.estimator)
        self.complete = True

    def learning(self, route: Route = ()) -> list[tuple[Leaf, Route]]:
        nodes = iter(self.nodes.values())
        while (node := next(nodes)).complete:  # one is not, or this would be complete
            route = (*route, node.operation())
        return node.learning(route)


class Union(Composite):
    """A FeatureUnion: steps side by side."""

    def __init__(self, path: str, estimator: Any, tree_of: TreeOf):
        super().__init__(path, estimator)
        self.nodes = {
            name: tree_of(join(path, name), step)
            for name, step in self._branches()
            if not isinstance(step, str)
        }

    def _branches(self) -> Iterator[tuple[str, Any]]:
        """Yield the names of branches and what takes the place of the steps that were given."""
        for name, step in self._given():
            if step == "passthrough":  # what scikit-learn puts in its place, too
                step = FunctionTransformer(feature_names_out="one-to-one")
            yield name, step

    def _given(self) -> Iterator[tuple[str, Any]]:
        """Yield the names and steps as they were given."""
        yield from self.estimator.transformer_list

    def inputs(self, known: Known) -> Generator[tuple[Leaf, Known], None, Known]:
        return (yield from self._inputs_of({name: known for name, _ in self._given()}))

    def _inputs_of(self, parts: dict[str, Known]) -> Generator[tuple[Leaf, Known], None, Known]:
        """Do what `inputs` does with what is known of the X of each branch."""
        dtypes: dict[Any, Any] = {}
        for name, step in self._given():
            if name not in parts:
                continue
            if isinstance(step, str) and step == "passthrough":
                dtypes |= parts[name].dtypes
            elif name in self.nodes:
                found = yield from self.nodes[name].inputs(parts[name])
                dtypes |= found.dtypes
        return Known(None, dtypes)

    def settle(self, X: Any, number: int) -> None:
        if self.complete:
            return
        for name, node in self.nodes.items():
            with self.naming(number):
                part = self._part(name, X)
            node.settle(part, number)
        if all(node.complete for node in self.nodes.values()):
            with self.naming(number):
                self._assemble(X)
            self.complete = True

    def _part(self, name: str, X: Any) -> Any:
        """Return the X of a branch."""
        return X

    def _assemble(self, X: Any) -> None:
        """Put the branches, which are complete, in their places."""
        self.estimator.transformer_list = [
            (name, self.nodes[name].estimator if name in self.nodes else step)
            for name, step in self.estimator.transformer_list
        ]

    def learning(self, route: Route = ()) -> list[tuple[Leaf, Route]]:
        return [
            found
            for name, node in self.nodes.items()
            if not node.complete
            for found in node.learning(self._route(name, route))
        ]

    def rounds(self) -> list[list[Leaf]]:
        branches = [node.rounds() for node in self._with_columns().values()]
        return [list(chain.from_iterable(side)) for side in zip_longest(*branches, fillvalue=[])]

    def _with_columns(self) -> dict[Any, Node]:
        """Return the branches that get columns, or may get some."""
        return self.nodes

    def _route(self, name: str, route: Route) -> Route:
        """Return the route to the X of a branch."""
        return route
