"""X and y of which each block is drawn when it is computed, and checks of parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from sklearn.utils import check_random_state

Block = tuple[np.ndarray, np.ndarray]
Draw = Callable[[Generator, int], Block]
Chunks = int | str | Sequence[int] | None


def lazy(
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
    rows = _rows(count("n_samples", n_samples), n_features, chunks)
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
    return tuple(rows)


def entropy_of(random_state: int | RandomState | None) -> tuple[int, ...]:
    try:
        state = check_random_state(random_state)
    except ValueError:
        raise ValueError(
            "random_state must be an int from 0 to 2**32 - 1, a RandomState instance or None. "
            f"Got {random_state!r} instead."
        ) from None
    return tuple(state.randint(2**32, size=4, dtype=np.uint32).tolist())


def count(name: str, value: Any, low: int = 1) -> int:
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer. Got {value!r} instead.")
    if value < low:
        raise ValueError(f"{name} must be at least {low}. Got {value!r} instead.")
    return int(value)


def floats(
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
