"""What is computed ahead is bounded in bytes, whatever the number of blocks."""

import os
import random
import sys
import threading
import time

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import StandardScaler

from incremental import Incremental
from incremental._engines.budget import Budget, make_budget, widest
from incremental._engines.execute import Stopped
from incremental._engines.local import memory
from incremental._engines.local.room import Room

N_COLUMNS = 10
ROW = N_COLUMNS * 8


class Loader:
    """Makes blocks of so many rows; counts the bytes that are loaded and not learned."""

    def __init__(self, lengths):
        self.lengths = lengths
        self.loaded = self.most = 0
        self.lock = threading.Lock()

    def __dask_tokenize__(self):
        return id(self)

    def load(self, i):
        block = np.full((self.lengths[i], N_COLUMNS), float(i))
        with self.lock:
            self.loaded += block.nbytes
            self.most = max(self.most, self.loaded)
        return block

    def frame(self, i):
        return pd.DataFrame(self.load(i), columns=list("abcdefghij"))

    def delayed(self):
        return [dask.delayed(self.load)(i) for i in range(len(self.lengths))]

    def array(self):
        return da.concatenate(
            [
                da.from_delayed(block, (n, N_COLUMNS), float)
                for n, block in zip(self.lengths, self.delayed(), strict=True)
            ]
        )

    def dataframe(self):
        meta = pd.DataFrame(np.empty((0, N_COLUMNS)), columns=list("abcdefghij"))
        return dd.from_map(self.frame, range(len(self.lengths)), meta=meta)


class Slow(StandardScaler):
    """Is slower than the loaders, so that these are as far ahead as they may."""

    loader = None

    def partial_fit(self, X, y=None, sample_weight=None):
        time.sleep(0.003)
        with self.loader.lock:
            self.loader.loaded -= len(X) * ROW
        return super().partial_fit(X)


def most_loaded(lengths, kind, **params):
    """Return the most bytes that were loaded and not learned, in blocks of a thousand rows."""
    Slow.loader = Loader(lengths)
    data = getattr(Slow.loader, kind)()
    with dask.config.set(scheduler="threads", num_workers=2):
        model = Incremental(Slow(), **params).fit(data)
    assert model.n_samples_seen_ == sum(lengths)
    return Slow.loader.most / ROW / 1_000


SIZES = {
    "one of them is ten times as large": [1_000] * 20 + [10_000] + [1_000] * 20,
    "they grow": [100 * 2 ** (i // 5) for i in range(40)],
    "all are alike": [2_000] * 20,
}


@pytest.mark.parametrize("kind", ["delayed", "array", "dataframe"])
@pytest.mark.parametrize("lengths", SIZES.values(), ids=list(SIZES))
@pytest.mark.parametrize("n_bytes", [3_500 * ROW, 100 * ROW])
def test_blocks_of_any_size_stay_within_the_budget_and_one_more(kind, lengths, n_bytes):
    most = most_loaded(lengths, kind, prefetch=f"{n_bytes} B")
    # The one that is learned is beside the budget; one that is larger than that may be ahead.
    learned = largest = max(lengths) / 1_000
    assert most <= max(n_bytes / ROW / 1_000, largest) + learned


def test_a_size_is_used_as_far_as_the_number_of_blocks_allows():
    assert most_loaded([1_000] * 30, "array", prefetch=f"{3_500 * ROW} B") > 2
    assert most_loaded([1_000] * 30, "array", prefetch="1 GB") == 4 + 1  # two more than workers


def test_the_default_takes_a_quarter_of_what_is_free(monkeypatch):
    monkeypatch.setattr("incremental._engines.local.schedulers.free_memory", lambda: 8_000 * ROW)
    assert most_loaded([1_000] * 30, "array") <= 2 + 1
    assert most_loaded([1_000] * 30, "array", prefetch=20) <= 2 + 1
    monkeypatch.setattr("incremental._engines.local.schedulers.free_memory", lambda: None)
    assert most_loaded([1_000] * 30, "array") == 4 + 1


def test_blocks_of_one_source_are_ahead_together_however_large_it_is():
    loader = Loader([1_000] * 6)
    Slow.loader = loader
    X = loader.array().rechunk((100, N_COLUMNS))
    assert Incremental(Slow(), prefetch="1 kB").fit(X).n_samples_seen_ == 6_000
    assert loader.most <= 2 * 1_000 * ROW


@pytest.mark.parametrize("prefetch", [None, 1, "1 kB", "1 GB"])
def test_a_size_changes_nothing_of_what_is_learned(prefetch):
    X = da.random.default_rng(0).random((200, 3), chunks=(20, -1))
    found = Incremental(StandardScaler(), prefetch=prefetch).fit(X - X.mean(0))
    expected = Incremental(StandardScaler(), prefetch=0).fit(X - X.mean(0))
    assert (found.mean_ == expected.mean_).all() and (found.var_ == expected.var_).all()


def global_state():
    kind, numbers, *rest = np.random.mtrand._rand.get_state()
    return [kind, numbers.tolist(), *rest, random.getstate()]


def test_nothing_is_drawn_from_the_global_generators_to_measure_blocks():
    values = np.array([1.0, 2.0] * 500, object)
    frames = [dask.delayed(pd.DataFrame)({"a": values}) for _ in range(5)]
    drawn = global_state()
    Incremental(StandardScaler()).fit(frames)
    assert global_state() == drawn


def test_a_number_of_blocks_may_be_one_of_numpy(source):
    prefetch = np.arange(4)[3]
    model = Incremental(StandardScaler(), prefetch=prefetch).fit(source.X)
    assert np.array_equal(model.mean_, Incremental(StandardScaler()).fit(source.X).mean_)


# How much there is


def test_of_several_budgets_the_widest_is_enough_for_each():
    few, large = make_budget(9, 2, lambda: 400), make_budget("1 kB", 2, lambda: None)
    assert widest([few, large]) == Budget(9, 1_000, 1_000)


def test_nobody_is_asked_what_is_free_where_nothing_is_ahead():
    def free():
        raise AssertionError

    assert make_budget(0, 2, free).n_blocks == 0


def test_the_window_that_is_taken_next_never_waits():
    room = Room(Budget(4, 100, 100))
    room.expect(0, 1_000)
    room.expect(1, 1_000)
    room.enter(0)
    room.fill(0, 1_000)
    assert not room.fits(1)
    room.take(0)
    room.enter(1)


def test_a_window_may_be_as_large_as_the_largest_of_those_seen_last():
    room = Room(Budget(4, 100, 100))
    for number, size in enumerate([90, 10, 10, 10]):
        room.expect(number)
        room.enter(number)
        room.fill(number, size)
        room.take(number)
        room.leave(number)
    room.expect(4)
    room.enter(4)
    room.fill(4, 20)
    room.expect(5)
    assert room.fits(5)  # 90 is forgotten
    room.enter(5)
    room.expect(6, known=70)
    assert not room.fits(6)


def test_windows_enter_in_their_order():
    room = Room(Budget(4, 100, 100))
    for number in range(3):
        room.expect(number, 10)
    room.enter(0)
    assert not room.fits(2)
    room.enter(1)
    assert room.fits(2)


def test_who_waits_for_room_ends_when_the_consumer_goes():
    room, ended = Room(Budget(4, 100, 100)), threading.Event()

    def wait():
        with pytest.raises(Stopped):
            room.enter(1)
        ended.set()

    room.expect(0, 100)
    room.expect(1, 1)
    room.enter(0)
    thread = threading.Thread(target=wait)
    thread.start()
    room.close()
    thread.join(10)
    assert ended.is_set()


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Return what writes the files that Linux tells by."""
    monkeypatch.setattr(memory, "PROC", tmp_path / "proc")
    monkeypatch.setattr(memory, "CGROUPS", tmp_path / "groups")

    def write(**files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return write


MEMINFO = {"proc/meminfo": "MemTotal: 9 kB\nMemAvailable: 8 kB\nHugePages_Free: 0\n"}


def test_linux_tells_what_is_available(machine):
    machine(**MEMINFO)
    assert memory.free_memory() == 8 * 1024


@pytest.mark.parametrize("path", ["/", "/user/job", "/elsewhere"])
def test_a_control_group_limits_what_is_free(machine, path):
    stat = "anon 1\nactive_file 200\ninactive_file 100\n"
    machine(
        **MEMINFO,
        **{"proc/self/cgroup": f"0::{path}\n"},
        **{"groups/user/memory.max": "max\n", "groups/user/memory.current": "9\n"},
        **{"groups/memory.max": "5000\n", "groups/memory.current": "1300\n"},
        **{"groups/memory.stat": stat},
    )
    assert memory.free_memory() == 5_000 - 1_300 + 300


def test_a_control_group_of_the_first_version_limits_it_too(machine):
    machine(
        **MEMINFO,
        **{"proc/self/cgroup": "9:cpu:/\n4:memory:/job\n0::/\n"},
        **{"groups/memory/memory.limit_in_bytes": f"{2**63 - 4096}\n"},
        **{"groups/memory/job/memory.limit_in_bytes": "3000\n"},
        **{"groups/memory/job/memory.usage_in_bytes": "1000\n"},
        **{"groups/memory/job/memory.stat": "total_inactive_file 10\ntotal_active_file 5\n"},
    )
    assert memory.free_memory() == 3_000 - 1_000 + 15


def test_elsewhere_psutil_tells_or_the_system_or_nobody(machine, monkeypatch):
    class Psutil:
        @staticmethod
        def virtual_memory():
            return type("Memory", (), {"available": 77})

    monkeypatch.setitem(sys.modules, "psutil", Psutil)
    assert memory.free_memory() == 77
    monkeypatch.setitem(sys.modules, "psutil", None)  # not installed
    sizes = {"SC_PHYS_PAGES": 10, "SC_PAGE_SIZE": 5}
    monkeypatch.setattr(os, "sysconf_names", sizes, raising=False)
    monkeypatch.setattr(os, "sysconf", sizes.get, raising=False)
    assert memory.free_memory() == 50
    monkeypatch.delattr(os, "sysconf_names")
    assert memory.free_memory() is None
