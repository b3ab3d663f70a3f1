"""What blocks are made of reaches the workers of a cluster, once, and stays there."""

from __future__ import annotations

import os

import dask
import dask.array as da
import distributed
import numpy as np
import pytest
from dask.delayed import Delayed
from dask.task_spec import Task
from dask.utils import key_split
from distributed.diagnostics.plugin import SchedulerPlugin
from distributed.protocol import dask_deserialize, dask_serialize
from sklearn.cluster import MiniBatchKMeans
from sklearn.compose import make_column_transformer
from sklearn.decomposition import IncrementalPCA
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from benchmarks._clusters import most_live
from incremental import Incremental
from tests.conftest import in_blocks, loop, same_state
from tests.engines.on_clusters import (
    Traced,
    classification,
    load,
    numbered,
)


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


def test_y_alone_is_read_for_the_classes_however_many_blocks(clean):
    X, y = classification(n_blocks=100, n_rows=2)
    model = Incremental(SGDClassifier(random_state=0)).fit(X, y)
    assert model.classes_.tolist() == [0, 1]


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


@pytest.mark.parametrize("known", [True, False])
def test_memory_is_bounded_in_bytes_as_well(clean, known):
    n_rows = 2_000
    size = n_rows * 3 * 8
    X, _ = numbered(20, n_rows)
    data = X if known else X.to_delayed().ravel().tolist()
    models = []

    def fit():
        models.append(Incremental(Traced(seconds=0.02), prefetch=f"{1.5 * size} B").fit(data))

    held = most_live(clean, size // 2, fit) / size
    assert 1 <= held <= 2 + 1  # one ahead, and one that is learned; a task that has just ended
    assert models[0].total_ == Incremental(Traced(), prefetch=0).fit(X).total_


def test_large_data_in_memory_are_learned(clean):
    X = np.random.default_rng(0).random((60_000, 10))  # blocks of 1.6 MB, that go by themselves
    lazy, y = da.from_array(X, chunks=(20_000, 10)), X[:, 0].copy()
    model = Incremental(SGDRegressor(random_state=0)).fit(lazy, y)
    expected = loop(SGDRegressor(random_state=0), in_blocks(lazy, da.from_array(y, chunks=20_000)))
    assert same_state(model.estimator_, expected)


def test_a_fit_of_data_in_memory_stays_in_this_process(clean, log):
    X = np.ones((4, 3))
    Incremental(Traced(log)).fit(X)
    assert [pid for _, pid in log.lines()] == [os.getpid()]


def test_keys_of_another_type_are_blocks_of_their_own(threads_as_workers):
    blocks = [np.full((2, 3), float(i)) for i in range(5)]
    keys = [1, "1", ("a", 0), (1, 0), ("1", 0)]
    tasks = [Task(key, load, i, blocks[i]) for i, key in enumerate(keys)]
    graph = dict(zip(keys, tasks, strict=True))
    with dask.config.set(scheduler=threads_as_workers):
        model = Incremental(Traced()).fit([Delayed(key, graph) for key in keys])
    assert model.total_ == loop(Traced(), [(block,) for block in blocks]).total_


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


class Names(SchedulerPlugin):
    """Collects what a dashboard calls the tasks."""

    def __init__(self):
        self.found = set()

    def transition(self, key, start, finish, *args, **kwargs):
        # Tasks of earlier fits are forgotten meanwhile, and an earlier search is below joblib.
        if finish != "forgotten" and start == "released" and not str(key).startswith("batch_of"):
            self.found.add(key_split(key))


def test_a_dashboard_says_what_is_learned(threads_as_workers):
    X, y = classification(n_blocks=3)
    scheduler = threads_as_workers.cluster.scheduler
    names = Names()
    scheduler.add_plugin(names, name="names")
    branches = make_column_transformer((StandardScaler(), [0, 1]), (MinMaxScaler(), [2, 3]))
    model = Incremental(make_pipeline(branches, SGDClassifier()), shuffle=True, random_state=0)
    with threads_as_workers.as_current():
        model.fit(X, y).score(X, y)
        model.predict(X).compute()
    scheduler.remove_plugin("names")
    learning = {name for name in names.found if name.startswith("partial_fit")}
    assert learning == {"partial_fit-StandardScaler-MinMaxScaler", "partial_fit-SGDClassifier"}
    assert not names.found & {"list", "state", "start-list", "Pipeline"}
    assert not [name for name in names.found if "_" in name.replace("partial_fit", "")], names.found


def test_files_of_hdf5_are_learned(clean, threads_as_workers, tmp_path):
    h5py = pytest.importorskip("h5py")
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["X"], file["y"] = rng.normal(size=(100, 3)), np.arange(100) % 2
    with h5py.File(tmp_path / "data.h5") as file:
        X, y = da.from_array(file["X"], chunks=(25, 3)), da.from_array(file["y"], chunks=25)
        expected = loop(SGDClassifier(random_state=0), in_blocks(X, y), classes=[0, 1])
        for client in (clean, threads_as_workers):
            with client.as_current():
                model = Incremental(SGDClassifier(random_state=0)).fit(X, y)
                assert same_state(model.estimator_, expected)
                assert model.score(X, y) == expected.score(X.compute(), y.compute())


class Sendable:
    """A source that distributed can send, and pickle cannot, like those of netCDF4."""

    shape, dtype, ndim = (20, 2), np.dtype(float), 2

    def __init__(self, values):
        self.values = values

    def __getitem__(self, index):
        return self.values[index]

    def __reduce__(self):
        raise TypeError("cannot be pickled")


@dask_serialize.register(Sendable)
def _send(source):
    return {"values": source.values.tolist()}, []


@dask_deserialize.register(Sendable)
def _receive(header, frames):
    return Sendable(np.array(header["values"]))


def test_what_pickle_refuses_and_distributed_can_send_is_learned(threads_as_workers):
    values = np.random.default_rng(0).random((20, 2))
    X = da.from_array(Sendable(values), chunks=(5, 2), name="sendable", meta=values[:0])
    expected = loop(StandardScaler(), [(part,) for part in np.split(values, 4)])
    with threads_as_workers.as_current():
        assert same_state(Incremental(StandardScaler()).fit(X).estimator_, expected)
