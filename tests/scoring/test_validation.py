"""Early stopping keeps the best model of the passes that a loop would have made."""

import copy

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.cluster import MiniBatchKMeans
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.metrics import accuracy_score, check_scoring, max_error, roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from incremental import BlockError, Incremental
from incremental.datasets import make_classification
from tests.conftest import Source, same_state

#: Many of these look at one pass only.
pytestmark = pytest.mark.filterwarnings("ignore:early_stopping=True has nothing to stop")


class Scripted(ClassifierMixin, BaseEstimator):
    """Predicts ones; scores what its script says for the passes that it has made."""

    def __init__(self, script=()):
        self.script = script

    def partial_fit(self, X, y, classes=None):
        self.classes_ = np.asarray(classes) if classes is not None else self.classes_
        self.seen_ = [*getattr(self, "seen_", ()), int(X[0, 0])]
        return self

    def predict(self, X):
        return np.ones(len(X), dtype=int)


def scripted_score(model, X, y):
    n_passes = len(model.seen_) // len(set(model.seen_))
    return model.script[n_passes - 1]


def numbered(n_blocks=10, n_rows=4):
    """An X whose first column says which block a row is of."""
    X = np.repeat(np.arange(n_blocks), n_rows)[:, None] * np.ones(2)
    return da.from_array(X, chunks=(n_rows, 2)), da.from_array(X[:, 0] % 2 > 0, chunks=n_rows)


def stopped_after(script, **params):
    X, y = numbered()
    model = Incremental(
        Scripted(script),
        max_iter=len(script),
        early_stopping=True,
        scoring=scripted_score,
        random_state=0,
        **params,
    )
    return model.fit(X, y)


@pytest.mark.parametrize(
    ("script", "n_passes", "best"),
    [
        ([1, 2, 3, 4, 5, 6], 6, 6),  # rises for as long as it may
        ([1, 5, 4, 4, 9, 9], 4, 2),  # twice without a rise
        ([1, 5, 4, 6, 5, 5, 9], 6, 4),  # a rise begins the count again
        ([5, 5.05, 5.08, 5.2], 3, 3),  # less than tol above the best is no rise, but is the best
        ([np.nan, 1, 2, 1, 1, 9], 5, 3),
        ([3, 3, 3, 3], 3, 1),
    ],
)
def test_stops_within_n_iter_no_change_of_the_best_pass_and_returns_that_model(
    script, n_passes, best
):
    model = stopped_after(script, n_iter_no_change=2, tol=0.1)
    assert model.n_iter_ == n_passes == len(model.validation_scores_)
    assert np.array_equal(model.validation_scores_, script[:n_passes], equal_nan=True)
    assert model.best_validation_score_ == script[best - 1]
    assert len(model.estimator_.seen_) == best * 9
    assert model.validation_n_samples_ == [36 * (i + 1) for i in range(n_passes)]


def test_scores_that_are_all_nan_leave_the_last_model():
    model = stopped_after([np.nan] * 4, n_iter_no_change=3)
    assert model.n_iter_ == 3
    assert len(model.estimator_.seen_) == 3 * 9
    assert np.isnan(model.best_validation_score_)


@pytest.mark.parametrize(
    ("script", "tol", "n_passes", "best"),
    [
        ([-np.inf] * 9, 1e-4, 3, 1),
        ([np.inf] * 9, 1e-4, 4, 1),
        ([np.nan, -np.inf, np.nan, 1], 0, 3, 2),
        ([-np.inf, -np.inf, 1, 1, 1, 1, 2], 0, 6, 3),
        ([np.nan, np.inf, np.inf, np.nan, 1, 2], 0, 5, 2),
        ([3] * 9, 0, 4, 1),
        ([3, 3, 3, 4, 4, 4, 4, 5], 0, 7, 4),
        ([1, 2, 3, 4, 5, 5, 5, 5], 1, 4, 4),  # exactly tol above the best one is no rise
    ],
)
def test_equal_and_infinite_scores_are_no_rise(script, tol, n_passes, best):
    model = stopped_after(script, n_iter_no_change=3, tol=tol)
    assert model.n_iter_ == n_passes
    assert model.best_validation_score_ == script[best - 1]
    assert len(model.estimator_.seen_) == best * 9


def test_without_early_stopping_all_passes_are_made_and_nothing_is_held_out():
    X, y = numbered()
    model = Incremental(Scripted(), max_iter=3, tol=10, n_iter_no_change=1).fit(X, y)
    assert model.n_iter_ == 3
    assert set(model.estimator_.seen_) == set(range(10))
    assert not hasattr(model, "validation_scores_")
    assert not hasattr(model, "best_validation_score_")


@pytest.mark.parametrize(
    ("fraction", "n_held_out"), [(0.1, 1), (0.3, 3), (0.01, 1), (0.999, 9), (0.25, 2)]
)
def test_a_fraction_of_the_blocks_is_never_learned_from(fraction, n_held_out):
    model = stopped_after([1, 2], validation_fraction=fraction)
    assert len(set(model.estimator_.seen_)) == 10 - n_held_out


def test_random_state_chooses_the_blocks_to_hold_out():
    X, y = numbered()

    def learned(random_state):
        model = Incremental(Scripted(), early_stopping=True, random_state=random_state)
        return frozenset(model.fit(X, y).estimator_.seen_)

    assert learned(3) == learned(3)
    assert len({learned(i) for i in range(10)}) > 3


class Rows(ClassifierMixin, BaseEstimator):
    """Remembers the rows of each block that it learns, by what they have in the first column."""

    def partial_fit(self, X, y, classes=None):
        self.rows_ = [*getattr(self, "rows_", ()), X[:, 0].astype(int)]
        return self


@pytest.mark.parametrize("shuffle", [False, True])
def test_the_best_model_is_that_of_the_loop(shuffle, scheduler):
    X, y = make_classification(
        n_samples=400, n_features=5, chunks=40, class_sep=0.3, flip_y=0.2, random_state=1
    )
    learner = SGDClassifier(random_state=0, learning_rate="constant", eta0=0.5)
    params = dict(early_stopping=True, max_iter=12, shuffle=shuffle, random_state=4)
    model = Incremental(learner, n_iter_no_change=3, **params).fit(X, y)
    recorder = Incremental(Rows(), scoring=lambda model, X, y: len(model.rows_), **params)
    order = recorder.fit(da.arange(400, chunks=40)[:, None], y).estimator_.rows_
    X, y = dask.compute(X, y)
    held_out = np.setdiff1d(np.arange(400), np.concatenate(order))
    assert len(held_out) == 40
    reference = clone(learner)
    scores, models = [], []
    for i in range(model.n_iter_):
        for rows in order[9 * i : 9 * (i + 1)]:
            reference.partial_fit(X[rows], y[rows], classes=[0, 1])
        scores.append(reference.score(X[held_out], y[held_out]))
        models.append(copy.deepcopy(reference))
    assert model.validation_scores_ == scores
    assert model.best_validation_score_ == max(scores)
    assert same_state(model.estimator_, models[int(np.argmax(scores))])


def test_each_block_is_read_once_a_pass(source):
    model = Incremental(
        SGDClassifier(random_state=0),
        classes=[0, 1],
        max_iter=3,
        early_stopping=True,
        random_state=0,
    ).fit(source.X, source.y)
    assert source.reads == dict.fromkeys(range(10), model.n_iter_)


def test_blocks_of_one_source_are_not_torn_apart():
    source = Source(n_blocks=4, n_rows=40)
    X = source.X.rechunk((10, 3))
    model = Incremental(StandardScaler(), early_stopping=True, validation_fraction=0.3)
    model.set_params(scoring=lambda model, X, y: 1.0, random_state=0).fit(X)
    assert source.reads == dict.fromkeys(range(4), 1)
    assert model.n_samples_seen_ == 120
    model.fit(source.X[:40].rechunk((10, 3)))  # but a single source has to be
    assert model.n_samples_seen_ == 30


def test_validation_data_may_be_given():
    X, y = make_classification(n_samples=500, chunks=100, random_state=0)
    X_val, y_val = dask.compute(X[300:], y[300:])
    model = Incremental(SGDClassifier(random_state=0), max_iter=4, early_stopping=True)
    model.fit(X[:300], y[:300], X_val=X_val, y_val=y_val)
    lazy = Incremental(SGDClassifier(random_state=0), max_iter=4, early_stopping=True)
    lazy.fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
    assert model.validation_scores_ == lazy.validation_scores_
    assert model.best_validation_score_ == model.estimator_.score(X_val, y_val)
    assert model.validation_n_samples_[0] == 300


def test_validation_data_are_routed_through_a_pipeline():
    X, y = make_classification(n_samples=100, chunks=50, random_state=0)
    X_val, y_val = dask.compute(X[50:], y[50:])
    model = Incremental(SGDClassifier(random_state=0), max_iter=3, early_stopping=True)
    expected = clone(model).fit(X[:50], y[:50], X_val=X_val, y_val=y_val)
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline("passthrough", model.set_fit_request(X_val=True, y_val=True))
        pipeline.fit(X[:50], y[:50], X_val=X_val, y_val=y_val)
    assert pipeline[-1].validation_scores_ == expected.validation_scores_


def test_data_in_memory_may_be_validated_on_given_data():
    X, y = dask.compute(*make_classification(n_samples=100, chunks=50, random_state=0))
    model = Incremental(SGDClassifier(random_state=0), max_iter=3, early_stopping=True)
    model.fit(X[:50], y[:50], X_val=X[50:], y_val=y[50:])
    assert model.best_validation_score_ == model.score(X[50:], y[50:])


def test_scoring_decides():
    X, y = make_classification(n_samples=400, chunks=40, class_sep=0.3, random_state=0)
    X_val, y_val = dask.compute(X[200:], y[200:])
    model = Incremental(
        SGDClassifier(random_state=0), max_iter=3, early_stopping=True, scoring="roc_auc"
    ).fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    score = roc_auc_score(y_val, model.estimator_.decision_function(X_val))
    assert model.best_validation_score_ == score


def test_weights_count_in_the_validation_score_where_the_score_takes_them():
    X, y = make_classification(n_samples=400, chunks=40, class_sep=0.3, random_state=0)
    weight = np.arange(400) % 8 / 8
    X_val, y_val = dask.compute(X[200:], y[200:])
    model = Incremental(SGDClassifier(random_state=0), max_iter=2, early_stopping=True)
    model.fit(
        X[:200],
        y[:200],
        sample_weight=weight[:200],
        X_val=X[200:],
        y_val=y[200:],
        sample_weight_val=weight[200:],
    )
    expected = model.estimator_.score(X_val, y_val, sample_weight=weight[200:])
    assert model.best_validation_score_ == expected

    def unweighted(model, X, y):
        return accuracy_score(y, model.predict(X))

    held_out = Incremental(
        SGDClassifier(random_state=0), early_stopping=True, scoring=unweighted, random_state=0
    ).fit(X, y, sample_weight=weight)
    assert 0 < held_out.best_validation_score_ <= 1


def test_dataframes_and_regressors_and_clusterers_are_held_out_too():
    frame = pd.DataFrame(np.random.default_rng(0).random((100, 3)), columns=list("abc"))
    X = dd.from_pandas(frame, npartitions=5)
    model = Incremental(SGDRegressor(random_state=0), max_iter=2, early_stopping=True)
    assert model.fit(X, X["a"]).best_validation_score_ <= 1
    clusters = Incremental(MiniBatchKMeans(2, random_state=0, n_init=1), early_stopping=True)
    assert clusters.fit(X).best_validation_score_ < 0


def test_a_search_stops_each_fit_early():
    X, y = make_classification(n_samples=400, chunks=40, class_sep=0.3, random_state=0)
    model = Incremental(
        SGDClassifier(random_state=0),
        max_iter=20,
        early_stopping=True,
        n_iter_no_change=1,
        random_state=0,
    )
    search = GridSearchCV(model, {"estimator__alpha": [1e-3, 1e-1]}, cv=2).fit(X, y.compute())
    assert search.best_estimator_.n_iter_ < 20


def test_partial_fit_goes_on_from_the_best_model_and_holds_nothing_out():
    model = stopped_after([1, 5, 4, 4], n_iter_no_change=2)
    model.partial_fit(*numbered())
    assert len(model.estimator_.seen_) == 2 * 9 + 10
    assert model.n_iter_ == 5


def test_scores_of_an_earlier_fit_are_forgotten():
    model = stopped_after([1, 2])
    model.set_params(early_stopping=False, scoring=None).fit(*numbered())
    assert not hasattr(model, "validation_scores_")


def test_a_validation_block_that_cannot_be_read_is_named():
    source = Source(fail_at=7)
    seed = next(  # one that holds out block 7
        seed for seed in range(100) if 7 not in stopped_on(numbered(), seed)
    )
    model = Incremental(
        SGDClassifier(random_state=0), classes=[0, 1], early_stopping=True, random_state=seed
    )
    message = "After pass 1, in the blocks of X that early_stopping holds out: Block 7 could not be"
    with pytest.raises(BlockError, match=f"{message} computed: OSError") as caught:
        model.fit(source.X, source.y)
    assert caught.value.block == 7
    assert isinstance(caught.value.__cause__, OSError)
    assert model.n_iter_ == 1


def test_a_block_of_the_given_data_that_cannot_be_scored_is_named_as_one_of_them(source):
    y_val = da.where(da.arange(200, chunks=20) == 125, np.nan, 1)
    model = Incremental(SGDRegressor(random_state=0), early_stopping=True, max_iter=2)
    message = (
        r"After pass 1, in the data to validate on \(X_val, y_val, sample_weight_val\): Block 6 "
        "could not be scored: ValueError: Input contains NaN"
    )
    with pytest.raises(BlockError, match=message) as caught:
        model.fit(source.X, source.X[:, 0], X_val=source.X, y_val=y_val)
    assert caught.value.block == 6
    assert model.n_iter_ == 1


@pytest.mark.parametrize("seed", range(4))
def test_blocks_that_are_known_to_be_empty_are_not_held_out(seed):
    X, y = numbered(n_blocks=3)
    X = X.rechunk(((0, 4, 0, 0, 4, 0, 4, 0), 2))
    model = Incremental(Scripted(), early_stopping=True, random_state=seed, max_iter=2).fit(X, y)
    assert len(model.validation_scores_) == 2
    assert len(model.estimator_.seen_) in (2, 4) and len(set(model.estimator_.seen_)) == 2
    with pytest.raises(ValueError, match="X must have at least 2. Got 1 instead; cut X into more"):
        model.fit(X[:4], y[:4])


def test_held_out_blocks_that_turn_out_to_be_empty_are_named():
    frame = dd.from_pandas(pd.DataFrame({"a": np.arange(40.0)}), npartitions=10)
    some = frame[frame["a"] < 4]  # of the first one
    model = Incremental(StandardScaler(), scoring=lambda model, X, y: 1.0, early_stopping=True)
    message = (
        r"One block at least must have rows in the blocks of X that early_stopping holds out. Got "
        r"only empty ones instead, \[6, 7, 9\], after pass 1; pass others as X_val and y_val, or"
    )
    with pytest.raises(ValueError, match=message):
        model.set_params(validation_fraction=0.3, random_state=0).fit(some)


def test_weights_are_left_out_of_a_score_that_does_not_take_them(source):
    several = make_pipeline(MinMaxScaler(), MultiOutputClassifier(SGDClassifier(random_state=0)))
    outputs = (source.X > 0.5).astype(int)
    w = np.linspace(0, 1, 200)
    for estimator, y, scoring in (
        (several, outputs, None),
        (SGDRegressor(random_state=0), source.X[:, 0], "neg_max_error"),
        (
            SGDRegressor(random_state=0),
            source.X[:, 0],
            lambda model, X, y: -max_error(y, model.predict(X)),
        ),
    ):
        model = Incremental(estimator, early_stopping=True, max_iter=2, scoring=scoring)
        model.fit(source.X, y, sample_weight=w, X_val=source.X, y_val=y, sample_weight_val=w)
        score = check_scoring(model.estimator_, scoring)
        expected = score(model.estimator_, *dask.compute(source.X, y))
        assert model.best_validation_score_ == expected


def stopped_on(data, seed):
    model = Incremental(Scripted(), early_stopping=True, random_state=seed)
    return set(model.fit(*data).estimator_.seen_)


@pytest.mark.parametrize(
    ("params", "given", "message"),
    [
        ({"scoring": ["accuracy", "f1"]}, {}, "needs one score to decide by. Got scoring="),
        ({"early_stopping": False}, {"X_val": [[1]], "y_val": [1]}, "early_stopping is False"),
        ({}, {"y_val": [1]}, "y_val was passed without X_val"),
        ({}, {"X_val": [[1]]}, "X_val was passed without y_val"),
        ({"estimator": SGDClassifier(early_stopping=True)}, {}, "Set early_stopping=True of Incr"),
        ({"estimator": SGDClassifier(warm_start=True)}, {}, "Incremental.partial_fit goes on"),
    ],
)
def test_what_cannot_be_followed_is_refused_before_anything_is_read(source, params, given, message):
    model = Incremental(SGDClassifier(), early_stopping=True).set_params(**params)
    with pytest.raises(ValueError, match=message):
        model.fit(source.X, source.y, **given)
    assert not source.reads
    assert not hasattr(model, "estimator_")


def test_a_single_block_cannot_be_held_out(source):
    model = Incremental(SGDClassifier(), classes=[0, 1], early_stopping=True)
    with pytest.raises(ValueError, match="X must have at least 2. Got 1 instead"):
        model.fit(source.X[:20], source.y[:20])
    assert not source.reads


def test_a_model_without_a_score_needs_scoring(source):
    with pytest.raises(ValueError, match="StandardScaler has none. Pass scoring"):
        Incremental(StandardScaler(), early_stopping=True).fit(source.X)
    assert not source.reads
