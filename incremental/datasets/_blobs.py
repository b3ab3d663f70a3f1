"""Gaussian blobs."""

from __future__ import annotations

from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
from numpy.random import Generator, RandomState, SeedSequence, default_rng
from numpy.typing import ArrayLike

from incremental.datasets._lazy import Block, Chunks, count, entropy_of, floats, lazy


def make_blobs(
    n_samples: int = 100,
    n_features: int = 2,
    *,
    centers: int | ArrayLike | None = None,
    cluster_std: ArrayLike = 1.0,
    center_box: tuple[float, float] = (-10.0, 10.0),
    chunks: Chunks = "auto",
    random_state: int | RandomState | None = None,
    return_centers: bool = False,
) -> tuple[Any, ...]:
    """Generate lazy Gaussian blobs for clustering.

    Each row belongs to one of the blobs, which are equally likely in every block.

    Parameters
    ----------
    n_samples : int, default=100
        The number of rows.
    n_features : int, default=2
        The number of columns.  Not used if ``centers`` says it.
    centers : int or array-like of shape (n_centers, n_features), default=None
        The number of blobs (None means 3), or where their centers are.
    cluster_std : float or array-like of shape (n_centers,), default=1.0
        The standard deviation of the blobs.
    center_box : tuple of float (min, max), default=(-10.0, 10.0)
        The range of the coordinates of centers that are drawn at random.
    chunks : int, str, sequence of int or None, default="auto"
        The blocks of rows, as for `make_classification`.
    random_state : int, RandomState instance or None, default=None
        An int gives the same data every time, if the chunks are the same too.
    return_centers : bool, default=False
        Return the centers too.

    Returns
    -------
    X : dask.array.Array of shape (n_samples, n_features)
        The features, of type float64, in one piece along the columns.
    y : dask.array.Array of shape (n_samples,)
        The blob that each row belongs to.
    centers : ndarray of shape (n_centers, n_features)
        The centers.  Only returned if ``return_centers=True``.

    Raises
    ------
    TypeError
        If a number of things is not an integer.
    ValueError
        If a parameter is out of its range or does not fit the others.

    See Also
    --------
    make_classification : A harder problem.
    sklearn.datasets.make_blobs : The same in memory.

    Examples
    --------
    >>> from incremental.datasets import make_blobs
    >>> X, y = make_blobs(1_000, centers=[[0, 0], [9, 9]], chunks=100, random_state=0)
    >>> X[y == 1].mean(axis=0).round().compute()
    array([9., 9.])
    """
    n_features = count("n_features", n_features)
    entropy = entropy_of(random_state)
    if centers is None or isinstance(centers, Integral):
        n_centers = 3 if centers is None else count("centers", centers)
        low, high = floats("center_box", center_box, "two numbers (min, max)", (2,))
        if low > high:
            raise ValueError(f"center_box must be (min, max). Got {center_box!r} instead.")
        rng = default_rng(SeedSequence(entropy))
        points = rng.uniform(low, high, (n_centers, n_features))
    else:
        wanted = "a number of centers or an array of shape (n_centers, n_features)"
        points = floats("centers", centers, wanted, ndim=2)
        n_centers, n_features = points.shape
    wanted = f"a number, or {n_centers} numbers, of at least 0"
    std = floats("cluster_std", cluster_std, wanted, (), (n_centers,), low=0)
    draw = partial(_draw, centers=points, std=np.resize(std, n_centers))
    X, y = lazy("make_blobs", draw, entropy, n_samples, n_features, chunks, y_dtype=int)
    return (X, y, points.copy()) if return_centers else (X, y)


def _draw(rng: Generator, n_rows: int, *, centers: np.ndarray, std: np.ndarray) -> Block:
    n_centers, n_features = centers.shape
    y = rng.integers(n_centers, size=n_rows)
    return centers[y] + std[y, None] * rng.standard_normal((n_rows, n_features)), y
