"""Methods that are there if the model has them, and that go through the blocks of X."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, cast

from sklearn.utils.metaestimators import available_if

from incremental._learning.labels import learner_in
from incremental._pipelines.tree import goes_on
from incremental._types import Method

#: What the documentation of each says between its first line and its examples.
_SECTIONS = """Parameters
----------
X : dask collection, list of Delayed, or array-like of shape (n_samples, n_features)
    The data.

Returns
-------
result : dask collection or array of shape {shape}
    Lazy if X is.  It belongs to the model as it is now.

Raises
------
NotFittedError
    If the model is not fitted.
ValueError
    If X does not have the columns that the model has learned."""


def there_if(condition: Callable[[Any], bool]) -> Callable[[Method], Method]:
    """Return scikit-learn's `available_if`, which has no types."""
    decorate: Callable[[Method], Method] = available_if(condition)
    return decorate


def block_by_block(shape: str) -> Callable[[Method], Method]:
    """Return a decorator for methods that apply the model's method of that name to each block.

    It is there if the model has it; its documentation gets the sections that are those of all.

    Parameters
    ----------
    shape : str
        The shape of the result.
    """

    def decorate(method: Method) -> Method:
        name = method.__name__

        @functools.wraps(method)
        def apply(self: Any, X: Any) -> Any:
            return self._apply(name, X)

        first, _, examples = inspect.cleandoc(method.__doc__ or "").partition("\n\n")
        apply.__doc__ = f"{first}\n\n{_SECTIONS.format(shape=shape)}\n\n{examples}\n"
        return there_if(has(name))(cast(Method, apply))

    return decorate


def has(method: str) -> Callable[[Any], bool]:
    """Return a condition for `there_if`: the model has the method.

    If it has not, the condition raises the error of the model, which may say why.
    """

    def check(self: Any) -> bool:
        getattr(self._model, method)
        return True

    return check


def learns_on(wrapper: Any) -> bool:
    """Say whether ``partial_fit`` of the model goes on; raise the reason if it does not."""
    model = wrapper._model
    if goes_on(model):  # partial_fit is for the last step only
        return True
    raise AttributeError(
        f"{type(learner_in(model)).__name__} does not learn block by block, and what it has "
        "gathered of the blocks is not kept: call fit with all of them"
    )
