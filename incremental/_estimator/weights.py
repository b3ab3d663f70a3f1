"""Methods that show ``sample_weight`` where the wrapped estimator takes it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import MethodType
from typing import Any, cast

from incremental._learning.classes import accepts
from incremental._learning.labels import learner_in
from incremental._types import Method


def learns_weights(wrapper: Any) -> bool:
    """Say whether the wrapped estimator learns with ``sample_weight``."""
    return accepts(getattr(learner_in(wrapper.estimator), "partial_fit", None), "sample_weight")


def shows_weights(takes: Callable[[Any], bool]) -> Callable[[Method], Method]:
    """Return a decorator for methods that hand ``sample_weight`` on with other parameters.

    scikit-learn's meta-estimators look for its name in the signature before they pass it.  One
    that always had it would be wrong for estimators that do not take it.

    Parameters
    ----------
    takes : callable
        Given the object, says whether its method takes ``sample_weight``.

    Examples
    --------
    >>> class Wrapper:
    ...     @shows_weights(lambda self: self.weighted)
    ...     def fit(self, X, **fit_params):
    ...         return fit_params
    >>> wrapper = Wrapper()
    >>> wrapper.weighted = True
    >>> inspect.signature(wrapper.fit)
    <Signature (X, *, sample_weight=None, **fit_params)>
    >>> wrapper.fit(0), wrapper.fit(0, sample_weight=[1])
    ({}, {'sample_weight': [1]})
    >>> wrapper.weighted = False
    >>> inspect.signature(wrapper.fit)
    <Signature (X, **fit_params)>
    """
    return cast(Callable[[Method], Method], functools.partial(_ShowsWeights, takes))


class _ShowsWeights:
    def __init__(self, takes: Callable[[Any], bool], method: Any):
        self._takes = takes
        self._method = method  # a function, or a descriptor such as available_if

        @functools.wraps(inspect.unwrap(method))
        def weighted(obj: Any, *args: Any, **kwargs: Any) -> Any:
            return method.__get__(obj, type(obj))(*args, **kwargs)

        *first, last = inspect.signature(weighted).parameters.values()
        weight = inspect.Parameter("sample_weight", inspect.Parameter.KEYWORD_ONLY, default=None)
        weighted.__signature__ = inspect.Signature([*first, weight, last])  # type: ignore[attr-defined]
        self._weighted = weighted

    def __get__(self, obj: Any, owner: Any = None) -> Any:
        method = self._method.__get__(obj, owner)
        if obj is None or not self._takes(obj):
            return method
        return MethodType(self._weighted, obj)
