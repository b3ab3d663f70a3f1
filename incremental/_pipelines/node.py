"""A step of a pipeline, and what every step can be asked."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder
from sklearn.utils import get_tags

from incremental._data.frames import UNKNOWN_CATEGORIES
from incremental._pipelines.gathered import Gathered
from incremental._pipelines.layout import UNKNOWN, Known, check_takes
from incremental._pipelines.routes import Route, Summarise, Transform
from incremental._pipelines.transformers import (
    by_summaries,
    counts_nothing,
    is_stateless,
    learns,
    looks_only,
    refusal,
)
from incremental._summaries.encoders import CategoriesOfDtypes
from incremental.exceptions import BlockError, describe, shorten


class Node:
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

    @property
    def name(self) -> str:
        """Return what errors call it."""
        return self.path or type(self.estimator).__name__

    def inputs(self, known: Known) -> Generator[tuple[Leaf, Known], None, Known]:
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

    def leaves(self) -> Iterator[Leaf]:
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
    def naming(self, number: int) -> Iterator[None]:
        """Name the step, and the block, whose first rows it refuses."""
        try:
            yield
        except BlockError:  # of a step inside
            raise
        except Exception as error:
            raise BlockError(
                f"The first rows of block {number} could not be learned by the step "
                f"{self.name}: {describe(error)}",
                number,
            ) from error

    def learning(self, route: Route = ()) -> list[tuple[Leaf, Route]]:
        """Return the steps that learn in the next pass, and the routes to them."""
        raise NotImplementedError

    def rounds(self) -> list[list[Leaf]]:
        """Return the steps that learn in each pass, as far as that is known before the first."""
        raise NotImplementedError

    def operation(self) -> Transform:
        """Return what it does to a block, once it is complete."""
        return Transform(self.path, self.estimator)


class Leaf(Node):
    """One step.

    Attributes
    ----------
    summaries : Summaries or None
        How it learns, if that is from summaries of blocks.
    """

    def __init__(self, path: str, estimator: Any):
        super().__init__(path, estimator)
        self.summaries = by_summaries(estimator)

    def inputs(self, known: Known) -> Generator[tuple[Leaf, Known], None, Known]:
        yield self, known
        return UNKNOWN

    def check_step(self, known: Known) -> None:
        """Refuse a step that cannot be trained block by block."""
        estimator = self.estimator
        if not hasattr(estimator, "get_params") or isinstance(estimator, type):
            raise TypeError(
                f"Step {self.path} must be an estimator. Got {shorten(estimator)} instead."
            )
        if self._has_categories(known):
            self.summaries = CategoriesOfDtypes()
            return
        why = refusal(estimator)
        if why is not None:
            step = f"{self.path} ({shorten(estimator)})" if self.path else shorten(estimator)
            raise TypeError(
                f"Every step must be one that can be trained block by block, but {step} {why}"
            )

    def _has_categories(self, known: Known) -> bool:
        """Say whether an encoder finds all categories in the dtypes of X."""
        if not isinstance(self.estimator, (OneHotEncoder, OrdinalEncoder)):
            return False
        if looks_only(self.estimator) or not counts_nothing(self.estimator) or not known.is_frame:
            return False
        return all(
            dtype == "category" and UNKNOWN_CATEGORIES not in dtype.categories
            for dtype in known.rows.dtypes
        )

    def leaves(self) -> Iterator[Leaf]:
        yield self

    @property
    def needs_rows(self) -> bool:
        if is_stateless(self.estimator):  # text and dicts have no columns to note
            return get_tags(self.estimator).input_tags.two_d_array
        return not self.learns

    @property
    def learns(self) -> bool:
        """Say whether it takes a pass."""
        return self.summaries is not None or learns(self.estimator)

    def settle(self, X: Any, number: int) -> None:
        if self.complete or self.learns:
            return
        if X is not None:
            with self.naming(number):
                self._fit(X)
        self.complete = True

    def _fit(self, X: Any) -> None:
        """Fit what looks at the layout of X only."""
        estimator = self.estimator
        if isinstance(estimator, SimpleImputer):
            # A column that is missing in the first rows is not missing everywhere.
            keep = estimator.keep_empty_features
            estimator.set_params(keep_empty_features=True).fit(X)
            estimator.set_params(keep_empty_features=keep)
        else:
            estimator.fit(X, None)

    def learning(self, route: Route = ()) -> list[tuple[Leaf, Route]]:
        if self.summaries is not None:
            route = (*route, Summarise(self.name, self.estimator, self.summaries))
        return [(self, route)]

    def rounds(self) -> list[list[Leaf]]:
        return [[self]] if self.learns else []

    @property
    def learner(self) -> Any:
        """Return what learns in a pass: the estimator, or what gathers summaries for it."""
        if self.summaries is None:
            return self.estimator
        return Gathered(self.name, self.estimator, self.summaries)

    def take(self, learner: Any) -> None:
        """Take over what has learned, which may be a copy."""
        if self.summaries is None:
            self.estimator = learner
        else:
            learner.fit(self.estimator)
        self.complete = True
