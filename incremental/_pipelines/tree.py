"""The tree of steps that an estimator is made of, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import FeatureUnion, Pipeline

from incremental._learning.labels import learner_in
from incremental._pipelines.by_column import ByColumn
from incremental._pipelines.composites import InOrder, Union
from incremental._pipelines.layout import known_of
from incremental._pipelines.node import Leaf, Node
from incremental._pipelines.routes import OF_STEPS, join, passes_through
from incremental._pipelines.targets import OfTarget, parts_of
from incremental._pipelines.transformers import by_summaries, is_stateless, learns_otherwise


def tree_of(path: str, estimator: Any) -> Node:
    """Return the tree of steps that an estimator is made of; one step is one, too."""
    if isinstance(estimator, Pipeline):
        return InOrder(path, estimator, tree_of)
    if isinstance(estimator, ColumnTransformer):
        return ByColumn(path, estimator, tree_of)
    if isinstance(estimator, FeatureUnion):
        return Union(path, estimator, tree_of)
    if isinstance(estimator, TransformedTargetRegressor):
        return OfTarget(path, estimator, tree_of)
    return Leaf(path, estimator)


def is_tree(estimator: Any) -> bool:
    """Say whether an estimator is trained in passes of its steps' own, if any.

    One that learns from summaries, or looks at the layout only, is a step by itself.

    Examples
    --------
    >>> from sklearn.preprocessing import OneHotEncoder, StandardScaler
    >>> is_tree(OneHotEncoder()), is_tree(StandardScaler())
    (True, False)
    """
    of_steps = isinstance(estimator, (*OF_STEPS, TransformedTargetRegressor))
    return of_steps or learns_otherwise(estimator)


def check(estimator: Any, X: Any) -> None:
    """Refuse a tree of steps that cannot be trained on X block by block.

    Raises
    ------
    TypeError
        If a step can only be trained on all rows at once.
    """
    tree_of("", estimator).check(known_of(X))


def parts(estimator: Any) -> Iterator[Any]:
    """Yield an estimator, and then all steps inside, each before those that it is made of."""
    return tree_of("", estimator).parts()


def needs_no_fit(estimator: Any) -> bool:
    """Say whether an estimator works as it is.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import Normalizer, StandardScaler
    >>> needs_no_fit(make_pipeline(Normalizer())), needs_no_fit(make_pipeline(StandardScaler()))
    (True, False)
    """
    return all(
        hasattr(part, "get_params")
        and not isinstance(part, type)
        and (is_stateless(part) or _is_frozen_and_fitted(part))
        for part in parts(estimator)
        if not isinstance(part, (Pipeline, FeatureUnion))
    )


def _is_frozen_and_fitted(estimator: Any) -> bool:
    return isinstance(estimator, FrozenEstimator) and estimator.__sklearn_is_fitted__()


def learning_steps(estimator: Any) -> dict[str, Any]:
    """Return the steps that learn, by their names as in ``set_params``; "" is the last one."""
    if not is_tree(estimator):
        return {"": estimator}
    last = last_path(estimator)
    return {
        "" if leaf.path == last else leaf.path: leaf.estimator
        for leaf in tree_of("", estimator).leaves()
        if leaf.learns
    }


def goes_on(estimator: Any) -> bool:
    """Say whether the last step learns block by block, in as many passes as one likes."""
    return "" in learning_steps(estimator) and by_summaries(learner_in(estimator)) is None


def last_path(estimator: Any) -> str:
    """Return the name of the last step of a pipeline."""
    path = ""
    while True:
        if isinstance(estimator, Pipeline) and estimator.steps:
            name, estimator = estimator.steps[-1]
        elif isinstance(estimator, TransformedTargetRegressor):
            name, estimator = "regressor", parts_of(estimator)[1]
        else:
            return path
        path = join(path, name)


def first_step(estimator: Any) -> Any:
    """Return the step that X reaches as it is; of a FeatureUnion the one whose columns it names.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import OneHotEncoder
    >>> first_step(make_pipeline("passthrough", make_pipeline(FrozenEstimator(OneHotEncoder()))))
    OneHotEncoder()
    """
    while True:
        if isinstance(estimator, Pipeline):
            steps = [step for _, step in estimator.steps if not passes_through(step)]
        elif isinstance(estimator, FeatureUnion):
            steps = [step for _, step in estimator.transformer_list if not isinstance(step, str)]
        elif isinstance(estimator, FrozenEstimator):
            steps = [estimator.estimator]
        elif isinstance(estimator, TransformedTargetRegressor):
            steps = [parts_of(estimator)[1]]
        else:
            return estimator
        estimator = steps[0] if steps else None
