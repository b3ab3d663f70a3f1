"""What a wrapper shows of its model: learned attributes, tags, and reasons for what is missing."""

from __future__ import annotations

import warnings
from contextlib import suppress
from typing import Any, Self

from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.utils.validation import check_is_fitted

from incremental._compat import without_running_fit
from incremental._estimator.advice import names_replacements
from incremental._estimator.last_block import of_last_block
from incremental._estimator.lazy import apply
from incremental._pipelines.kept import as_plain, from_plain
from incremental._pipelines.target import tags_of
from incremental._pipelines.tree import needs_no_fit
from incremental._scoring.wrapper import ModelWrapper, learned_classes
from incremental._version import __version__


class ModelAttributes(ModelWrapper, BaseEstimator):
    """Base that reads what the model has learned, and pickles.

    Attributes
    ----------
    estimator_ : estimator
        The model; only there once a block was learned, or the steps of a pipeline.
    n_iter_ : int
        Passes that it has made.
    _seed : int
        Draws the orders that the model sees, also in `partial_fit`.
    _classes : ndarray, list of ndarray or None
        What the model was told, for a model that does not say it.
    _example : row of X or None
        To find out what the model returns, if first rows of X were read.
    _in_one_batch : bool
        Whether the last pass showed the model all rows at once, in their order.
    """

    estimator_: Any

    def __getattr__(self, name: str) -> Any:
        missing = f"{type(self).__name__!r} object has no attribute {name!r}"
        for cls in type(self).__mro__:
            if name in vars(cls):  # a method that is not available: once more, for its reason
                try:
                    return vars(cls)[name].__get__(self, type(self))
                except AttributeError as error:
                    raise AttributeError(f"{missing}: {_first_cause(error)}") from error
        if name.startswith("_") or not name.endswith("_") or not self.__sklearn_is_fitted__():
            raise AttributeError(missing)
        if name in self._of_last_block():
            instead = of_last_block(self._model)[name]
            raise AttributeError(
                f"{missing}: {name} of {type(self._model).__name__} is of the last block "
                f"only. {instead}; estimator_.{name} is that of the last block."
            )
        return learned_classes(self._model) if name == "classes_" else getattr(self._model, name)

    def _of_last_block(self) -> set[str]:
        """Return the attributes of the model that must not be taken for those of all rows."""
        if "estimator_" not in vars(self) or vars(self).get("_in_one_batch", False):
            return set()
        return set(of_last_block(self.estimator_))

    @names_replacements
    def set_params(self, **params: Any) -> Self:
        """Set parameters of this estimator, or of the one inside.

        Parameters
        ----------
        **params : dict
            By their names; those of the wrapped estimator are ``estimator__name``.

        Returns
        -------
        self : Incremental
            The same object.

        Examples
        --------
        >>> from sklearn.linear_model import SGDClassifier
        >>> from incremental import Incremental
        >>> Incremental(SGDClassifier()).set_params(max_iter=3, estimator__alpha=0.1)
        Incremental(estimator=SGDClassifier(alpha=0.1), max_iter=3)
        """
        super().set_params(**params)
        return self

    def __getstate__(self) -> dict[str, Any]:
        # What belongs to a running fit stays with it: a callback may save the model half-way.
        state = super().__getstate__()
        if "_example" in state:
            state = {**state, "_example": as_plain(state["_example"])}
        return {**without_running_fit(state), "_incremental_version": __version__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # As scikit-learn does for estimators of its own.
        state = dict(state)
        version = state.pop("_incremental_version", "before 0.1.0")
        if version != __version__:
            warnings.warn(
                InconsistentVersionWarning(
                    estimator_name=type(self).__name__,
                    current_sklearn_version=__version__,
                    original_sklearn_version=version,
                ),
                stacklevel=2,
            )
        if "_example" in state:
            state["_example"] = from_plain(state["_example"])
        super().__setstate__(state)

    def __dir__(self) -> list[str]:
        names = set(super().__dir__())
        if "estimator_" in vars(self):
            learned = {n for n in dir(self.estimator_) if n.endswith("_") and n[0] != "_"}
            names |= learned - self._of_last_block()
        return sorted(names)

    def __sklearn_is_fitted__(self) -> bool:
        if "estimator_" in vars(self):
            return True
        return "estimator" in vars(self) and needs_no_fit(self.estimator)

    def __sklearn_tags__(self) -> Any:
        return tags_of(self.estimator)

    def _fitted(self, method: str) -> Any:
        """Return the fitted model for a method."""
        before = f"Call 'fit' or 'partial_fit' before using '{method}'."
        with suppress(NotFittedError, TypeError):  # which what has no fit raises
            check_is_fitted(self.estimator)
            before += (
                " To predict with a fitted estimator, pass Incremental(FrozenEstimator(estimator))."
            )
        check_is_fitted(self, msg=f"This %(name)s instance is not fitted yet. {before}")
        return self._model

    def _apply(self, method: str, X: Any) -> Any:
        """Apply a method of the model to each block of X."""
        return apply(self._fitted(method), method, X, vars(self).get("_example"))


def _first_cause(error: BaseException) -> BaseException:
    """Return the error that others came from: "probability estimates are not available"."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error
