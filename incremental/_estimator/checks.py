"""What can be refused before any block is read: by the shapes and columns of the collections."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import dask.array as da
import numpy as np
from dask.delayed import Delayed
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags

from incremental._data.blocks import is_frame, is_lazy, n_rows
from incremental._learning.labels import balanced
from incremental._pipelines.layout import check_takes, known_of
from incremental._pipelines.pipeline import first_step, learning_steps, of_last, own_params, parts

#: What gives each of its estimators a y of its own.
_RELABEL = (
    ClassifierChain,
    MultiOutputClassifier,
    OneVsOneClassifier,
    OneVsRestClassifier,
    OutputCodeClassifier,
)


def check_dimensions(estimator: Any, X: Any) -> None:
    """Refuse a lazy X of numbers in one dimension where the estimator needs two.

    Raises
    ------
    ValueError
        If it has one.
    """
    if not (isinstance(X, da.Array) or is_frame(X)) or X.ndim != 1:
        return
    tags = get_tags(estimator).input_tags
    if tags.two_d_array and not tags.one_d_array and getattr(X.dtype, "kind", "O") in "biufc":
        instead = "X.to_frame()" if is_frame(X) else "X.reshape(-1, 1)"
        raise ValueError(
            f"X must have 2 dimensions, rows and columns, for {type(estimator).__name__}. Got 1 "
            f"dimension instead (dtype {X.dtype}); pass {instead} if it is one column."
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
                f"{part.transform_input!r} instead; leave it out."
            )
        if isinstance(part, FeatureUnion) and not part.transformer_list:
            raise ValueError(
                "transformer_list of a FeatureUnion must have at least one transformer. Got "
                f"{part.transformer_list!r} instead."
            )
        for validate in _validations(part):
            validate()


def _validations(estimator: Any) -> Iterator[Callable[[], None]]:
    """Yield what an estimator checks in ``fit`` before it looks at the data."""
    # Private: ``fit`` is the only public way to ask, and needs data.  What is missing in another
    # version is found in the first block; to be replaced by a public validation as soon as there
    # is one.
    if isinstance(estimator, (Pipeline, FeatureUnion, ColumnTransformer)):
        inside = [estimator]
        for name in ("steps", "transformers", "transformer_weights"):
            if hasattr(estimator, f"_validate_{name}"):
                yield getattr(estimator, f"_validate_{name}")
    else:
        inside = [estimator, *getattr(estimator, "get_params", dict)().values()]
    if not get_config()["skip_parameter_validation"]:
        for one in inside:
            if isinstance(one, BaseEstimator) and hasattr(one, "_parameter_constraints"):
                yield one._validate_params


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
        check_keywords(step.partial_fit, own)


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
            f"{np.shape(weight)[0] if np.ndim(weight) else weight!r} instead."
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
                "Correct the name, or leave it out."
            )


def columns_of(X: Any) -> tuple[int | None, list[str] | None]:
    """Return the number of columns and their names; None is what is not known without computing.

    Examples
    --------
    >>> import dask.array as da
    >>> columns_of(da.ones((4, 2)))
    (2, None)
    """
    if isinstance(X, Delayed):  # which has every attribute
        return None, None
    if hasattr(X, "columns"):
        columns = list(X.columns)
        return len(columns), columns if all(isinstance(name, str) for name in columns) else None
    shape = getattr(X, "shape", ())
    if (
        not isinstance(shape, tuple)
        or len(shape) < 2
        or not isinstance(shape[1], (int, np.integer))
    ):
        return None, None
    return int(shape[1]), None


def takes_more_columns(estimator: Any) -> bool:
    """Say whether an estimator needs only some of the columns of X, which it looks for in a block.

    Examples
    --------
    >>> takes_more_columns(ColumnTransformer([("a", "passthrough", ["a"])]))
    True
    """
    first = first_step(estimator)
    if isinstance(first, FunctionTransformer):
        return not first.validate
    return first is None or isinstance(first, ColumnTransformer)


def check_columns(model: Any, X: Any) -> None:
    """Refuse a lazy X with other columns than the model has learned.

    Their order is left to each block: that of dask's own description may differ from it.

    Raises
    ------
    ValueError
        If their number or their names differ.
    """
    if not is_lazy(X) or takes_more_columns(model):
        return
    found, names = columns_of(X)
    expected = getattr(model, "n_features_in_", None)
    learned = getattr(model, "feature_names_in_", None)
    remedy = "Pass the columns that it has learned, or call fit to begin anew."
    if names is not None and learned is not None and set(names) != set(learned):
        raise ValueError(
            f"X must have the columns {list(learned)} that {type(model).__name__} has learned. "
            f"Got {names} instead. {remedy}"
        )
    if None not in (found, expected) and found != expected:
        raise ValueError(
            f"X has {found} features, but {type(model).__name__} is expecting {expected} features "
            f"as input. {remedy}"
        )


def check_same_columns(estimator: Any, X: Any, X_val: Any) -> None:
    """Refuse an X_val with other columns than X.

    Raises
    ------
    ValueError
        If their number or their names differ; in memory, where it is known, their order.
    """
    if takes_more_columns(estimator):
        return
    (n, names), (n_val, names_val) = columns_of(X), columns_of(X_val)
    if names is not None and names_val is not None:
        if set(names) != set(names_val):
            raise ValueError(f"X_val must have the columns {names} of X. Got {names_val} instead.")
        if names != names_val and not is_lazy(X) and not is_lazy(X_val):
            raise ValueError(
                f"X_val must have the columns of X in their order, {names}. Got {names_val} "
                "instead; pass X_val[X.columns]."
            )
    if None not in (n, n_val) and n != n_val:
        raise ValueError(f"X_val must have as many columns as X, {n}. Got {n_val} instead.")
