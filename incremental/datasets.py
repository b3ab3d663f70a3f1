"""Lazy data sets of any size, for examples, tests and benchmarks.

The ground truth (centroids, mixing matrices, coefficients) is drawn when a function is called and
shared by all blocks; each block is drawn from a seed of its own when it is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from numbers import Integral
from operator import getitem
from typing import Any

import dask.array as da
import numpy as np
from dask.array.core import normalize_chunks
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph
from dask.task_spec import DataNode, Task, TaskRef
from numpy.random import Generator, RandomState, SeedSequence, default_rng
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

__all__ = ["make_blobs", "make_classification", "make_regression"]

Block = tuple[np.ndarray, np.ndarray]
Draw = Callable[[Generator, int], Block]
Chunks = int | str | Sequence[int] | None


def make_classification(
    n_samples: int = 100,
    n_features: int = 20,
    *,
    n_informative: int = 2,
    n_redundant: int = 2,
    n_repeated: int = 0,
    n_classes: int = 2,
    n_clusters_per_class: int = 2,
    weights: ArrayLike | None = None,
    flip_y: float = 0.01,
    class_sep: float = 1.0,
    hypercube: bool = True,
    shift: ArrayLike | None = 0.0,
    scale: ArrayLike | None = 1.0,
    shuffle: bool = True,
    chunks: Chunks = "auto",
    random_state: int | RandomState | None = None,
) -> tuple[da.Array, da.Array]:
    """Generate a lazy classification problem.

    Each class is a number of Gaussian clusters about vertices of a hypercube, as in the
    scikit-learn function of the same name, whose algorithm this follows block by block.

    Parameters
    ----------
    n_samples : int, default=100
        The number of rows.
    n_features : int, default=20
        The number of columns.  What is not informative, redundant or repeated is noise.
    n_informative : int, default=2
        The number of columns in which the clusters lie.
    n_redundant : int, default=2
        The number of random linear combinations of the informative columns.
    n_repeated : int, default=0
        The number of copies of informative and redundant columns.
    n_classes : int, default=2
        The number of classes.
    n_clusters_per_class : int, default=2
        The number of clusters of each class.
    weights : array-like of shape (n_classes,) or (n_classes - 1,), default=None
        The share of each class, divided by their sum; a missing last one is what the others leave
        of 1.  By default all classes are equally likely.
    flip_y : float, default=0.01
        The share of rows whose class is drawn at random.
    class_sep : float, default=1.0
        Half the length of the sides of the hypercube.
    hypercube : bool, default=True
        If False, the clusters are about the vertices of a random polytope instead.
    shift : float, array-like of shape (n_features,) or None, default=0.0
        Added to the columns; None draws it from [-class_sep, class_sep].
    scale : float, array-like of shape (n_features,) or None, default=1.0
        Multiplied with the shifted columns; None draws it from [1, 101].
    shuffle : bool, default=True
        Shuffle the columns.  If False they are in the order of the parameters above.  The rows
        are in random order either way.
    chunks : int, str, sequence of int or None, default="auto"
        The rows of a block, or of each block; or the size of a block, such as ``"16 MiB"``, with
        ``"auto"`` for the ``array.chunk-size`` of dask's configuration.  None and -1 make one
        block.
    random_state : int, RandomState instance or None, default=None
        An int gives the same data every time, if the chunks are the same too.

    Returns
    -------
    X : dask.array.Array of shape (n_samples, n_features)
        The features, of type float64, in one piece along the columns.
    y : dask.array.Array of shape (n_samples,)
        The classes, from 0 to ``n_classes - 1``.

    Raises
    ------
    TypeError
        If a number of things is not an integer.
    ValueError
        If a parameter is out of its range or does not fit the others.

    See Also
    --------
    make_blobs : A simpler problem.
    sklearn.datasets.make_classification : The same in memory.

    Notes
    -----
    Each row draws its cluster at random, so that ``weights`` hold on average, in every block.
    With the same ``random_state`` and rows per block, a longer data set begins with the blocks of
    a shorter one.

    Examples
    --------
    >>> from incremental.datasets import make_classification
    >>> X, y = make_classification(n_samples=10_000, chunks=1_000, random_state=0)
    >>> X.shape, X.numblocks
    ((10000, 20), (10, 1))
    >>> y[:5].compute()
    array([1, 0, 0, 1, 1])
    """
    n_features = _count("n_features", n_features)
    n_informative = _count("n_informative", n_informative)
    n_redundant = _count("n_redundant", n_redundant, 0)
    n_repeated = _count("n_repeated", n_repeated, 0)
    n_classes = _count("n_classes", n_classes)
    n_clusters = n_classes * _count("n_clusters_per_class", n_clusters_per_class)
    n_useful = n_informative + n_redundant
    if n_useful + n_repeated > n_features:
        raise ValueError(
            "n_informative + n_redundant + n_repeated must be at most n_features. Got "
            f"{n_informative} + {n_redundant} + {n_repeated} > {n_features} instead."
        )
    if n_clusters > 2**n_informative:
        raise ValueError(
            "n_classes * n_clusters_per_class must be at most 2**n_informative. Got "
            f"{n_classes} * {n_clusters_per_class} > 2**{n_informative} instead."
        )
    separation = _floats("class_sep", class_sep, "a number of at least 0", (), low=0)
    per_column = f"a number, {n_features} numbers or None"
    entropy = _entropy(random_state)
    rng = default_rng(SeedSequence(entropy))

    centroids = separation * (2.0 * _vertices(rng, n_clusters, n_informative) - 1.0)
    if not hypercube:
        centroids *= rng.random((n_clusters, 1)) * rng.random((1, n_informative))
    drawn_shift = separation * rng.uniform(-1, 1, n_features)
    drawn_scale = rng.uniform(1, 101, n_features)
    draw = partial(
        _draw_classification,
        centroids=centroids,
        mixing=rng.uniform(-1, 1, (n_clusters, n_informative, n_informative)),
        combinations=rng.uniform(-1, 1, (n_informative, n_redundant)),
        repeated=rng.integers(n_useful, size=n_repeated),
        probabilities=np.resize(_shares(weights, n_classes), n_clusters) * n_classes / n_clusters,
        n_classes=n_classes,
        flip_y=float(_floats("flip_y", flip_y, "a number from 0 to 1", (), low=0, high=1)),
        shift=_floats(
            "shift", drawn_shift if shift is None else shift, per_column, (), (n_features,)
        ),
        scale=_floats(
            "scale", drawn_scale if scale is None else scale, per_column, (), (n_features,)
        ),
        columns=rng.permutation(n_features) if shuffle else np.arange(n_features),
    )
    return _lazy("make_classification", draw, entropy, n_samples, n_features, chunks, y_dtype=int)


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
    n_features = _count("n_features", n_features)
    n_targets = _count("n_targets", n_targets)
    n_informative = min(_count("n_informative", n_informative, 0), n_features)
    targets = (n_targets,) if n_targets > 1 else ()
    entropy = _entropy(random_state)
    rng = default_rng(SeedSequence(entropy))
    truth = np.zeros((n_features, *targets))
    truth[:n_informative] = rng.uniform(0, 100, (n_informative, *targets))
    if shuffle:
        rng.shuffle(truth)
    draw = partial(
        _draw_regression,
        coef=truth,
        bias=_floats("bias", bias, "a number, or one for each target", (), targets),
        noise=float(_floats("noise", noise, "a number of at least 0", (), low=0)),
    )
    X, y = _lazy("make_regression", draw, entropy, n_samples, n_features, chunks, targets)
    return (X, y, truth.copy()) if coef else (X, y)


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
    n_features = _count("n_features", n_features)
    entropy = _entropy(random_state)
    if centers is None or isinstance(centers, Integral):
        n_centers = 3 if centers is None else _count("centers", centers)
        low, high = _floats("center_box", center_box, "two numbers (min, max)", (2,))
        if low > high:
            raise ValueError(f"center_box must be (min, max). Got {center_box!r} instead.")
        rng = default_rng(SeedSequence(entropy))
        points = rng.uniform(low, high, (n_centers, n_features))
    else:
        wanted = "a number of centers or an array of shape (n_centers, n_features)"
        points = _floats("centers", centers, wanted, ndim=2)
        n_centers, n_features = points.shape
    wanted = f"a number, or {n_centers} numbers, of at least 0"
    std = _floats("cluster_std", cluster_std, wanted, (), (n_centers,), low=0)
    draw = partial(_draw_blobs, centers=points, std=np.resize(std, n_centers))
    X, y = _lazy("make_blobs", draw, entropy, n_samples, n_features, chunks, y_dtype=int)
    return (X, y, points.copy()) if return_centers else (X, y)


def _draw_classification(
    rng: Generator,
    n_rows: int,
    *,
    centroids: np.ndarray,
    mixing: np.ndarray,
    combinations: np.ndarray,
    repeated: np.ndarray,
    probabilities: np.ndarray,
    n_classes: int,
    flip_y: float,
    shift: np.ndarray,
    scale: np.ndarray,
    columns: np.ndarray,
) -> Block:
    n_informative, n_redundant = combinations.shape
    n_useful = n_informative + n_redundant
    cluster = rng.choice(len(centroids), size=n_rows, p=probabilities)
    X = rng.standard_normal((n_rows, len(columns)))
    informative = X[:, :n_informative]
    for k, centroid in enumerate(centroids):
        rows = cluster == k
        informative[rows] = informative[rows] @ mixing[k] + centroid
    X[:, n_informative:n_useful] = informative @ combinations
    X[:, n_useful : n_useful + len(repeated)] = X[:, repeated]
    X += shift
    X *= scale
    y = cluster % n_classes
    flipped = rng.random(n_rows) < flip_y
    y[flipped] = rng.integers(n_classes, size=flipped.sum())
    return X.take(columns, axis=1), y


def _draw_regression(
    rng: Generator, n_rows: int, *, coef: np.ndarray, bias: np.ndarray, noise: float
) -> Block:
    X = rng.standard_normal((n_rows, len(coef)))
    y = X @ coef + bias
    return X, y + noise * rng.standard_normal(y.shape)


def _draw_blobs(rng: Generator, n_rows: int, *, centers: np.ndarray, std: np.ndarray) -> Block:
    n_centers, n_features = centers.shape
    y = rng.integers(n_centers, size=n_rows)
    return centers[y] + std[y, None] * rng.standard_normal((n_rows, n_features)), y


def _lazy(
    name: str,
    draw: Draw,
    entropy: tuple[int, ...],
    n_samples: int,
    n_features: int,
    chunks: Chunks,
    targets: tuple[int, ...] = (),
    y_dtype: type = float,
) -> tuple[da.Array, da.Array]:
    """Return X and y, each block of which is one half of what one task draws."""
    rows = _rows(_count("n_samples", n_samples), n_features, chunks)
    token = tokenize(draw, entropy, rows)
    truth, pairs = f"{name}-truth-{token}", f"{name}-{token}"
    truth_ref = TaskRef(truth)
    blocks: dict[Any, Any] = {truth: DataNode(truth, draw)}
    refs = []
    for i, n_rows in enumerate(rows):
        key = (pairs, i)
        blocks[key] = Task(key, _draw_block, truth_ref, entropy, i, n_rows)
        refs.append(TaskRef(key))

    def half(position: int, suffix: str, columns: tuple[int, ...], dtype: type) -> da.Array:
        array = f"{name}-{suffix}-{token}"
        zeros = (0,) * len(columns)
        tasks: dict[Any, Any] = {}
        for i, ref in enumerate(refs):
            key = (array, i, *zeros)
            tasks[key] = Task(key, getitem, ref, position)
        graph = HighLevelGraph({pairs: blocks, array: tasks}, {pairs: set(), array: {pairs}})
        return da.Array(graph, array, (rows, *((n,) for n in columns)), dtype=dtype)

    return half(0, "X", (n_features,), float), half(1, "y", targets, y_dtype)


def _draw_block(draw: Draw, entropy: tuple[int, ...], position: int, n_rows: int) -> Block:
    return draw(default_rng(SeedSequence(entropy, spawn_key=(position,))), n_rows)


def _rows(n_samples: int, n_features: int, chunks: Chunks) -> tuple[int, ...]:
    try:
        shape = (n_samples, n_features)
        rows, _ = normalize_chunks((chunks, (n_features,)), shape, dtype=np.dtype(float))
    except (TypeError, ValueError, ZeroDivisionError):
        rows = ()
    if sum(rows) != n_samples or min(rows) < 0:
        raise ValueError(
            "chunks must be a number of rows, the numbers of rows of all blocks, which add up to "
            f"n_samples={n_samples}, a size in bytes, 'auto' or None. Got {chunks!r} instead."
        )
    return rows


def _entropy(random_state: int | RandomState | None) -> tuple[int, ...]:
    try:
        state = check_random_state(random_state)
    except ValueError:
        raise ValueError(
            "random_state must be an int from 0 to 2**32 - 1, a RandomState instance or None. "
            f"Got {random_state!r} instead."
        ) from None
    return tuple(state.randint(2**32, size=4, dtype=np.uint32).tolist())


def _vertices(rng: Generator, n_vertices: int, n_dimensions: int) -> np.ndarray:
    """Return distinct vertices of the unit cube, as rows of 0 and 1."""
    n_coded = min(n_dimensions, 60)  # the code of a vertex has to fit into an int64
    codes = rng.choice(2**n_coded, size=n_vertices, replace=False)
    coded = codes[:, None] >> np.arange(n_coded) & 1
    return np.hstack([coded, rng.integers(2, size=(n_vertices, n_dimensions - n_coded))])


def _shares(weights: ArrayLike | None, n_classes: int) -> np.ndarray:
    if weights is None:
        return np.full(n_classes, 1 / n_classes)
    wanted = f"{n_classes} numbers of at least 0, or {n_classes - 1} that add up to at most 1"
    shares = _floats("weights", weights, wanted, (n_classes,), (n_classes - 1,), low=0)
    if len(shares) < n_classes:
        shares = np.append(shares, 1 - shares.sum())
    if shares.min() < 0 or not shares.any():
        raise ValueError(f"weights must be {wanted}. Got {weights!r} instead.")
    return shares / shares.sum()


def _count(name: str, value: Any, low: int = 1) -> int:
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer. Got {value!r} instead.")
    if value < low:
        raise ValueError(f"{name} must be at least {low}. Got {value!r} instead.")
    return int(value)


def _floats(
    name: str,
    value: Any,
    wanted: str,
    *shapes: tuple[int, ...],
    ndim: int = -1,
    low: float = -np.inf,
    high: float = np.inf,
) -> np.ndarray:
    """Return `value` as an array of one of `shapes` or of `ndim` dimensions."""
    try:
        array = np.array(value, dtype=float)
    except (TypeError, ValueError):
        array = np.array(np.nan)
    fits = array.shape in shapes or (array.ndim == ndim and array.size > 0)
    if not (fits and np.isfinite(array).all() and np.all((low <= array) & (array <= high))):
        raise ValueError(f"{name} must be {wanted}. Got {value!r} instead.")
    return array
