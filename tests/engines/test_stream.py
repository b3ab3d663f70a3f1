"""Blocks are computed ahead, within bounds, and nothing is left behind."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import dask
import dask.array as da
import numpy as np
import pytest
from dask.diagnostics import Profiler, ProgressBar
from sklearn.preprocessing import StandardScaler

from incremental import BlockError, Incremental
from incremental._data.blocks import make_blocks
from incremental._planning.plan import Plan
from tests.conftest import Source, in_blocks, loop, same_state


class Slow(StandardScaler):
    """Waits for the loaders to be as far ahead as they may, then looks how far that is."""

    source = None
    ahead: list = []

    def partial_fit(self, X, y=None, sample_weight=None):
        time.sleep(0.02)
        self.n_learned_ = getattr(self, "n_learned_", 0) + 1
        self.ahead.append(sum(self.source.reads.values()) - self.n_learned_)
        return super().partial_fit(X)


@pytest.mark.parametrize("prefetch", [1, 2, 5])
def test_no_more_than_prefetch_blocks_are_ahead(prefetch):
    Slow.source, Slow.ahead = Source(30), []
    Incremental(Slow(), prefetch=prefetch).fit(Slow.source.X)
    assert max(Slow.ahead) == prefetch


def test_two_more_blocks_than_there_are_workers_are_ahead_by_default():
    Slow.source, Slow.ahead = Source(30), []
    with dask.config.set(scheduler="threads", num_workers=3):
        Incremental(Slow()).fit(Slow.source.X)
    assert max(Slow.ahead) == 5


@pytest.mark.parametrize(
    ("n_sources", "size"),  # blocks of each source
    [(1, 2), (1, 5), (2, 1), (2, 2), (2, 5), (7, 1), (7, 2), (7, 5)],
)
@pytest.mark.parametrize("fraction", [0.01, 0.3, 0.5, 0.99])
def test_blocks_are_held_out_whole_source_by_source(n_sources, size, fraction):
    n_blocks = n_sources * size
    planned = Plan(make_blocks(Source(n_sources).X.rechunk((20 // size, 3))))
    wanted = min(max(round(fraction * n_blocks), 1), n_blocks - 1)
    draws = set()
    for seed in range(20):
        kept, drawn = planned.held_out(fraction, np.random.default_rng(seed))
        assert sorted(kept + drawn) == list(range(n_blocks))
        assert kept == sorted(kept) and drawn == sorted(drawn)
        # Some of a source only where no whole one is as few.
        assert len(drawn) == (wanted // size * size or wanted)
        if wanted >= size:
            assert {i // size for i in kept}.isdisjoint(i // size for i in drawn)
        draws.add(tuple(drawn))
    assert len(draws) > 1


def test_blocks_are_computed_in_the_foreground_when_asked(source):
    Incremental(StandardScaler(), prefetch=0).fit(source.X)
    assert source.threads == {threading.current_thread()}


def test_the_synchronous_scheduler_stays_in_one_thread(source):
    with dask.config.set(scheduler="synchronous"):
        Incremental(StandardScaler(), prefetch=5).fit(source.X - source.X.mean(0))
    assert source.threads == {threading.current_thread()}


def test_no_thread_outlives_fit():
    before = set(threading.enumerate())
    source = Source()
    Incremental(StandardScaler()).fit(source.X)
    with pytest.raises(BlockError):
        Incremental(StandardScaler()).fit(Source(fail_at=3).X)
    assert set(threading.enumerate()) <= before


def test_an_error_ends_the_work_in_the_background():
    source = Source(50, fail_at=3)
    with pytest.raises(BlockError):
        Incremental(StandardScaler(), prefetch=2).fit(source.X)
    assert max(source.reads) <= 6


class Interrupting(StandardScaler):
    def partial_fit(self, X, y=None, sample_weight=None):
        super().partial_fit(X)
        if self.n_samples_seen_ == 60:
            raise KeyboardInterrupt
        return self


def test_an_interrupt_leaves_no_thread():
    before = set(threading.enumerate())
    source = Source(50)
    with pytest.raises(KeyboardInterrupt):
        Incremental(Interrupting(), prefetch=2).fit(source.X)
    assert set(threading.enumerate()) <= before
    assert max(source.reads) <= 6


def test_ctrl_c_waits_for_the_end_of_the_block(source):
    import signal

    class Pressed(StandardScaler):
        def partial_fit(self, X, y=None, sample_weight=None):
            if getattr(self, "n_samples_seen_", 0) == 40:
                signal.raise_signal(signal.SIGINT)
            return super().partial_fit(X)

    model = Incremental(Pressed())
    with pytest.raises(KeyboardInterrupt):
        model.fit(source.X)
    assert model.n_samples_seen_ == 60
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_configured_pool_is_used_and_left_alone(source):
    with ThreadPoolExecutor(2, thread_name_prefix="mine") as pool:
        with dask.config.set(pool=pool):
            Incremental(StandardScaler()).fit(source.X)
        assert {thread.name.split("_")[0] for thread in source.threads} == {"mine"}
        assert pool.submit(int).result() == 0


def test_any_scheduler_function_is_used(source):
    calls = []

    def get(graph, keys, **kwargs):
        calls.append(keys)
        return dask.get(graph, keys, **kwargs)

    with dask.config.set(scheduler=get):
        model = Incremental(StandardScaler()).fit(source.X)
    assert len(calls) == 10
    assert same_state(model.estimator_, loop(StandardScaler(), in_blocks(source.X)))


@pytest.mark.parametrize("name", ["threads", "synchronous", "processes", dask.get])
def test_local_diagnostics_see_the_tasks(name, source, capsys):
    with dask.config.set(scheduler=name), Profiler() as profiler, ProgressBar():
        Incremental(StandardScaler()).fit(source.X)
    assert len(profiler.results) >= 10
    assert "100% Completed" in capsys.readouterr().out


def test_a_value_that_all_blocks_need_and_that_fails_is_named():
    source = Source(fail_at=3)
    model = Incremental(StandardScaler())
    with pytest.raises(BlockError, match=r"all blocks need \(mean.*\).*: OSError: disk 3") as info:
        model.fit(source.X - source.X.mean(0))
    assert info.value.block == 0
    assert isinstance(info.value.__cause__, OSError)
    assert not hasattr(model, "estimator_")


def test_an_error_in_what_two_windows_share_is_told_as_it_is():
    @dask.delayed
    def fail(x):
        raise OSError("disk is gone")

    load, add = dask.delayed(np.ones), dask.delayed(np.add)
    first, second, third = (load((2, n)) for n in (1, 2, 3))
    failing = fail(first)
    blocks = [add(first, failing), add(second, 1), add(third, failing)]
    with pytest.raises(BlockError, match="Block 0 could not be computed: OSError: disk is gone"):
        Incremental(StandardScaler()).fit(blocks)


class Uneven:
    """Blocks that are loaded in no time, but for some; says which thread loads which."""

    def __init__(self, n_blocks, slow=(), interrupt_at=None):
        self.threads = {}
        self.slow, self.interrupt_at = set(slow), interrupt_at
        self.blocks = [dask.delayed(self.load)(i) for i in range(n_blocks)]

    def load(self, i):
        self.threads[i] = threading.current_thread()
        if i == self.interrupt_at:
            raise KeyboardInterrupt
        if i in self.slow:
            time.sleep(0.02)
        return [[float(i)]]

    def here(self, which):
        return sum(self.threads[i] is threading.current_thread() for i in which)


class Last(StandardScaler):
    """Learns next to nothing, so that thousands of blocks take no time."""

    def partial_fit(self, X, y=None, sample_weight=None):
        self.seen_ = [*getattr(self, "seen_", []), X[0][0]]
        return self


def test_blocks_cheaper_than_a_hand_over_are_loaded_in_the_foreground():
    source = Uneven(3_000)
    model = Incremental(Last()).fit(source.blocks)
    assert model.seen_ == list(range(3_000))
    assert source.here(range(64)) == 0
    assert source.here(range(3_000)) > 0


@pytest.mark.parametrize("step", [1, 3])
def test_a_load_that_turns_slow_is_overlapped_from_the_second_on(step):
    slow = range(1_000, 1_030, step)
    source = Uneven(1_030, slow)
    model = Incremental(Last()).fit(source.blocks)
    assert model.seen_ == list(range(1_030))
    assert source.here(slow) <= 1


def test_a_configured_pool_computes_the_cheap_blocks_too():
    source = Uneven(500)
    with ThreadPoolExecutor(2) as pool, dask.config.set(pool=pool):
        Incremental(Last()).fit(source.blocks)
    assert source.here(range(500)) == 0


def test_an_interrupt_in_a_cheap_load_leaves_what_was_learned():
    before = set(threading.enumerate())
    source = Uneven(2_000, interrupt_at=1_500)
    model = Incremental(Last())
    with pytest.raises(KeyboardInterrupt):
        model.fit(source.blocks)
    assert model.seen_ == list(range(1_500))
    assert set(threading.enumerate()) <= before


def test_diagnostics_see_cheap_blocks():
    with Profiler() as profiler:
        Incremental(Last()).fit(Uneven(500).blocks)
    assert len(profiler.results) >= 500


class Tracked(np.ndarray):
    """An array whose blocks in memory are counted."""

    alive = 0
    most = 0
    lock = threading.Lock()

    @classmethod
    def make(cls, i):
        block = np.full((10, 2), float(i)).view(cls)
        with cls.lock:
            cls.alive += 1
            cls.most = max(cls.most, cls.alive)
        block.counted = True
        return block

    def __array_finalize__(self, other):
        self.counted = False

    def __del__(self):
        if getattr(self, "counted", False):
            with self.lock:
                Tracked.alive -= 1


@pytest.mark.parametrize("n_blocks", [40, 1_000])
def test_blocks_are_let_go_as_soon_as_they_are_learned(n_blocks):
    Tracked.alive = Tracked.most = 0
    blocks = [dask.delayed(Tracked.make)(i) for i in range(n_blocks)]
    Incremental(StandardScaler(), prefetch=4).fit(blocks)
    assert Tracked.most <= 4 + 1
    assert Tracked.alive == 0


@pytest.mark.parametrize("n_blocks", [3_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_thousands_of_small_blocks_are_learned(n_blocks):
    X = da.from_array(np.arange(2.0 * n_blocks).reshape(-1, 2), chunks=(1, 2))
    model = Incremental(StandardScaler()).fit(X)
    assert model.n_samples_seen_ == n_blocks
