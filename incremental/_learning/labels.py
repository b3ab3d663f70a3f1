"""Labels of classifiers: found in each block of y, merged, told apart from what is missing."""

from __future__ import annotations

import numbers
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.base import is_classifier
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from toolz import merge_with

from incremental.exceptions import shorten


def last_step(model: Any) -> Any:
    """Return what predicts: the last step of a pipeline, or the model itself.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> last_step(make_pipeline("passthrough", make_pipeline("passthrough", 3)))
    3
    """
    while isinstance(model, Pipeline) and model.steps:  # an empty one is refused elsewhere
        model = model.steps[-1][1]
    return model


def learner_in(model: Any) -> Any:
    """Return what goes on learning, which is in what transforms y: the last step in it.

    Examples
    --------
    >>> from sklearn.compose import TransformedTargetRegressor
    >>> learner_in(TransformedTargetRegressor(Pipeline([("last", 3)])))
    3
    """
    while isinstance(last := last_step(model), TransformedTargetRegressor):
        model = vars(last).get("regressor_", last.regressor)
    return last


class Ask(NamedTuple):
    """What is asked of each block of y."""

    #: Columns of y are labels, rather than outputs with labels.
    multilabel: bool = False
    #: How often each label occurs is asked, too.
    counts: bool = False
    #: Numbers with decimals are no labels.
    discrete: bool = False
    #: A single column of y is one of several outputs, too (MultiOutputClassifier).
    outputs: bool = False


class Found(NamedTuple):
    """What a block of y answers."""

    #: The sorted labels; for y of several outputs a list of them.
    labels: Any
    #: How often each occurs; empty if that was not asked.
    counts: dict[Any, int] = {}


def ask_for(estimator: Any, counts: bool = False) -> Ask:
    """Return what is asked for an estimator."""
    last, outputs = last_step(estimator), False
    if not isinstance(last, str):  # "passthrough"
        takes = get_tags(last).target_tags
        outputs = takes.multi_output and not takes.single_output
    return Ask(is_multilabel(estimator), counts, is_classifier(estimator), outputs)


def is_multilabel(estimator: Any) -> bool:
    """Say whether columns of y are labels, each there or not, rather than outputs with labels."""
    tags = get_tags(estimator)
    return bool(
        tags.classifier_tags
        and tags.classifier_tags.multi_label
        and not tags.target_tags.multi_output
    )


def find(ask: Ask, y: Any) -> Found:
    """Find the labels that occur in y, and count them.

    Examples
    --------
    >>> find(Ask(counts=True), ["a", "b", "a"])
    Found(labels=array(['a', 'b'], dtype='<U1'), counts={'a': 2, 'b': 1})
    >>> find(Ask(), [[0, 5], [1, 5]]).labels
    [array([0, 1]), array([5])]
    >>> find(Ask(multilabel=True), [[0, 1], [1, 1]]).labels
    array([0, 1])
    >>> find(Ask(outputs=True), [[5], [6]]).labels
    [array([5, 6])]
    """
    if is_categorical(y):
        labels, counts = _categories(y)
    else:
        y = as_array(y)
        if y.ndim == 2 and (y.shape[1] > 1 or ask.outputs):
            if ask.multilabel:
                return Found(np.arange(y.shape[1]))
            return Found([_unique(column, ask)[0] for column in y.T])
        labels, counts = _unique(y, ask)
    if not ask.counts:
        return Found(labels)
    return Found(labels, dict(zip(labels.tolist(), counts.tolist(), strict=True)))


def is_categorical(y: Any) -> bool:
    """Say whether y is a Categorical of pandas, or a series of one, lazy or not."""
    return str(getattr(y, "dtype", None)) == "category"


def as_array(y: Any) -> Any:
    """Return y as an array; NumPy takes a sparse matrix for one value."""
    return y if sp.issparse(y) else np.asarray(y)


def _categories(y: Any) -> tuple[Any, Any]:
    """Return the categories that occur, and how often; text is looked at once, not in each row."""
    categorical = getattr(y, "cat", y)
    codes = np.asarray(categorical.codes)
    if (codes < 0).any():
        _check_none_missing(y)
    categories = np.asarray(categorical.categories)
    check_kinds(categories, "y")
    counts = np.bincount(codes, minlength=len(categories))
    labels, at = np.unique(categories[counts > 0], return_index=True)
    return labels, counts[counts > 0][at]


def _unique(y: Any, ask: Ask) -> tuple[Any, Any]:
    try:
        check_kinds(y, "y")
        labels, counts = _distinct(y, ask.counts)
    except (TypeError, ValueError):
        _check_none_missing(y)
        raise
    last = labels[-1:] if labels.dtype.kind == "f" else labels  # NaN is sorted last
    if labels.dtype.kind in "fO" and any(map(is_missing, last.tolist())):
        _check_none_missing(y)
    if ask.discrete and labels.dtype.kind == "f" and (labels != np.floor(labels)).any():
        raise ValueError(
            "Unknown label type: continuous. y must have labels for a classifier. Got "
            f"{labels[labels != np.floor(labels)][0]} instead; use a regressor, or cut y into "
            "classes."
        )
    return labels, counts


def _distinct(y: Any, counted: bool) -> tuple[Any, Any]:
    """Return what occurs in y, sorted, and how often if it is `counted`.

    Examples
    --------
    >>> _distinct(np.array([7, -1, 7], dtype=np.int8), True)
    (array([-1,  7], dtype=int8), array([1, 2]))
    """
    if isinstance(y, np.ndarray) and y.dtype.kind in "iu" and np.can_cast(y.dtype, np.intp):
        low, high = (int(y.min()), int(y.max())) if y.size else (0, 0)
        if high - low < y.size:  # the usual case: counting takes a tenth of the time of sorting
            counts = np.bincount((np.subtract(y, low, dtype=np.intp) if low else y).ravel())
            found = np.flatnonzero(counts)
            return (found + low).astype(y.dtype), counts[found]
    return np.unique(y, return_counts=True) if counted else (np.unique(y), None)


def merge(parts: list[Found]) -> Found:
    """Merge what blocks answered.

    Examples
    --------
    >>> merge([Found(np.array([0, 2]), {0: 1, 2: 3}), Found(np.array([2]), {2: 4})])
    Found(labels=array([0, 2]), counts={0: 1, 2: 7})
    """
    first = parts[0]
    if isinstance(first.labels, list):
        outputs = zip(*(part.labels for part in parts), strict=True)
        return Found([np.unique(np.concatenate(labels)) for labels in outputs])
    found = {i: part.labels for i, part in enumerate(parts) if len(part.labels)}
    kinds = {_kind_of(type(labels.tolist()[0])): i for i, labels in reversed(found.items())}
    if len(kinds) > 1:
        got = " and ".join(
            f"{shorten(found[i].tolist()[0])} in block {i}" for i in sorted(kinds.values())
        )
        raise ValueError(
            f"y must have labels of one kind. Got {got} instead; convert them, for example by "
            "astype(str)."
        )
    labels = np.unique(np.concatenate([part.labels for part in parts]))
    counts = merge_with(sum, *(part.counts for part in parts))
    return Found(labels, counts)


# What cannot be a label


def is_missing(value: Any) -> bool:
    """Say whether a value stands for a missing one: None, NaN, NaT, or NA of pandas.

    Examples
    --------
    >>> [is_missing(value) for value in (None, np.nan, "", 0)]
    [True, True, False, False]
    """
    if value is None or type(value).__name__ == "NAType":  # of pandas, which is optional
        return True
    differs = value != value
    return isinstance(differs, (bool, np.bool_)) and bool(differs)


def _check_none_missing(y: Any) -> None:
    values = np.ravel(y).tolist()
    rows = [i for i, value in enumerate(values) if is_missing(value)]
    if rows:
        found = "NaN" if isinstance(values[rows[0]], float) else repr(values[rows[0]])
        raise ValueError(
            f"Input y contains {found}, in {name_rows(rows)}. Drop these rows, or give them a "
            "label."
        )


def name_rows(rows: Any) -> str:
    """Name rows in an error: the first five.

    Examples
    --------
    >>> name_rows([3]), name_rows(range(7))
    ('row 3', 'rows 0, 1, 2, 3, 4, ...')
    """
    some = ", ".join(map(str, rows[:5])) + (", ..." if len(rows) > 5 else "")
    return f"{'row' if len(rows) == 1 else 'rows'} {some}"


def check_kinds(labels: Any, name: str) -> None:
    """Refuse labels of which some are text and some are numbers: they cannot be sorted.

    Examples
    --------
    >>> check_kinds([0, "a"], "classes")
    Traceback (most recent call last):
    ValueError: classes must have labels of one kind. Got 0 (int) and 'a' (str) instead; ...
    """
    if isinstance(labels, (list, tuple)):
        examples = {type(label): label for label in reversed(labels)}
    elif getattr(labels, "dtype", None) == np.dtype(object) and not sp.issparse(labels):
        examples = {type(label): label for label in reversed(np.ravel(labels).tolist())}
    else:
        return
    kinds = {_kind_of(kind): label for kind, label in reversed(examples.items())}
    if len(kinds) > 1:
        got = " and ".join(f"{shorten(one)} ({type(one).__name__})" for one in kinds.values())
        raise ValueError(
            f"{name} must have labels of one kind. Got {got} instead; convert them, for example by "
            "astype(str)."
        )


def _kind_of(kind: type) -> str:
    if issubclass(kind, (numbers.Number, np.bool_)):
        return "number"
    return "text" if issubclass(kind, (str, bytes)) else kind.__name__
