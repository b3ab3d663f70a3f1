"""Whatever scikit-learn's tools give, they give with the backend, bit for bit."""

from __future__ import annotations

import warnings

import dask
import dask.array as da
import joblib
import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import MiniBatchKMeans
from sklearn.compose import make_column_transformer
from sklearn.decomposition import IncrementalPCA
from sklearn.ensemble import StackingClassifier, VotingClassifier, VotingRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression, SGDClassifier, SGDRegressor
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    TimeSeriesSplit,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    validation_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from incremental import Incremental, indexable
from tests.engines.scan.same import plain, with_backend

N_BLOCKS, N_ROWS = 5, 16


def load(i):
    return np.random.default_rng(i).normal(size=(N_ROWS, 4))


X_MEMORY = np.concatenate([load(i) for i in range(N_BLOCKS)])
N = len(X_MEMORY)
X = da.concatenate(
    [da.from_delayed(dask.delayed(load)(i), (N_ROWS, 4), float) for i in range(N_BLOCKS)]
)
Y = (X_MEMORY[:, 0] + np.random.default_rng(9).normal(size=N) / 3 > 0).astype(int)
Y3 = np.digitize(X_MEMORY[:, 0], [-0.5, 0.5])
Y_REAL = X_MEMORY[:, 0] * 2 + X_MEMORY[:, 1]
Y_LAZY = da.from_array(Y, chunks=N_ROWS)
WEIGHTS = np.random.default_rng(1).random(N)
ALPHAS = {"estimator__alpha": [1e-4, 1e-1]}
#: As many as halving halves once.
THREE = {"estimator__alpha": [1e-4, 1e-1, 1.0]}
STEP = {"estimator__sgdclassifier__alpha": [1e-4, 1e-1]}


def sgd(**params):
    return SGDClassifier(random_state=0, **params)


def logistic():
    return Incremental(sgd(loss="log_loss"))


def model(**params):
    return Incremental(sgd(), **params)


def scaled():
    return Incremental(make_pipeline(StandardScaler(), sgd()))


def frames():
    pd = pytest.importorskip("pandas")
    import dask.dataframe as dd

    blocks = [
        dask.delayed(lambda i: pd.DataFrame(load(i), columns=list("abcd")))(i)
        for i in range(N_BLOCKS)
    ]
    return indexable(dd.from_delayed(blocks, meta=pd.DataFrame(load(0)[:0], columns=list("abcd"))))


def grid(estimator, grid=ALPHAS, X=X, y=Y, fit=None, **options):
    return GridSearchCV(estimator, grid, **{"cv": 2, **options}).fit(X, y, **(fit or {}))


#: Small integers, lists, ranges and masks of the rows to learn from and to be tested on.
POSITIONS = [
    (np.arange(40, N, dtype=np.uint8), np.arange(40, dtype=np.int16)),
    (list(range(40)), range(40, N)),
    (np.arange(N) % 3 > 0, np.arange(N) % 3 == 0),
]


def by_threads(alpha):
    with joblib.parallel_config("threading", n_jobs=2):
        return cross_val_score(Incremental(sgd(alpha=alpha)), X, Y, cv=2)


def goes_on(model):
    return model.partial_fit(X, Y).coef_


CASES = {
    "a search": lambda: grid(model()),
    "no refit": lambda: grid(model(), refit=False),
    "one after the other": lambda: grid(model(), n_jobs=1),
    "few alive": lambda: grid(model(), pre_dispatch=2),
    "lazy y": lambda: grid(model(), y=Y_LAZY),
    "y made of X": lambda: grid(model(), y=(X[:, 0] > 0).astype(int)),
    "three classes": lambda: grid(model(), y=Y3),
    "regression": lambda: grid(Incremental(SGDRegressor(random_state=0)), y=Y_REAL),
    "KFold": lambda: grid(model(), cv=KFold(4)),
    "shuffled KFold": lambda: grid(model(), cv=KFold(3, shuffle=True, random_state=0)),
    "TimeSeriesSplit": lambda: grid(model(), cv=TimeSeriesSplit(3)),
    "ShuffleSplit": lambda: grid(model(), cv=ShuffleSplit(2, random_state=0)),
    "positions of any kind": lambda: grid(model(), cv=POSITIONS),
    "groups": lambda: grid(model(), cv=GroupKFold(3), fit={"groups": np.arange(N) // 10}),
    "repeated": lambda: grid(
        model(), cv=RepeatedStratifiedKFold(n_splits=2, n_repeats=2, random_state=0)
    ),
    "several passes": lambda: grid(model(), {"max_iter": [1, 2, 3]}),
    "shuffled passes": lambda: grid(model(shuffle=True, random_state=0, max_iter=2)),
    "several seeds": lambda: grid(model(shuffle=True), {"random_state": [0, 1]}),
    "batches": lambda: grid(model(), {"batch_size": [None, 7, 40]}),
    "early stopping": lambda: grid(model(early_stopping=True, max_iter=3, random_state=0)),
    "balanced": lambda: grid(Incremental(sgd(class_weight="balanced"))),
    "weights": lambda: grid(model(), fit={"sample_weight": WEIGHTS}),
    "lazy weights": lambda: grid(
        model(), fit={"sample_weight": da.from_array(WEIGHTS, chunks=N_ROWS)}
    ),
    "given classes": lambda: grid(model(classes=[0, 1])),
    "a pipeline within": lambda: grid(scaled(), STEP),
    "a scaler that writes to its input": lambda: grid(
        Incremental(make_pipeline(StandardScaler(copy=False), sgd())), STEP
    ),
    "a pipeline around": lambda: grid(
        make_pipeline(Incremental(StandardScaler()), model()),
        {"incremental-2__estimator__alpha": [1e-4, 1e-1]},
    ),
    "a union": lambda: grid(
        Incremental(make_pipeline(make_union(StandardScaler(), IncrementalPCA(2)), sgd())), STEP
    ),
    "rows of frames": lambda: grid(model(), X=frames()),
    "columns of frames": lambda: grid(
        Incremental(make_pipeline(make_column_transformer((StandardScaler(), ["a", "b"])), sgd())),
        STEP,
        X=frames(),
    ),
    "a scorer": lambda: grid(logistic(), scoring="roc_auc"),
    "scorers": lambda: grid(
        logistic(), scoring=["roc_auc", "accuracy", "neg_log_loss"], refit="accuracy"
    ),
    "a scoring of its own": lambda: grid(model(scoring="f1")),
    "a callable": lambda: grid(model(), scoring=lambda e, X, y: float(np.mean(e.predict(X) == y))),
    "train scores": lambda: grid(model(), return_train_score=True),
    "a fit that fails": lambda: grid(model(), {"estimator__alpha": [1e-4, -1.0]}, error_score=-5.0),
    "drawn candidates": lambda: RandomizedSearchCV(
        model(), {"estimator__alpha": [1e-4, 1e-3, 1e-2]}, n_iter=2, cv=3, random_state=0
    ).fit(X, Y),
    "halving of passes": lambda: HalvingGridSearchCV(
        model(random_state=0), THREE, resource="max_iter", max_resources=3, cv=3, random_state=0
    ).fit(X, Y),
    "halving of samples": lambda: HalvingGridSearchCV(
        model(), THREE, cv=2, random_state=0, factor=2
    ).fit(X, Y),
    "nested": lambda: cross_val_score(GridSearchCV(model(), ALPHAS, cv=2), X, Y, cv=2),
    "cross_validate": lambda: cross_validate(
        logistic(), X, Y, cv=3, scoring=["roc_auc", "f1"], return_estimator=True
    ),
    "predictions": lambda: cross_val_predict(model(), X, Y, cv=3),
    "probabilities": lambda: cross_val_predict(logistic(), X, Y, cv=3, method="predict_proba"),
    "decisions": lambda: cross_val_predict(model(), X, Y3, cv=3, method="decision_function"),
    "learning_curve": lambda: learning_curve(model(), X, Y, cv=3, train_sizes=[0.4, 1.0]),
    "learning_curve of partial_fit": lambda: learning_curve(
        model(), X, Y, cv=3, train_sizes=[0.4, 1.0], exploit_incremental_learning=True
    ),
    "validation_curve": lambda: validation_curve(
        model(), X, Y, param_name="estimator__alpha", param_range=[1e-4, 1.0], cv=3
    ),
    "one-vs-rest": lambda: OneVsRestClassifier(model()).fit(X, Y3),
    "one-vs-rest within": lambda: grid(
        Incremental(OneVsRestClassifier(sgd())), {"max_iter": [1, 2]}, y=Y3
    ),
    "voting": lambda: VotingClassifier([("a", model()), ("b", Incremental(GaussianNB()))]).fit(
        X, Y
    ),
    "voting regressors": lambda: VotingRegressor(
        [(str(i), Incremental(SGDRegressor(random_state=i))) for i in range(2)]
    ).fit(X, Y_REAL),
    "stacking": lambda: StackingClassifier(
        [("a", model()), ("b", Incremental(GaussianNB()))], cv=3
    ).fit(X, Y),
    "multi-output": lambda: MultiOutputClassifier(model()).fit(X, np.c_[Y, Y[::-1]]),
    "permutations": lambda: permutation_test_score(
        model(), X, Y, cv=3, n_permutations=2, random_state=0
    ),
    "calibration": lambda: CalibratedClassifierCV(model(), cv=3).fit(X, Y),
    "a tuned threshold": lambda: TunedThresholdClassifierCV(logistic(), cv=2, thresholds=5).fit(
        X, Y
    ),
    "clusters": lambda: grid(
        Incremental(MiniBatchKMeans(n_init=1, random_state=0)),
        {"estimator__n_clusters": [2, 3]},
        y=None,
    ),
    "naive Bayes": lambda: grid(
        Incremental(GaussianNB()), {"estimator__var_smoothing": [1e-9, 1e-2]}
    ),
    "another backend within": lambda: joblib.Parallel()(
        joblib.delayed(by_threads)(alpha) for alpha in (1e-4, 1e-1)
    ),
    "models that go on": lambda: joblib.Parallel()(
        joblib.delayed(goes_on)(model().fit(X, Y)) for _ in range(2)
    ),
    "centred data": lambda: grid(model(), X=X - X.mean(0)),
    "scaled data": lambda: grid(model(), X=(X - X.mean(0)) / X.std(0), y=(X[:, 0] > 0) * 1),
    "other blocks": lambda: grid(model(), X=X.rechunk((11, 4))),
    "data in memory": lambda: grid(model(), X=X_MEMORY),
    "a union of features": lambda: FeatureUnion(
        [("a", Incremental(StandardScaler())), ("b", Incremental(MinMaxScaler()))]
    ).fit(X),
    "an estimator of scikit-learn's": lambda: GridSearchCV(
        LogisticRegression(), {"C": [0.1, 1.0]}, cv=2
    ).fit(X_MEMORY, Y),
    "an estimator of scikit-learn's on lazy data": lambda: cross_val_score(
        LogisticRegression(), X, Y, cv=2
    ),
}


#: Of these, each part is in another case, too.
SLOW = {
    "KFold",
    "ShuffleSplit",
    "drawn candidates",
    "few alive",
    "given classes",
    "no refit",
    "one after the other",
    "one-vs-rest within",
    "rows of frames",
    "several seeds",
    "train scores",
    "voting regressors",
    "weights",
}


def marked(name):
    return pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [])


@pytest.mark.filterwarnings("ignore")  # those of scikit-learn about its scores; nobody's of ours
@pytest.mark.parametrize("name", [*map(marked, CASES)])
def test_the_result_is_that_without_the_backend(name):
    with dask.config.set(scheduler="synchronous"):
        alone = plain(CASES[name]())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert plain(with_backend(CASES[name])) == alone


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["nested"])
def test_the_result_does_not_depend_on_the_scheduler(name, scheduler):
    assert plain(with_backend(CASES[name], n_jobs=3)) == plain(CASES[name]())
