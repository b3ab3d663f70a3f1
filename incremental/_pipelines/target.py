"""Who needs y, and the tags of a pipeline."""

from __future__ import annotations

import copy
from typing import Any

from sklearn.utils import Tags, get_tags

from incremental._learning.classes import needs_y
from incremental._pipelines.tree import first_step, is_tree, learning_steps, needs_no_fit


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
    >>> from sklearn.feature_selection import SelectFromModel
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
