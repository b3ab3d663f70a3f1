"""What is known of X before it is read, and what an estimator does not take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder
from sklearn.utils import get_tags

from incremental._data.containers import is_lazy, layout_of
from incremental._data.frames import UNKNOWN_CATEGORIES


class Known(NamedTuple):
    """What is known before of the X that a step is given."""

    #: Rows with the columns and the dtypes of X; None if these are not known.
    rows: Any = None
    #: The dtypes of columns that are known to be among those of X, as they are in lazy data.
    dtypes: Mapping[Any, Any] = {}

    @property
    def is_frame(self) -> bool:
        return hasattr(self.rows, "iloc")


UNKNOWN = Known()


def known_of(X: Any) -> Known:
    """Return what is known of data without reading them.

    Examples
    --------
    >>> known_of([["a"]])
    Known(rows=None, dtypes={})
    """
    rows = layout_of(X)
    is_frame = hasattr(rows, "iloc") and is_lazy(X)
    return Known(rows, dict(rows.dtypes.items()) if is_frame else {})


def check_takes(estimator: Any, known: Known, path: str = "") -> None:
    """Refuse text and dates where an estimator of scikit-learn takes numbers, and frames for text.

    What others take is not known.

    Parameters
    ----------
    estimator : estimator
        What is given X; of a meta-estimator that hands X on, what is in it.
    known : Known
        What is known of X.
    path : str
        The name of a step.

    Raises
    ------
    ValueError
        If it is known that X cannot be learned, or not be transformed.
    """
    while hasattr(estimator, "estimator"):
        estimator = estimator.estimator
    of_steps = isinstance(estimator, (Pipeline, ColumnTransformer, FeatureUnion))
    if of_steps or not type(estimator).__module__.startswith("sklearn."):
        return
    name = f"The step {path} ({type(estimator).__name__})" if path else type(estimator).__name__
    tags = get_tags(estimator)
    if tags.no_validation:
        return
    if not tags.input_tags.two_d_array:
        if known.is_frame and known.dtypes:
            _refuse_frame(name, known)
        return
    if isinstance(estimator, _ENCODERS):
        return
    for column, dtype in known.dtypes.items():
        if _is_text(dtype):
            raise ValueError(
                f"{name} takes numbers, but the column {column!r} of X has text (dtype {dtype}). "
                "Encode it (OneHotEncoder or HashingVectorizer for this column, in a "
                "ColumnTransformer), leave it out, or convert it: X.astype({"
                f"{column!r}: float}})."
            )
        # All together, dates are numbers to scikit-learn; beside others they are not.
        if _is_time(dtype) and not (known.is_frame and all(map(_is_time, known.dtypes.values()))):
            raise ValueError(
                f"{name} takes numbers, but the column {column!r} of X has dates or times (dtype "
                f"{dtype}). Make numbers of it, such as X[{column!r}].dt.dayofweek, or leave it "
                "out."
            )


#: Those that take whatever there is.
_ENCODERS = (MissingIndicator, OneHotEncoder, OrdinalEncoder, SimpleImputer)


def _refuse_frame(name: str, known: Known) -> None:
    columns = list(known.dtypes)
    if len(columns) == 1:
        instead = f"pass the Series X[{columns[0]!r}]"
    else:
        instead = "pass the Series of one column, such as " + f"X[{columns[0]!r}]"
    raise ValueError(
        f"{name} takes one text, or one dict, for each row. Got a dataframe with the columns "
        f"{columns[:10]} instead; {instead}, or in a ColumnTransformer the name of the column, "
        f"{columns[0]!r}, and not a list of it."
    )


def _is_text(dtype: Any) -> bool:
    """Say whether a dtype is that of text; what objects are is not known.

    Examples
    --------
    >>> import pandas as pd
    >>> [_is_text(pd.Series(["a"]).astype(one).dtype) for one in ("string", "category", object)]
    [True, True, False]
    """
    if str(dtype) == "category":
        values = dtype.categories
        return UNKNOWN_CATEGORIES not in values and any(isinstance(v, str) for v in values)
    return getattr(dtype, "type", None) in (str, np.str_)


def _is_time(dtype: Any) -> bool:
    return getattr(dtype, "kind", "O") in "mM"
