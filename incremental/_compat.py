"""Private names and versions of dask, distributed, scikit-learn and the standard library.

Nothing else in the package imports or asks for a name that begins with an underscore, or asks for
a version.  Each entry says why it is needed, the versions that it was seen in, and what would
replace it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Self

import sklearn
from dask.task_spec import GraphNode
from dask.typing import Key
from sklearn import config_context, get_config
from sklearn.base import BaseEstimator
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.feature_selection import SelectFromModel

# scikit-learn 1.6 to 1.9: selects columns as a ColumnTransformer does.
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils import get_tags

# scikit-learn 1.6 to 1.9: the number of rows of whatever scikit-learn takes; most of its
# extensions use it.  To be replaced by a public name as soon as there is one.
from sklearn.utils.validation import _num_samples as num_samples

from incremental._types import Method

try:
    # scikit-learn 1.9, public: the only names of its callbacks that are imported anywhere.
    if not TYPE_CHECKING:  # they have no types
        from sklearn.callback import CallbackSupportMixin, with_callbacks
except ModuleNotFoundError:  # scikit-learn 1.6 to 1.8

    class CallbackSupportMixin:
        """Says which scikit-learn has callbacks."""

        @property
        def set_callbacks(self) -> Callable[..., Self]:
            """Not there."""
            raise AttributeError(
                "callbacks need scikit-learn 1.9 or newer. Got scikit-learn "
                f"{sklearn.__version__} instead: upgrade it, or fit without callbacks."
            )

        def _init_callback_context(self, max_subtasks: int | None) -> None:
            """Nobody listens."""

    def with_callbacks(method: Method) -> Method:
        """Return the method: there is nothing to begin, and nothing to end."""
        return method


__all__ = [
    "NAMED_REMAINDER",
    "CallbackSupportMixin",
    "array_meta",
    "as_task_specification",
    "callback_context",
    "frame_rows",
    "fused",
    "hands_parameters_on",
    "has_callbacks",
    "is_checkpoint",
    "is_store",
    "max_workers",
    "metric_of",
    "needs_fit",
    "num_samples",
    "response_methods",
    "safe_indexing",
    "scorers_in",
    "set_target_dimensions",
    "validations",
    "with_arguments",
    "with_callbacks",
    "without_running_fit",
]


#: scikit-learn 1.6: what lets a ColumnTransformer select its remainder by name; the numbers that it
#: selects otherwise warn whoever looks.  To be replaced by nothing once 1.6 is not supported.
NAMED_REMAINDER = {"force_int_remainder_cols": False} if sklearn.__version__[:4] == "1.6." else {}


def needs_fit(estimator: Any) -> bool:
    """Say whether an estimator has to be fitted before it is used, as its tags do.

    scikit-learn 1.6: tags of what hashes are wrong.  To be replaced by them without 1.6.
    """
    if isinstance(estimator, (FeatureHasher, HashingVectorizer)):
        return False
    return bool(get_tags(estimator).requires_fit)


def hands_parameters_on(estimator: Any) -> AbstractContextManager[Any]:
    """Let ``partial_fit`` of a SelectFromModel go on learning, and be given classes.

    scikit-learn 1.6 to 1.9: where metadata routing is enabled, it clones its estimator anew in
    every ``partial_fit``, and asks who has requested the classes.  Where it is not, it hands on
    whatever it is given, which is routed before.  To be replaced by nothing once it goes on.
    """
    if isinstance(estimator, SelectFromModel):
        routes: AbstractContextManager[Any] = config_context(enable_metadata_routing=False)
        return routes
    return nullcontext()


def as_task_specification(graph: Mapping[Key, Any]) -> dict[Key, GraphNode]:
    """Turn the tuples of older layers into dask's task specification.

    dask 2025.5 to 2026.8: to be replaced by nothing once every layer of dask is made of it.
    """
    from dask._task_spec import convert_legacy_graph

    return dict(convert_legacy_graph(dict(graph)))


def fused(graph: Mapping[Key, GraphNode], keys: Iterable[Key]) -> dict[Key, GraphNode]:
    """Make one task of tasks each of which only the next one needs; `keys` stay apart.

    dask 2025.5 to 2026.8: the only public way is to optimise an array, which does more.
    """
    from dask._task_spec import fuse_linear_task_spec

    return dict(fuse_linear_task_spec(graph, keys))


def array_meta(X: Any) -> Any:
    """Return the empty array of the kind of a dask array's chunks (NumPy, SciPy, ...).

    dask 2025.5 to 2026.8: there is no public name; ``X.chunktype`` of its repr comes from it.
    """
    return X._meta


def frame_rows(X: Any) -> Any:
    """Return a made-up row like those of a dask dataframe or series.

    dask 2025.5 to 2026.8: ``X.partitions[0].head()`` would be public, but reads.
    """
    return X._meta_nonempty.iloc[:1]  # of nullable dtypes dask's second row is missing


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
        inside = [estimator]
        if not isinstance(estimator, type):  # which is no step, but has a get_params
            inside += getattr(estimator, "get_params", dict)().values()
    if not get_config()["skip_parameter_validation"]:
        for one in inside:
            if isinstance(one, BaseEstimator) and hasattr(one, "_parameter_constraints"):
                yield one._validate_params


def set_target_dimensions(model: Any, n_dimensions: int) -> None:
    """Tell a TransformedTargetRegressor whether predictions have one dimension, as its y.

    scikit-learn 1.6 to 1.9: only its ``fit``, which needs all of y, notes that.  To be replaced by
    nothing once ``predict`` follows the regressor.
    """
    model._training_dim = n_dimensions


def scorers_in(scorer: Any) -> list[Any]:
    """Return the scorers that a scorer asks, one if it is not one for several.

    scikit-learn 1.6 to 1.9: to be replaced by a public way to ask what check_scoring returns for
    several names.
    """
    return list(getattr(scorer, "_scorers", {"score": scorer}).values())


def response_methods(scorer: Any) -> tuple[str, ...] | None:
    """Return the methods of which a scorer calls the first that a model has; None if unknown.

    scikit-learn 1.6 to 1.9: to be replaced by a public way to ask a scorer.  What is none of
    make_scorer does not say it.
    """
    names = getattr(scorer, "_response_method", None)
    return (names,) if isinstance(names, str) else names and tuple(names)


def metric_of(scorer: Any) -> Any:
    """Return the metric that a scorer of make_scorer asks; any other scorer itself.

    scikit-learn 1.6 to 1.9: only the metric says whether there may be weights; to be replaced by
    the metadata that scorers request once routing is all that there is.
    """
    return getattr(scorer, "_score_func", scorer)


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


def with_arguments(calls: Callable[[], Any], change: Callable[[Any], Any]) -> Callable[[], Any]:
    """Change the arguments of the functions that joblib hands to a backend.

    joblib 1.4 to 1.6: backends are given callables that say no more of themselves; to be replaced
    by a public way to look into them.
    """
    calls.items = [  # type: ignore[attr-defined]
        (function, [change(value) for value in args], {k: change(v) for k, v in kwargs.items()})
        for function, args, kwargs in calls.items  # type: ignore[attr-defined]
    ]
    return calls
