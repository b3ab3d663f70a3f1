"""On a cluster, the model is that of the loop."""

from __future__ import annotations

import dask
import dask.array as da
import distributed
import numpy as np
import pytest
from dask.delayed import Delayed
from sklearn import config_context, get_config
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from incremental import BlockError, Incremental
from tests.conftest import in_blocks, loop, needs_callbacks, same_state
from tests.engines.on_clusters import Traced, classification, numbered, start_cluster


def test_the_model_is_that_of_the_loop(clean):
    X, y = classification()
    expected = loop(SGDClassifier(random_state=0), in_blocks(X, y), classes=[0, 1])
    model = Incremental(SGDClassifier(random_state=0)).fit(X, y)
    assert same_state(model.estimator_, expected)
    assert model.n_iter_ == 1
    np.testing.assert_array_equal(model.predict(X).compute(), expected.predict(X.compute()))
    assert model.score(X, y) == expected.score(X.compute(), y.compute())


@pytest.mark.parametrize("batch_size", [None, 150])
def test_passes_in_another_order_are_those_of_one_process(clean, batch_size):
    X, y = classification()
    options = {"max_iter": 3, "shuffle": True, "random_state": 0, "batch_size": batch_size}
    model = Incremental(SGDClassifier(), **options).fit(X, y).partial_fit(X, y)
    with dask.config.set(scheduler="synchronous"):
        expected = Incremental(SGDClassifier(), **options).fit(X, y).partial_fit(X, y)
    assert same_state(model.estimator_, expected.estimator_)
    assert model.n_iter_ == expected.n_iter_ == 4


@needs_callbacks
def test_callbacks_see_each_model_and_may_stop(clean):
    X, blocks = numbered(12)
    seen = []

    class Watching:
        def setup(self, estimator, context): ...

        def teardown(self, estimator, context): ...

        def on_fit_task_begin(self, estimator, context, *, X=None):
            if context.task_name == "block":
                assert isinstance(X[0], Delayed)

        def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
            if context.task_name == "block":
                seen.append(fitted_estimator.total_)
                return len(seen) == 7 and (X[0].compute() == blocks[6]).all()

    model = Incremental(Traced()).set_callbacks(Watching()).fit(X)
    reference, expected = Traced(), []
    for block in blocks[:7]:
        expected.append(reference.partial_fit(block).total_)
    assert seen == expected
    assert model.total_ == expected[-1]


def test_early_stopping_and_scores_are_those_of_one_process(clean):
    X, y = classification()
    options = {"max_iter": 4, "early_stopping": True, "random_state": 0, "scoring": "f1"}
    model = Incremental(SGDClassifier(), **options).fit(X, y)
    score = model.score(X, y)
    with dask.config.set(scheduler="synchronous"):
        expected = Incremental(SGDClassifier(), **options).fit(X, y)
        assert score == expected.score(X, y)
    assert same_state(model.estimator_, expected.estimator_)
    assert model.validation_scores_ == expected.validation_scores_


def test_a_secured_cluster_works_unchanged(forkserver):
    pytest.importorskip("cryptography")
    X, y = classification(n_blocks=4)
    security = distributed.Security.temporary()
    with (
        start_cluster(security=security) as cluster,
        distributed.Client(cluster, security=security) as client,
    ):
        assert client.scheduler.address.startswith("tls://")
        model = Incremental(SGDClassifier(random_state=0)).fit(X, y)
    expected = loop(SGDClassifier(random_state=0), in_blocks(X, y), classes=[0, 1])
    assert same_state(model.estimator_, expected)


@pytest.mark.parametrize(
    "options",
    [{}, {"batch_size": 30}, {"shuffle": True, "max_iter": 2, "batch_size": 7}, {"prefetch": 0}],
)
def test_workers_may_be_threads_of_this_process(options, threads_as_workers):
    X, y = classification(n_blocks=6)
    model = Incremental(SGDClassifier(random_state=0), random_state=0, **options)
    with dask.config.set(scheduler="synchronous"):
        expected = clone(model).fit(X, y)
    with threads_as_workers.as_current():
        assert same_state(model.fit(X, y).estimator_, expected.estimator_)
        assert model.score(X, y) == expected.score(X, y)


class Configured(BaseEstimator):
    """Refuses to learn and to score where scikit-learn is not configured as it was."""

    def partial_fit(self, X, y=None):
        assert get_config()["assume_finite"]
        self.n_seen_ = getattr(self, "n_seen_", 0) + len(X)
        return self

    fit = partial_fit

    def transform(self, X):
        return X

    def score_samples(self, X):
        assert get_config()["assume_finite"]
        return np.ones(len(X))

    def score(self, X, y=None):
        return self.score_samples(X).sum()


@pytest.mark.parametrize("batch_size", [None, 7, 1_000])
def test_workers_learn_and_score_as_configured(batch_size, threads_as_workers):
    X = da.from_array(np.random.default_rng(0).random((40, 2)), chunks=(1, 2))  # some together
    model = Incremental(make_pipeline(Configured(), Configured()), batch_size=batch_size)
    with threads_as_workers.as_current():
        with config_context(assume_finite=True):
            model.fit(X)
            assert [step.n_seen_ for step in model.estimator_] == [40, 40]
            assert model.score(X) == 40
        with pytest.raises(BlockError, match="AssertionError"):
            model.fit(X)


@pytest.mark.parametrize("batch_size", [None, 30])
def test_steps_of_a_pipeline_are_those_of_one_process_on_threads(batch_size, threads_as_workers):
    X, y = classification(n_blocks=4)
    model = Incremental(
        make_pipeline(StandardScaler(), make_pipeline(SGDClassifier(random_state=0))),
        batch_size=batch_size,
    )
    with dask.config.set(scheduler="synchronous"):
        expected = clone(model).fit(X, y).estimator_
    with threads_as_workers.as_current():
        found = model.fit(X, y).estimator_
    assert same_state(found[0], expected[0])
    assert same_state(found[-1][-1], expected[-1][-1])


@needs_callbacks
def test_callbacks_see_the_blocks_of_each_order(threads_as_workers):
    X, y = classification(n_blocks=3)

    class Watching:
        def __init__(self):
            self.seen = []

        def setup(self, estimator, context): ...

        def teardown(self, estimator, context): ...

        def on_fit_task_begin(self, estimator, context): ...

        def on_fit_task_end(self, estimator, context, *, X=None, y=None):
            if context.task_name == "block":  # a list of one Delayed on a cluster
                self.seen.append([np.concatenate(dask.compute(*part)) for part in (X, y)])

    watching, learned = Watching(), Recording()
    options = {"shuffle": True, "max_iter": 2, "random_state": 0}
    model = Incremental(SGDClassifier(random_state=0), **options)
    with threads_as_workers.as_current():
        model.set_callbacks(watching).fit(X, y)
    with dask.config.set(scheduler="synchronous"):
        Incremental(learned, **options).fit(X, y)
    assert len(watching.seen) == len(learned.blocks) == 6
    for block, expected in zip(watching.seen, learned.blocks, strict=True):
        np.testing.assert_array_equal(block[0], expected[0])
        np.testing.assert_array_equal(block[1], expected[1])


class Recording(BaseEstimator):
    """Keeps the blocks that it and its clones learn."""

    def __init__(self, blocks=None):
        self.blocks = [] if blocks is None else blocks

    def __sklearn_clone__(self):
        return self

    def partial_fit(self, X, y):
        self.blocks.append((X, y))
        return self
