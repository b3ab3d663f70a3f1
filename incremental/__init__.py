"""Train scikit-learn estimators on data larger than memory, block by block."""

from incremental._data.blocks import indexable
from incremental._estimator.incremental import Incremental
from incremental._version import __version__
from incremental.exceptions import BlockError

__all__ = ["BlockError", "Incremental", "__version__", "indexable"]
