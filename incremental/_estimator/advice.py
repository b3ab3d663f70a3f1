"""What is said to whoever brings what cannot learn block by block, or settings of another fit."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from incremental._pipelines.transformers import REFUSED, is_sampler, learns_blocks, refusal
from incremental._pipelines.tree import learning_steps
from incremental.exceptions import shorten

#: What has ``partial_fit`` and learns the same, or nearly, as what has none; see also `REFUSED`.
INSTEAD = {
    'SGDClassifier(loss="log_loss")': ("LogisticRegression", "LogisticRegressionCV"),
    'SGDClassifier(loss="hinge")': ("LinearSVC", "SVC", "NuSVC"),
    'SGDClassifier(loss="squared_error")': ("RidgeClassifier", "RidgeClassifierCV"),
    "SGDRegressor()": ("LinearRegression",),
    'SGDRegressor(penalty="l2")': ("BayesianRidge", "Ridge", "RidgeCV"),
    'SGDRegressor(penalty="l1")': ("Lasso", "LassoCV"),
    'SGDRegressor(penalty="elasticnet")': ("ElasticNet", "ElasticNetCV"),
    'SGDRegressor(loss="huber")': ("HuberRegressor",),
    'SGDRegressor(loss="epsilon_insensitive")': ("LinearSVR", "NuSVR", "SVR"),
    "SGDOneClassSVM()": ("OneClassSVM",),
}

#: Parameters of dask-ml's wrapper and of estimators, and what there is for them here.
FORMER = {
    "shuffle_blocks": "Use shuffle: blocks keep their order, unless shuffle=True.",
    "assume_equal_chunks": "Leave it out: y and weights are cut to the blocks of X.",
    **dict.fromkeys(
        ("predict_meta", "predict_proba_meta", "transform_meta"),
        "Leave it out: the type of the result is found automatically.",
    ),
    "verbose": "Leave it out, and call set_callbacks(sklearn.callback.ProgressBar()).",
}

_Function = TypeVar("_Function", bound=Callable[..., Any])


def names_replacements(method: _Function) -> _Function:
    """Let a method that takes parameters say what stands for those of others.

    Examples
    --------
    >>> @names_replacements
    ... def set_params(self, **params): ...
    >>> set_params(None, shuffle_blocks=True)
    Traceback (most recent call last):
    TypeError: Incremental has no parameter 'shuffle_blocks'. Use shuffle: blocks keep their ...
    """

    @functools.wraps(method)
    def checked(*args: Any, **params: Any) -> Any:
        former = [name for name in params if name in FORMER]
        if former:
            said = (f"Incremental has no parameter {name!r}. {FORMER[name]}" for name in former)
            raise TypeError(" ".join(said))
        return method(*args, **params)

    return checked  # type: ignore[return-value]


def check_learns(estimator: Any) -> None:
    """Refuse what has no ``partial_fit``; say why, and what has one.

    Raises
    ------
    TypeError
        From the error of the estimator, where it gives a reason.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> check_learns(LogisticRegression())
    Traceback (most recent call last):
    TypeError: estimator must have a method partial_fit, ... pass SGDClassifier(loss="log_loss").
    """
    if isinstance(estimator, type):
        raise TypeError(
            "estimator must be an instance, not a class. Got the class "
            f"{estimator.__name__} instead; pass {estimator.__name__}()."
        )
    reason: AttributeError | None = None
    try:
        estimator.partial_fit  # noqa: B018
    except AttributeError as error:
        reason = error
    if learns_blocks(estimator):
        return
    if not hasattr(estimator, "fit") and not hasattr(estimator, "get_params"):
        raise TypeError(
            "estimator must be a scikit-learn estimator with partial_fit. Got "
            f"{shorten(estimator)} ({type(estimator).__name__}) instead."
        )
    if reason is None or is_sampler(estimator):
        raise TypeError(
            f"estimator must be one that can be trained block by block, but {shorten(estimator)} "
            f"{refusal(estimator)}"
        )
    raise TypeError(
        "estimator must have a method partial_fit, which learns from one block at a time. Got "
        f"{type(estimator).__name__} instead, {_why(estimator, reason)}."
    ) from reason


def _why(estimator: Any, error: AttributeError) -> str:
    """Return why an estimator has no ``partial_fit``, and what to do."""
    name = type(estimator).__name__
    params = estimator.get_params(deep=False) if hasattr(estimator, "get_params") else {}
    if {"estimator", "cv", "refit"} <= params.keys():
        return f"which fits others; pass {name}(Incremental({_name(params['estimator'])}), ...)"
    for inner in params.values():
        if hasattr(inner, "fit") and not hasattr(inner, "partial_fit"):
            return f"whose {type(inner).__name__} has none{_instead(inner)}"
    if error.__cause__ is not None:
        return f"where it is missing for a reason: {error.__cause__}"
    return f"which has none{_instead(estimator) or _OTHERS}"


_OTHERS = "; SGDClassifier, SGDRegressor, MiniBatchKMeans, IncrementalPCA and others do"


def _instead(estimator: Any) -> str:
    name = type(estimator).__name__
    found = next((one for one, names in INSTEAD.items() if name in names), None)
    if found is None:
        found = next((one.instead for one in REFUSED if name in one.names), None)
    return f"; pass {found}" if found else ""


def _name(estimator: Any) -> str:
    return f"{type(estimator).__name__}(...)"


def warn_of_ignored(estimator: Any, stops_after_one_pass: bool) -> None:
    """Warn of settings that change nothing, and say which ones would.

    Parameters
    ----------
    estimator : estimator
        May have a ``max_iter`` of its own.
    stops_after_one_pass : bool
        Whether there is `early_stopping` of one pass only.

    Warns
    -----
    UserWarning
        Once for all of them.
    """
    advice = [
        f"{name}={value} of {owner} is about its own fit; partial_fit makes one pass over each "
        "block. Set max_iter of Incremental, which counts passes over the data."
        for name, value, owner in _own_max_iter(estimator)
    ]
    if stops_after_one_pass:
        advice.append(
            "early_stopping=True has nothing to stop with max_iter=1, but holds out blocks. Set "
            "max_iter to the passes that there may be, or early_stopping=False."
        )
    if advice:
        warnings.warn("\n".join(advice), UserWarning, stacklevel=_level_of_caller())


def _level_of_caller() -> int:
    """Return the ``stacklevel`` of whoever called the package, through decorators or not."""
    frame, level = inspect.currentframe(), 0
    while frame and frame.f_globals["__name__"].startswith(("incremental.", "sklearn.callback")):
        frame, level = frame.f_back, level + 1
    return level


def _own_max_iter(estimator: Any) -> Iterator[tuple[str, Any, str]]:
    """Yield the ``max_iter`` that scikit-learn's ``partial_fit`` ignores, where it was set."""
    for path, step in learning_steps(estimator).items():
        params = step.get_params() if hasattr(step, "get_params") else {}
        for name in params:
            owner_name, _, own = name.rpartition("__")
            owner = params[owner_name] if owner_name else step
            if own != "max_iter" or not is_of_scikit_learn(owner):
                continue
            default = inspect.signature(type(owner)).parameters[own].default
            if params[name] not in (default, 1):  # 1 is what partial_fit does
                yield "__".join(filter(None, (path, name))), params[name], type(owner).__name__


def is_of_scikit_learn(estimator: Any) -> bool:
    """Say whether ``partial_fit`` of an estimator is one of scikit-learn's own.

    Examples
    --------
    >>> from sklearn.linear_model import SGDClassifier
    >>> class Mine(SGDClassifier):
    ...     def partial_fit(self, X, y=None): ...
    >>> is_of_scikit_learn(SGDClassifier()), is_of_scikit_learn(Mine())
    (True, False)
    """
    method = getattr(type(estimator), "partial_fit", None)
    module = None if method is None else inspect.unwrap(method).__module__
    return str(module).startswith("sklearn.")
