"""The fits of a session share one scan on a cluster, and lose nothing of what each has alone."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from importlib.util import find_spec

import dask
import dask.array as da
import joblib
import numpy as np
import pytest
from dask.utils import key_split
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    cross_val_predict,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from incremental import BlockError, Incremental
from tests.conftest import loop
from tests.engines.on_clusters import Log, Sizes, Traced, start_cluster, wait_until
from tests.engines.scan.same import plain

if not find_spec("distributed"):
    pytest.skip("needs distributed", allow_module_level=True)

import distributed
from distributed.diagnostics.plugin import SchedulerPlugin

N_ROWS = 12


def values(i, n_rows):
    X = np.random.default_rng(i).random((n_rows, 3))
    X[0, 0] = i
    return X


def load(i, log, n_rows, seconds=0.0):
    log.add(i)
    time.sleep(seconds)
    return values(i, n_rows)


class Source:
    """Blocks whose loads are logged, wherever they take place."""

    def __init__(self, path, n_blocks, n_rows=N_ROWS, **options):
        self.log = Log(path)
        self.blocks = [values(i, n_rows) for i in range(n_blocks)]
        loading = dask.delayed(load, pure=True)
        self.X = da.concatenate(
            [
                da.from_delayed(loading(i, self.log, n_rows, **options), (n_rows, 3), float)
                for i in range(n_blocks)
            ]
        )
        self.y = (self.X[:, 1] > 0.5).astype(int)
        self.y_memory = (np.concatenate(self.blocks)[:, 1] > 0.5).astype(int)

    @property
    def n_loads(self):
        """How often each block was loaded."""
        return Counter(number for number, _ in self.log.lines())


@pytest.fixture
def source(tmp_path):
    return Source(tmp_path / "loads", 6)


def sgd(**options):
    return Incremental(SGDClassifier(random_state=0), **options)


def search(cv, **options):
    def use(X, y):
        grid = {"estimator__alpha": [1e-4, 1e-2, 1.0]}
        return GridSearchCV(sgd(), grid, cv=cv, refit=False, **options).fit(X, y).cv_results_

    return use


#: What is used, how often each block is loaded at most, and whether y is lazy.
USES = {
    "candidates": (search(KFold(3)), 2, False),
    "folds that cut blocks": (search(KFold(4)), 2, False),
    "shuffled folds": (search(KFold(3, shuffle=True, random_state=0)), 2, False),
    "labels": (search(KFold(3)), 3, True),
    "scorers": (search(3, scoring=["accuracy", "roc_auc"]), 3, False),
    "predictions": (lambda X, y: cross_val_predict(sgd(), X, y, cv=3), 2, False),
    "lazy mean": (lambda X, y: cross_val_score(sgd(), X - X.mean(0), y, cv=KFold(3)), 3, False),
    "pipeline": (
        lambda X, y: cross_val_score(
            Incremental(make_pipeline(StandardScaler(), SGDClassifier(random_state=0))),
            X,
            y,
            cv=KFold(3),
        ),
        3,
        False,
    ),
    "passes": (lambda X, y: cross_val_score(sgd(max_iter=2), X, y, cv=KFold(3)), 3, False),
    # Each fold has an order of its own.
    "shuffled passes": (
        lambda X, y: cross_val_score(sgd(shuffle=True, random_state=0), X, y, cv=KFold(3)),
        3,
        False,
    ),
}


#: Cut blocks of a file, and an order of each fold, are in others, too.
SLOW = "folds that cut blocks", "shuffled folds"


@pytest.mark.parametrize(
    "use", [pytest.param(u, marks=[pytest.mark.slow] if u in SLOW else []) for u in USES]
)
def test_each_block_is_loaded_once_a_meeting_for_the_same_results(use, source, threads_as_workers):
    function, at_most, is_lazy = USES[use]
    y = source.y if is_lazy else source.y_memory
    with threads_as_workers.as_current(), joblib.parallel_config("incremental"):
        found = function(source.X, y)
    assert max(source.n_loads.values()) <= at_most, source.n_loads
    with dask.config.set(scheduler="synchronous"):
        assert plain(found) == plain(function(source.X, y))


class Kinds(SchedulerPlugin):
    """Counts tasks by what a dashboard calls them."""

    def __init__(self):
        self.n_tasks = Counter()

    def transition(self, key, start, finish, *args, **kwargs):
        if finish == "memory":
            self.n_tasks[key_split(key)] += 1


def test_what_only_one_task_needs_is_no_task_of_its_own(source, threads_as_workers):
    kinds = Kinds()
    scheduler = threads_as_workers.cluster.scheduler
    scheduler.add_plugin(kinds, name="kinds")
    with threads_as_workers.as_current(), joblib.parallel_config("incremental"):
        cross_val_score(sgd(classes=[0, 1]), source.X, source.y_memory, cv=KFold(3))
    scheduler.remove_plugin("kinds")
    # Neither y, nor the model to begin with, nor the scores of a block; nor its load where only one
    # fit needs it, which is so when they score.
    n_blocks = {"load": 6, "rows": 3 * 4 + 6, "partial_fit-SGDClassifier": 3 * 4, "block": 6}
    others = {"checkpoint-SGDClassifier", "score-SGDClassifier-settings"}
    assert {**kinds.n_tasks, **n_blocks} == kinds.n_tasks
    assert kinds.n_tasks.keys() == n_blocks.keys() | others


class File:
    """An array of which each read is logged, wherever it takes place."""

    def __init__(self, path):
        self.log = Log(path)
        self.array = np.concatenate([values(i, N_ROWS) for i in range(6)])
        self.shape, self.dtype, self.ndim = self.array.shape, self.array.dtype, 2

    def __getitem__(self, rows):
        part = self.array[rows]
        for i in part[:, 0][part[:, 0] % 1 == 0]:
            self.log.add(int(i))
        return part


@pytest.mark.parametrize("cv", [KFold(3), KFold(4)])
def test_blocks_of_one_file_are_read_once_a_meeting(cv, tmp_path, threads_as_workers):
    file = File(tmp_path / "reads")
    X = da.from_array(file, chunks=(N_ROWS, 3))
    y = (file.array[:, 1] > 0.5).astype(int)
    with threads_as_workers.as_current(), joblib.parallel_config("incremental"):
        search(cv)(X, y)
    assert Counter(number for number, _ in file.log.lines()) == dict.fromkeys(range(6), 2)


def fit(model, X):
    return model.fit(X)


def fit_all(models, X):
    with joblib.parallel_config("incremental"):
        return joblib.Parallel()(joblib.delayed(fit)(model, X) for model in models)


def total(blocks):
    return loop(Traced(), [(block,) for block in blocks]).total_


def test_models_that_wait_learn_at_the_same_time(clean, tmp_path):
    source = Source(tmp_path / "loads", 6, seconds=0.05)
    log = Log(tmp_path / "learned")
    models = fit_all([Incremental(Traced(log, seconds=0.05)) for _ in range(6)], source.X)
    assert [model.total_ for model in models] == [total(source.blocks)] * 6
    assert set(source.n_loads.values()) == {1}
    numbers = [number for number, _ in log.lines()]
    assert numbers[:6] != [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_a_block_that_fails_is_named_by_each_fit(source, threads_as_workers):
    def broken(block, block_info=None):
        if block_info[0]["chunk-location"][0] == 4:
            raise OSError("disk is gone")
        return block

    def learn(model, X):
        with pytest.raises(BlockError, match="Block 4 could not be computed: OSError") as caught:
            model.fit(X)
        return caught.value, model.total_

    X = source.X.map_blocks(broken, meta=np.empty((0, 3)))
    with threads_as_workers.as_current(), joblib.parallel_config("incremental"):
        found = joblib.Parallel()(joblib.delayed(learn)(Incremental(Traced()), X) for _ in range(3))
    assert [model for _, model in found] == [total(source.blocks[:4])] * 3
    assert len({id(error) for error, _ in found}) == 3


def test_a_fit_that_fails_lets_the_others_go_on(source, threads_as_workers, tmp_path):
    def learn(fail_once_at):
        model = Incremental(Traced(Log(tmp_path / f"{fail_once_at}"), fail_once_at=fail_once_at))
        try:
            return model.fit(source.X).total_
        except BlockError:
            return model.n_seen_

    with threads_as_workers.as_current(), joblib.parallel_config("incremental"):
        found = joblib.Parallel()(joblib.delayed(learn)(at) for at in (None, 2.0, None, 4.0))
    whole = total(source.blocks)
    assert found == [whole, 2 * N_ROWS, whole, 4 * N_ROWS]
    assert set(source.n_loads.values()) == {1}


def test_fits_of_other_data_do_not_wait_for_each_other(threads_as_workers, tmp_path):
    sources = [Source(tmp_path / f"{n}", n) for n in (3, 12, 5)]
    with threads_as_workers.as_current(), joblib.parallel_config("incremental"):
        models = joblib.Parallel()(
            joblib.delayed(fit)(Incremental(Traced()), source.X) for source in sources
        )
    assert [model.total_ for model in models] == [total(source.blocks) for source in sources]
    assert all(set(source.n_loads.values()) == {1} for source in sources)


def test_nested_searches_meet(source, threads_as_workers):
    def use(X, y):
        inner = GridSearchCV(sgd(), {"max_iter": [1, 2]}, cv=KFold(2))
        return cross_val_score(inner, X, y, cv=KFold(2))

    with threads_as_workers.as_current(), joblib.parallel_config("incremental"):
        found = use(source.X, source.y_memory)
    # Two passes and scores of the inner folds, two of the refits, and the outer scores.
    assert max(source.n_loads.values()) <= 6
    with dask.config.set(scheduler="synchronous"):
        np.testing.assert_array_equal(found, use(source.X, source.y_memory))


def weights(model):
    return model.coef_.tolist()


def test_a_task_may_fit_while_it_adds_tasks_of_its_own(source, threads_as_workers):
    def use(X, y):
        models = (sgd().fit(X - X.mean(0), y) for _ in range(2))
        return joblib.Parallel()(joblib.delayed(weights)(model) for model in models)

    with threads_as_workers.as_current(), joblib.parallel_config("incremental"):
        uses = (joblib.delayed(use)(source.X, source.y_memory) for _ in range(2))
        found = joblib.Parallel()(uses)
    with dask.config.set(scheduler="synchronous"):
        assert found == [use(source.X, source.y_memory)] * 2


def test_a_session_within_a_task_leaves_its_thread_to_others(source, clean):
    def use(X, y):
        with joblib.parallel_config("incremental"):
            return cross_val_score(sgd(), X, y, cv=KFold(3))

    # Not on workers of this process: what computes in one leaves its client as the default.
    futures = [
        clean.submit(use, source.X, source.y_memory, pure=False)
        for _ in range(4)  # more than there are threads
    ]
    found = [future.result(timeout=300) for future in futures]  # a minute where others compute
    del futures
    with dask.config.set(scheduler="synchronous"):
        expected = cross_val_score(sgd(), source.X, source.y_memory, cv=KFold(3))
    np.testing.assert_array_equal(found, [expected] * 4)


def test_ctrl_c_ends_all_chains(clean, tmp_path):
    source, log = Source(tmp_path / "loads", 40), Log(tmp_path / "learned")

    def press():
        log.wait_for(8)
        os.kill(os.getpid(), signal.SIGINT)

    pressing = threading.Thread(target=press)
    pressing.start()
    with pytest.raises(KeyboardInterrupt):
        fit_all([Incremental(Traced(log, seconds=0.2)) for _ in range(3)], source.X)
        pressing.join()
    assert len(log.lines()) < 60  # of 120


class Dying(Traced):
    """Takes its worker with it at some blocks, once at each, when there are three workers."""

    def __init__(self, log=None, seconds=0.0, at=(), sizes=None):
        super().__init__(log, seconds)
        self.at = at
        self.sizes = sizes

    def partial_fit(self, X, y=None):
        marker = f"{self.log.path}-{int(X[0, 0])}"
        if X[0, 0] in self.at and not os.path.exists(marker):
            wait_until(lambda: self.sizes.lines()[-1][0] == 3)
            open(marker, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().partial_fit(X)


@pytest.fixture
def sizes(clean, tmp_path):
    """Says how many workers there are; there will be three again."""
    log, is_over = Log(tmp_path / "sizes"), threading.Event()
    log.add(len(clean.nthreads()))
    clean.register_plugin(Sizes(log), name="sizes")

    def scale():
        while not is_over.wait(0.5):
            clean.cluster.scale(3)  # a worker that ends while it starts would be given up

    scaling = threading.Thread(target=scale)
    scaling.start()
    yield log
    is_over.set()
    scaling.join()
    clean.unregister_scheduler_plugin("sizes")


def traced(logs, prefetch, seconds=0.05):
    return [Incremental(Traced(log, seconds=seconds), prefetch=prefetch) for log in logs]


def check_losses(source, logs, models, n_losses, prefetch):
    assert [model.total_ for model in models] == [total(source.blocks)] * len(models)
    for log in logs:
        repeated = len(log.lines()) - len(source.blocks)
        assert repeated <= n_losses * 2 * prefetch, repeated


@pytest.mark.slow
@pytest.mark.parametrize(("n_models", "at"), [(3, (6,)), (6, (8, 20, 32))])
def test_a_worker_that_dies_costs_each_model_two_windows(n_models, at, sizes, tmp_path):
    source = Source(tmp_path / "loads", 40)
    logs = [Log(tmp_path / f"{i}") for i in range(n_models)]
    models = traced(logs, 4)
    models[0] = Incremental(Dying(logs[0], 0.05, at, sizes), prefetch=4)
    check_losses(source, logs, fit_all(models, source.X), len(at), 4)
    assert all((tmp_path / f"0-{block}").exists() for block in at)


@pytest.mark.slow
def test_a_worker_may_retire_while_models_learn(tmp_path):
    source = Source(tmp_path / "loads", 16)
    logs = [Log(tmp_path / f"{i}") for i in range(3)]
    # A cluster of its own: a retired worker does not come back.
    with start_cluster() as cluster, distributed.Client(cluster) as client:
        workers = {pid: worker for worker, pid in client.run(os.getpid).items()}

        def retire():
            client.retire_workers([workers[int(logs[0].wait_for(6)[-1][1])]])

        retiring = threading.Thread(target=retire)
        retiring.start()
        models = fit_all(traced(logs, 3, seconds=0.1), source.X)
        retiring.join()
    check_losses(source, logs, models, 1, 3)
