"""Train scikit-learn estimators on data larger than memory, block by block."""

from incremental._blocks import indexable
from incremental._incremental import Incremental
from incremental.exceptions import BlockError

__version__ = "0.1.0"
__all__ = ["BlockError", "Incremental", "indexable"]
