"""Weights of classes that ``class_weight="balanced"`` asks for."""

from __future__ import annotations

from typing import Any

import numpy as np

from incremental.exceptions import shorten


def balanced(estimator: Any) -> list[str]:
    """Return the parameters of an estimator that ask for balanced classes.

    Examples
    --------
    >>> from sklearn.linear_model import SGDClassifier
    >>> balanced(SGDClassifier(class_weight="balanced"))
    ['class_weight']
    """
    return [
        name
        for name, value in estimator.get_params().items()
        if name.rpartition("__")[2] == "class_weight"
        and isinstance(value, str)
        and value == "balanced"
    ]


def balanced_weights(counts: dict[Any, int], classes: Any) -> dict[Any, float]:
    """Return the weights of classes that give each the same say, as scikit-learn's "balanced".

    Examples
    --------
    >>> balanced_weights({0: 9, 1: 1}, np.array([0, 1]))
    {0: 0.5555555555555556, 1: 5.0}
    """
    labels = np.asarray(classes).tolist()
    unseen = [label for label in labels if not counts.get(label)]
    if unseen:
        raise ValueError(
            "class_weight='balanced' needs every label of classes in y. Got none of "
            f"{shorten(unseen)}; pass class_weight as a dict, or leave them out of classes."
        )
    n = sum(counts[label] for label in labels)
    return {label: n / (len(labels) * counts[label]) for label in labels}
