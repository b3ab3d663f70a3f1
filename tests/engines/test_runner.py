"""Blocks are computed where dask is told to, and whoever watches is told."""

import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import dask
import dask.array as da
import numpy as np
import pytest
from dask.callbacks import Callback
from dask.task_spec import Task
from sklearn.preprocessing import StandardScaler

from incremental import BlockError, Incremental
from incremental._engines.execute import Stopped, execute
from incremental._engines.local import schedulers
from incremental._engines.local.diagnostics import Watch
from incremental._engines.open import open_engine
from tests.conftest import in_blocks, loop, same_state


@pytest.mark.parametrize("kind", ["Pool", "ProcessPoolExecutor"])
def test_configured_processes_are_used_and_left_alone(kind):
    X = da.random.default_rng(0).random((40, 3), chunks=(20, 3))
    context = multiprocessing.get_context("forkserver")
    make = context.Pool if kind == "Pool" else ProcessPoolExecutor
    options = {} if kind == "Pool" else {"mp_context": context}
    with make(1, **options) as pool:
        with dask.config.set(scheduler="processes", pool=pool):
            model = Incremental(StandardScaler()).fit(X)
        assert (pool.apply(int) if kind == "Pool" else pool.submit(int).result()) == 0
    assert same_state(model.estimator_, loop(StandardScaler(), in_blocks(X)))


def test_a_cluster_without_a_client_is_refused_as_dask_does(source):
    with dask.config.set(scheduler="distributed"):
        with pytest.raises(RuntimeError, match="no Client active"):
            Incremental(StandardScaler()).fit(source.X)


def test_nothing_more_is_computed_when_the_consumer_has_gone():
    stop, computed = threading.Event(), []
    tasks = {
        "first": Task("first", stop.set),
        "second": Task("second", computed.append, "second"),
    }
    with pytest.raises(Stopped):
        execute(tasks, {}, {"second"}, stop=stop)
    assert not computed


@pytest.mark.parametrize("name", ["start", "start_state", "pretask", "posttask", "finish"])
@pytest.mark.parametrize("scheduler", ["synchronous", "threads", dask.get])
def test_a_diagnostic_may_watch_one_thing_only(name, scheduler, source):
    seen = []
    with dask.config.set(scheduler=scheduler):
        with Callback(**{name: lambda *args: seen.append(args)}):
            Incremental(StandardScaler()).fit(source.X)
    if name in ("pretask", "posttask"):
        assert len({key for key, *_ in seen}) == len(seen) >= 10
    else:
        (args,) = seen
        assert len(args[0]) >= 10  # the graph
    if name == "finish":
        assert args[-1] is False


@pytest.mark.parametrize("prefetch", [0, 2])
def test_the_error_of_what_blocks_share_names_the_first_of_them(prefetch):
    def shared():
        raise OSError("disk is gone")

    halo = dask.delayed(shared)()
    blocks = [dask.delayed(np.ones)((2, 2)) + (halo if i in (2, 3) else 0) for i in range(5)]
    model = Incremental(StandardScaler(), prefetch=prefetch)
    with pytest.raises(BlockError, match="disk is gone") as info:
        model.fit(blocks)
    assert info.value.block == 2
    assert model.n_samples_seen_ == 4


def test_a_block_that_comes_twice_is_learned_twice():
    block = dask.delayed(np.arange)(4).reshape(2, 2)
    model = Incremental(StandardScaler()).fit([block, block])
    assert model.n_samples_seen_ == 4


def test_callbacks_come_back_whichever_of_two_streams_has_them():
    with Callback() as watching:
        active = set(Callback.active)
        first, second = Watch({}), Watch({})
        first.finish(False)
        second.finish(False)
        assert Callback.active == active == {watching._callback}


def test_data_in_memory_need_no_scheduler_of_dask():
    calls = []
    with dask.config.set(scheduler=lambda *args, **kwargs: calls.append(args)):
        model = Incremental(StandardScaler(), shuffle=True).fit(np.arange(6.0).reshape(3, 2))
    assert model.n_samples_seen_ == 3
    assert not calls


def test_an_interrupt_while_threads_start_leaves_none(monkeypatch, source):
    class Interrupted(ThreadPoolExecutor):
        def submit(self, *args):
            if self._threads:
                raise KeyboardInterrupt
            return super().submit(*args)

    monkeypatch.setattr(schedulers, "ThreadPoolExecutor", Interrupted)
    before = threading.active_count()
    with dask.config.set(scheduler="threads", num_workers=3), pytest.raises(KeyboardInterrupt):
        with open_engine([source.X]):
            pytest.fail("was not interrupted")
    assert threading.active_count() == before
