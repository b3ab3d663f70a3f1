"""On a cluster of three real processes, the model is that of the loop, whatever dies."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import time
from collections import Counter
from contextlib import contextmanager

import dask
import dask.array as da
import joblib
import numpy as np
import pytest
from dask.delayed import Delayed
from dask.task_spec import Task
from sklearn import config_context, get_config
from sklearn.base import BaseEstimator, clone
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import IncrementalPCA
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from incremental import BlockError, Incremental
from incremental._data.blocks import make_blocks
from incremental._engines.open import open_engine
from tests.conftest import in_blocks, loop, same_state

distributed = pytest.importorskip("distributed")

from distributed.diagnostics.plugin import SchedulerPlugin  # noqa: E402  (needs distributed)

from benchmarks._clusters import most_live  # noqa: E402  (needs distributed)
from incremental._engines.cluster import losses, stream  # noqa: E402  (needs distributed)


def start_cluster(**options):
    return distributed.LocalCluster(
        n_workers=3, threads_per_worker=1, processes=True, dashboard_address=":0", **options
    )


@pytest.fixture(scope="module")
def client():
    with start_cluster() as cluster, distributed.Client(cluster) as client:
        yield client


@pytest.fixture
def clean(client):
    """The client of three workers; what a test has put on the cluster is gone when it ends."""
    deadline = time.monotonic() + 60
    while len(client.nthreads()) < 3:
        # One that is killed while it starts is given up, unless the cluster is told again.
        assert time.monotonic() < deadline, client.nthreads()
        client.cluster.scale(3)
        time.sleep(0.5)
    yield client
    deadline = time.monotonic() + 20
    while left := client.run_on_scheduler(
        lambda dask_scheduler: list(map(str, dask_scheduler.tasks))
    ):
        assert time.monotonic() < deadline, left
        gc.collect()  # what refers to itself may hold persisted data
        time.sleep(0.1)


class Log:
    """A file that processes write lines to, whoever of them dies."""

    def __init__(self, path):
        self.path = str(path)

    def add(self, line):
        with open(self.path, "a") as file:
            file.write(f"{line} {os.getpid()}\n")

    def lines(self):
        try:
            with open(self.path) as file:
                return [tuple(map(float, line.split())) for line in file]
        except FileNotFoundError:
            return []

    def wait_for(self, n):
        while len(lines := self.lines()) < n:
            time.sleep(0.005)
        return lines


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path / "log")


class Traced(BaseEstimator):
    """Depends on the order of blocks; logs each block that it learns, and where."""

    def __init__(self, log=None, seconds=0.0, fail_once_at=None):
        self.log = log
        self.seconds = seconds
        self.fail_once_at = fail_once_at

    def partial_fit(self, X, y=None):
        first = float(X[0, 0])
        self.total_ = 0.9 * getattr(self, "total_", 0.0) + X.sum()
        if self.log is not None:
            again = first in [line[0] for line in self.log.lines()]
            self.log.add(first)
            if first == self.fail_once_at and not again:
                raise OSError("half-way through updating the model")
        self.n_seen_ = getattr(self, "n_seen_", 0) + len(X)
        time.sleep(self.seconds)
        return self

    def predict(self, X):
        return np.full(len(X), self.total_)


def numbered(n_blocks, n_rows=5):
    """Return blocks whose first value is their number, and their values."""
    X = np.random.default_rng(0).random((n_blocks * n_rows, 3))
    X[::n_rows, 0] = np.arange(n_blocks)
    blocks = [X[i * n_rows : (i + 1) * n_rows] for i in range(n_blocks)]
    lazy = [
        da.from_delayed(dask.delayed(load)(i, block), block.shape, float)
        for i, block in enumerate(blocks)
    ]
    return da.concatenate(lazy), blocks


def load(i, values):
    return values


def classification(n_blocks=12, n_rows=20):
    X = da.random.default_rng(0).random((n_blocks * n_rows, 4), chunks=(n_rows, 4))
    return X, (X[:, 0] > X[:, 1]).astype(int)


def test_the_model_is_that_of_the_loop(clean):
    X, y = classification()
    expected = loop(SGDClassifier(random_state=0), in_blocks(X, y), classes=[0, 1])
    model = Incremental(SGDClassifier(random_state=0)).fit(X, y)
    assert same_state(model.estimator_, expected)
    assert model.n_iter_ == 1
    np.testing.assert_array_equal(model.predict(X).compute(), expected.predict(X.compute()))
    assert model.score(X, y) == expected.score(X.compute(), y.compute())


def test_persisted_data_are_learned_from_where_they_lie(clean):
    X, y = classification()
    X, y = (X - X.mean(0)).persist(), y.persist()
    distributed.wait([X, y])
    model = Incremental(SGDClassifier(random_state=0)).fit(X, y)
    expected = loop(SGDClassifier(random_state=0), in_blocks(X, y), classes=[0, 1])
    assert same_state(model.estimator_, expected)
    del X, y


@pytest.mark.parametrize(
    "change",
    [
        lambda X: da.overlap.overlap(X, depth={0: 2}, boundary="reflect"),
        lambda X: X.rechunk((60, 2)),
        lambda X: (X - X.mean(0)) / X.std(0),
        lambda X: X.rechunk((7, 4)),
    ],
    ids=["halo", "rechunked columns", "lazy scaler", "odd chunks"],
)
def test_shared_values_are_those_of_the_loop(clean, change):
    X = change(da.random.default_rng(0).random((240, 4), chunks=(20, 4)))
    y = X[:, 0] + X[:, 1]
    model = Incremental(SGDRegressor(random_state=0)).fit(X, y)
    X = X.rechunk({1: -1})
    assert same_state(model.estimator_, loop(SGDRegressor(random_state=0), in_blocks(X, y)))


def test_in_memory_y_weights_and_batches_are_those_of_the_loop(clean):
    X, y = classification()
    y = y.compute()
    weight = np.random.default_rng(1).random(len(y))
    model = Incremental(SGDClassifier(random_state=0), batch_size=8, max_iter=2)
    model.fit(X, y, sample_weight=weight)
    with dask.config.set(scheduler="synchronous"):
        expected = Incremental(SGDClassifier(random_state=0), batch_size=8, max_iter=2)
        expected.fit(X, y, sample_weight=weight)
    assert same_state(model.estimator_, expected.estimator_)
    assert model.n_iter_ == 2


@pytest.mark.parametrize("batch_size", [None, 150])
def test_passes_in_another_order_are_those_of_one_process(clean, batch_size):
    X, y = classification()
    options = {"max_iter": 3, "shuffle": True, "random_state": 0, "batch_size": batch_size}
    model = Incremental(SGDClassifier(), **options).fit(X, y).partial_fit(X, y)
    with dask.config.set(scheduler="synchronous"):
        expected = Incremental(SGDClassifier(), **options).fit(X, y).partial_fit(X, y)
    assert same_state(model.estimator_, expected.estimator_)
    assert model.n_iter_ == expected.n_iter_ == 4


def test_frames_and_bags_are_learned(clean):
    dd = pytest.importorskip("dask.dataframe")
    import pandas as pd
    from dask.bag import from_sequence
    from sklearn.feature_extraction.text import HashingVectorizer

    frame = pd.DataFrame(np.random.default_rng(0).random((60, 3)), columns=list("abc"))
    lazy = dd.from_pandas(frame, npartitions=6)
    model = Incremental(StandardScaler()).fit(lazy[["a", "b"]] + 1)
    parts = [(lazy.partitions[i][["a", "b"]] + 1).compute() for i in range(6)]
    expected = loop(StandardScaler(), [(part,) for part in parts])
    assert same_state(model.estimator_, expected)
    lengths = from_sequence(range(12), npartitions=3).map(lambda i: [float(i), 1.0])
    model = Incremental(MiniBatchKMeans(2, random_state=0)).fit(lengths)
    expected = loop(
        MiniBatchKMeans(2, random_state=0),
        [([[float(i), 1.0] for i in range(s, s + 4)],) for s in (0, 4, 8)],
    )
    assert same_state(model.estimator_, expected)
    assert make_pipeline(HashingVectorizer(n_features=8)) is not None


def test_no_block_changes_for_others(clean):
    X = da.random.default_rng(0).random((60, 4), chunks=(20, 4)).persist()
    before = X.compute()
    Incremental(IncrementalPCA(2, copy=False)).fit(X)
    np.testing.assert_array_equal(X.compute(), before)
    del X


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


def test_y_alone_is_read_for_the_classes_however_many_blocks(clean):
    X, y = classification(n_blocks=100, n_rows=2)
    model = Incremental(SGDClassifier(random_state=0)).fit(X, y)
    assert model.classes_.tolist() == [0, 1]


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


def test_the_model_is_sent_once_to_each_worker(clean, log):
    X, _ = numbered(30)
    model = Incremental(Counted(log)).fit(X)
    lazy = model.predict(X)  # copies the model in this process
    n_before = len(log.lines())
    lazy.compute()
    arrivals = [pid for _, pid in log.lines()[n_before:] if pid != os.getpid()]
    assert len(arrivals) == len(set(arrivals)) <= 3


class Counted(Traced):
    """Logs each time that it arrives in a process."""

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.log.add(0)

    def partial_fit(self, X, y=None):
        self.total_ = 0.0
        return self


def test_memory_holds_two_windows_however_many_blocks(clean):
    n_rows, prefetch = 2_000, 3
    size = n_rows * 3 * 8

    def held(n_blocks):
        X, _ = numbered(n_blocks, n_rows)
        model = Incremental(Traced(seconds=0.02), prefetch=prefetch)
        return most_live(clean, size // 2, lambda: model.fit(X)) / size

    assert 2 <= held(20) <= 2 * prefetch
    assert 2 <= held(60) <= 2 * prefetch


def test_large_data_in_memory_are_learned(clean):
    X = np.random.default_rng(0).random((60_000, 10))  # blocks of 1.6 MB, that go by themselves
    lazy, y = da.from_array(X, chunks=(20_000, 10)), X[:, 0].copy()
    model = Incremental(SGDRegressor(random_state=0)).fit(lazy, y)
    expected = loop(SGDRegressor(random_state=0), in_blocks(lazy, da.from_array(y, chunks=20_000)))
    assert same_state(model.estimator_, expected)


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


def test_a_fit_of_data_in_memory_stays_in_this_process(clean, log):
    X = np.ones((4, 3))
    Incremental(Traced(log)).fit(X)
    assert [pid for _, pid in log.lines()] == [os.getpid()]


def test_no_block_passes_through_the_client(clean):
    X, _ = classification(n_blocks=20, n_rows=20_000)
    received = traffic()
    model = Incremental(StandardScaler()).fit(X)
    assert model.n_samples_seen_ == 400_000
    assert traffic() - received < 0.01 * X.nbytes


def traffic():
    """Return the bytes that this process has read from its sockets and files."""
    with open("/proc/self/io") as file:
        return int(file.readline().split()[1])


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


@contextmanager
def no_failure_allowed(client):
    """Give a task up that has killed its worker once."""

    def allow(n, dask_scheduler):
        before, dask_scheduler.allowed_failures = dask_scheduler.allowed_failures, n
        return before

    before = client.run_on_scheduler(allow, 0)
    try:
        yield
    finally:
        client.run_on_scheduler(allow, before)


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


class Steps(SchedulerPlugin):
    """Counts the tasks that learn."""

    n_done = 0

    def transition(self, key, start, finish, *args, **kwargs):
        self.n_done += finish == "memory" and str(key).find("partial_fit") >= 0


def n_steps(client, function):
    """Return how many tasks have learned meanwhile."""
    client.register_plugin(Steps(), name="steps")
    try:
        function()
        return client.run_on_scheduler(
            lambda dask_scheduler: dask_scheduler.plugins["steps"].n_done
        )
    finally:
        client.unregister_scheduler_plugin("steps")


def _n_done(dask_scheduler):
    return dask_scheduler.plugins["steps"].n_done


class Eventful(Traced):
    """Something happens at one block, once for each process if `marker` is a new file."""

    def __init__(self, at=None, event=None, marker=None):
        super().__init__()
        self.at = at
        self.event = event
        self.marker = marker

    def partial_fit(self, X, y=None):
        if X[0, 0] == self.at and not (self.marker and os.path.exists(self.marker)):
            if self.marker:
                open(self.marker, "w").close()
            self.event()
        return super().partial_fit(X)


@pytest.mark.parametrize("options", [{}, {"batch_size": 12}, {"shuffle": True}])
def test_blocks_that_cost_nothing_share_their_tasks(clean, options):
    X, _ = numbered(250)
    X = X - X.max() / 2  # a value that all blocks need
    model = Incremental(SGDRegressor(random_state=0), random_state=0, **options)
    assert n_steps(clean, lambda: model.fit(X, X[:, 1])) < 250
    with dask.config.set(scheduler="synchronous"):
        expected = Incremental(SGDRegressor(random_state=0), random_state=0, **options)
        expected.fit(X, X[:, 1])
    assert same_state(model.estimator_, expected.estimator_)


def test_a_block_that_fails_among_many_is_named(clean):
    def fail():
        raise OSError("bad value")

    X, blocks = numbered(250)
    model = Incremental(Eventful(222.0, fail))
    with pytest.raises(BlockError, match="Block 222 .* could not be learned by Eventful") as info:
        model.fit(X)
    assert info.value.block == 222
    assert model.n_seen_ == 222 * 5
    assert model.total_ == loop(Traced(), [(block,) for block in blocks[:222]]).total_


def test_a_worker_that_dies_with_many_blocks_loses_none(clean, tmp_path):
    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    X, blocks = numbered(250)
    model = Incremental(Eventful(222.0, die, str(tmp_path / "marker"))).fit(X)
    assert model.total_ == loop(Traced(), [(block,) for block in blocks]).total_
    assert model.n_seen_ == 1_250


def test_blocks_that_turn_slow_are_learned_one_by_one(clean):
    X, blocks = numbered(250)
    model = Incremental(SlowFrom(222.0))
    assert n_steps(clean, lambda: model.fit(X)) > 28
    assert model.total_ == loop(Traced(), [(block,) for block in blocks]).total_


class SlowFrom(Traced):
    def __init__(self, at):
        super().__init__()
        self.at = at

    def partial_fit(self, X, y=None):
        self.seconds = 0.05 if X[0, 0] >= self.at else 0.0
        return super().partial_fit(X)


def test_ctrl_c_among_many_blocks_leaves_the_model_after_one_of_them(clean, tmp_path):
    marker = str(tmp_path / "marker")

    def press():
        while not os.path.exists(marker):
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    X, blocks = numbered(3_000)
    pressing = threading.Thread(target=press)
    pressing.start()
    model = Incremental(Eventful(200.0, int, marker))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
        pressing.join()
    n_learned = model.n_seen_ // 5
    assert 0 < n_learned < 3_000
    assert model.total_ == loop(Traced(), [(block,) for block in blocks[:n_learned]]).total_


def test_a_worker_may_retire_while_it_learns(log):
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


def test_a_secured_cluster_works_unchanged():
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


@pytest.fixture(scope="module")
def threads_as_workers():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


def test_keys_of_another_type_are_blocks_of_their_own(threads_as_workers):
    blocks = [np.full((2, 3), float(i)) for i in range(5)]
    keys = [1, "1", ("a", 0), (1, 0), ("1", 0)]
    tasks = [Task(key, load, i, blocks[i]) for i, key in enumerate(keys)]
    graph = dict(zip(keys, tasks, strict=True))
    with dask.config.set(scheduler=threads_as_workers):
        model = Incremental(Traced()).fit([Delayed(key, graph) for key in keys])
    assert model.total_ == loop(Traced(), [(block,) for block in blocks]).total_


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


@pytest.mark.parametrize(
    "options",
    [{}, {"batch_size": 30}, {"shuffle": True, "max_iter": 2, "batch_size": 7}, {"prefetch": 0}],
)
def test_workers_may_be_threads_of_this_process(options, threads_as_workers):
    X, y = classification(n_blocks=12)
    model = Incremental(SGDClassifier(random_state=0), random_state=0, **options)
    with dask.config.set(scheduler="synchronous"):
        expected = clone(model).fit(X, y)
    with threads_as_workers.as_current():
        assert same_state(model.fit(X, y).estimator_, expected.estimator_)
        assert model.score(X, y) == expected.score(X, y)


def test_tiny_blocks_on_threads_of_this_process_share_their_tasks(threads_as_workers):
    X = da.from_array(np.arange(800.0).reshape(400, 2), chunks=(1, 2))
    y = da.from_array(np.arange(400) % 2, chunks=1)
    model = Incremental(SGDClassifier(random_state=0), classes=[0, 1])
    expected = loop(SGDClassifier(random_state=0), in_blocks(X, y), classes=[0, 1])
    with threads_as_workers.as_current():
        assert same_state(model.fit(X, y).estimator_, expected)


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


def test_an_estimator_that_changes_its_data_gets_a_copy(threads_as_workers):
    X, _ = classification(n_blocks=4)
    X = X.persist(scheduler="synchronous")
    before = X.compute(scheduler="synchronous")
    with threads_as_workers.as_current():
        model = Incremental(StandardScaler(copy=False)).fit(X)
    assert np.array_equal(X.compute(scheduler="synchronous"), before)
    expected = loop(StandardScaler(), in_blocks(X))
    assert same_state(model.estimator_, expected)


def test_frames_that_were_shuffled_from_peer_to_peer_are_learned(clean):
    dd = pytest.importorskip("dask.dataframe")
    import pandas as pd

    frame = pd.DataFrame(np.random.default_rng(0).random((300, 3)), columns=list("abc"))
    frame = frame.assign(group=np.arange(300) % 7, y=np.arange(300) % 2)
    lazy = dd.from_pandas(frame, npartitions=6).shuffle("group", shuffle_method="p2p")
    # Rows arrive in any order.
    lazy = lazy.map_partitions(lambda part: part.sort_values("a"), meta=frame.iloc[:0])
    parts = [part.compute() for part in lazy.to_delayed()]
    blocks = [(part[["a", "b", "c"]], part["y"]) for part in parts]
    model = Incremental(SGDClassifier(random_state=0), max_iter=2)
    model.fit(lazy[["a", "b", "c"]], lazy["y"])
    nonempty = [block for block in blocks if len(block[0])] * 2
    assert same_state(
        model.estimator_, loop(SGDClassifier(random_state=0), nonempty, classes=[0, 1])
    )


def test_arrays_that_were_rechunked_from_peer_to_peer_are_learned(clean):
    X = da.random.default_rng(0).random((120, 6), chunks=(120, 2))
    values = X.compute()
    X = X.rechunk((20, 6), method="p2p")
    model = Incremental(StandardScaler(), max_iter=2).fit(X)
    blocks = [(part,) for part in np.split(values, 6)] * 2
    assert same_state(model.estimator_, loop(StandardScaler(), blocks))


class Sizes(SchedulerPlugin):
    """Logs how many workers there are when one comes or goes."""

    def __init__(self, log):
        self.log = log

    def add_worker(self, scheduler, worker):
        self.log.add(len(scheduler.workers))

    def remove_worker(self, scheduler, worker, **kwargs):
        self.log.add(len(scheduler.workers))


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)


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
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.register_plugin(Sizes(log))
        cluster.adapt(minimum=1, maximum=3, interval="50ms", wait_count=2, target_duration="100ms")
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


@pytest.mark.parametrize("batch_size", [None, 30, 1_000])
def test_workers_learn_and_score_as_configured(batch_size, threads_as_workers):
    X = da.from_array(np.random.default_rng(0).random((120, 2)), chunks=(1, 2))  # some together
    model = Incremental(make_pipeline(Configured(), Configured()), batch_size=batch_size)
    with threads_as_workers.as_current():
        with config_context(assume_finite=True):
            model.fit(X)
            assert [step.n_seen_ for step in model.estimator_] == [120, 120]
            assert model.score(X) == 120
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


def test_a_target_that_fails_among_many_blocks_is_named(threads_as_workers):
    values = np.random.default_rng(0).random((100, 2))

    def target(i):
        if i == 90:
            raise OSError("disk is gone")
        return values[i : i + 1, 0]

    X = [dask.delayed(values.__getitem__)(slice(i, i + 1)) for i in range(100)]
    y = [dask.delayed(target)(i) for i in range(100)]
    model = Incremental(SGDRegressor(random_state=0))
    with threads_as_workers.as_current():
        with pytest.raises(BlockError, match="Block 90 could not be computed: OSError") as caught:
            model.fit(X, y)
    assert caught.value.block == 90
    blocks = [(values[i : i + 1], values[i : i + 1, 0]) for i in range(90)]
    assert same_state(model.estimator_, loop(SGDRegressor(random_state=0), blocks))


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
            threads_as_workers, engine.plan(make_blocks(X)), limit=lambda n: 3, start=0, stop=3
        )
        while feed.n_done < 3:
            feed.process()
        threads_as_workers.cancel(list(feed.futures.values()))
        with pytest.raises(losses.Lost):
            feed.gather(range(3))
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
