"""Lazy data sets of any size, for examples, tests and benchmarks.

The ground truth (centroids, mixing matrices, coefficients) is drawn when a function is called and
shared by all blocks; each block is drawn from a seed of its own when it is computed.
"""

from incremental.datasets._blobs import make_blobs
from incremental.datasets._classification import make_classification
from incremental.datasets._regression import make_regression

__all__ = ["make_blobs", "make_classification", "make_regression"]
