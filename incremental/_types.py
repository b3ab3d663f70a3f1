"""What may be passed, as checkers of types see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from dask.typing import DaskCollection


class Shaped(Protocol):
    """An array or a frame: of NumPy, SciPy, pandas, xarray or dask, or rows that were counted."""

    @property
    def shape(self) -> Any:
        """The number of rows comes first."""


#: X, y and whatever else has a value for each row.  A list is one of rows, of ``Delayed``, of
#: futures or of dask arrays.
Data = Shaped | DaskCollection | Sequence[Any]

Classes = Shaped | Sequence[Any]
Scoring = str | Callable[..., Any] | Iterable[str] | Mapping[str, Any]
RandomState = int | np.random.RandomState

#: A function or a method, which a decorator gives back with the same parameters.
Method = TypeVar("Method", bound=Callable[..., Any])
