"""How transformers are trained: by a look at the layout, from blocks, or from their summaries."""

from __future__ import annotations

import copy
import dis
import inspect
from collections.abc import Callable
from inspect import getattr_static
from typing import Any

from sklearn.feature_extraction.text import CountVectorizer
from sklearn.feature_selection import SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.kernel_approximation import PolynomialCountSketch, RBFSampler, SkewedChi2Sampler
from sklearn.preprocessing import (
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    SplineTransformer,
)
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection

from incremental._compat import needs_fit
from incremental._pipelines.refused import (
    LINEAR,
    NEEDS_ROWS,
    ONLY_RAISES,
    REFUSED,
    SAMPLERS,
    Refusal,
)
from incremental._summaries.base import Summaries
from incremental._summaries.table import summaries_of


def _categories_are_fixed(encoder: Any) -> bool:
    return not isinstance(encoder.categories, str) and counts_nothing(encoder)


def counts_nothing(encoder: Any) -> bool:
    """Say whether an encoder takes categories whatever their number."""
    return encoder.min_frequency is None and encoder.max_categories is None


CATEGORIES = "with ``categories=[...]``; without ``min_frequency`` and ``max_categories``"

#: Transformers whose ``fit`` learns nothing but the layout of X (columns and dtypes): the
#: condition, as a function of the transformer and in words.  They are fitted on the first rows.
LAYOUT: dict[type, tuple[Callable[[Any], bool], str]] = {
    CountVectorizer: (lambda t: t.vocabulary is not None, "with ``vocabulary=[...]``"),
    FrozenEstimator: (lambda t: True, "fitted before"),
    GaussianRandomProjection: (lambda t: t.n_components != "auto", "with ``n_components=...``"),
    MissingIndicator: (lambda t: t.features == "all", 'with ``features="all"``'),
    OneHotEncoder: (_categories_are_fixed, CATEGORIES),
    OrdinalEncoder: (_categories_are_fixed, CATEGORIES),
    PolynomialCountSketch: (lambda t: True, ""),
    PolynomialFeatures: (lambda t: True, ""),
    RBFSampler: (lambda t: t.gamma != "scale", "with ``gamma`` a number"),
    SimpleImputer: (
        lambda t: t.strategy == "constant" and not t.add_indicator,
        'with ``strategy="constant"``, without ``add_indicator``',
    ),
    SkewedChi2Sampler: (lambda t: True, ""),
    SparseRandomProjection: (lambda t: t.n_components != "auto", "with ``n_components=...``"),
    SplineTransformer: (lambda t: not isinstance(t.knots, str), "with ``knots=[[...], ...]``"),
}

#: The same for those that take a pass.
CONDITIONS: dict[type, tuple[Callable[[Any], bool], str]] = {
    **LAYOUT,
    SelectFromModel: (
        # What is not frozen forgets in a clone what it has learned before.
        lambda t: (
            learns_blocks(t)
            and learns_blocks(t.estimator)
            and t.prefit == isinstance(t.estimator, FrozenEstimator)
        ),
        "with an estimator that has ``partial_fit``; with ``prefit=True`` a frozen one",
    ),
}


#: What to use where the condition cannot be met.
OTHERWISE: dict[type, str] = {
    CountVectorizer: "HashingVectorizer",
    OneHotEncoder: "FeatureHasher or HashingVectorizer",
    OrdinalEncoder: "FeatureHasher or HashingVectorizer",
}


def kind_of(estimator: Any) -> type | None:
    """Return the class in `CONDITIONS` that an estimator is of, unless it learns in its own way.

    Examples
    --------
    >>> class Mine(OneHotEncoder): ...
    >>> kind_of(Mine()).__name__
    'OneHotEncoder'
    """
    cls = type(estimator)
    kind = next((one for one in cls.__mro__ if one in CONDITIONS), None)
    if kind is None:
        return None
    own = (
        getattr_static(cls, method, None) is not getattr_static(kind, method, None)
        for method in ("fit", "partial_fit")
    )
    return None if any(own) else kind


def learns(estimator: Any) -> bool:
    """Say whether a step takes a pass in which ``partial_fit`` has something to learn."""
    if is_stateless(estimator) or kind_of(estimator) in LAYOUT:
        return False
    return learns_blocks(estimator)


def looks_only(estimator: Any) -> bool:
    """Say whether a step learns nothing but the layout of X.

    Examples
    --------
    >>> looks_only(OneHotEncoder(categories=[["a", "b"]])), looks_only(OneHotEncoder())
    (True, False)
    """
    kind = kind_of(estimator)
    return kind in LAYOUT and LAYOUT[kind][0](estimator)


def by_summaries(estimator: Any) -> Summaries | None:
    """Return how a step learns from summaries of blocks; None if it does not, or does not need to.

    Examples
    --------
    >>> by_summaries(OneHotEncoder()) is None, by_summaries(PolynomialFeatures()) is None
    (False, True)
    """
    return None if looks_only(estimator) else summaries_of(estimator)


def learns_otherwise(estimator: Any) -> bool:
    """Say whether an estimator learns, but not by ``partial_fit``."""
    if by_summaries(estimator) is not None:
        return True
    return looks_only(estimator) and not learns_blocks(estimator)


def learns_blocks(estimator: Any) -> bool:
    """Say whether an estimator has a ``partial_fit`` that does something.

    Examples
    --------
    >>> class Inherits(SelectFromModel):
    ...     def partial_fit(self, X, y=None):
    ...         raise NotImplementedError
    >>> learns_blocks(Inherits(None)), learns_blocks(PolynomialFeatures())
    (False, False)
    """
    return hasattr(estimator, "partial_fit") and not _only_raises(estimator.partial_fit)


def _only_raises(method: Any) -> bool:
    """Say whether a method is there only to raise a NotImplementedError, as in dask-ml's scalers.

    It does if it has neither a return nor a branch.
    """
    code = getattr(inspect.unwrap(method), "__code__", None)
    if code is None or "NotImplementedError" not in code.co_names:
        return False
    goes_on = "RETURN", "JUMP", "POP_JUMP", "FOR_ITER", "SEND", "YIELD"
    return not any(one.opname.startswith(goes_on) for one in dis.get_instructions(code))


def _working_base(estimator: Any) -> str:
    """Name the class whose ``partial_fit`` an estimator has made raise; "" if there is none."""
    for base in type(estimator).__mro__:
        if learns_blocks(base):
            return f"{base.__module__.partition('._')[0]}.{base.__name__}"
    return ""


def is_sampler(estimator: Any) -> bool:
    """Say whether an estimator samples rows; a frozen one is what is in it."""
    return hasattr(estimator, "fit_resample")


def refusal(estimator: Any) -> str | None:
    """Say why an estimator cannot be trained block by block, and what to do; None if it can.

    Whether categories are found in the dtypes of X is another question.

    Examples
    --------
    >>> refusal(SimpleImputer(strategy="constant")) is None
    True
    >>> refusal(RBFSampler(gamma="scale"))
    'is trained block by block only with gamma a number. Fit it on a sample before and pass ...'
    """
    summaries = by_summaries(estimator)
    if summaries is not None and not is_sampler(estimator):
        return summaries.refusal(estimator)
    found = _refusal(estimator)
    if found is None or found.remedy:
        return found and f"{found.why}. {found.remedy}"
    use = f"Use {found.instead}, or fit" if found.instead else "Fit"
    return f"{found.why}. {use} it on a sample before and pass FrozenEstimator(fitted)."


def _refusal(estimator: Any) -> Refusal | None:
    if is_sampler(estimator):
        return SAMPLERS
    name, kind = type(estimator).__name__, kind_of(estimator)
    found = next((one for one in REFUSED if name in one.names), None)
    if found is not None and found.remedy:
        return found
    if is_stateless(estimator):
        return None
    if kind is not None:
        fits, condition = CONDITIONS[kind]
        why = f"is trained block by block only {condition.replace('``', '')}"
        return None if fits(estimator) else Refusal(why, OTHERWISE.get(kind, ""))
    if learns_blocks(estimator):
        return None
    if hasattr(estimator, "partial_fit"):
        return Refusal(ONLY_RAISES, _working_base(estimator))
    return found or Refusal(NEEDS_ROWS, LINEAR if hasattr(estimator, "predict") else "")


def is_stateless(estimator: Any) -> bool:
    """Say whether a step transforms blocks without having seen any."""
    return not isinstance(estimator, FrozenEstimator) and not needs_fit(estimator)


def keep_blocks(estimator: Any) -> Any:
    """Let an estimator copy what it would change: other steps, y and later passes need it, too.

    What is frozen belongs to somebody else: another one takes its place.
    """
    if isinstance(estimator, FrozenEstimator):
        frozen = estimator.estimator
        return FrozenEstimator(keep_blocks(copy.deepcopy(frozen))) if _kept(frozen) else estimator
    kept = _kept(estimator)
    return estimator.set_params(**kept) if kept else estimator


def _kept(estimator: Any) -> dict[str, Any]:
    """Return the parameters that let an estimator copy what it was asked to change."""
    if not hasattr(estimator, "get_params"):
        return {}
    kept = {}
    for name, value in estimator.get_params().items():
        if value is False and name.rpartition("__")[2] in ("copy", "copy_x", "copy_X"):
            kept[name] = True
        elif isinstance(value, FrozenEstimator) and (other := keep_blocks(value)) is not value:
            kept[name] = other
    return kept
