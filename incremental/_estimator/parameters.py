"""Parameters of the wrapper: what they may be, and the model that they make."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from dask.utils import parse_bytes
from sklearn.base import clone
from sklearn.utils import check_random_state, check_scalar

from incremental._estimator.advice import check_learns
from incremental._estimator.checks import check_parameters, check_settings
from incremental._estimator.columns import check_same_columns
from incremental._pipelines.target import who_needs_y
from incremental._pipelines.targets import prepare
from incremental._pipelines.transformers import keep_blocks
from incremental._pipelines.tree import check as check_steps
from incremental._pipelines.tree import goes_on, is_tree

_INTEGER = (int, np.integer)


def check_wrapper(wrapper: Any, X: Any) -> None:
    """Refuse parameters of a wrapper, or an estimator in it, that cannot be.

    Raises
    ------
    TypeError or ValueError
        If there is one.
    """
    estimator = wrapper.estimator
    if not is_tree(estimator):
        check_learns(estimator)
    check_parameters(estimator)
    if is_tree(estimator):
        check_steps(estimator, X)
    _check_last_step(wrapper)
    check_settings(estimator)
    check_scalar(wrapper.max_iter, "max_iter", _INTEGER, min_val=1)
    if wrapper.batch_size is not None:
        check_scalar(wrapper.batch_size, "batch_size", _INTEGER, min_val=1)
    _check_prefetch(wrapper.prefetch)
    _check_early_stopping(wrapper)
    for name in ("shuffle", "early_stopping"):
        check_scalar(getattr(wrapper, name), name, (bool, np.bool_))


def _check_prefetch(prefetch: Any) -> None:
    if prefetch is None:
        return
    if not isinstance(prefetch, str):
        check_scalar(prefetch, "prefetch", (*_INTEGER, str), min_val=0)
        return
    try:
        n_bytes = parse_bytes(prefetch) if any(map(str.isdigit, prefetch)) else 0
    except ValueError:
        n_bytes = 0
    if n_bytes < 1:
        raise ValueError(
            f"prefetch must be a number of blocks, or a size in bytes. Got {prefetch!r} instead; "
            "write a size as '500 MB' or '2 GiB'."
        )


def _check_early_stopping(wrapper: Any) -> None:
    fraction = wrapper.validation_fraction
    between = {"min_val": 0, "max_val": 1, "include_boundaries": "neither"}
    check_scalar(fraction, "validation_fraction", Real, **between)
    check_scalar(wrapper.n_iter_no_change, "n_iter_no_change", _INTEGER, min_val=1)
    check_scalar(wrapper.tol, "tol", Real, min_val=0)
    for name in ("validation_fraction", "tol"):
        if np.isnan(getattr(wrapper, name)):
            raise ValueError(f"{name} must be a number. Got nan instead.")


def _check_last_step(wrapper: Any) -> None:
    if goes_on(wrapper.estimator):
        return
    for name, value in {"max_iter": 1, "early_stopping": False}.items():
        if getattr(wrapper, name) != value:
            raise ValueError(
                f"{name} is about the last step, or a model, that learns by partial_fit; that of "
                f"this one does not. Got {name}={getattr(wrapper, name)!r} instead of {value!r}."
            )


def check_validation_data(
    wrapper: Any, X: Any, X_val: Any, y_val: Any, sample_weight_val: Any
) -> None:
    """Refuse data to validate on that are not used, not complete, or unlike X.

    Raises
    ------
    ValueError
        If they are.
    """
    if X_val is None:
        for name, value in {"y_val": y_val, "sample_weight_val": sample_weight_val}.items():
            if value is not None:
                raise ValueError(f"{name} was passed without X_val. Pass X_val.")
        return
    if not wrapper.early_stopping:
        raise ValueError(
            "X_val was passed, but early_stopping is False, so that nothing is validated. Set "
            "early_stopping=True, or leave X_val out."
        )
    if y_val is None and who_needs_y(wrapper.estimator, is_new=False):
        raise ValueError("X_val was passed without y_val. Pass y_val.")
    check_same_columns(wrapper.estimator, X, X_val)


def new_model(wrapper: Any) -> tuple[Any, int]:
    """Return a seeded model, and the seed of the orders that it will see."""
    model = keep_blocks(clone(wrapper.estimator))
    random_state = check_random_state(wrapper.random_state)
    seed = 0
    # The hand-written loop draws nothing from the global generator, either.
    if wrapper.random_state is not None or wrapper.shuffle or wrapper.early_stopping:
        seed, *_ = random_state.randint(np.iinfo(np.int32).max, size=1).tolist()
    if wrapper.random_state is not None:
        names = (name for name, value in model.get_params().items() if value is None)
        for name in sorted(names):
            if name == "random_state" or name.endswith("__random_state"):
                model.set_params(**{name: random_state.randint(np.iinfo(np.int32).max)})
    prepare(model)
    return model, seed
