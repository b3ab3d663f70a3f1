"""What can be refused before any block is read: by the shapes and columns of the collections."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils import get_tags

from incremental._compat import validations
from incremental._data.containers import as_container, n_rows
from incremental._estimator.advice import is_of_scikit_learn
from incremental._estimator.columns import check_columns, is_table_only
from incremental._learning.balance import balanced
from incremental._learning.labels import learner_in
from incremental._pipelines.layout import check_takes, known_of
from incremental._pipelines.parameters import of_last, own_params
from incremental._pipelines.transformers import by_summaries
from incremental._pipelines.tree import first_step, learning_steps, parts
from incremental.exceptions import shorten

#: What gives each of its estimators a y of its own.
_RELABEL = (
    ClassifierChain,
    MultiOutputClassifier,
    OneVsOneClassifier,
    OneVsRestClassifier,
    OutputCodeClassifier,
)


def check_dimensions(estimator: Any, X: Any) -> None:
    """Refuse a lazy X in one dimension, if of numbers, or in three where the estimator needs two.

    Raises
    ------
    ValueError
        If it has one or three.
    """
    data = as_container(X)
    n_dims = data.n_dimensions
    if n_dims is None:
        return
    tags = get_tags(estimator).input_tags
    needed = f"X must have 2 dimensions, rows and columns, for {type(estimator).__name__}."
    if n_dims > 2 and is_table_only(estimator) and not tags.three_d_array:
        raise ValueError(
            f"{needed} Got {n_dims} dimensions instead; pass X.reshape(X.shape[0], -1) if the rest "
            "are columns."
        )
    if data.as_column is not None and tags.two_d_array and not tags.one_d_array:
        raise ValueError(
            f"{needed} Got 1 dimension instead (dtype {X.dtype}); pass {data.as_column} if it is "
            "one column."
        )


def check_target(estimator: Any, y: Any) -> None:
    """Refuse a y of several columns where a classifier takes a single one.

    Raises
    ------
    ValueError
        In the words with which scikit-learn begins when it sees the first block.
    """
    last = learner_in(estimator)
    shape = getattr(y, "shape", None)  # a Delayed, which is refused elsewhere, has any attribute
    n_columns = shape[1] if isinstance(shape, tuple) and len(shape) > 1 else 1
    if np.isnan(n_columns) or n_columns < 2 or not is_of_scikit_learn(last):
        return
    tags = get_tags(last)
    # Of regressors this is not known: the tags of MLPRegressor deny that it takes several.
    if tags.classifier_tags is None or tags.classifier_tags.multi_label:
        return
    if not tags.target_tags.multi_output:
        raise ValueError(
            f"y should be a 1d array for {type(last).__name__}, got {n_columns} columns instead. "
            "Give one of them, or learn each with MultiOutputClassifier."
        )


def check_settings(estimator: Any) -> None:
    """Refuse settings that only the estimator's own ``fit`` could follow.

    Raises
    ------
    ValueError
        If there is one.
    """
    if not hasattr(estimator, "get_params"):
        return
    instead = {
        "early_stopping": "Set early_stopping=True of Incremental instead, which holds out blocks.",
        "warm_start": "Incremental.partial_fit goes on from what was learned; leave it False.",
    }
    for name, value in estimator.get_params().items():
        setting = name.rpartition("__")[2]
        if setting in instead and value is True:
            raise ValueError(
                f"{name} of {type(estimator).__name__} must be False: partial_fit does not follow "
                f"it. Got {name}=True instead. {instead[setting]}"
            )
    for name in balanced(estimator):
        owner = _relabels(estimator, name)
        if owner is not None:
            raise ValueError(
                f"{name} must be None or a dict: {owner} trains on other labels than those of y, "
                "which are the ones that are counted. Got 'balanced' instead."
            )


def _relabels(estimator: Any, name: str) -> str | None:
    """Return what hands a y of its own on to the estimator that has the parameter `name`."""
    params, path = estimator.get_params(), name.split("__")
    owners = [estimator, *(params.get("__".join(path[:n])) for n in range(1, len(path)))]
    return next((type(o).__name__ for o in owners if isinstance(o, _RELABEL)), None)


def check_parameters(estimator: Any) -> None:
    """Refuse parameters, and steps, that an estimator or one inside it refuses in its ``fit``.

    Raises
    ------
    ValueError or TypeError
        If there is one: the error of scikit-learn.

    Examples
    --------
    >>> from sklearn.linear_model import SGDClassifier
    >>> check_parameters(SGDClassifier(alpha=-1))
    Traceback (most recent call last):
    sklearn.utils._param_validation.InvalidParameterError: The 'alpha' parameter of SGDClassifier...
    """
    for part in parts(estimator):
        if isinstance(part, Pipeline) and part.transform_input is not None:
            raise ValueError(
                "transform_input of a Pipeline must be None: only X goes through the steps. Got "
                f"{shorten(part.transform_input)} instead; leave it out."
            )
        if isinstance(part, FeatureUnion) and not part.transformer_list:
            raise ValueError(
                "transformer_list of a FeatureUnion must have at least one transformer. Got "
                f"{shorten(part.transformer_list)} instead."
            )
        has_steps = isinstance(part, (Pipeline, FeatureUnion, ColumnTransformer))
        for validate in validations(part, has_steps=has_steps):
            validate()


def check_data(model: Any, X: Any, params: Iterable[str], *, is_fitted: bool) -> None:
    """Refuse an X, or names of parameters, that a model cannot learn from.

    Raises
    ------
    TypeError
        If X is missing, or a parameter unknown.
    ValueError
        If X has other dimensions than needed, or other columns than a fitted model has learned.
    """
    if X is None:
        raise TypeError("X must be the data. Got None instead; pass X.")
    check_dimensions(model, X)
    check_takes(first_step(model), known_of(X))
    if is_fitted:
        check_columns(model, X)
    for path, step in learning_steps(model).items():
        own = own_params(params, path).values() if path else of_last(model, params)
        if by_summaries(step) is None:
            check_keywords(step.partial_fit, own)
        elif own:
            raise TypeError(
                f"{type(step).__name__} learns from summaries of X and y. Got the parameters "
                f"{shorten(list(own))}, too; leave them out."
            )


def check_weights(X: Any, params: Mapping[str, Any], rows: Iterable[str]) -> None:
    """Refuse a ``sample_weight`` that is not among the parameters with a value for each row.

    Raises
    ------
    ValueError
        If its length is not that of X, or if that of X is not known.
    """
    for name, weight in params.items():
        if name in rows or name.rpartition("__")[2] != "sample_weight":
            continue
        if weight is None or np.isscalar(weight):
            continue
        n_samples = n_rows(X)
        if n_samples is None:
            raise ValueError(
                f"{name} is in memory, but the number of rows of X is not known, so that it "
                f"cannot be cut to the blocks of X. Pass {name} as a dask collection with "
                "the blocks of X, or make the chunk sizes of X known (compute_chunk_sizes())."
            )
        raise ValueError(
            f"{name} must have one value for each of the {n_samples} rows of X. Got "
            f"{np.shape(weight)[0] if np.ndim(weight) else shorten(weight)} instead."
        )


def check_keywords(method: Callable, names: Iterable[str]) -> None:
    """Refuse parameters that a method does not have.

    Raises
    ------
    TypeError
        If there is one.

    Examples
    --------
    >>> def partial_fit(X, y=None, sample_weight=None): ...
    >>> check_keywords(partial_fit, ["sample_wieght"])
    Traceback (most recent call last):
    TypeError: partial_fit has no parameter 'sample_wieght'; it takes 'sample_weight'. ...
    """
    try:
        parameters = inspect.signature(method).parameters
    except (TypeError, ValueError):  # written in C
        return
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    for name in names:
        if name not in parameters:
            taken = [repr(p) for p in parameters if p not in ("self", "X", "y", "classes")]
            called = getattr(method, "__qualname__", repr(method)).replace("<locals>.", "")
            raise TypeError(
                f"{called} has no parameter {name!r}; it takes {', '.join(taken) or 'no other'}. "
                f"{_FORMER.get(name, 'Correct the name, or leave it out.')}"
            )


#: Parameters of dask-ml's methods, and what there is for them here.
_FORMER = {"compute": "score returns a number; leave compute out."}
