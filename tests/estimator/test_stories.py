"""What the README promises, on real data."""

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from incremental import Incremental
from incremental.datasets import make_classification
from tests.conftest import in_blocks, loop, same_state


class LazyScaler(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.mean_ = X.mean(0)
        self.var_ = X.var(0)
        return self

    def transform(self, X):
        return (X - self.mean_) / self.var_


def test_a_lazy_scaler_and_a_classifier_in_a_pipeline(source):
    pipe = Pipeline(
        [
            ("scale", LazyScaler()),
            ("classify", Incremental(SGDClassifier(random_state=0), classes=[0, 1])),
        ]
    )
    pipe.fit(source.X, source.y)
    assert source.reads == dict.fromkeys(range(10), 2)
    scaled = LazyScaler().fit(source.X).transform(source.X)
    expected = loop(SGDClassifier(random_state=0), in_blocks(scaled, source.y), classes=[0, 1])
    assert np.array_equal(pipe.steps[-1][1].coef_, expected.coef_)


@pytest.mark.parametrize("in_memory", [True, False], ids=["NumPy y", "dask y"])
def test_a_grid_search_equals_the_search_over_blocks_in_memory(in_memory):
    X, y = make_classification(n_samples=600, chunks=100, random_state=0)
    grid = [1e-4, 1e-2, 1]
    search = GridSearchCV(
        Incremental(SGDClassifier(random_state=0)), {"estimator__alpha": grid}, cv=3
    )
    search.fit(X, y.compute() if in_memory else y)
    scores = np.zeros((3, 3))
    memory_X, memory_y = dask.compute(X, y)
    for f, (train, test) in enumerate(_splits(memory_y)):
        for a, alpha in enumerate(grid):
            stops = np.cumsum(X[train].chunks[0])
            parts = np.split(train, stops[:-1])
            blocks = [(memory_X[part], memory_y[part]) for part in parts]
            model = loop(SGDClassifier(random_state=0, alpha=alpha), blocks, classes=[0, 1])
            scores[a, f] = model.score(memory_X[test], memory_y[test])
    found = np.array([search.cv_results_[f"split{f}_test_score"] for f in range(3)]).T
    assert np.array_equal(found, scores)
    assert search.best_params_ == {"estimator__alpha": grid[scores.mean(1).argmax()]}


def _splits(y):
    return list(StratifiedKFold(3).split(np.zeros(len(y)), y))


def test_a_pipeline_of_wrapped_steps_is_out_of_core_at_every_step(source):
    pipe = make_pipeline(
        Incremental(StandardScaler()), Incremental(SGDClassifier(random_state=0), classes=[0, 1])
    )
    pipe.fit(source.X, source.y)
    assert source.reads == dict.fromkeys(range(10), 2)
    blocks = in_blocks(source.X, source.y)
    scaler = loop(StandardScaler(), [(x,) for x, _ in blocks])
    scaled = [(scaler.transform(x), y) for x, y in blocks]
    assert same_state(
        pipe[-1].estimator_, loop(SGDClassifier(random_state=0), scaled, classes=[0, 1])
    )


def flights(path):
    """Prepare the flights: numbers scaled, missing values and cancelled flights out."""
    frame = dd.read_parquet(path).dropna(subset=["arr_delay"])
    y = (frame.arr_delay > 15).astype(int)
    frame = frame.assign(hour=frame.sched_dep_time // 100, long=np.log(frame.distance))
    for name in ("carrier", "origin"):
        labels = sorted(frame[name].unique().compute())
        frame[name] = frame[name].astype(pd.CategoricalDtype(labels))
    columns = ["carrier", "origin", "hour", "dep_delay", "long"]
    X = dd.get_dummies(frame[columns], columns=["carrier", "origin"]).astype(float)
    train = frame.month != 12
    return X[train], y[train], X[~train], y[~train]


def test_flights_from_parquet_are_learned_as_well_as_in_memory(flights_path):
    X, y, held_out, truth = flights(flights_path)
    mean, std = X.mean(), X.std()
    X, held_out = (X - mean) / std, (held_out - mean) / std
    model = Incremental(SGDClassifier(loss="log_loss", random_state=0)).fit(X, y)
    memory_X, memory_y, test_X, test_y = dask.compute(X, y, held_out, truth)
    assert len(memory_X) + len(test_X) == 327_346  # of 336,776 flights those that arrived
    whole = SGDClassifier(loss="log_loss", random_state=0, max_iter=1, tol=None)
    whole.fit(memory_X, memory_y)
    auc = roc_auc_score(test_y, model.predict_proba(held_out).compute()[:, 1])
    in_memory = roc_auc_score(test_y, whole.predict_proba(test_X)[:, 1])
    assert auc > 0.85
    assert auc > in_memory - 0.005
