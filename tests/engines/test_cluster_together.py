"""Tiny blocks, of which one task on a cluster loads and learns several."""

from __future__ import annotations

import os
import time
from collections import Counter
from functools import partial
from itertools import islice

import dask
import dask.array as da
import numpy as np
import pytest

from incremental import BlockError, Incremental
from incremental._data.blocks import make_blocks
from incremental._engines.cluster.engine import ClusterEngine
from incremental._learning.learner import Learner
from tests.conftest import loop
from tests.engines.on_clusters import Eventful, Traced, numbered

N_BLOCKS = 120


def total(blocks):
    return loop(Traced(), [(block,) for block in blocks]).total_


class Counted(Traced):
    """Logs the task of each block."""

    def partial_fit(self, X, y=None):
        from distributed import get_worker

        worker = get_worker()
        self.tasks_ = {*getattr(self, "tasks_", ()), str(worker.get_current_task())}
        return super().partial_fit(X)


def test_few_tasks_learn_many_tiny_blocks(clean):
    X, blocks = numbered(N_BLOCKS)
    found = []
    for _ in range(5):  # a machine may be too busy to see that they are tiny
        model = Incremental(Counted()).fit(X)
        assert model.total_ == total(blocks)
        found.append(len(model.tasks_))
        if found[-1] < N_BLOCKS / 2:
            break
    assert min(found) < N_BLOCKS / 2, found


@pytest.mark.parametrize("batch_size", [None, 7])
def test_a_block_among_others_that_cannot_be_loaded_is_named(clean, batch_size):
    X, blocks = numbered(N_BLOCKS)
    broken = X.map_blocks(
        lambda block: 1 / 0 if block[0, 0] == 77 else block, meta=np.empty((0, 3))
    )
    model = Incremental(Traced(), batch_size=batch_size)
    with pytest.raises(BlockError, match="Block 77 could not be computed") as info:
        model.fit(broken)
    assert isinstance(info.value.__cause__, ZeroDivisionError)
    assert model.n_seen_ == 77 * 5
    if batch_size is None:
        assert model.total_ == total(blocks[:77])


def test_a_block_among_others_that_is_refused_is_not_tried_again(clean, log):
    X, blocks = numbered(N_BLOCKS)
    model = Incremental(Traced(log, fail_once_at=77.0))
    with pytest.raises(BlockError, match="Block 77 .* could not be learned by Traced"):
        model.fit(X)
    assert model.total_ == total(blocks[:77])
    assert Counter(first for first, _ in log.lines())[77.0] == 1


def test_a_worker_that_dies_with_blocks_learned_together_costs_none(clean, tmp_path):
    X, blocks = numbered(N_BLOCKS)
    model = Eventful(at=77, event=partial(os._exit, 1), marker=str(tmp_path / "killed"))
    assert Incremental(model).fit(X).total_ == total(blocks)


def test_a_pass_may_end_after_any_of_them(clean):
    X, blocks = numbered(N_BLOCKS)
    engine = ClusterEngine(clean)
    learner = Learner(Traced(), seed=0, classes=None, params={})
    with engine.train(learner, engine.plan(make_blocks(X))) as turns:
        for turn in islice(turns, 77):
            turn.learn()
    assert learner.model.total_ == total(blocks[:77])
    assert learner.n_rows == 77 * 5


def test_what_only_the_next_task_needs_is_no_task_of_its_own(clean):
    X, blocks = numbered(3)
    shifted = (X.rechunk((5, 1)).rechunk((5, 3)) + 1)[::-1]
    planned = ClusterEngine(clean).plan(make_blocks(shifted))
    assert len(planned.blocks.graph) < len(make_blocks(shifted).graph)
    assert Incremental(Traced()).fit(shifted).total_ == total([b[::-1] + 1 for b in blocks[::-1]])


def test_blocks_that_get_slow_are_learned_one_by_one(clean):
    X, blocks = numbered(70)
    model = Incremental(Slow(at=60)).fit(X)
    assert model.total_ == total(blocks)
    assert model.n_in_one_task_ < 10


class Slow(Traced):
    """Is slow from one block on, and says how many slow ones its task has learned."""

    def __init__(self, at=None):
        super().__init__()
        self.at = at

    def partial_fit(self, X, y=None):
        from distributed import get_worker

        if X[0, 0] >= self.at:
            time.sleep(0.1)
            task = str(get_worker().get_current_task())
            self.counts_ = Counter(getattr(self, "counts_", ())) + Counter([task])
            self.n_in_one_task_ = max(self.counts_.values())
        return super().partial_fit(X)


def test_blocks_of_persisted_and_of_shared_values_are_learned_together(clean):
    X, blocks = numbered(N_BLOCKS)
    X = X.persist()
    offset = dask.delayed(np.ones(3), pure=False)
    shifted = X + da.from_delayed(offset, (3,), float)
    model = Incremental(Traced()).fit(shifted)
    assert model.total_ == total([block + 1 for block in blocks])
