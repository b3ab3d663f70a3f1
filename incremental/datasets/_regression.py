"""Targets that are linear in some of the columns."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.random import Generator, RandomState, SeedSequence, default_rng
from numpy.typing import ArrayLike

from incremental.datasets._lazy import Block, Chunks, count, entropy_of, floats, lazy


def make_regression(
    n_samples: int = 100,
    n_features: int = 100,
    *,
    n_informative: int = 10,
    n_targets: int = 1,
    bias: ArrayLike = 0.0,
    noise: float = 0.0,
    shuffle: bool = True,
    coef: bool = False,
    chunks: Chunks = "auto",
    random_state: int | RandomState | None = None,
) -> tuple[Any, ...]:
    """Generate a lazy regression problem.

    The targets are a linear function of some of the columns, plus Gaussian noise.

    Parameters
    ----------
    n_samples : int, default=100
        The number of rows.
    n_features : int, default=100
        The number of columns, which are independent and standard normal.
    n_informative : int, default=10
        The number of columns with a coefficient other than 0, at most ``n_features``.
    n_targets : int, default=1
        The number of targets.
    bias : float or array-like of shape (n_targets,), default=0.0
        Added to the targets.
    noise : float, default=0.0
        The standard deviation of the noise.
    shuffle : bool, default=True
        Shuffle the columns.  If False the informative ones come first.
    coef : bool, default=False
        Return the coefficients too.
    chunks : int, str, sequence of int or None, default="auto"
        The blocks of rows, as for `make_classification`.
    random_state : int, RandomState instance or None, default=None
        An int gives the same data every time, if the chunks are the same too.

    Returns
    -------
    X : dask.array.Array of shape (n_samples, n_features)
        The features, of type float64, in one piece along the columns.
    y : dask.array.Array of shape (n_samples,) or (n_samples, n_targets)
        The targets; one-dimensional if there is one.
    coef : ndarray of shape (n_features,) or (n_features, n_targets)
        The coefficients.  Only returned if ``coef=True``.

    Raises
    ------
    TypeError
        If a number of things is not an integer.
    ValueError
        If a parameter is out of its range.

    See Also
    --------
    make_classification : The same for classes.
    sklearn.datasets.make_regression : The same in memory.

    Examples
    --------
    >>> from incremental.datasets import make_regression
    >>> X, y, coef = make_regression(1_000, 4, chunks=100, coef=True, random_state=0)
    >>> bool(abs(X @ coef - y).max() < 1e-9)
    True
    """
    n_features = count("n_features", n_features)
    n_targets = count("n_targets", n_targets)
    n_informative = min(count("n_informative", n_informative, 0), n_features)
    targets = (n_targets,) if n_targets > 1 else ()
    entropy = entropy_of(random_state)
    rng = default_rng(SeedSequence(entropy))
    truth = np.zeros((n_features, *targets))
    truth[:n_informative] = rng.uniform(0, 100, (n_informative, *targets))
    if shuffle:
        rng.shuffle(truth)
    draw = partial(
        _draw,
        coef=truth,
        bias=floats("bias", bias, "a number, or one for each target", (), targets),
        noise=float(floats("noise", noise, "a number of at least 0", (), low=0)),
    )
    X, y = lazy("make_regression", draw, entropy, n_samples, n_features, chunks, targets)
    return (X, y, truth.copy()) if coef else (X, y)


def _draw(
    rng: Generator, n_rows: int, *, coef: np.ndarray, bias: np.ndarray, noise: float
) -> Block:
    X = rng.standard_normal((n_rows, len(coef)))
    y = X @ coef + bias
    return X, y + noise * rng.standard_normal(y.shape)
