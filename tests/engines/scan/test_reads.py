"""How often each block is read: once for all who need it, in each meeting."""

from __future__ import annotations

import pickle

import dask
import joblib
import numpy as np
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


def test_so_are_they_with_a_lazy_y_of_its_own():
    source, labels = Source(40, 5), Source(40, 5)
    search(source, KFold(5), y=labels.y)
    assert sum(source.reads.values()) == 80
    assert sum(labels.reads.values()) <= 120  # to find the labels, to train and to score


@pytest.mark.parametrize("of_x", [False, True])
def test_indexable_labels_are_read_once_for_the_splits_and_all_fits(of_x):
    source, labels = Source(40, 5), Source(40, 5)
    X, y = indexable(source.X, source.y if of_x else labels.y)
    grid = {"estimator__alpha": np.logspace(-5, 1, 8).tolist()}
    GridSearchCV(model(), grid, cv=5, refit=False).fit(X, y)
    n = [sum(counted.reads.values()) for counted in (source, labels)]
    assert n == ([120, 0] if of_x else [80, 40])


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
