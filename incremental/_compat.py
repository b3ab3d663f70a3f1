"""Private names of dask, distributed, scikit-learn and the standard library, each with its reason.

Nothing else in the package imports or asks for a name that begins with an underscore.  Each entry
says why the name is needed, the versions that it was seen in, and what would replace it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dask.task_spec import GraphNode
from dask.typing import Key

# scikit-learn 1.6 to 1.9: selects columns as a ColumnTransformer does.
from sklearn.utils import _safe_indexing as safe_indexing

# scikit-learn 1.6 to 1.9: the number of rows of whatever scikit-learn takes; most of its
# extensions use it.  To be replaced by a public name as soon as there is one.
from sklearn.utils.validation import _num_samples as num_samples

__all__ = ["array_meta", "as_task_specification", "frame_rows", "num_samples", "safe_indexing"]


def as_task_specification(graph: Mapping[Key, Any]) -> dict[Key, GraphNode]:
    """Turn the tuples of older layers into dask's task specification.

    dask 2025.5 to 2026.8: to be replaced by nothing once every layer of dask is made of it.
    """
    from dask._task_spec import convert_legacy_graph

    return convert_legacy_graph(dict(graph))


def array_meta(X: Any) -> Any:
    """Return the empty array of the kind of a dask array's chunks (NumPy, SciPy, ...).

    dask 2025.5 to 2026.8: there is no public name; ``X.chunktype`` of its repr comes from it.
    """
    return X._meta


def frame_rows(X: Any) -> Any:
    """Return two made-up rows like those of a dask dataframe or series.

    dask 2025.5 to 2026.8: ``X.partitions[0].head()`` would be public, but reads.
    """
    return X._meta_nonempty.ffill()  # of nullable dtypes dask's second row is missing
