"""How often each block is read: once for all who need it, in each meeting."""

from __future__ import annotations

import pickle
import threading
from collections import Counter

import dask
import dask.array as da
import dask.dataframe as dd
import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    StratifiedKFold,
    TimeSeriesSplit,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    learning_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB

from incremental import Incremental, indexable
from incremental.datasets import make_classification
from tests.conftest import Source

N_BLOCKS, N_ROWS = 8, 24
#: Rows of both classes in every block, in an order that is nobody's.
Y = np.random.default_rng(0).permutation(N_BLOCKS * N_ROWS) % 2


@pytest.fixture
def source():
    return Source(N_BLOCKS, N_ROWS)


@pytest.fixture(autouse=True)
def _together():
    with dask.config.set(scheduler="threads"), joblib.parallel_config("incremental", n_jobs=3):
        yield


def model(**params):
    return Incremental(SGDClassifier(random_state=0, **params))


def search(source, cv, y=Y, **options):
    grid = {"estimator__alpha": [1e-4, 1e-2, 1.0]}
    return GridSearchCV(model(), grid, cv=cv, refit=False, **options).fit(source.X, y)


SPLITS = {
    "KFold": KFold(4),
    "KFold that cuts blocks": KFold(5),
    "StratifiedKFold": StratifiedKFold(5),
    "shuffled KFold": KFold(5, shuffle=True, random_state=0),
    "shuffled StratifiedKFold": StratifiedKFold(3, shuffle=True, random_state=0),
    "TimeSeriesSplit": TimeSeriesSplit(4),
}


@pytest.mark.parametrize("split", SPLITS)
def test_a_search_reads_each_block_once_to_train_and_once_to_score(source, split):
    search(source, SPLITS[split])
    scored = KFold(4) if split != "TimeSeriesSplit" else None
    # TimeSeriesSplit neither learns from the last rows nor is scored on the first ones.
    assert max(source.reads.values()) == 2
    if scored is not None:
        assert set(source.reads.values()) == {2}


def test_forty_blocks_eight_candidates_and_five_folds_are_eighty_reads():
    source = Source(40, 5)
    grid = {"estimator__alpha": np.logspace(-5, 1, 8).tolist()}
    GridSearchCV(model(), grid, cv=5, refit=False).fit(source.X, np.arange(200) % 2)
    assert sum(source.reads.values()) == 80


@pytest.mark.parametrize(("classes", "n"), [(None, 30), ([0, 1], 20)])
def test_so_are_they_with_a_lazy_y_of_its_own(classes, n):
    source, labels = Source(10, 20), Source(10, 20)
    one = Incremental(SGDClassifier(random_state=0), classes=classes)
    grid = {"estimator__alpha": [1e-4, 1e-2]}
    GridSearchCV(one, grid, cv=KFold(5), refit=False).fit(source.X, labels.y)
    assert sum(source.reads.values()) == 20
    assert sum(labels.reads.values()) == n  # to find the labels, to train and to score


@pytest.mark.parametrize("of_x", [False, True])
def test_indexable_labels_are_read_once_for_the_splits_and_all_fits(of_x):
    source, labels = Source(10, 20), Source(10, 20)
    X, y = indexable(source.X, source.y if of_x else labels.y)
    GridSearchCV(model(), {"estimator__alpha": [1e-4, 1e-2]}, cv=5, refit=False).fit(X, y)
    n = [sum(counted.reads.values()) for counted in (source, labels)]
    assert n == ([30, 0] if of_x else [20, 10])


class Reads:
    """Counts what is read: from an array, as from a file, or by a function of a block."""

    def __init__(self, array):
        self.array = array
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim
        self.n = Counter()
        self._lock = threading.Lock()

    def __getitem__(self, rows):
        if self.array[rows].size:  # dask asks for nothing, to learn the type
            self.count(self.array[rows])
        return self.array[rows]

    def frame(self, first):
        return pd.DataFrame(self[first : first + N_ROWS])

    def count(self, block):
        with self._lock:
            self.n[float(np.asarray(block)[0, 0])] += 1
        return block

    def __dask_tokenize__(self):
        return id(self)


def from_array(reads, tmp_path):
    return da.from_array(reads, chunks=(N_ROWS, 3))


def from_lines(reads, tmp_path):
    opened = dask.delayed(lambda: reads)()  # a file that all blocks are read from
    blocks = [
        da.from_delayed(dask.delayed(Reads.__getitem__)(opened, rows), (N_ROWS, 3), float)
        for rows in (slice(i, i + N_ROWS) for i in range(0, len(reads.array), N_ROWS))
    ]
    return da.concatenate(blocks)


def in_memory(reads, tmp_path):
    blocks = da.from_array(reads.array, chunks=(N_ROWS, 3))
    return blocks.map_blocks(reads.count, dtype=float, meta=np.empty((0, 0)))


def zarr(reads, tmp_path):
    pytest.importorskip("zarr")
    in_memory(Reads(reads.array), tmp_path).to_zarr(str(tmp_path / "x.zarr"))
    blocks = da.from_zarr(str(tmp_path / "x.zarr"))
    return blocks.map_blocks(reads.count, dtype=float, meta=np.empty((0, 0)))


def h5py(reads, tmp_path):
    with pytest.importorskip("h5py").File(tmp_path / "x.h5", "w") as file:
        file["x"] = reads.array
    opened = pytest.importorskip("h5py").File(tmp_path / "x.h5", "r")["x"]
    blocks = da.from_array(opened, chunks=(N_ROWS, 3))
    return blocks.map_blocks(reads.count, dtype=float, meta=np.empty((0, 0)))


def generated(reads, tmp_path):
    X, _ = make_classification(n_samples=len(Y), chunks=N_ROWS, random_state=0)
    return X.map_blocks(reads.count, dtype=float, meta=np.empty((0, 0)))


def from_pandas(reads, tmp_path):
    frame = dd.from_pandas(pd.DataFrame(reads.array), npartitions=N_BLOCKS)
    return frame.map_partitions(reads.count, meta=frame._meta).to_dask_array(lengths=True)


def from_map(reads, tmp_path):
    firsts = range(0, len(reads.array), N_ROWS)
    meta = pd.DataFrame(reads.array[:0])
    frame = dd.from_map(reads.frame, firsts, meta=meta)
    return frame.to_dask_array(lengths=[N_ROWS] * N_BLOCKS)


KINDS = [from_array, from_lines, in_memory, zarr, h5py, generated, from_pandas, from_map]


@pytest.mark.parametrize("form", [lambda *parts: parts, indexable])
@pytest.mark.parametrize("kind", KINDS)
def test_blocks_are_read_once_whatever_they_are_all_read_by_way_of(kind, form, tmp_path):
    reads = Reads(np.random.default_rng(0).random((N_BLOCKS * N_ROWS, 3)))
    X = kind(reads, tmp_path)
    parts = form(X, Y)
    reads.n.clear()
    grid = {"estimator__alpha": [1e-2, 1.0]}
    GridSearchCV(model(), grid, cv=KFold(5), refit=False).fit(*parts)
    assert list(reads.n.values()) == [2] * N_BLOCKS


@pytest.mark.parametrize("form", [lambda *parts: parts, indexable])
def test_a_file_of_both_is_read_once_for_x_and_y(form):
    reads = Reads(np.random.default_rng(0).random((N_BLOCKS * N_ROWS, 3)))
    both = da.from_array(reads, chunks=(N_ROWS, 3))
    X, y = form(both[:, :2], (both[:, 2] > 0.5).astype(int))
    reads.n.clear()
    one = Incremental(SGDClassifier(random_state=0), classes=[0, 1])
    GridSearchCV(one, {"estimator__alpha": [1e-2, 1.0]}, cv=KFold(5), refit=False).fit(X, y)
    assert list(reads.n.values()) == [2] * N_BLOCKS


@pytest.mark.parametrize("n_candidates", [1, 2])
def test_what_two_blocks_of_one_fit_are_made_of_is_computed_once(source, n_candidates):
    grid = {"estimator__alpha": [1e-2, 1.0][:n_candidates]}
    made = Reads(np.empty((0, 3)))
    # Folds that cut blocks: rows taken by number are put together anew, from two blocks each.
    X = source.X.map_blocks(made.count, dtype=float, meta=np.empty((0, 0)))
    GridSearchCV(model(), grid, cv=KFold(5), refit=False).fit(X, Y)
    assert set(made.n.values()) == {2}


TOOLS = {
    # Once to train, once for the scores of each set.
    "learning_curve": (3, lambda X: learning_curve(model(), X, Y, cv=4, train_sizes=[0.3, 1.0])),
    "predictions": (2, lambda X: cross_val_predict(model(), X, Y, cv=4)),
    "one-vs-rest": (1, lambda X: OneVsRestClassifier(model()).fit(X, np.arange(len(Y)) % 3)),
    "voting": (
        1,
        lambda X: VotingClassifier([("a", model()), ("b", Incremental(GaussianNB()))]).fit(X, Y),
    ),
    "multi-output": (1, lambda X: MultiOutputClassifier(model()).fit(X, np.c_[Y, Y[::-1]])),
    # Twice within the inner folds, once for the refits, once for the outer scores.
    "nested": (
        4,
        lambda X: cross_val_score(
            GridSearchCV(model(), {"max_iter": [1]}, cv=KFold(2)), X, Y, cv=KFold(2)
        ),
    ),
    "several passes": (
        4,
        lambda X: GridSearchCV(model(), {"max_iter": [2, 3]}, cv=4, refit=False).fit(X, Y),
    ),
    # Once to train, once for each response.
    "a scorer": (2, lambda X: cross_val_score(model(), X, Y, cv=4, scoring="roc_auc")),
    "scorers": (
        3,
        lambda X: GridSearchCV(
            model(loss="log_loss"),
            {"estimator__alpha": [0.1, 1.0]},
            cv=4,
            scoring=["accuracy", "f1", "roc_auc"],
            refit=False,
        ).fit(X, Y),
    ),
    "calibration": (2, lambda X: CalibratedClassifierCV(model(), cv=4, ensemble=True).fit(X, Y)),
    # Once to train, once to predict, once to train on all.
    "a threshold of 100": (
        3,
        lambda X: TunedThresholdClassifierCV(model(), cv=4, thresholds=100).fit(X, Y),
    ),
}


@pytest.mark.parametrize("tool", TOOLS)
def test_each_block_is_read_once_a_meeting(source, tool):
    n, use = TOOLS[tool]
    found = use(source.X)
    assert max(source.reads.values()) <= n, source.reads
    assert b"dask" not in pickle.dumps(found)  # nothing lazy is kept


def test_fits_that_share_nothing_are_read_each_for_itself():
    sources = [Source(4, 10), Source(3, 10)]

    def fit(source):
        return model().fit(source.X, np.arange(source.X.shape[0]) % 2)

    joblib.Parallel()(joblib.delayed(fit)(source) for source in sources)
    assert [sum(source.reads.values()) for source in sources] == [4, 3]
