"""The main job on generated data: ``python -m incremental``."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any, Self

import dask
import dask.array as da
from dask.utils import format_bytes
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline

from incremental import Incremental
from incremental.datasets import make_classification


class LazyScaler(TransformerMixin, BaseEstimator):
    """Scales dask arrays to zero mean and unit variance, lazily."""

    def fit(self, X: da.Array, y: Any = None) -> Self:
        """Keep the lazy mean and variance of X."""
        self.mean_ = X.mean(0)
        self.var_ = X.var(0)
        return self

    def transform(self, X: da.Array) -> Any:
        """Return X, scaled, lazily."""
        return (X - self.mean_) / self.var_


class Progress:
    """A callback that counts blocks on standard error, at most ten times a second."""

    def __init__(self) -> None:
        self.last = 0.0

    def setup(self, estimator: Any, context: Any) -> None:
        """Begin a fit."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """End a fit."""
        print(file=sys.stderr)

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Begin a pass, or a block."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        """Count a block."""
        if context.task_name != "block":
            return
        now, done, n_blocks = time.monotonic(), context.task_id + 1, context.parent.max_subtasks
        if now - self.last > 0.1 or done == n_blocks:
            self.last = now
            print(f"\r  learned {done} of {n_blocks} blocks", end="", file=sys.stderr)


def peak_memory() -> int | None:
    """Return the most memory that this process has had, in bytes; None where it is not known."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main(argv: list[str] | None = None) -> None:
    """Train the pipeline of the README on data larger than what is held in memory."""
    parser = argparse.ArgumentParser(prog="python -m incremental", description=__doc__)
    parser.add_argument("--blocks", type=int, default=200, help="number of blocks (default 200)")
    parser.add_argument("--rows", type=int, default=50_000, help="rows of a block (default 50000)")
    options = parser.parse_args(argv)
    n_samples = options.blocks * options.rows
    X, y = make_classification(
        n_samples=n_samples, n_features=20, chunks=options.rows, random_state=0
    )
    n_bytes = int(X.nbytes)
    print(
        "A lazy scaler and Incremental(SGDClassifier()) in a scikit-learn Pipeline, trained block "
        f"by block on\n{n_samples:,} rows in {options.blocks} blocks, {format_bytes(n_bytes)} "
        "that are generated on the way and never held at once."
    )
    idle = peak_memory()
    start = time.perf_counter()
    model = Incremental(SGDClassifier(random_state=0), classes=[0, 1])
    if hasattr(model, "set_callbacks"):  # scikit-learn 1.9 and newer
        model.set_callbacks(Progress())
    pipe = make_pipeline(LazyScaler(), model)
    pipe.fit(X, y)
    seconds = time.perf_counter() - start
    held_out, labels = make_classification(
        n_samples=2 * n_samples, n_features=20, chunks=options.rows, random_state=0
    )
    last = slice(n_samples, n_samples + min(n_samples, 4 * options.rows))
    scaled = pipe[0].transform(held_out[last])
    scaled, truth = dask.persist(*dask.optimize(scaled, labels[last]))
    print(f"  accuracy      {pipe[-1].score(scaled, truth):.3f} on rows it has not seen")
    print(f"  coefficients  {' '.join(f'{c:.1f}' for c in pipe.steps[-1][1].coef_[0])}")
    print(f"  seconds       {seconds:.1f}")
    print(f"  data          {format_bytes(n_bytes)}")
    peak = peak_memory()
    if idle is not None and peak is not None:
        print(f"  peak memory   {format_bytes(peak)} ({format_bytes(idle)} before training)")


if __name__ == "__main__":
    main()
