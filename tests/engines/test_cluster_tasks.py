"""Fits within tasks of a cluster, and below joblib."""

from __future__ import annotations

import asyncio

import dask
import dask.array as da
import distributed
import joblib
import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from incremental import BlockError, Incremental
from tests.conftest import in_blocks, loop, same_state
from tests.engines.on_clusters import classification


def test_a_task_may_fit(clean):
    X, y = classification()
    expected = loop(SGDClassifier(random_state=0), in_blocks(X, y), classes=[0, 1])
    futures = [
        clean.submit(Incremental(SGDClassifier(random_state=0)).fit, X, y, pure=False)
        for _ in range(4)  # more than there are threads
    ]
    for model in clean.gather(futures):
        assert same_state(model.estimator_, expected)
    del futures, model


def test_a_search_through_joblib_is_that_of_one_process(clean):
    X, y = classification(n_blocks=6)
    search = GridSearchCV(
        Incremental(SGDClassifier(random_state=0), classes=[0, 1]),
        {"estimator__alpha": [1e-4, 1e-2]},
        cv=2,
    )
    y = y.compute()
    with joblib.parallel_config("dask"):
        search.fit(X, y)
    found = search.cv_results_["mean_test_score"]
    with dask.config.set(scheduler="synchronous"):
        search.fit(X, y)
    np.testing.assert_array_equal(found, search.cv_results_["mean_test_score"])


def test_an_asynchronous_client_is_refused_in_its_loop_and_works_outside():
    X, y = classification(n_blocks=3)
    expected = loop(SGDClassifier(random_state=0), in_blocks(X, y), classes=[0, 1])
    model = Incremental(SGDClassifier(random_state=0))

    async def run():
        async with (
            distributed.LocalCluster(
                n_workers=1, processes=False, dashboard_address=":0", asynchronous=True
            ) as cluster,
            distributed.Client(cluster, asynchronous=True) as client,
        ):
            with pytest.raises(RuntimeError, match="asyncio.to_thread"):
                model.fit(X, y)
            await asyncio.to_thread(model.fit, X, y)
            return await client.submit(Incremental(SGDClassifier(random_state=0)).fit, X, y)

    other = asyncio.run(run())
    assert same_state(model.estimator_, expected)
    assert same_state(other.estimator_, expected)


def _fit_outside_of_the_threads(model, X, y):
    distributed.secede()
    model.fit(X, y)
    distributed.rejoin()
    return model


def test_a_task_that_has_left_the_threads_of_its_worker_may_fit(clean):
    X, y = classification()
    expected = loop(SGDClassifier(random_state=0), in_blocks(X, y), classes=[0, 1])
    model = Incremental(SGDClassifier(random_state=0))
    model = clean.submit(_fit_outside_of_the_threads, model, X, y, pure=False).result(timeout=60)
    assert same_state(model.estimator_, expected)


@pytest.mark.parametrize("error_score", ["raise", np.nan])
def test_branches_that_would_compute_in_parallel_are_searched_through_joblib(clean, error_score):
    X, y = classification(n_blocks=4)
    branches = make_column_transformer((StandardScaler(), [0, 1]), (StandardScaler(), [2, 3]))
    search = GridSearchCV(
        Incremental(make_pipeline(branches, SGDClassifier(random_state=0)), classes=[0, 1]),
        {"estimator__sgdclassifier__alpha": [1e-4, 1e-2]},
        cv=2,
        error_score=error_score,
    )
    y = y.compute()
    with joblib.parallel_config("dask"):
        search.fit(X, y)
    found = search.cv_results_["mean_test_score"]
    with dask.config.set(scheduler="synchronous"):
        search.fit(X, y)
    np.testing.assert_array_equal(found, search.cv_results_["mean_test_score"])


def test_an_error_within_a_search_through_joblib_arrives(threads_as_workers):
    X, y = classification(n_blocks=4)
    X = da.where(da.arange(len(X), chunks=20)[:, None] == 55, np.nan, X)
    search = GridSearchCV(
        Incremental(SGDClassifier(), classes=[0, 1]),
        {"estimator__alpha": [1e-4, 1e-2]},
        cv=2,
        error_score="raise",
    )
    y = y.compute()
    with threads_as_workers.as_current(), joblib.parallel_config("dask"):
        with pytest.raises(BlockError, match="Input X contains NaN"):
            search.fit(X, y)
