"""Whatever dies on a cluster, the model is that of the loop."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from types import SimpleNamespace

import dask
import dask.array as da
import distributed
import numpy as np
import pytest
from dask.task_spec import Task
from sklearn.base import clone
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import StandardScaler

from incremental import BlockError, Incremental
from incremental._data.blocks import make_blocks
from incremental._engines.cluster import losses, stream, tasks
from incremental._engines.cluster.convoy import Alone
from incremental._engines.open import open_engine
from tests.conftest import in_blocks, loop, same_state
from tests.engines.on_clusters import (
    Eventful,
    Log,
    Sizes,
    Traced,
    classification,
    no_failure_allowed,
    numbered,
    start_cluster,
    wait_until,
)


def test_a_worker_that_dies_costs_two_windows(clean, log):
    X, blocks = numbered(60)
    killed = []

    def kill():
        for at in (12, 28, 47):
            while not (lines := log.lines()) or lines[-1][0] < at:
                time.sleep(0.005)
            os.kill(int(lines[-1][1]), signal.SIGKILL)  # the one that has the model
            killed.append(at)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    model = Incremental(Traced(log, seconds=0.03), prefetch=5).fit(X)
    assert killed == [12, 28, 47]
    assert model.total_ == loop(Traced(), [(block,) for block in blocks]).total_
    assert model.n_seen_ == 300
    repeated = len(log.lines()) - 60
    assert repeated <= 3 * 2 * 5, repeated


def test_rows_that_wait_are_not_lost_with_their_worker(clean, log):
    X, _ = numbered(40)

    def kill():
        os.kill(int(log.wait_for(1)[-1][1]), signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    model = Incremental(Traced(log, seconds=0.1), prefetch=3, batch_size=47).fit(X)
    with dask.config.set(scheduler="synchronous"):
        expected = Incremental(Traced(), batch_size=47).fit(X)
    assert model.total_ == expected.total_
    assert model.n_seen_ == 200


def test_a_block_that_kills_its_worker_is_given_up(clean):
    X, _ = numbered(8)

    def deadly(block, block_info=None):
        if block_info[0]["chunk-location"][0] == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return block

    with no_failure_allowed(clean):
        model = Incremental(Traced())
        with pytest.raises(BlockError, match="Block 5") as info:
            model.fit(X.map_blocks(deadly, meta=np.empty((0, 3))))
    assert info.value.block == 5
    assert model.n_seen_ == 25


def test_a_worker_may_retire_while_it_learns(log, forkserver):
    X, blocks = numbered(20)
    # A cluster of its own: a retired worker does not come back.
    with start_cluster() as cluster, distributed.Client(cluster) as client:
        workers = {pid: worker for worker, pid in client.run(os.getpid).items()}

        def retire():
            pid = log.wait_for(8)[-1][1]
            client.retire_workers([workers[int(pid)]])

        retiring = threading.Thread(target=retire)
        retiring.start()
        model = Incremental(Traced(log, seconds=0.1)).fit(X)
        retiring.join()
    assert model.total_ == loop(Traced(), [(block,) for block in blocks]).total_
    assert Counter(first for first, _ in log.lines()).most_common(1)[0][1] <= 2


def test_a_worker_that_leaves_while_it_is_sent_data_is_lost_like_any_other(
    threads_as_workers, monkeypatch
):
    scheduler = threads_as_workers.cluster.scheduler
    replicate, calls = scheduler.replicate, []

    async def leaving(*args, **kwargs):
        calls.append(args)
        if len(calls) == 1:
            raise KeyError("the worker's address")
        return await replicate(*args, **kwargs)

    monkeypatch.setattr(scheduler, "replicate", leaving)
    X, blocks = numbered(20)
    with dask.config.set(scheduler=threads_as_workers):
        model = Incremental(Traced()).fit(X)
    assert model.total_ == loop(Traced(), [(block,) for block in blocks]).total_
    assert len(calls) > 1
    deadline = time.monotonic() + 20
    while any("anchor" in str(key) for key in scheduler.tasks):
        assert time.monotonic() < deadline, list(scheduler.tasks)
        time.sleep(0.05)


class WaitingUntilAlone(Traced):
    """Learns block 15 when one worker is left."""

    def __init__(self, sizes=None):
        super().__init__()
        self.sizes = sizes

    def partial_fit(self, X, y=None):
        if X[0, 0] == 15:
            wait_until(lambda: self.sizes.lines()[-1][0] == 1)
        return super().partial_fit(X)


def test_an_adaptive_cluster_may_grow_and_shrink_while_it_learns(log):
    X, blocks = numbered(30)

    def when_there_are_more(block, log):
        wait_until(lambda: max(log.lines(), default=(0,))[0] > 1)
        return block

    with (
        distributed.LocalCluster(
            n_workers=0, threads_per_worker=1, processes=False, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.register_plugin(Sizes(log))
        cluster.adapt(minimum=0, maximum=3, interval="50ms", wait_count=2, target_duration="100ms")
        X = X.map_blocks(when_there_are_more, log, meta=np.empty((0, 3)))
        model = Incremental(WaitingUntilAlone(log), prefetch=8).fit(X)
        sizes = [int(n) for n, _ in log.lines()]
    assert 1 in sizes[sizes.index(2) :]
    assert model.total_ == loop(Traced(), [(block,) for block in blocks]).total_


def test_workers_that_take_no_data_for_a_while_are_waited_for():
    X, blocks = numbered(12)
    with (
        distributed.LocalCluster(
            n_workers=1,
            processes=False,
            dashboard_address=":0",
            memory_limit=0,  # so that nothing else lets it go on
        ) as cluster,
        distributed.Client(cluster, timeout="1s") as client,
    ):

        def be(status, dask_worker):
            dask_worker.status = distributed.Status[status]

        client.run(be, "paused")
        going_on = threading.Timer(1.5, client.run, [be, "running"])
        going_on.start()
        model = Incremental(Traced()).fit(X)
        going_on.join()
    assert model.total_ == loop(Traced(), [(block,) for block in blocks]).total_


def test_a_client_that_is_closed_ends_the_fit_with_an_error(log):
    X, blocks = numbered(40)
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):

        def close():
            log.wait_for(10)
            client.close()

        closing = threading.Thread(target=close)
        closing.start()
        model = Incremental(Traced(log, seconds=0.05), prefetch=3)
        with pytest.raises(ConnectionError, match="The client must stay open"):
            model.fit(X)
        closing.join()
    n_learned = model.n_seen_ // 5
    assert 0 < n_learned < 40
    assert model.total_ == loop(Traced(), [(block,) for block in blocks[:n_learned]]).total_


def test_blocks_are_alone_after_losses_in_a_row_until_those_that_were_under_way_are_done():
    counted = losses.Losses()
    counted.add(5)
    assert counted.limit(4, 5) == 4
    counted.add(5)
    counted.add(3)  # from the last checkpoint
    assert [counted.limit(4, position) for position in (3, 5, 9, 10)] == [1, 1, 1, 4]
    counted.add(10)
    assert counted.limit(4, 10) == 4


@pytest.mark.parametrize("estimator", [StandardScaler(), SGDClassifier()])
def test_what_a_client_has_taken_with_it_is_named_as_lost(estimator, threads_as_workers):
    X, y = classification()
    address = threads_as_workers.cluster.scheduler_address
    with distributed.Client(address, set_as_default=False) as other, other.as_current():
        X, y = dask.persist(X, y)
        distributed.wait([X, y])
    kept = [str(future.key) for future in distributed.futures_of([X, y])]
    tasks = threads_as_workers.cluster.scheduler.tasks
    while any(key in kept for key in map(str, list(tasks))):
        time.sleep(0.01)
    with threads_as_workers.as_current():
        with pytest.raises(BlockError, match="Block 0 .* persisted by a client that has") as info:
            Incremental(estimator).fit(X, y)
    assert info.value.block == 0


#: What `cancelling` calls: functions that travel lose what they enclose, this stays here.
CALLED = []


def cancelling(value):
    for function in CALLED:
        function()
    return value


@pytest.fixture
def calls(threads_as_workers):
    """Whenever `cancelling` was called; the first time all that the client waits for is cancelled.

    So does the scheduler with what hangs on data that were lost with their worker.
    """
    found = []

    def cancel():
        found.append(1)
        if len(found) == 1:
            keys = list(threads_as_workers.futures)
            threads_as_workers.cancel([distributed.Future(k, threads_as_workers) for k in keys])

    CALLED.append(cancel)
    yield found
    CALLED.clear()


def test_labels_are_found_though_all_is_cancelled_meanwhile(threads_as_workers, calls):
    X, y = classification()
    blocks = in_blocks(X, y)
    lazy = [dask.delayed(part) for _, part in blocks]
    lazy[5] = dask.delayed(cancelling)(lazy[5])
    model = Incremental(SGDClassifier(random_state=0))
    with threads_as_workers.as_current():
        model.fit(X, lazy)
    assert len(calls) == 3  # the labels once more, and the pass that learns
    assert same_state(model.estimator_, loop(SGDClassifier(random_state=0), blocks, classes=[0, 1]))


class Cancelling(Traced):
    """Cancels before it learns the last block of nine."""

    def partial_fit(self, X, y=None):
        return super().partial_fit(cancelling(X) if 8.0 in X[:, 0] else X)


def test_the_last_rows_are_learned_though_all_is_cancelled_meanwhile(threads_as_workers, calls):
    X, _ = numbered(9)
    with dask.config.set(scheduler="synchronous"):
        expected = Incremental(Traced(), batch_size=40).fit(X)
    with threads_as_workers.as_current():
        model = Incremental(Cancelling(), batch_size=40).fit(X)
    assert len(calls) == 2
    assert model.total_ == expected.total_
    assert model.n_seen_ == 45


def test_values_that_are_lost_before_they_are_gathered_are_asked_for_again(threads_as_workers):
    X, _ = classification(n_blocks=3)
    with threads_as_workers.as_current(), open_engine([X]) as engine:
        feed = stream._Gathering(
            threads_as_workers, engine.plan(make_blocks(X)), lambda n: 3, 0, 3, Alone()
        )
        while feed.n_done < 3:
            feed.process()
        threads_as_workers.cancel(list(feed.futures.values()))
        with pytest.raises(losses.Lost):
            feed.gather(0)
        feed.close()


@pytest.mark.slow
def test_blocks_are_loaded_ahead_again_after_workers_were_lost_in_a_row(clean, log):
    X, blocks = numbered(18)
    begun = Log(f"{log.path}-begun")

    def load_with_the_next(block, begun, block_info=None):
        position = block_info[0]["chunk-location"][0]
        begun.add(position)
        if position == 14:
            wait_until(lambda: 15 in [line[0] for line in begun.lines()])
            begun.add(100)
        return block

    def die():
        if len(log.lines()) < 2:
            log.add(0)
            os.kill(os.getpid(), signal.SIGKILL)

    with no_failure_allowed(clean):
        X = X.map_blocks(load_with_the_next, begun, meta=np.empty((0, 3)))
        model = Incremental(Eventful(3.0, die), prefetch=2).fit(X)
    assert len(log.lines()) == 2
    assert model.total_ == loop(Traced(), [(block,) for block in blocks]).total_
    lines = [line[0] for line in begun.lines()]
    assert lines.index(15) < lines.index(100)  # the next one is begun before it ends


def test_the_cluster_is_clean_after_ctrl_c(clean, log):
    X, blocks = numbered(40)

    def press():
        log.wait_for(8)
        os.kill(os.getpid(), signal.SIGINT)

    pressing = threading.Thread(target=press)
    pressing.start()
    model = Incremental(Traced(log, seconds=0.2))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
        pressing.join()
    n_learned = model.n_seen_ // 5
    assert 0 < n_learned < 40
    assert model.total_ == loop(Traced(), [(block,) for block in blocks[:n_learned]]).total_


def test_nobody_is_blamed_before_it_was_alone():
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
        counted = losses.Losses()
        assert counted.add(0) is None
        assert counted.add(0) is None
        assert counted.limit(4, 0) == 1
        assert counted.add(0).position == 0


@pytest.mark.parametrize("task", ["checkpoint", "finish"])
def test_what_had_a_worker_in_common_with_a_deadly_block_is_not_blamed(
    task, threads_as_workers, log, monkeypatch
):
    X, _ = numbered(9)
    function = getattr(tasks, task)

    def blamed(learner):
        if not log.lines():
            log.add(0)
            raise distributed.KilledWorker(task, SimpleNamespace(address="tcp://gone"), 0)
        return function(learner)

    monkeypatch.setattr(tasks, task, blamed)
    model = Incremental(Traced(), batch_size=40)  # the last rows are learned when the pass ends
    with dask.config.set(scheduler="synchronous"):
        expected = clone(model).fit(X)
    with threads_as_workers.as_current():
        model.fit(X)
    assert len(log.lines()) == 1
    assert model.total_ == expected.total_


def test_a_block_that_has_killed_two_workers_is_learned_if_it_can_be(clean, log):
    X, blocks = numbered(8)

    def deadly(block, block_info=None):
        if block_info[0]["chunk-location"][0] == 5 and len(log.lines()) < 2:
            log.add(5)
            os.kill(os.getpid(), signal.SIGKILL)
        return block

    with (
        no_failure_allowed(clean),
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
    ):
        model = Incremental(Traced()).fit(X.map_blocks(deadly, meta=np.empty((0, 3))))
    assert model.total_ == loop(Traced(), [(block,) for block in blocks]).total_
    assert len(log.lines()) == 2


def test_an_error_says_what_ends_a_worker():
    killed = distributed.KilledWorker("load", SimpleNamespace(address="tcp://gone"), 3)
    error = losses.Failed(7, killed).as_block_error(2)
    assert error.block == 2
    assert error.__cause__ is killed
    for word in ("Block 2", "tcp://gone", "memory", "sys.exit()", "others that the worker had"):
        assert word in str(error)


@pytest.mark.slow
def test_a_function_that_ends_its_worker_is_given_up(clean):
    X, _ = numbered(4)

    def ending(block, block_info=None):
        if block_info[0]["chunk-location"][0] == 2:
            raise SystemExit("no such file")
        return block

    model = Incremental(Traced())
    with (
        no_failure_allowed(clean),
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        pytest.raises(BlockError, match=r"Block 2") as info,
    ):
        model.fit(X.map_blocks(ending, meta=np.empty((0, 3))))
    assert info.value.block == 2
    assert model.n_seen_ == 10


def test_resources_that_no_worker_has_are_named(threads_as_workers):
    X, _ = numbered(4)
    with threads_as_workers.as_current(), dask.annotate(resources={"GPU": 1}):
        # An error in tests, so that it ends the wait.
        with pytest.raises(UserWarning, match=r"No worker has the resources .*GPU=1"):
            Incremental(Traced()).fit(X)


def test_values_that_all_blocks_need_are_computed_though_all_is_cancelled_meanwhile(
    threads_as_workers, calls
):
    _, blocks = numbered(4)
    mean = dask.delayed(cancelling)(da.from_array(np.concatenate(blocks)).mean(0))
    lazy = [dask.delayed(np.subtract)(block, mean) for block in blocks]
    with threads_as_workers.as_current():
        model = Incremental(Traced()).fit(lazy)
    shift = np.concatenate(blocks).mean(0)
    assert model.total_ == loop(Traced(), [(block - shift,) for block in blocks]).total_
    assert len(calls) == 2


def test_a_client_that_is_closed_while_values_are_computed_is_named():
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
        open_engine([da.ones(1)]) as engine,
    ):
        client.close()
        with pytest.raises(ConnectionError, match="The client must stay open"):
            engine.get({"a": Task("a", int)}, ["a"])
