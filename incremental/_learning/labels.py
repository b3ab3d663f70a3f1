"""Labels of classifiers: found, merged, counted, checked."""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.base import is_classifier, is_regressor
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from toolz import merge_with

from incremental._data.blocks import is_lazy
from incremental._engines.base import Engine
from incremental._planning.plan import Plan
from incremental.exceptions import BlockError


def last_step(model: Any) -> Any:
    """Return what goes on learning: the last step of a pipeline, or the model itself.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> last_step(make_pipeline("passthrough", make_pipeline("passthrough", 3)))
    3
    """
    while isinstance(model, Pipeline) and model.steps:  # an empty one is refused elsewhere
        model = model.steps[-1][1]
    return model


def accepts(method: Any, name: str) -> bool:
    """Say whether a method has a parameter of this name.

    Examples
    --------
    >>> accepts(len, "obj"), accepts(len, "classes")
    (True, False)
    """
    try:
        return name in inspect.signature(method).parameters
    except (TypeError, ValueError):
        return False


def needs_classes(estimator: Any) -> bool:
    """Say whether the first ``partial_fit`` has to be told all classes."""
    if is_regressor(estimator):  # what skorch makes takes classes, too, and ignores them
        return False
    if accepts(estimator.partial_fit, "classes"):
        return True
    inner = getattr(estimator, "estimator", None)  # SelectFromModel hands parameters on
    return hasattr(inner, "partial_fit") and is_classifier(inner) and needs_classes(inner)


def needs_y(estimator: Any) -> bool:
    """Say whether an estimator cannot learn without y."""
    if get_tags(estimator).target_tags.required:
        return True
    inner = getattr(estimator, "estimator", None)  # SelectFromModel hands y on
    return hasattr(inner, "partial_fit") and needs_y(inner)


def is_multilabel(estimator: Any) -> bool:
    """Say whether columns of y are labels, each there or not, rather than outputs with labels."""
    tags = get_tags(estimator)
    return bool(
        tags.classifier_tags
        and tags.classifier_tags.multi_label
        and not tags.target_tags.multi_output
    )


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


def ask_for(estimator: Any, counts: bool = False) -> Ask:
    """Return what is asked for an estimator."""
    last, outputs = last_step(estimator), False
    if not isinstance(last, str):  # "passthrough"
        takes = get_tags(last).target_tags
        outputs = takes.multi_output and not takes.single_output
    return Ask(is_multilabel(estimator), counts, is_classifier(estimator), outputs)


class Found(NamedTuple):
    """What a block of y answers."""

    #: The sorted labels; for y of several outputs a list of them.
    labels: Any
    #: How often each occurs; empty if that was not asked.
    counts: dict[Any, int] = {}


def find(ask: Ask, y: Any) -> Found:
    """Find the labels of y, and count them.

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
    y = _as_array(y)
    if y.ndim == 2 and (y.shape[1] > 1 or ask.outputs):
        if ask.multilabel:
            return Found(np.arange(y.shape[1]))
        return Found([_unique(column, ask)[0] for column in y.T])
    labels, counts = _unique(y, ask)
    if not ask.counts:
        return Found(labels)
    return Found(labels, dict(zip(labels.tolist(), counts.tolist(), strict=True)))


def _unique(y: Any, ask: Ask) -> tuple[Any, Any]:
    try:
        check_kinds(y, "y")
        labels, counts = np.unique(y, return_counts=True) if ask.counts else (np.unique(y), None)
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


def _check_none_missing(y: Any) -> None:
    values = np.ravel(y).tolist()
    rows = [i for i, value in enumerate(values) if is_missing(value)]
    if rows:
        found = "NaN" if isinstance(values[rows[0]], float) else repr(values[rows[0]])
        raise ValueError(
            f"Input y contains {found}, in {name_rows(rows)}. Drop these rows, or give them a "
            "label."
        )


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
        got = " and ".join(f"{label!r} ({type(label).__name__})" for label in kinds.values())
        raise ValueError(
            f"{name} must have labels of one kind. Got {got} instead; convert them, for example by "
            "astype(str)."
        )


def _kind_of(kind: type) -> str:
    if issubclass(kind, (numbers.Number, np.bool_)):
        return "number"
    return "text" if issubclass(kind, (str, bytes)) else kind.__name__


def are_same(some: Any, others: Any) -> bool:
    """Say whether two sets of classes, or lists of them, are the same but for their order.

    Examples
    --------
    >>> are_same([1, 0], np.array([0, 1])), are_same([[0], [1, 2]], [[0], [1]])
    (True, False)
    """
    if len(some) and np.ndim(some[0]):
        return len(some) == len(others) and all(map(are_same, some, others))
    return np.array_equal(np.sort(np.asarray(some)), np.sort(np.asarray(others)))


def _are_outputs(classes: Any) -> bool:
    """Say whether classes are a list of them for each output."""
    return isinstance(classes, list) and len(classes) > 0 and np.ndim(classes[0]) == 1


def _is_column(y: Any) -> bool:
    shape = getattr(y, "shape", ())
    return len(shape) == 2 and shape[1] == 1


def as_lists(classes: Any) -> list:
    """Return classes as a list, or as one for each output.

    Examples
    --------
    >>> as_lists([np.array([0, 1]), np.array([2])]), as_lists(np.array([0, 1]))
    ([[0, 1], [2]], [0, 1])
    """
    return [labels.tolist() if hasattr(labels, "tolist") else labels for labels in classes]


def check_classes(classes: Any, y: Any) -> Any:
    """Return classes as an array, or for several outputs as a list of them."""
    if isinstance(classes, (list, tuple)) and len(classes) and np.ndim(classes[0]):
        shape = getattr(y, "shape", (0, len(classes)))
        n_outputs = shape[1] if len(shape) > 1 else 1
        if len(classes) != n_outputs:
            raise ValueError(
                f"classes must be a list of labels, or one for each output of y. Got {len(classes)}"
                f" lists for {n_outputs} outputs instead."
            )
        if len(shape) < 2:
            raise ValueError(
                "classes must be a list of labels where y has one dimension. Got a list of lists "
                f"instead; pass {classes[0]!r}."
            )
        return [check_classes(labels, y) for labels in classes]
    check_kinds(classes, "classes")
    found = np.asarray(classes)
    if found.ndim != 1 or len(found) == 0:
        raise ValueError(f"classes must be a list of at least one label. Got {classes!r} instead.")
    labels, counts = np.unique(found, return_counts=True)
    if (counts > 1).any():
        raise ValueError(
            f"classes must name each label once. Got {labels[counts > 1].tolist()} more than once."
        )
    dtype = getattr(y, "dtype", None)
    kind = getattr(dtype, "kind", None) or "O"
    known = kind in "iufbUS" and found.dtype.kind in "iufbUS"
    if known and (kind in "US") != (found.dtype.kind in "US"):
        raise ValueError(
            f"classes must be of the kind of y. Got classes of dtype {found.dtype} and y of "
            f"dtype {dtype}."
        )
    return found


def known_classes(estimator: Any, classes: Any, y: Any, former: Any = None) -> Any:
    """Return all labels that an estimator is to tell apart; None if only reading y tells them.

    Parameters
    ----------
    estimator : estimator
        May have learned before.
    classes : array-like, list of them or None
        As the user gave them.
    y : array-like or dask collection
        Labels in memory are checked.
    former : array-like, list of them or None
        What was returned before, if the estimator does not say what it has learned.

    Raises
    ------
    ValueError
        If `classes` are none, differ from those learned, or lack a label of y.
    """
    learned = getattr(estimator, "classes_", former)
    if classes is not None:
        classes = check_classes(classes, y)
        if ask_for(estimator).outputs and isinstance(classes, np.ndarray) and _is_column(y):
            classes = [classes]
        if learned is not None and not are_same(classes, learned):
            raise ValueError(
                "classes must stay those that the model has learned, "
                f"{as_lists(learned)}. Got {as_lists(classes)} instead; call fit to begin anew."
            )
    elif learned is not None:
        classes = learned
    elif getattr(y, "dtype", None) is not None and str(y.dtype) == "category":
        categorical = getattr(y, "cat", y)  # a Categorical of pandas is one itself
        known = getattr(categorical, "known", True)
        classes = np.sort(np.asarray(categorical.categories)) if known else None
    elif not is_lazy(y):
        classes = find(ask_for(estimator), y).labels
    if not is_lazy(y):
        check_labels(y, classes)
    return classes


def find_classes(
    estimator: Any, classes: Any, y: Any, planned: Plan, engine: Engine, prefetch: int | None
) -> Any:
    """Return all labels, and balance their weights; both take one pass over y, if any.

    Parameters
    ----------
    estimator : estimator
        Is given the weights of classes where it asks for balanced ones.
    classes : array-like, list of them or None
        Those of :func:`known_classes`.
    y : array-like or dask collection
        The labels.
    planned : Plan
        The blocks that y is one value of.
    engine, prefetch
        As for :func:`incremental._engines.base.Engine.stream`.
    """
    parameters = balanced(estimator)
    if classes is not None and not parameters:
        return classes
    shape: tuple = getattr(y, "shape", ())
    if parameters and len(shape) == 2 and shape[1] > 1:
        raise ValueError(
            f"y should be a 1d array for class_weight='balanced'. Got {shape[1]} columns instead."
        )
    asked = ask_for(estimator, counts=bool(parameters))
    if is_lazy(y):
        target = planned.blocks.only("y").map("labels", _find_in_block, asked, label="find-classes")
        with engine.stream(Plan(target), prefetch=prefetch) as computed:
            found = merge([block["labels"] for _, block in computed])
    else:
        found = find(asked, y)
    classes = found.labels if classes is None else classes
    if parameters:
        weights = balanced_weights(found.counts, classes)
        estimator.set_params(**dict.fromkeys(parameters, weights))
    return classes


def _find_in_block(ask: Ask, number: int, y: Any) -> Found:
    return find(ask, y)


def _as_array(y: Any) -> Any:
    return y if sp.issparse(y) else np.asarray(y)  # NumPy takes a sparse matrix for one value


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
        got = " and ".join(f"{found[i].tolist()[0]!r} in block {i}" for i in sorted(kinds.values()))
        raise ValueError(
            f"y must have labels of one kind. Got {got} instead; convert them, for example by "
            "astype(str)."
        )
    labels = np.unique(np.concatenate([part.labels for part in parts]))
    counts = merge_with(sum, *(part.counts for part in parts))
    return Found(labels, counts)


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
            f"class_weight='balanced' needs every label of classes in y. Got none of {unseen}; "
            "pass class_weight as a dict, or leave them out of classes."
        )
    n = sum(counts[label] for label in labels)
    return {label: n / (len(labels) * counts[label]) for label in labels}


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


def check_labels(
    y: Any, classes: Any, number: int | None = None, order: Callable | None = None
) -> None:
    """Refuse labels that are not in `classes`; name them and the rows that they are in.

    Parameters
    ----------
    y : array-like
        The labels.
    classes : array-like, or list of them
        All that there may be.
    number : int, default=None
        What to call the block.
    order : callable, default=None
        Called with `number` and the number of rows, gives the rows that were shuffled to here.

    Raises
    ------
    ValueError, BlockError
        If there is another one; `BlockError` if it is in a block.
    """
    if y is None:
        return
    y = _as_array(y)
    if y.ndim == 2 and (y.shape[1] > 1 or _are_outputs(classes)):
        if _are_outputs(classes):
            for column, labels in zip(y.T, classes, strict=False):
                check_labels(column, labels, number, order)
        return
    y = y.ravel()
    labels = np.sort(np.asarray(classes))
    try:
        if y.dtype == object:  # some may not be comparable, such as what is missing
            known = set(labels.tolist())
            found = np.array([label in known for label in y.tolist()], dtype=bool)
        elif len(labels) == 2:  # the usual case, many times faster than searching
            found = (y == labels[0]) | (y == labels[1])
        else:
            found = labels.take(labels.searchsorted(y), mode="clip") == y
    except TypeError:
        found = np.isin(y, labels)
    if np.all(found):
        return
    at = np.flatnonzero(~np.broadcast_to(found, y.shape))
    # By their text: NaN is not even equal to itself.
    unknown = list({repr(label): label for label in sorted(y[at].tolist(), key=str)}.values())
    rows = at if order is None else np.sort(order(number, len(y))[at])
    where = "" if number is None else f" of block {number}"
    message = (
        f"y must contain only labels of classes={labels.tolist()}. Got {unknown[:10]} in "
        f"{name_rows(rows)}{where}. Add them to classes, or clean y."
    )
    if number is None:
        raise ValueError(message)
    raise BlockError(message, number)
