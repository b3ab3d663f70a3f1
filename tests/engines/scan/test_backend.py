"""The backend within joblib: generators, errors, Ctrl-C, timeouts, and what it leaves behind."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import warnings
from contextvars import ContextVar

import dask
import dask.array as da
import joblib
import numpy as np
import pytest
from joblib import Parallel, delayed
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, cross_validate

from incremental import BlockError, Incremental
from incremental._engines.scan.backend import IncrementalBackend
from incremental._engines.scan.tasks import current_task
from tests.conftest import Source

GRID = {"estimator__alpha": [1e-4, 1e-1]}


def model(**params):
    return Incremental(SGDClassifier(random_state=0, **params))


def state():
    threads = [t.name for t in threading.enumerate() if t.name.startswith("incremental")]
    options = ("scheduler", "optimization.fuse.active")
    config = [dask.config.get(name, None) for name in options]
    return threads, config, list(warnings.filters), warnings.showwarning, gc.isenabled()


@pytest.fixture(autouse=True)
def _leaves_nothing_behind():
    before = state()
    yield
    assert state() == before


@pytest.fixture
def backend():
    with joblib.parallel_config("incremental", n_jobs=2):
        yield


def fit(source, **params):
    return model(**params).fit(source.X, np.arange(200) % 2).coef_.tolist()


@pytest.mark.usefixtures("backend")
class TestGenerators:
    @pytest.mark.parametrize("return_as", ["generator", "generator_unordered"])
    def test_give_the_results(self, source, return_as):
        found = Parallel(return_as=return_as)(delayed(fit)(source) for _ in range(3))
        assert list(found) == [fit(source)] * 3

    def test_of_one_backend_are_not_taken_for_one_another(self, source):
        first = Parallel(return_as="generator")(delayed(fit)(source) for _ in range(2))
        second = Parallel(return_as="generator")(delayed(abs)(-i) for i in range(3))
        assert list(second) == [0, 1, 2]
        assert list(first) == [fit(source)] * 2

    def test_are_consumed_in_another_thread(self, source):
        found = Parallel(return_as="generator")(delayed(fit)(source) for _ in range(2))
        results = []
        thread = threading.Thread(target=lambda: results.extend(found))
        thread.start()
        thread.join(60)
        assert results == [fit(source)] * 2

    def test_that_are_closed_end_their_tasks(self, source):
        found = Parallel(return_as="generator")(delayed(fit)(source) for _ in range(5))
        with pytest.warns(UserWarning, match="tasks"):
            found.close()

    def test_within_a_task_compute_in_turn(self, source):
        def outer():
            inner = Parallel(return_as="generator")(delayed(fit)(source) for _ in range(2))
            return [next(inner), fit(source), next(inner)]

        assert Parallel()(delayed(outer)() for _ in range(2)) == [[fit(source)] * 3] * 2


@pytest.mark.usefixtures("backend")
class TestErrors:
    def test_of_a_block_names_it_for_each_fit_by_its_own_number(self):
        source = Source(fail_at=7)
        y = np.arange(200) % 2

        def block_of_error(start):
            with pytest.raises(BlockError, match=f"Block {7 - start} could not") as info:
                model().fit(source.X[start * 20 :], y[start * 20 :])
            assert isinstance(info.value.__cause__, OSError)
            return info.value.block

        starts = [0, 2, 5]
        assert Parallel()(delayed(block_of_error)(start) for start in starts) == [7, 5, 2]

    def test_of_memory_says_what_to_do_about_it(self):
        def load():
            raise MemoryError

        X = da.from_delayed(dask.delayed(load)(), (20, 3), float)
        message = "Block 0 could not be computed: MemoryError.*Set a smaller prefetch"
        for n in (1, 3):
            with pytest.raises(BlockError, match=message):
                Parallel()(delayed(model().fit)(X, np.arange(20) % 2) for _ in range(n))

    def test_that_is_a_warning_stays_one(self):
        X = da.random.default_rng(0).random((200, 3), chunks=(20, 3))
        shuffled, y = X[np.random.default_rng(0).permutation(200)], np.arange(200) % 2
        with pytest.raises(da.PerformanceWarning):
            model().fit(shuffled, y)
        with pytest.raises(da.PerformanceWarning):
            Parallel()(delayed(model().fit)(shuffled, y) for _ in range(2))

    def test_of_a_score_says_so(self):
        class Mute(SGDClassifier):
            def predict(self, X):
                raise ValueError("no comment")

        def score(X):
            fitted = Incremental(Mute(random_state=0)).fit(X, np.arange(200) % 2)
            with pytest.raises(BlockError, match="Block 0 could not be scored: ValueError: no"):
                fitted.score(X, np.arange(200) % 2)

        Parallel()(delayed(score)(Source().X) for _ in range(1))
        Parallel()(delayed(score)(Source().X) for _ in range(3))

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
    @pytest.mark.parametrize("pre_dispatch", ["all", 2])
    def test_of_a_task_ends_the_others(self, source, error, pre_dispatch):
        def bad():
            raise error("enough")

        tasks = [delayed(fit)(source) for _ in range(4)]
        tasks.insert(2, delayed(bad)())
        with pytest.raises(error, match="enough"):
            Parallel(pre_dispatch=pre_dispatch)(tasks)

    @pytest.mark.parametrize("error", [OSError, SystemExit])
    def test_of_a_loader_is_raised(self, error):
        def load():
            raise error("no data")

        X = da.from_delayed(dask.delayed(load)(), (20, 3), float)
        with pytest.raises((BlockError, error), match="no data"):
            cross_val_score(model(), X, np.arange(20) % 2, cv=2, error_score="raise")

    def test_of_a_search_within_a_task_ends_that_search_alone(self, source):
        y = np.arange(200) % 2

        def search(alpha):
            grid = {"estimator__alpha": [1e-4, alpha]}
            try:
                return GridSearchCV(model(), grid, cv=2, error_score="raise").fit(source.X, y)
            except ValueError:
                return "bad"

        for n_jobs in (1, 2, 4):
            found = Parallel(n_jobs=n_jobs)(delayed(search)(a) for a in (-1.0, 1.0, -1.0, -2.0))
            assert [one == "bad" for one in found] == [True, False, True, True]

    def test_of_the_iterator_of_tasks_is_raised(self, source):
        def tasks():
            yield delayed(fit)(source)
            yield delayed(fit)(source)
            raise OSError("no more tasks")

        for pre_dispatch in ("all", 1):
            with pytest.raises(OSError, match="no more tasks"):
                Parallel(pre_dispatch=pre_dispatch)(tasks())

    def test_of_time(self, source):
        stop = threading.Event()
        with pytest.raises(
            joblib.parallel.TimeoutError
            if hasattr(joblib.parallel, "TimeoutError")
            else TimeoutError
        ):
            Parallel(timeout=0.1)([delayed(fit)(source), delayed(stop.wait)(1)])


@pytest.mark.usefixtures("backend")
class TestNothingWaitsForever:
    @pytest.mark.parametrize("pre_dispatch", ["all", 1, 2])
    def test_if_what_makes_tasks_computes_something(self, source, pre_dispatch):
        def tasks(n):
            for i in range(n):
                assert len(source.y.compute()) == 200
                yield delayed(fit)(source, alpha=10.0**-i)

        def search():
            return Parallel(pre_dispatch=pre_dispatch)(tasks(4))

        assert Parallel(pre_dispatch=pre_dispatch)([delayed(search)()] * 3) == [search()] * 3

    def test_if_a_callback_reads_data_within_a_block(self, source):
        class Reading(SGDClassifier):
            def partial_fit(self, X, y, classes=None, sample_weight=None):
                self.seen_ = source.X[:40].sum().compute() + len(fit(source))
                self.more_ = Parallel()(delayed(abs)(-i) for i in range(3))
                return super().partial_fit(X, y, classes=classes)

        y = np.arange(200) % 2
        found = cross_validate(
            Incremental(Reading(random_state=0)), source.X, y, cv=3, error_score="raise"
        )
        assert len(found["test_score"]) == 3

    @pytest.mark.filterwarnings("ignore")
    def test_if_one_stops_in_the_middle_of_its_blocks(self, source):
        class Enough(Exception):
            pass

        class Stopping(SGDClassifier):
            def partial_fit(self, X, y, classes=None, sample_weight=None):
                if hasattr(self, "coef_") and self.alpha == 1:
                    raise Enough
                return super().partial_fit(X, y, classes=classes)

        search = GridSearchCV(
            Incremental(Stopping(random_state=0)), {"estimator__alpha": [0.1, 1]}, cv=3, refit=False
        )
        search.fit(source.X, np.arange(200) % 2)
        assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True]

    def test_if_there_are_more_fits_than_threads(self, source, monkeypatch):
        monkeypatch.setattr("incremental._engines.scan.backend.MOST_ALIVE", 3)
        search = GridSearchCV(model(), {"max_iter": [1, 2, 3, 4]}, cv=3)
        nested = cross_val_score(search, source.X, np.arange(200) % 2, cv=3)
        assert len(nested) == 3

    def test_with_one_job_in_a_managed_call(self, source):
        with Parallel(n_jobs=1) as parallel:
            for _ in range(2):
                source.reads.clear()
                parallel(delayed(fit)(source) for _ in range(3))
                assert set(source.reads.values()) == {1}


def test_sessions_of_two_threads_overlap_and_give_back_what_they_changed(source):
    gate = threading.Barrier(2)
    found = []

    def first_task():
        gate.wait(60)  # both have begun
        return fit(source)

    def run(ends_last):
        with joblib.parallel_config("incremental", n_jobs=2):
            found.append(Parallel()([delayed(first_task)(), delayed(fit)(source)]))
            if ends_last:
                Parallel()([delayed(fit)(source)])

    for _ in range(5):
        threads = [threading.Thread(target=run, args=(last,)) for last in (False, True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert found == [[fit(source)] * 2] * 10


def test_loaders_see_the_context_of_who_has_begun_the_session():
    user = ContextVar("user", default="nobody")
    seen = []

    def load():
        seen.append(user.get())
        return np.zeros((20, 3))

    X = da.from_delayed(dask.delayed(load)(), (20, 3), float)
    token = user.set("somebody")
    try:
        with joblib.parallel_config("incremental", n_jobs=2):
            Parallel()(delayed(model().fit)(X, np.arange(20) % 2) for _ in range(2))
    finally:
        user.reset(token)
    assert set(seen) == {"somebody"}


def test_joblib_before_1_5_hands_tasks_over_by_another_name(monkeypatch):
    monkeypatch.setattr(IncrementalBackend, "submit", lambda *given: given[1:], raising=False)
    assert IncrementalBackend().apply_async(abs, print) == (abs, print)


def test_where_there_can_be_no_thread_at_all_that_is_the_error(monkeypatch, backend):
    start = threading.Thread.start

    def start_others(thread):
        if thread.name == "incremental-fit":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_others)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        Parallel()(delayed(abs)(-i) for i in range(3))


def test_n_jobs_of_estimators_is_theirs():
    with joblib.parallel_config("incremental"):
        assert joblib.effective_n_jobs(None) == 1
        assert joblib.effective_n_jobs(1) == 1
        assert joblib.effective_n_jobs(3) == 3
        with pytest.raises(ValueError, match="n_jobs must not be 0"):
            Parallel(n_jobs=0)([delayed(abs)(1)])
    with joblib.parallel_config("incremental", n_jobs=1):
        assert joblib.effective_n_jobs(None) == 1


def test_as_many_fits_run_at_a_time_as_there_are_jobs(source):
    running, most = [], []

    class Counting(SGDClassifier):
        def partial_fit(self, X, y, classes=None, sample_weight=None):
            running.append(self)
            most.append(len(running))
            time.sleep(0.001)
            running.remove(self)
            return super().partial_fit(X, y, classes=classes)

    for n_jobs in (1, 3):
        most.clear()
        with joblib.parallel_config("incremental", n_jobs=n_jobs):
            cross_val_score(Incremental(Counting(random_state=0)), source.X, np.arange(200) % 2)
        assert max(most) <= n_jobs


def test_what_fits_share_cannot_be_written_to_by_one_of_them(source):
    class Vandal(SGDClassifier):
        def partial_fit(self, X, y, classes=None, sample_weight=None):
            super().partial_fit(X, y, classes=classes)
            if X.flags.writeable:
                X[:] = 0
            return self

    def search():
        y = np.arange(200) % 2
        found = GridSearchCV(Incremental(Vandal(random_state=0)), GRID, cv=KFold(3)).fit(
            source.X, y
        )
        return found.cv_results_["split2_test_score"].tolist()

    alone = search()
    with joblib.parallel_config("incremental", n_jobs=2):
        assert search() == alone


def test_what_is_computed_belongs_to_who_computes_it(source):
    def change():
        total = source.X[:20].compute()
        total += 1
        return total.tolist()

    once = change()
    with joblib.parallel_config("incremental", n_jobs=2):
        assert Parallel()(delayed(change)() for _ in range(4)) == [once] * 4
        assert Parallel()([delayed(lambda: [change() for _ in range(3)])()]) == [[once] * 3]


def test_collections_that_are_computed_together_are_read_once_for_all_tasks(source):
    total, n = source.X.sum(), source.y.sum()
    frozen = dask.delayed(lambda: ["a"], pure=True)()
    once = [dask.compute(total, n, [frozen]) for _ in range(3)]
    source.reads.clear()
    with joblib.parallel_config("incremental", n_jobs=2):
        found = Parallel()(delayed(dask.compute)(total, n, [frozen]) for _ in range(3))
    assert found == once
    assert set(source.reads.values()) == {1}


def test_a_distributed_client_computes_each_fit_as_without_the_backend():
    distributed = pytest.importorskip("distributed")
    X, y = da.random.default_rng(0).random((200, 3), chunks=(20, 3)), np.arange(200) % 2
    alone = cross_val_score(model(), X, y, cv=2).tolist()
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):

        def score():
            with joblib.parallel_config("incremental", n_jobs=2):
                scorer = cross_val_score(model(), X, y, cv=2, scoring="accuracy")
                return [cross_val_score(model(), X, y, cv=2).tolist(), scorer.tolist()]

        assert score() == [alone, alone]
        assert client.submit(score, pure=False).result(timeout=60) == [alone, alone]


def test_the_configured_pool_is_used_and_left_alone(source):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2, thread_name_prefix="mine") as pool, dask.config.set(pool=pool):
        with joblib.parallel_config("incremental", n_jobs=2):
            cross_val_score(model(), source.X, np.arange(200) % 2, cv=2)
        assert {thread.name.partition("_")[0] for thread in source.threads} == {"mine"}
        assert pool.submit(abs, -1).result() == 1


def test_nothing_lazy_stays_in_what_is_returned(source):
    with joblib.parallel_config("incremental", n_jobs=2):
        search = GridSearchCV(model(), GRID, cv=2).fit(source.X, source.y)
    assert b"dask" not in pickle.dumps(search)
    assert current_task() is None


SCRIPT = """
import threading, dask, dask.array as da, joblib, numpy as np, faulthandler
faulthandler.dump_traceback_later(300, exit=True)  # imports alone may take a minute
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from incremental import Incremental
def load(i):
    reads[0] += 1
    if reads[0] == 12:
        faulthandler.dump_traceback_later(50, exit=True)
        print("go", flush=True)
    if reads[0] > 12:
        stop.wait(0.05)
    return np.random.default_rng(i).random((10, 3))
stop = threading.Event()
X = da.concatenate([da.from_delayed(dask.delayed(load)(i), (10, 3), float) for i in range(100)])
y = np.arange(1000) % 2
search = GridSearchCV(Incremental(SGDClassifier()), {"max_iter": [50, 60]}, cv=3)
for kind in ("one", "nested"):
    reads = [0]
    try:
        with joblib.parallel_config("incremental", n_jobs=2):
            cross_val_score(search, X, y) if kind == "nested" else search.fit(X, y)
    except KeyboardInterrupt:
        left = [t.name for t in threading.enumerate() if t.name.startswith("incremental")]
        print(kind, "interrupted", left, dask.config.get("scheduler", None), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGINT for one process")
def test_ctrl_c_ends_a_search():
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True, env=os.environ
    )
    for kind in ("one", "nested"):
        assert process.stdout.readline() == "go\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == f"{kind} interrupted [] None\n"
    assert process.wait(60) == 0
