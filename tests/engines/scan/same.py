"""Results of scikit-learn's tools as plain values, so that `==` compares all that they learned."""

from __future__ import annotations

import dask
import joblib
import numpy as np

#: Times, generators, and what is made again for each fit.
LEFT_OUT = "_callback_fit_ctx", "_rng", "_random_state", "random_state_", "_loss_function_"


def plain(value, above=()):
    """Return nested lists, dictionaries and bytes that are equal for what is the same."""
    if id(value) in above:
        return "above"
    if dask.is_dask_collection(value):
        return plain(value.compute())
    if isinstance(value, np.ndarray):
        content = plain(value.tolist()) if value.dtype == object else value.tobytes()
        return value.dtype.kind, value.shape, content
    if isinstance(value, float) and np.isnan(value):
        return "nan"
    if isinstance(value, (list, tuple)):
        return [plain(item, above) for item in value]
    if isinstance(value, dict):
        return {str(k): plain(v, above) for k, v in value.items() if "time" not in str(k)}
    if hasattr(value, "__dict__") and not callable(value):
        state = {k: v for k, v in vars(value).items() if k not in LEFT_OUT}
        return type(value).__name__, plain(state, (*above, id(value)))
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(type(value))


def with_backend(tool, **options):
    """Return what a tool gives when its fits meet."""
    with joblib.parallel_config("incremental", **options):
        return tool()
