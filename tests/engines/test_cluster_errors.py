"""Blocks that fail on a cluster are named, and those before them are learned."""

from __future__ import annotations

import pickle
from collections import Counter

import dask
import dask.array as da
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import SGDClassifier, SGDRegressor

from incremental import BlockError, Incremental
from incremental._engines.cluster import tasks
from tests.conftest import in_blocks, loop, same_state
from tests.engines.on_clusters import Traced, classification, numbered


@pytest.mark.parametrize("batch_size", [None, 12])
def test_a_block_that_fails_is_named_and_those_before_it_are_learned(clean, batch_size):
    X, _ = numbered(12)

    def broken(block, block_info=None):
        if block_info[0]["chunk-location"][0] == 8:
            raise OSError("disk 8 is gone")
        return block

    model = Incremental(Traced(), batch_size=batch_size)
    with pytest.raises(BlockError, match="Block 8 could not be computed: OSError: disk 8") as info:
        model.fit(X.map_blocks(broken, meta=np.empty((0, 3))))
    assert info.value.block == 8
    assert isinstance(info.value.__cause__, OSError)
    assert model.n_seen_ == 40
    with dask.config.set(scheduler="synchronous"):
        expected = Incremental(Traced(), batch_size=batch_size).fit(X[:40])
    assert model.total_ == expected.total_


def test_a_block_that_is_refused_is_named(clean, log):
    X, _ = numbered(12)
    model = Incremental(Traced(log, fail_once_at=7.0))
    with pytest.raises(BlockError, match="Block 7 .* could not be learned by Traced") as info:
        model.fit(X)
    assert isinstance(info.value.__cause__, OSError)
    assert model.n_seen_ == 35
    model.estimator_.fail_once_at = None
    X, _ = numbered(12)
    model.partial_fit(X[35:])
    assert model.n_seen_ == 60


def test_a_retried_step_starts_from_the_model_before_it(clean, log):
    X, blocks = numbered(12)
    with dask.annotate(retries=3):
        model = Incremental(Traced(log, fail_once_at=7.0)).fit(X)
    assert model.total_ == loop(Traced(), [(block,) for block in blocks]).total_
    assert Counter(first for first, _ in log.lines())[7.0] == 2


@pytest.mark.parametrize("batch_size", [None, 30])
def test_a_block_that_fails_on_a_thread_of_this_process_is_named(batch_size, threads_as_workers):
    X, y = classification(n_blocks=8)
    blocks = in_blocks(X, y)

    def load(i):
        if i == 5:
            raise OSError("disk is gone")
        return blocks[i][0]

    lazy = [dask.delayed(load)(i) for i in range(8)]
    model = Incremental(
        SGDClassifier(random_state=0), classes=[0, 1], batch_size=batch_size, prefetch=2
    )
    with threads_as_workers.as_current():
        with pytest.raises(BlockError, match="Block 5 could not be computed: OSError") as caught:
            model.fit(lazy, [dask.delayed(np.asarray)(part) for _, part in blocks])
    assert caught.value.block == 5
    with dask.config.set(scheduler="synchronous"):
        expected = clone(model).fit(X[: sum(X.chunks[0][:5])], y[: sum(X.chunks[0][:5])])
    assert same_state(model.estimator_, expected.estimator_)


def test_the_last_rows_that_wait_are_named_where_they_are_refused(threads_as_workers):
    X = np.random.default_rng(0).random((18, 2))
    X[-1] = np.nan
    lazy, y = da.from_array(X, chunks=(5, 2)), da.from_array(X[:, 0].copy(), chunks=5)
    y = da.nan_to_num(y)
    model = Incremental(SGDRegressor(random_state=0), batch_size=10)
    with dask.config.set(scheduler="synchronous"):
        expected = clone(model)
        with pytest.raises(BlockError) as alone:
            expected.fit(lazy, y)
    with threads_as_workers.as_current():
        with pytest.raises(BlockError) as caught:
            model.fit(lazy, y)
    assert caught.value.block == alone.value.block == 2  # the first one in that batch
    assert str(caught.value) == str(alone.value)
    assert same_state(model.estimator_, expected.estimator_)


def chain_of(error):
    """Return an error and all that it leads to; fail where one leads to itself."""
    found = []
    stack = [(error, ())]
    while stack:
        one, above = stack.pop()
        assert one not in above
        found.append(one)
        leads_to = [one.__cause__, one.__context__, *one.args, *vars(one).values()]
        stack += [(e, (*above, one)) for e in leads_to if isinstance(e, BaseException)]
    return found


def broken(block):
    if 50 in block:
        raise OSError("disk is gone")
    return block


@pytest.mark.parametrize("on_workers", [True, False])
@pytest.mark.parametrize(
    "options", [{}, {"early_stopping": True, "max_iter": 2}, {"shuffle": True}]
)
@pytest.mark.parametrize("fails", ["load", "learn", "classes", "shared", "score"])
def test_no_error_leads_to_itself_wherever_it_is_raised(
    on_workers, options, fails, threads_as_workers
):
    values = np.arange(200.0).reshape(100, 2)
    X = da.from_array(values, chunks=(10, 2))
    y = da.from_array(np.arange(100) % 2, chunks=10)
    if fails == "learn":
        X = da.where(X == 50, np.nan, X)
    elif fails == "classes":
        y = X.map_blocks(broken, dtype=float)[:, 0] > 100
    else:
        broken_X = X.map_blocks(broken, dtype=float)
        X = X - broken_X.mean(0) if fails == "shared" else broken_X
    classes = None if fails == "classes" else [0, 1]
    model = Incremental(SGDClassifier(random_state=0), classes=classes, random_state=0, **options)
    chosen = {} if on_workers else {"scheduler": "threads"}
    with threads_as_workers.as_current(), dask.config.set(**chosen):
        with pytest.raises(BlockError) as caught:
            if fails == "score":
                model.fit(da.ones((20, 2), chunks=(10, 2)), da.arange(20, chunks=10) % 2)
                model.score(X, y)
            else:
                model.fit(X, y)
    found = chain_of(caught.value)
    assert any(isinstance(error, (OSError, ValueError)) for error in found)
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value) and again.block == caught.value.block
    assert type(again.__cause__) is type(caught.value.__cause__)


def test_the_error_of_a_fit_within_a_task_arrives_with_its_cause(clean):
    X, _ = numbered(6)
    X = X.map_blocks(lambda block: 1 / 0 if block[0, 0] == 3 else block, meta=np.empty((0, 3)))
    fit = clean.submit(Incremental(Traced()).fit, X)
    with pytest.raises(
        BlockError, match="Block 3 could not be computed: ZeroDivisionError"
    ) as info:
        fit.result(timeout=60)
    fit.release()
    assert isinstance(info.value.__cause__, ZeroDivisionError)


def test_a_checkpoint_that_cannot_be_made_ends_the_fit(monkeypatch, threads_as_workers):
    def refuse(learner):
        raise MemoryError("no room for a copy")

    X, _ = numbered(3)
    monkeypatch.setattr(tasks, "checkpoint", refuse)
    with threads_as_workers.as_current(), pytest.raises(BlockError, match="^Block 0 .*no room"):
        Incremental(Traced()).fit(X)
