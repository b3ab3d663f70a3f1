"""Private names of dask, distributed, scikit-learn and the standard library, each with its reason.

Nothing else in the package imports or asks for a name that begins with an underscore.  Each entry
says why the name is needed, the versions that it was seen in, and what would replace it.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Any

from dask.task_spec import GraphNode
from dask.typing import Key

# scikit-learn 1.6 to 1.9: selects columns as a ColumnTransformer does.
from sklearn.utils import _safe_indexing as safe_indexing

# scikit-learn 1.6 to 1.9: the number of rows of whatever scikit-learn takes; most of its
# extensions use it.  To be replaced by a public name as soon as there is one.
from sklearn.utils.validation import _num_samples as num_samples

__all__ = [
    "as_task_specification",
    "is_checkpoint",
    "is_store",
    "max_workers",
    "num_samples",
    "safe_indexing",
]


def as_task_specification(graph: Mapping[Key, Any]) -> dict[Key, GraphNode]:
    """Turn the tuples of older layers into dask's task specification.

    dask 2025.5 to 2026.8: to be replaced by nothing once every layer of dask is made of it.
    """
    from dask._task_spec import convert_legacy_graph

    return convert_legacy_graph(dict(graph))


def is_store(key: Key) -> bool:
    """Say whether a key is that of the file through which dask shuffles a frame or groups a bag.

    dask 2025.5 to 2026.8: to be replaced by a mark of such tasks, as barriers of P2P shuffles have.
    """
    return (
        type(key) is tuple
        and len(key) == 1
        and isinstance(key[0], str)
        and key[0].startswith(("zpartd-", "partd-"))
    )


def is_checkpoint(key: Key) -> bool:
    """Say whether a key is that of what `dask.graph_manipulation.bind` lets tasks wait for.

    dask 2025.5 to 2026.8: to be replaced as that of `is_store`.
    """
    return isinstance(key, str) and key.startswith("checkpoint-")


def max_workers(pool: Executor) -> int | None:
    """Return how many tasks a pool runs at once; None if it does not say.

    Python 3.11 to 3.13: executors of the standard library keep it to themselves; dask asks as well.
    """
    return getattr(pool, "_max_workers", None)
