"""Scores that are sums over rows: what a block answers, and how the answers are put together."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.cluster import MiniBatchKMeans
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import accuracy_score, mean_squared_error
from sklearn.utils import check_array

from incremental._data.values import n_rows


def _hits(model: Any, X: Any, y: Any, sample_weight: Any = None) -> tuple[float, float]:
    weight = _as_weights(sample_weight)
    if weight is not None and not weight.any():  # only all of them together must not be 0
        accuracy_score(y, model.predict(X))  # refuses what it refuses elsewhere
        return 0.0, 0.0
    predicted = model.predict(X)
    if weight is None and _are_whole(y) and _are_whole(predicted) and len(y) == len(predicted):
        # What accuracy_score gives, without its checks: they take longer than many a prediction.
        hits = np.count_nonzero(y == predicted)
    else:
        hits = accuracy_score(y, predicted, normalize=False, sample_weight=weight)
    return float(hits), float(n_rows({"X": X}) if weight is None else weight.sum())


def _are_whole(labels: Any) -> bool:
    return isinstance(labels, np.ndarray) and labels.ndim == 1 and labels.dtype.kind in "biu"


def _accuracy(parts: list[tuple[float, float]]) -> float:
    correct, total = zip(*parts, strict=True)
    _check_total(np.sum(total))
    return float(np.sum(correct) / np.sum(total))


def _moments(model: Any, X: Any, y: Any, sample_weight: Any = None) -> tuple[Any, ...]:
    y = check_array(y, dtype=np.float64, ensure_2d=False)
    predicted = check_array(model.predict(X), dtype=np.float64, ensure_2d=False)
    weight = _as_weights(sample_weight)
    # Refuses what R^2 refuses.
    mean_squared_error(y, predicted, sample_weight=weight if np.any(weight) else None)
    y, predicted = y.reshape(len(y), -1), predicted.reshape(len(y), -1)
    weight = np.ones(len(y)) if weight is None else weight.ravel()
    total = weight.sum()
    shift = y[0]  # so that the mean of a constant is that constant
    mean = shift + weight @ (y - shift) / total if total else shift
    return len(y), total, mean, weight @ (y - mean) ** 2, weight @ (y - predicted) ** 2


def _r2(parts: list[tuple[Any, ...]]) -> float:
    """Merge the sums of blocks.

    References
    ----------
    T. F. Chan, G. H. Golub, R. J. LeVeque: Algorithms for computing the sample variance, The
    American Statistician 37 (1983).
    """
    n_samples, total, mean, around_mean, around_prediction = parts[0]
    for n, weight, other_mean, other_around_mean, other_around_prediction in parts[1:]:
        n_samples += n
        around_prediction = around_prediction + other_around_prediction
        if weight:
            share = weight / (total + weight)
            between = (other_mean - mean) ** 2 * total * share
            around_mean = around_mean + other_around_mean + between
            mean = mean + (other_mean - mean) * share
            total += weight
    _check_total(total)
    if n_samples < 2:
        message = "R^2 score is not well-defined with less than two samples."
        warnings.warn(message, UndefinedMetricWarning, stacklevel=4)
        return float("nan")
    constant = around_mean == 0  # scikit-learn's convention: 1 if predicted exactly, else 0
    scores = np.where(constant, around_prediction == 0, 0.0)
    scores[~constant] = 1 - around_prediction[~constant] / around_mean[~constant]
    return float(np.mean(scores))


def _as_weights(weight: Any) -> Any:
    """Return weights whose sums do not overflow, as those of masks, counts and halves do."""
    if weight is None:
        return None
    return check_array(weight, dtype=np.float64, ensure_2d=False, input_name="sample_weight")


def _check_total(weight: float) -> None:
    if weight == 0:  # in the words of scikit-learn
        raise ValueError("Sample weights must contain at least one non-zero number.")


def _own_score(model: Any, X: Any, **values: Any) -> float:
    return model.score(X, **values)


def _sum(parts: list[float]) -> float:
    return float(np.sum(parts, dtype=np.float64))


#: What a block is asked for, and what puts the answers together, for each score that is a sum over
#: rows.  A class that has a score of its own is none of these.
SUMS: dict[Any, tuple[Callable[..., Any], Callable[[list[Any]], float]]] = {
    ClassifierMixin.score: (_hits, _accuracy),
    RegressorMixin.score: (_moments, _r2),
    MiniBatchKMeans.score: (_own_score, _sum),
}
