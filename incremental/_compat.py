"""Private names of dask, distributed, scikit-learn and the standard library, each with its reason.

Nothing else in the package imports or asks for a name that begins with an underscore.  Each entry
says why the name is needed, the versions that it was seen in, and what would replace it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dask.task_spec import GraphNode
from dask.typing import Key
from sklearn import get_config
from sklearn.base import BaseEstimator

# scikit-learn 1.9, public: the only names of its callbacks that are imported anywhere.
from sklearn.callback import CallbackSupportMixin, with_callbacks

# scikit-learn 1.6 to 1.9: selects columns as a ColumnTransformer does.
from sklearn.utils import _safe_indexing as safe_indexing

# scikit-learn 1.6 to 1.9: the number of rows of whatever scikit-learn takes; most of its
# extensions use it.  To be replaced by a public name as soon as there is one.
from sklearn.utils.validation import _num_samples as num_samples

__all__ = [
    "CallbackSupportMixin",
    "as_task_specification",
    "callback_context",
    "has_callbacks",
    "num_samples",
    "safe_indexing",
    "validations",
    "with_callbacks",
    "without_running_fit",
]


def as_task_specification(graph: Mapping[Key, Any]) -> dict[Key, GraphNode]:
    """Turn the tuples of older layers into dask's task specification.

    dask 2025.5 to 2026.8: to be replaced by nothing once every layer of dask is made of it.
    """
    from dask._task_spec import convert_legacy_graph

    return convert_legacy_graph(dict(graph))


def callback_context(estimator: Any, n_subtasks: int | None) -> Any:
    """Begin what scikit-learn's callbacks see of a fit; None subtasks are not known.

    scikit-learn 1.9: its developers' guide names the method for estimators of others.
    """
    return estimator._init_callback_context(max_subtasks=n_subtasks)


def has_callbacks(estimator: Any) -> bool:
    """Say whether any callback was set.

    scikit-learn 1.9: to be replaced by a public way to ask.
    """
    return bool(getattr(estimator, "_skl_callbacks", None))


def without_running_fit(state: dict[str, Any]) -> dict[str, Any]:
    """Return what is to be pickled of an estimator while a callback looks at its fit.

    scikit-learn 1.9: to be replaced by nothing once its ``__getstate__`` leaves them out.
    """
    running = "_callback_fit_ctx", "_skl_callbacks_to_teardown", "_parent_callback_ctx"
    return {name: value for name, value in state.items() if name not in running}


def validations(estimator: Any, *, has_steps: bool) -> Iterator[Callable[[], None]]:
    """Yield what an estimator checks in ``fit`` before it looks at the data.

    scikit-learn 1.6 to 1.9: ``fit`` is the only public way to ask, and needs data.  What is missing
    in another version is found in the first block; to be replaced by a public validation as soon
    as there is one.

    Parameters
    ----------
    estimator : estimator
        Asked for itself, and for what is in its parameters.
    has_steps : bool
        Whether it is made of steps, which are asked one by one elsewhere.
    """
    if has_steps:
        inside = [estimator]
        for name in ("steps", "transformers", "transformer_weights"):
            if hasattr(estimator, f"_validate_{name}"):
                yield getattr(estimator, f"_validate_{name}")
    else:
        inside = [estimator, *getattr(estimator, "get_params", dict)().values()]
    if not get_config()["skip_parameter_validation"]:
        for one in inside:
            if isinstance(one, BaseEstimator) and hasattr(one, "_parameter_constraints"):
                yield one._validate_params
