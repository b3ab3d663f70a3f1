"""Steps that learn from summaries of blocks, on a cluster: summarised where the blocks are."""

import os
import signal
import threading
import time

import dask
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import SGDRegressor
from sklearn.pipeline import make_union
from sklearn.preprocessing import StandardScaler

from incremental import BlockError, Incremental
from tests.conftest import same_state
from tests.engines.on_clusters import numbered
from tests.pipelines.summing import Centre, centred


def steps(model):
    return [step for _, step in model.estimator_.transformer_list]


@pytest.mark.parametrize(("prefetch", "batch_size"), [(None, None), (2, 17), (1, 60)])
def test_summaries_have_the_same_bits_on_three_workers(prefetch, batch_size, clean, log):
    X, blocks = numbered(13)
    union = make_union(Centre(log), StandardScaler())
    # Rows that wait at a checkpoint are seen once more after it; their summaries count once.
    model = Incremental(union, prefetch=prefetch, batch_size=batch_size).fit(X)
    expected = centred(blocks)
    assert expected.n_seen_ == 65
    assert same_state(steps(model)[0], expected)
    with dask.config.set(scheduler="synchronous"):
        here = Incremental(union, batch_size=batch_size).fit(X)
    assert same_state(steps(model)[1], steps(here)[1])
    assert os.getpid() not in {int(pid) for _, pid in log.lines()[:13]}


def test_a_step_alone_learns_on_a_cluster(clean):
    X, blocks = numbered(7)
    model = Incremental(Centre()).fit(X)
    assert same_state(model.estimator_, centred(blocks))


def test_a_regressor_of_a_transformed_y_learns_on_a_cluster(clean):
    X, _ = numbered(7)
    y = X.sum(1)
    target = TransformedTargetRegressor(SGDRegressor(), transformer=StandardScaler())
    there = Incremental(target, random_state=0, max_iter=2).fit(X, y)
    predicted = there.predict(X).compute()
    with dask.config.set(scheduler="synchronous"):
        here = Incremental(target, random_state=0, max_iter=2).fit(X, y)
        assert (predicted == here.predict(X).compute()).all()
    assert same_state(there.transformer_, here.transformer_)
    assert same_state(there.regressor_, here.regressor_)


@pytest.mark.slow
def test_a_summary_counts_once_where_workers_die(clean, log):
    X, blocks = numbered(40)

    def slow(block):
        time.sleep(0.05)
        return block

    def kill():
        for n in (8, 25):
            os.kill(int(log.wait_for(n)[-1][1]), signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    union = make_union(Centre(log), StandardScaler())
    model = Incremental(union, prefetch=3, batch_size=23).fit(X.map_blocks(slow, dtype=float))
    killer.join()
    assert same_state(steps(model)[0], centred(blocks))


def test_errors_in_summaries_travel(clean):
    X, _ = numbered(8)
    with pytest.raises(BlockError, match="block 3 could not be merged by the step Centre: .* 15"):
        Incremental(Centre(limit=15)).fit(X)
    broken = X.map_blocks(
        lambda block: block * float("nan") if block[0, 0] == 5 else block, dtype=float
    )
    with pytest.raises(BlockError, match="Block 5 could not be summarised by the step Centre"):
        Incremental(Centre()).fit(broken)
