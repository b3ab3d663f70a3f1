"""scikit-learn's model selection on lazy data: what it leaves lazy, what it converts or refuses."""

import os
import warnings

import dask
import dask.array as da
import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import permutation_importance
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    KFold,
    RandomizedSearchCV,
    StratifiedKFold,
    TimeSeriesSplit,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    train_test_split,
    validation_curve,
)

from incremental import Incremental
from tests.conftest import in_blocks, loop, needs_callbacks, same_state

GRID = {"estimator__alpha": [1e-4, 1e-1]}
GROUPS = np.arange(120) % 6
SGD = SGDClassifier(random_state=0)


class ByHand(ClassifierMixin, BaseEstimator):
    """The reference: a loop over the same blocks in memory."""

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, y):
        self.classes_ = np.unique(np.asarray(y))
        self.estimator_ = loop(clone(self.estimator), in_blocks(X, y), classes=self.classes_)
        return self

    def predict(self, X):
        return self.estimator_.predict(np.asarray(X))

    def decision_function(self, X):
        return self.estimator_.decision_function(np.asarray(X))

    def score(self, X, y):
        return self.estimator_.score(np.asarray(X), np.asarray(y))


@pytest.fixture
def data():
    X = da.random.default_rng(0).random((120, 3), chunks=(30, 3))
    noise = da.random.default_rng(1).random(120, chunks=30)
    return X, (X[:, 0] + noise > 1).astype(int)


@pytest.fixture(params=["lazy y", "y in memory"])
def lazy(request, data):
    X, y = data
    return X, y if request.param == "lazy y" else y.compute()


@pytest.fixture
def converted(monkeypatch):
    """The numbers of dimensions of the dask arrays that somebody converts as a whole."""
    seen = []
    as_array, compute = da.Array.__array__, da.Array.compute

    def counted(method):
        def call(self, *args, **kwargs):
            seen.append(self.ndim)
            return method(self, *args, **kwargs)

        return call

    monkeypatch.setattr(da.Array, "__array__", counted(as_array))
    monkeypatch.setattr(da.Array, "compute", counted(compute))
    return seen


def search(kind, **options):
    def run(model, X, y, cv, n_jobs=1, groups=None):
        found = kind(model, GRID, cv=cv, n_jobs=n_jobs, **options).fit(X, y, groups=groups)
        results = found.cv_results_
        return [results[k] for k in sorted(results) if k.endswith("score")]

    return run


def crossed(model, X, y, **options):
    result = cross_validate(model, X, y, return_train_score=True, **options)
    return result["test_score"], result["train_score"]


def curve(model, X, y, **options):
    return learning_curve(model, X, y, train_sizes=[0.5, 1.0], **options)[:3]


def validation(model, X, y, **options):
    (name, values), *_ = GRID.items()
    return validation_curve(model, X, y, param_name=name, param_range=values, **options)


def permuted_test(model, X, y, **options):
    return permutation_test_score(model, X, y, n_permutations=2, random_state=0, **options)


def importance(model, X, y, cv=None, groups=None, n_jobs=1):
    model = model.fit(X, y)
    options = dict(n_repeats=2, random_state=0, n_jobs=n_jobs)
    return permutation_importance(model, X, y, **options).importances


def decisions(model, X, y, **options):
    return cross_val_predict(model, X, y, method="decision_function", **options)


# The tool, whether scikit-learn converts all of X, whether it does so with a lazy y even where
# the folds need none.
TOOLS = {
    "GridSearchCV": (search(GridSearchCV), False, False),
    "RandomizedSearchCV": (search(RandomizedSearchCV, n_iter=2, random_state=0), False, False),
    "HalvingGridSearchCV": (search(HalvingGridSearchCV, random_state=0), False, True),
    "HalvingRandomSearchCV": (
        search(HalvingRandomSearchCV, random_state=0, n_candidates=2, min_resources=60, factor=2),
        False,
        False,
    ),
    "cross_validate": (crossed, False, False),
    "cross_val_score": (cross_val_score, False, False),
    "cross_val_predict": (cross_val_predict, False, False),
    "cross_val_predict of decision_function": (decisions, False, True),
    "learning_curve": (curve, False, False),
    "validation_curve": (validation, False, False),
    "permutation_test_score": (permuted_test, False, False),
    "permutation_importance": (importance, True, False),
}

# The splitter, whether it makes partitions, whether it converts a lazy y.
SPLITTERS = {
    "StratifiedKFold": (StratifiedKFold(2), True, True),
    "KFold": (KFold(2, shuffle=True, random_state=0), True, False),
    "TimeSeriesSplit": (TimeSeriesSplit(2), False, False),
    "GroupKFold": (GroupKFold(2), True, False),
}


def equal(a, b):
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(equal, a, b))
    return np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True)


def run(tool, splitter, model, X, y, n_jobs=1):
    groups = GROUPS if splitter == "GroupKFold" else None
    return TOOLS[tool][0](
        clone(model), X, y, cv=SPLITTERS[splitter][0], groups=groups, n_jobs=n_jobs
    )


def whole(X, y):
    return ({2} if X else set()) | ({1} if y else set())


def allowed(tool, splitter):
    return SPLITTERS[splitter][1] or not tool.startswith("cross_val_predict")


def pair(tool, splitter, *both):
    """Each tool with folds that need no y, the `both` with all splitters; the others are slow."""
    few = splitter == "KFold" or tool in both
    return pytest.param(tool, splitter, marks=[] if few else pytest.mark.slow)


PAIRS = [
    pair(t, s, "GridSearchCV", "cross_val_predict of decision_function")
    for t in TOOLS
    for s in SPLITTERS
    if allowed(t, s)
]


@pytest.mark.parametrize(("tool", "splitter"), PAIRS)
def test_scores_are_those_of_the_same_blocks_and_only_what_the_table_says_is_converted(
    tool, splitter, lazy, converted
):
    X, y = lazy
    converted.clear()
    found = run(tool, splitter, Incremental(SGD), X, y)
    dimensions = set(converted)
    assert equal(found, run(tool, splitter, ByHand(SGD), X, y))
    _, whole_X, whole_y = TOOLS[tool]
    # Permutations of X need no folds.
    folds_need_y = SPLITTERS[splitter][2] and tool != "permutation_importance"
    y_is_lazy = isinstance(y, da.Array)
    assert dimensions == whole(whole_X, y_is_lazy and (whole_y or folds_need_y))


#: One of each kind of task that scikit-learn hands to processes.
QUICK = {
    "GridSearchCV",
    "cross_validate",
    "cross_val_predict",
    "learning_curve",
    "permutation_test_score",
    "permutation_importance",
}


@pytest.mark.parametrize(
    ("tool", "splitter"),
    [
        pytest.param(t, s, marks=[] if t in QUICK and s == "KFold" else pytest.mark.slow)
        for t in TOOLS
        for s in ("KFold", "GroupKFold")
        if "decision" not in t
    ],
)
def test_two_processes_give_what_one_gives(tool, splitter, data, two_jobs):
    one = run(tool, splitter, Incremental(SGD), *data)
    assert equal(one, run(tool, splitter, Incremental(SGD), *data, n_jobs=two_jobs))


class Appended:
    """Appends what it hears to a file of each process, and asks to stop after two blocks."""

    def __init__(self, path):
        self.path = path

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "block":
            with open(self.path / str(os.getpid()), "a") as file:
                file.write(f"{context.task_id}\n")
            return context.task_id == 1
        return False


@needs_callbacks
def test_callbacks_hear_the_blocks_of_a_search_in_other_processes(data, tmp_path, two_jobs):
    X, y = data
    model = Incremental(SGD).set_callbacks(Appended(tmp_path))
    options = dict(cv=KFold(4), refit=False)
    with warnings.catch_warnings():
        # Callbacks of what a search fits are told of no search.
        warnings.simplefilter("ignore")
        one = GridSearchCV(model, GRID, **options, n_jobs=1).fit(X, y).cv_results_
        before = sorted(line for file in tmp_path.iterdir() for line in file.open())
        two = GridSearchCV(model, GRID, **options, n_jobs=two_jobs).fit(X, y).cv_results_
    assert before == ["0\n"] * 8 + ["1\n"] * 8  # of three blocks, in each of eight fits
    after = sorted(line for file in tmp_path.iterdir() for line in file.open())
    assert after == sorted(before * 2)
    assert len(list(tmp_path.iterdir())) > 1
    for i in range(4):
        assert np.array_equal(one[f"split{i}_test_score"], two[f"split{i}_test_score"])


@pytest.mark.parametrize("tool", ["cross_val_predict", "cross_val_predict of decision_function"])
def test_cross_val_predict_refuses_folds_that_are_no_partition(tool, lazy):
    with pytest.raises(ValueError, match="cross_val_predict only works for partitions"):
        run(tool, "TimeSeriesSplit", Incremental(SGD), *lazy)


def test_a_search_refits_on_the_blocks_of_all_of_x(lazy):
    X, y = lazy
    found = GridSearchCV(Incremental(SGD), GRID, cv=KFold(2)).fit(X, y)
    best = clone(SGD).set_params(alpha=found.best_params_["estimator__alpha"])
    expected = loop(best, in_blocks(X, y), classes=[0, 1])
    assert same_state(found.best_estimator_.estimator_, expected)
    assert isinstance(found.predict(X), da.Array)


def test_halving_may_hand_out_passes_instead_of_rows(lazy):
    X, y = lazy
    found = HalvingGridSearchCV(
        Incremental(SGD),
        {"estimator__alpha": [1e-4, 1e-2, 1e-1]},
        resource="max_iter",
        max_resources=3,
        cv=KFold(2),
        refit=False,
    ).fit(X, y)
    assert found.n_resources_ == [1, 3]
    for alpha, n_passes, *scores in zip(
        *(
            found.cv_results_[k]
            for k in ("param_estimator__alpha", "n_resources", "split0_test_score")
        ),
        found.cv_results_["split1_test_score"],
        strict=True,
    ):
        for score, (train, test) in zip(scores, KFold(2).split(X), strict=True):
            blocks = in_blocks(X[train], y[train]) * n_passes
            model = loop(clone(SGD).set_params(alpha=alpha), blocks, classes=[0, 1])
            assert score == model.score(*dask.compute(X[test], y[test]))


def test_learning_curve_by_partial_fit_is_the_loop_over_the_pieces(lazy):
    X, y = lazy
    options = dict(train_sizes=[0.5, 1.0], cv=KFold(2), exploit_incremental_learning=True)
    sizes, _, scores = learning_curve(Incremental(SGD), X, y, **options)
    assert sizes.tolist() == [30, 60]
    for fold, (train, test) in enumerate(KFold(2).split(X)):
        model = clone(SGD)
        for i, piece in enumerate((train[:30], train[30:])):
            loop(model, in_blocks(X[piece], y[piece]), classes=[0, 1])
            assert scores[i, fold] == model.score(*dask.compute(X[test], y[test]))


@pytest.mark.parametrize("stratify", [False, True])
def test_train_test_split_leaves_x_lazy(stratify, lazy, converted):
    X, y = lazy
    converted.clear()
    options = dict(random_state=0, stratify=y if stratify else None)
    X_train, X_test, y_train, y_test = train_test_split(X, y, **options)
    assert isinstance(X_train, da.Array) and isinstance(X_test, da.Array)
    assert type(y_train) is type(y_test) is type(y)
    # Only the strata are made of y as a whole.
    assert set(converted) == ({1} if stratify and isinstance(y, da.Array) else set())
    model = Incremental(SGD).fit(X_train, y_train)
    expected = loop(clone(SGD), in_blocks(X_train, y_train), classes=[0, 1])
    assert same_state(model.estimator_, expected)
    assert model.score(X_test, y_test) == expected.score(*dask.compute(X_test, y_test))


def test_train_test_split_without_shuffling_cuts_x(lazy, converted):
    converted.clear()
    X_train, X_test, *_ = train_test_split(*lazy, shuffle=False, test_size=0.25)
    assert X_train.chunks[0] == (30, 30, 30) and X_test.chunks[0] == (30,)
    assert not converted


def test_cross_val_predict_leaves_its_decisions_lazy(data):
    X, y = data
    result = decisions(Incremental(SGD), X, y.compute(), cv=KFold(2))
    assert isinstance(result, da.Array) and result.shape == (120,)


def test_the_folds_of_a_dask_dataframe_are_refused():
    pd = pytest.importorskip("pandas")
    dd = pytest.importorskip("dask.dataframe")
    frame = dd.from_pandas(pd.DataFrame({"a": range(12), "b": range(12)}), npartitions=3)
    with pytest.raises(AttributeError, match="'DataFrame' object has no attribute 'take'"):
        cross_val_score(Incremental(SGD), frame, np.arange(12) % 2, cv=2)


def test_folds_of_an_unknown_number_of_rows_are_refused(data):
    X, y = data
    kept = X[:, 1] > 0.5
    with pytest.raises(ValueError, match=r"unknown chunk size[\s\S]*compute_chunk_sizes"):
        cross_val_score(Incremental(SGD), X[kept], y[kept], cv=KFold(2))


@pytest.mark.filterwarnings("ignore:The `numpy.interp` function:FutureWarning")  # for thresholds
def test_a_threshold_is_tuned_on_decisions_as_a_whole(data, converted):
    X, y = data
    y = y.compute()
    options = dict(cv=KFold(2), thresholds=5)
    converted.clear()
    tuned = TunedThresholdClassifierCV(Incremental(SGD), **options).fit(X, y)
    assert 2 not in converted and 1 in converted
    expected = TunedThresholdClassifierCV(ByHand(SGD), **options).fit(X, y)
    assert tuned.best_threshold_ == expected.best_threshold_
    assert tuned.best_score_ == expected.best_score_
