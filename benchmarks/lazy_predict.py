"""`predict` over 1,000 blocks takes as long as `map_blocks` with the model's own, of any size."""

from __future__ import annotations

import dask.array as da
import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import SGDClassifier

from benchmarks._claims import Row, fastest, main
from incremental import Incremental

N_BLOCKS, N_ROWS, N_FEATURES = 1_000, 1_000, 20


class MeanByKey(RegressorMixin, BaseEstimator):
    """A large model that answers fast: the mean target of each key in a table."""

    def __init__(self, n_keys=1_000):
        self.n_keys = n_keys

    def partial_fit(self, X, y):
        if not hasattr(self, "total_"):
            self.total_, self.count_ = np.zeros(self.n_keys), np.zeros(self.n_keys)
        keys = X[:, 0].astype(int) % self.n_keys
        np.add.at(self.total_, keys, y)
        np.add.at(self.count_, keys, 1)
        return self

    def predict(self, X):
        keys = X[:, 0].astype(int) % self.n_keys
        return self.total_[keys] / np.maximum(self.count_[keys], 1)


def compare(model, X: da.Array, y: np.ndarray, **fit_params) -> float:
    """Return the time of `predict` over that of `map_blocks`, building the graph included."""
    inc = Incremental(model).partial_fit(X[:N_ROWS], y[:N_ROWS], **fit_params)
    bare = inc.estimator_
    dtype = bare.predict(np.ones((1, N_FEATURES))).dtype
    found = {}

    def ours() -> None:
        found["ours"] = inc.predict(X).compute()

    def map_blocks() -> None:
        found["bare"] = X.map_blocks(bare.predict, drop_axis=1, dtype=dtype).compute()

    mine, theirs = fastest(7, ours, map_blocks)
    assert np.array_equal(found["ours"], found["bare"])
    return mine / theirs


def run() -> list[Row]:
    rows = np.random.default_rng(0).standard_normal((N_BLOCKS * N_ROWS, N_FEATURES))
    y = (rows[:, 0] > 0).astype(int)
    X = da.from_array(rows, chunks=(N_ROWS, -1))
    claim = "predict of 1,000 blocks, {}: time over map_blocks"
    small = compare(SGDClassifier(random_state=0), X, y, classes=[0, 1])
    large = compare(MeanByKey(n_keys=50_000_000 // 16), X, y)
    return [
        Row(claim.format("small model"), small, 1.1),
        Row(claim.format("model of 50 MB"), large, 1.1),
    ]


if __name__ == "__main__":
    main(run)
