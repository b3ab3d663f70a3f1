"""Classes that are clusters about the vertices of a hypercube."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import dask.array as da
import numpy as np
from numpy.random import Generator, RandomState, SeedSequence, default_rng
from numpy.typing import ArrayLike

from incremental.datasets._lazy import Block, Chunks, count, entropy_of, floats, lazy


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
    scikit-learn function of the same name, whose algorithm [1]_ this follows block by block.

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

    References
    ----------
    .. [1] I. Guyon, "Design of experiments for the NIPS 2003 variable selection benchmark", 2003.

    Examples
    --------
    >>> from incremental.datasets import make_classification
    >>> X, y = make_classification(n_samples=10_000, chunks=1_000, random_state=0)
    >>> X.shape, X.numblocks
    ((10000, 20), (10, 1))
    >>> y[:5].compute()
    array([1, 0, 0, 1, 1])
    """
    n = _Numbers.checked(
        n_features, n_informative, n_redundant, n_repeated, n_classes, n_clusters_per_class
    )
    half_side = floats("class_sep", class_sep, "a number of at least 0", (), low=0)
    shares = np.resize(_shares(weights, n.classes), n.clusters) * n.classes / n.clusters
    draw = partial(
        _draw,
        probabilities=shares,
        n_classes=n.classes,
        flip_y=float(floats("flip_y", flip_y, "a number from 0 to 1", (), low=0, high=1)),
    )
    entropy = entropy_of(random_state)
    rng = default_rng(SeedSequence(entropy))
    draw = partial(draw, **_truth(rng, n, half_side, hypercube, shift, scale, shuffle))
    return lazy("make_classification", draw, entropy, n_samples, n.features, chunks, y_dtype=int)


class _Numbers(NamedTuple):
    """How many there are of each."""

    features: int
    informative: int
    redundant: int
    repeated: int
    classes: int
    clusters: int

    @classmethod
    def checked(
        cls, features: Any, informative: Any, redundant: Any, repeated: Any, classes: Any, each: Any
    ) -> _Numbers:
        """Refuse numbers that do not fit; `each` is that of the clusters of a class."""
        n = cls(
            count("n_features", features),
            count("n_informative", informative),
            count("n_redundant", redundant, 0),
            count("n_repeated", repeated, 0),
            count("n_classes", classes),
            count("n_classes", classes) * count("n_clusters_per_class", each),
        )
        if n.informative + n.redundant + n.repeated > n.features:
            raise ValueError(
                "n_informative + n_redundant + n_repeated must be at most n_features. Got "
                f"{n.informative} + {n.redundant} + {n.repeated} > {n.features} instead."
            )
        if n.clusters > 2**n.informative:
            raise ValueError(
                "n_classes * n_clusters_per_class must be at most 2**n_informative. Got "
                f"{classes} * {each} > 2**{n.informative} instead."
            )
        return n


def _truth(
    rng: Generator,
    n: _Numbers,
    half_side: Any,
    hypercube: bool,
    shift: ArrayLike | None,
    scale: ArrayLike | None,
    shuffle: bool,
) -> dict[str, Any]:
    """Draw what all blocks share."""
    centroids = half_side * (2.0 * _vertices(rng, n.clusters, n.informative) - 1.0)
    if not hypercube:
        centroids *= rng.random((n.clusters, 1)) * rng.random((1, n.informative))
    return {
        "centroids": centroids,
        "shift": _per_column("shift", shift, half_side * rng.uniform(-1, 1, n.features)),
        "scale": _per_column("scale", scale, rng.uniform(1, 101, n.features)),
        "mixing": rng.uniform(-1, 1, (n.clusters, n.informative, n.informative)),
        "combinations": rng.uniform(-1, 1, (n.informative, n.redundant)),
        "repeated": rng.integers(n.informative + n.redundant, size=n.repeated),
        "columns": rng.permutation(n.features) if shuffle else np.arange(n.features),
    }


def _per_column(name: str, value: ArrayLike | None, drawn: np.ndarray) -> np.ndarray:
    wanted = f"a number, {len(drawn)} numbers or None"
    return floats(name, drawn if value is None else value, wanted, (), drawn.shape)


def _draw(
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
    shares = floats("weights", weights, wanted, (n_classes,), (n_classes - 1,), low=0)
    if len(shares) < n_classes:
        shares = np.append(shares, 1 - shares.sum())
    if shares.min() < 0 or not shares.any():
        raise ValueError(f"weights must be {wanted}. Got {weights!r} instead.")
    return np.asarray(shares / shares.sum())
