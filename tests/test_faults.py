"""What holds when something breaks: nothing that was learned is lost, and nothing stays behind."""

import contextlib
import copy
import doctest
import gc
import itertools
import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import tracemalloc
import warnings
from pathlib import Path

import dask
import dask.array as da
import dask.dataframe as dd
import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
import zarr
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import incremental
from incremental import BlockError, Incremental
from incremental._learning.interrupt import whole_blocks
from tests.conftest import Source, in_blocks, loop, same_state

ROOT = Path(__file__).parent.parent


def sgd():
    return SGDClassifier(random_state=0)


# A block's loader raises


def test_a_block_that_fails_leaves_the_model_after_the_last_complete_block(scheduler):
    source = Source(fail_at=4)
    model = Incremental(sgd(), classes=[0, 1])
    with pytest.raises(BlockError, match="Block 4 could not be computed: OSError: disk 4") as info:
        model.fit(source.X, source.y)
    assert info.value.block == 4
    assert isinstance(info.value.__cause__, OSError)
    whole = Source()
    blocks = in_blocks(whole.X, whole.y)
    assert same_state(model.estimator_, loop(sgd(), blocks[:4], classes=[0, 1]))
    model.partial_fit(whole.X[80:], whole.y[80:])
    assert same_state(model.estimator_, loop(sgd(), blocks, classes=[0, 1]))


def test_a_loader_that_fails_leaves_no_row_before_it_unlearned_in_batches():
    for batch_size in (7, 20, 33, 1_000):
        source = Source(fail_at=4)
        model = Incremental(StandardScaler(), batch_size=batch_size)
        with pytest.raises(BlockError) as info:
            model.fit(source.X)
        assert info.value.block == 4
        assert model.n_samples_seen_ == 80
        model.partial_fit(Source().X[80:])
        expected = StandardScaler().fit(Source().X.compute())
        assert model.n_samples_seen_ == 200
        assert np.allclose(model.mean_, expected.mean_, rtol=1e-12)


def test_the_error_says_where_learning_the_rest_is_not_enough(source):
    broken = Source(fail_at=0)
    model = Incremental(sgd(), classes=[0, 1])
    with pytest.raises(BlockError, match=r"disk 0 is gone$"):
        model.fit(broken.X, broken.y)
    model.fit(source.X, source.y)
    with pytest.raises(
        BlockError, match="gone\nThe model of the fit before is unchanged: call fit.$"
    ):
        model.fit(broken.X, broken.y)
    broken = Source(fail_at=4)
    with pytest.raises(BlockError, match="disk 4 is gone\nThis was pass 1 of 3.$"):
        model.set_params(max_iter=3).fit(broken.X, broken.y)
    model = Incremental(make_pipeline(StandardScaler(), sgd()), classes=[0, 1])
    with pytest.raises(
        BlockError, match="gone\nThe steps before the last are not trained: call fit.$"
    ):
        model.fit(broken.X, broken.y)
    assert not hasattr(model, "estimator_")


# partial_fit raises


class Careful(SGDClassifier):
    """Refuses a block before it changes anything."""

    refuses = -1

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        if (X[:, 0] == self.refuses).any():
            raise ArithmeticError("too hard")
        return super().partial_fit(X, y, classes=classes, sample_weight=sample_weight)


@pytest.mark.parametrize("prefetch", [None, 0])
def test_a_block_that_cannot_be_learned_leaves_the_model_bit_for_bit(source, prefetch):
    hard = da.concatenate([source.X[:60], da.full((20, 3), -1.0), source.X[80:]])
    model = Incremental(Careful(random_state=0), classes=[0, 1], prefetch=prefetch)
    message = r"Block 3 \(20 rows\) could not be learned by Careful: ArithmeticError: too hard"
    with pytest.raises(BlockError, match=message) as info:
        model.fit(hard, source.y)
    assert info.value.block == 3
    assert isinstance(info.value.__cause__, ArithmeticError)
    blocks = in_blocks(source.X, source.y)
    assert same_state(model.estimator_, loop(sgd(), blocks[:3], classes=[0, 1]))
    model.partial_fit(source.X[60:], source.y[60:])
    assert same_state(model.estimator_, loop(sgd(), blocks, classes=[0, 1]))


@pytest.mark.parametrize("batch_size", [5, 8, 20, 47, 90])
@pytest.mark.parametrize("bad_block", [0, 3, 7])
def test_a_batch_that_cannot_be_learned_names_the_first_row_that_was_not(batch_size, bad_block):
    values = np.random.default_rng(0).random((200, 3))
    bad = values.copy()
    bad[20 * bad_block + 13] = np.nan
    model = Incremental(StandardScaler(), batch_size=batch_size)
    model.set_params(estimator=Strict())
    with pytest.raises(
        BlockError, match=f"NaN or infinity: row 13 of X in block {bad_block}."
    ) as e:
        model.fit(da.from_array(bad, chunks=(20, 3)))
    learned = int(getattr(model, "n_samples_seen_", 0))
    assert e.value.block == learned // 20 <= bad_block
    if learned % 20:
        assert f"from row {learned % 20} on, in a batch of" in str(e.value)
    if learned:
        assert model.n_samples_seen_ == learned
        assert np.allclose(model.mean_, values[:learned].mean(0), rtol=1e-12)
    model.partial_fit(values[learned:])
    assert np.allclose(model.mean_, values.mean(0), rtol=1e-12)


class Strict(StandardScaler):
    """Takes no NaN."""

    def partial_fit(self, X, y=None, sample_weight=None):
        if np.isnan(X).any():
            raise ValueError("X contains NaN")
        return super().partial_fit(X, y, sample_weight)


# Ctrl-C


INTERRUPTED = """
    import os, random, signal, sys, threading, time
    import dask, dask.array as da, numpy as np
    from sklearn.linear_model import SGDClassifier
    from incremental import Incremental

    class Counting(SGDClassifier):
        def partial_fit(self, X, y, classes=None, sample_weight=None):
            self.half_ = True
            super().partial_fit(X, y, classes=classes)
            self.n_blocks_ = getattr(self, "n_blocks_", 0) + 1
            self.half_ = False
            return self

    signal.signal(signal.SIGINT, signal.default_int_handler)  # where a shell ignores it
    n_blocks = 60
    values = np.random.default_rng(0).random((20 * n_blocks, 3))
    labels = (values[:, 0] > 0.5).astype(int)

    def load(i):
        time.sleep(0.001 * (i % 3))
        return values[20 * i : 20 * (i + 1)]

    def reference(n):
        model = SGDClassifier(random_state=0)
        for i in range(n):
            rows = slice(20 * i, 20 * (i + 1))
            model.partial_fit(values[rows], labels[rows], classes=[0, 1])
        return model

    X = da.concatenate(
        [da.from_delayed(dask.delayed(load)(i), (20, 3), float) for i in range(n_blocks)]
    )
    y = da.from_array(labels, chunks=20)

    def new():
        return Incremental(
            Counting(random_state=0), classes=[0, 1], batch_size=BATCH_SIZE, max_iter=2
        )

    start = time.perf_counter()
    new().fit(X, y)
    seconds = time.perf_counter() - start

    def press(moment):
        time.sleep(moment)
        os.kill(os.getpid(), signal.SIGINT)

    stopped = 0
    for seed in range(FIRST_SEED, FIRST_SEED + N_SEEDS):
        print("seed", seed, flush=True)
        model = new()
        moment = random.Random(seed).uniform(0, 1.1) * seconds
        before = set(threading.enumerate())
        thread = threading.Thread(target=press, args=(moment,))
        try:
            thread.start()
            model.fit(X, y)
            thread.join()
            time.sleep(0.2)  # the signal may come after the fit
        except KeyboardInterrupt:
            pass
        thread.join()
        # One whose start was interrupted may be listed without running, or end by itself.
        left = {t for t in threading.enumerate() if t.is_alive()} - before - {thread}
        for other in left:
            other.join(10)
        left = {t for t in left if t.is_alive()}
        assert not left, left
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if not hasattr(model, "estimator_"):
            continue
        assert not model.half_
        done = model.n_blocks_
        assert model.n_iter_ in (0, 1, 2)
        if BATCH_SIZE is None and done < n_blocks:
            stopped += 1
            assert (model.coef_ == reference(done).coef_).all(), done
            if done < n_blocks:
                model.partial_fit(X[20 * done :], y[20 * done :])
            assert (model.coef_ == reference(n_blocks).coef_).all()
        elif BATCH_SIZE is not None:
            assert (model.t_ - 1) % 20 == 0, model.t_  # rows of whole blocks
    print("stopped", stopped)
"""


@pytest.mark.parametrize("batch_size", [None, 50])
def test_ctrl_c_at_any_moment_leaves_whole_blocks_and_no_thread(batch_size):
    first = int.from_bytes(os.urandom(3), "big")
    code = textwrap.dedent(INTERRUPTED).replace("BATCH_SIZE", repr(batch_size))
    code = code.replace("FIRST_SEED", str(first)).replace("N_SEEDS", "12")
    done = run_python(code)
    assert done.returncode == 0, done.stdout[-200:] + done.stderr
    print(done.stdout)


def run_python(code, *args):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, args)], capture_output=True, text=True, cwd=ROOT
    )


def test_an_error_does_not_swallow_ctrl_c():
    with pytest.raises(KeyboardInterrupt) as caught:
        with whole_blocks() as interrupt, interrupt.allowed():
            interrupt.waits = True  # a block is being learned
            signal.raise_signal(signal.SIGINT)
            raise BlockError("Block 3 could not be learned", 3)
    assert isinstance(caught.value.__context__, BlockError)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_that_somebody_swallows_is_raised_after_the_block():
    with pytest.raises(KeyboardInterrupt):
        with whole_blocks() as interrupt, interrupt.allowed():
            with contextlib.suppress(KeyboardInterrupt):  # as callbacks of the collector do
                signal.raise_signal(signal.SIGINT)
            interrupt.check()
            pytest.fail("was swallowed")


def test_an_error_that_cannot_be_shown_names_its_block():
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError("no text")

    def load():
        raise Mute

    with pytest.raises(BlockError, match=r"Block 0 could not be computed: Mute$"):
        Incremental(StandardScaler()).fit([dask.delayed(load)()])


# Out of memory


class TooLarge:
    """Blocks of which one does not fit into memory."""

    def __init__(self, at):
        self.at = at

    def load(self, i):
        if i == self.at:
            raise MemoryError("Unable to allocate 3 TiB")
        return np.ones((100, 16))

    def array(self):
        parts = [dask.delayed(self.load)(i) for i in range(5)]
        return da.concatenate([da.from_delayed(p, (100, 16), float) for p in parts])

    def delayed(self):
        return [dask.delayed(self.load)(i) for i in range(5)]


@pytest.mark.parametrize(
    ("kind", "at", "params", "size"),
    [
        ("array", 0, {"prefetch": 3}, "A block has 12.50 kiB"),
        ("array", 3, {"prefetch": 3}, "A block has 12.50 kiB"),
        ("delayed", 3, {"prefetch": 3}, r"A block has 12.\d\d kiB"),
        ("delayed", 0, {"prefetch": 3}, "How large it is, is not known"),
        ("array", 3, {"prefetch": 0}, "A block has 12.50 kiB"),
    ],
)
def test_out_of_memory_says_how_large_blocks_are_and_how_many_there_are(kind, at, params, size):
    model = Incremental(StandardScaler(), **params)
    message = (
        f"Block {at} could not be computed: MemoryError: Unable to allocate 3 TiB. {size}; "
        f"besides the one that is learned, up to prefetch={params['prefetch']} are in memory. Set "
        r"a smaller prefetch, or cut X into smaller blocks \(rechunk, repartition\)."
    )
    with pytest.raises(BlockError, match=message) as info:
        model.fit(getattr(TooLarge(at), kind)())
    assert info.value.block == at
    assert isinstance(info.value.__cause__, MemoryError)
    assert getattr(model, "n_samples_seen_", 0) == 100 * at


# A refit that fails


@pytest.mark.parametrize("fail_at", [0, 3])
def test_the_former_model_stays_until_the_new_one_has_learned_a_block(source, fail_at):
    model = Incremental(sgd(), classes=[0, 1], max_iter=2).fit(source.X, source.y)
    before = model.estimator_
    broken = Source(fail_at=fail_at)
    with pytest.raises(BlockError):
        model.fit(broken.X, broken.y)
    if fail_at == 0:
        assert model.estimator_ is before
        assert model.n_iter_ == 2
    else:
        blocks = in_blocks(source.X, source.y)[:fail_at]
        assert same_state(model.estimator_, loop(sgd(), blocks, classes=[0, 1]))
        assert model.n_iter_ == 0


def test_the_former_model_stays_where_the_first_block_is_refused_by_the_estimator(source):
    model = Incremental(sgd(), classes=[0, 1]).fit(source.X, source.y)
    state = pickle.dumps(model)
    with pytest.raises(BlockError, match="NaN"):
        model.fit(source.X * np.nan, source.y)
    assert pickle.dumps(model) == state


# kill -9


def checkpoint_of_the_readme():
    """Return the code of the class that the README shows."""
    examples = doctest.DocTestParser().get_examples((ROOT / "README.rst").read_text())
    (found,) = (e.source for e in examples if e.source.startswith("class Checkpoint"))
    return "import os, joblib\n" + found


KILLED = """
    import sys, time, json
    import numpy as np, dask, dask.array as da
    from sklearn.linear_model import SGDClassifier
    from incremental import Incremental
    from checkpoint import Checkpoint

    path, log = sys.argv[1:3]
    first, every, last = map(int, sys.argv[3:6])

    class Tell(Checkpoint):
        "Writes down each block that was learned."

        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            super().on_fit_task_end(estimator, context, fitted_estimator=fitted_estimator)
            if context.task_name == "block":
                with open(log, "a") as file:
                    file.write(f"{first + context.task_id}\\n")

    rng = np.random.default_rng(0)
    values = rng.random((40 * 20, 3))
    labels = (values[:, 0] > 0.5).astype(int)

    def load(i):
        time.sleep(0.005 if i < last else 1_000)
        return values[20 * i : 20 * (i + 1)]

    X = da.concatenate([da.from_delayed(dask.delayed(load)(i), (20, 3), float) for i in range(40)])
    y = da.from_array(labels, chunks=20)
    if first:
        import joblib
        _, model = joblib.load(sys.argv[6])
    else:
        model = Incremental(SGDClassifier(random_state=0), classes=[0, 1])
    model.set_callbacks(Tell(path, every))
    model.partial_fit(X[20 * first :], y[20 * first :])
    print(json.dumps([model.coef_.tolist(), float(model.t_)]))
"""


def test_a_killed_process_goes_on_from_its_checkpoint_to_the_same_model(tmp_path):
    seed = int.from_bytes(os.urandom(3), "big")
    print("seed", seed)
    rng = np.random.default_rng(seed)
    (tmp_path / "checkpoint.py").write_text(checkpoint_of_the_readme())
    (tmp_path / "train.py").write_text(textwrap.dedent(KILLED))
    log, every = tmp_path / "log", 3
    environment = dict(os.environ, PYTHONPATH=f"{ROOT}{os.pathsep}{tmp_path}")
    first, saved, n_kills = 0, "", 0
    while True:
        path = tmp_path / f"model-{n_kills}"
        log.write_text("")
        last = first + 13 if n_kills < 3 else 40  # so far it comes, however late it is killed
        command = [sys.executable, tmp_path / "train.py", path, log, first, every, last, saved]
        process = subprocess.Popen(
            list(map(str, command)), stdout=subprocess.PIPE, env=environment, text=True
        )
        stop_after = rng.integers(1, 13) if n_kills < 3 else 1_000
        while process.poll() is None and len(log.read_text().split()) < stop_after:
            if path.exists():
                joblib.load(path)  # a whole one, at any moment
        if process.poll() is not None:
            break
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        n_kills += 1
        learned = first + len(log.read_text().split())
        if path.exists():
            done, _ = joblib.load(path)
            first, saved = first + done, path
        assert learned - first <= every  # what is learned once more
    assert n_kills == 3
    coef, t = json.loads(process.communicate()[0])
    values = np.random.default_rng(0).random((40 * 20, 3))
    labels = (values[:, 0] > 0.5).astype(int)
    blocks = zip(np.split(values, 40), np.split(labels, 40), strict=True)
    expected = loop(sgd(), blocks, classes=[0, 1])
    assert np.array_equal(coef, expected.coef_)
    assert t == expected.t_


# Threads


def in_threads(n, call):
    results, errors = [None] * n, []

    def run(i):
        try:
            results[i] = call(i)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    return results


def test_fits_in_several_threads_do_not_disturb_each_other(source):
    def fit(i):
        model = Incremental(SGDClassifier(random_state=i), classes=[0, 1], max_iter=2)
        return model.fit(source.X, source.y)

    blocks = in_blocks(source.X, source.y)
    for i, model in enumerate(in_threads(8, fit)):
        expected = loop(SGDClassifier(random_state=i), blocks * 2, classes=[0, 1])
        assert same_state(model.estimator_, expected)


def test_one_model_predicts_in_several_threads(source):
    model = Incremental(sgd(), classes=[0, 1]).fit(source.X, source.y)
    expected = model.predict(source.X).compute()

    def predict(i):
        return [model.predict(source.X).compute() for _ in range(5)]

    with warnings.catch_warnings():  # scikit-learn's own checks change the filters meanwhile
        found = in_threads(8, predict)
    for labels in itertools.chain(*found):
        assert np.array_equal(labels, expected)


def test_one_model_scores_in_several_threads(source):
    model = Incremental(sgd(), classes=[0, 1]).fit(source.X, source.y)
    expected = model.score(source.X, source.y)
    with warnings.catch_warnings():
        scores = in_threads(8, lambda i: [model.score(source.X, source.y) for _ in range(5)])
    assert set(itertools.chain(*scores)) == {expected}


# Many fits


def load_or_fail(i):
    if i:
        raise OSError("disk is gone")
    return np.ones((2, 2))


def many_fits(n):
    """Fit, fail and predict `n` times; return the objects, bytes and threads that are left."""
    X = da.random.default_rng(0).random((8, 2), chunks=(4, 2))
    y = da.from_array(np.arange(8) % 2, chunks=4)
    broken = [dask.delayed(load_or_fail)(i) for i in range(2)]

    def one(i):
        model = Incremental(sgd(), classes=[0, 1], shuffle=i % 2 == 0, random_state=0).fit(X, y)
        model.predict(X)
        if i % 10 == 0:
            model.score(X, y)
            with pytest.raises(BlockError):
                model.fit(broken, [dask.delayed(np.arange)(2)] * 2)

    def left():
        gc.collect()
        n_bytes, _ = tracemalloc.get_traced_memory()
        return np.array([len(gc.get_objects()), n_bytes, threading.active_count()])

    tracemalloc.start()
    for i in range(20):  # caches fill
        one(i)
    before = left()
    for i in range(n):
        one(i)
    return left() - before


def left_by_many_fits(n):
    """The same in a process of its own, where nobody else leaves anything."""
    count = f"from tests.test_faults import many_fits; print(*many_fits({n}))"
    found = subprocess.run(
        [sys.executable, "-c", count], check=True, stdout=subprocess.PIPE, text=True
    )
    return map(int, found.stdout.split())


def test_many_fits_leave_neither_objects_nor_memory_nor_threads():
    objects, n_bytes, threads = left_by_many_fits(100)
    assert threads == 0
    assert objects < 100  # less than one for each
    assert n_bytes < 100 * 1_000


@pytest.mark.soak
def test_ten_thousand_fits_leave_neither_objects_nor_memory_nor_threads():
    objects, n_bytes, threads = left_by_many_fits(10_000)
    print(f"{objects} objects, {n_bytes} bytes, {threads} threads left by 10,000 fits")
    assert threads == 0
    assert objects < 1_000
    assert n_bytes < 1_000_000


# Data that change between passes


def write(path, kind, values):
    if kind == "zarr":
        zarr.open(path, mode="w", shape=values.shape, chunks=(10, 2), dtype=float)[:] = values
    elif kind == "parquet":
        pd.DataFrame(values, columns=["a", "b"]).to_parquet(path)
    else:
        pd.DataFrame(values, columns=["a", "b"]).to_csv(path, index=False)


READ = {"parquet": dd.read_parquet, "csv": dd.read_csv, "zarr": da.from_zarr}


@pytest.mark.parametrize("kind", READ)
def test_each_pass_learns_what_the_file_holds_then(kind, tmp_path):
    path = str(tmp_path / "data")
    old, new = np.zeros((40, 2)), np.ones((40, 2))
    write(path, kind, old)
    X = READ[kind](path)

    class Rewriting:
        """A callback that writes the file anew after the first pass."""

        def setup(self, estimator, context): ...

        def teardown(self, estimator, context): ...

        def on_fit_task_begin(self, estimator, context): ...

        def on_fit_task_end(self, estimator, context):
            if context.task_name == "pass" and context.task_id == 0:
                write(path, kind, new)

    model = Incremental(StandardScaler(), max_iter=2).set_callbacks(Rewriting()).fit(X)
    assert model.mean_.tolist() == [0.5, 0.5]


@pytest.mark.parametrize(("kind", "tells"), [("parquet", True), ("csv", True), ("zarr", False)])
def test_the_token_of_a_collection_tells_whether_its_files_were_rewritten(kind, tells, tmp_path):
    path = str(tmp_path / "data")
    write(path, kind, np.zeros((40, 2)))
    before = dask.base.tokenize(READ[kind](path))
    assert dask.base.tokenize(READ[kind](path)) == before
    write(path, kind, np.ones((40, 2)))
    assert (dask.base.tokenize(READ[kind](path)) != before) == tells


# Models of older versions


@pytest.mark.parametrize(
    ("name", "version"),
    [("SGDClassifier", sklearn.__version__), ("Incremental", incremental.__version__)],
)
def test_a_model_of_another_version_warns(name, version, source):
    model = Incremental(sgd(), classes=[0, 1]).fit(source.X, source.y)
    old = "0" * (len(version) - 2) + ".0"
    saved = pickle.dumps(model)
    assert version.encode() in saved
    with pytest.warns(InconsistentVersionWarning, match=f"{name} from version {old} when") as found:
        loaded = pickle.loads(saved.replace(version.encode(), old.encode()))
    assert {w.message.estimator_name for w in found} == {name}
    assert vars(loaded).keys() == vars(model).keys()
    assert same_state(loaded.estimator_, model.estimator_)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle.loads(saved)
        copy.deepcopy(model)


def test_the_error_of_a_block_keeps_its_cause_between_processes():
    error = BlockError("Block 3 could not be computed", 3)
    error.__cause__ = OSError("disk 3 is gone")
    other = pickle.loads(pickle.dumps(error))
    assert (str(other), other.block) == (str(error), 3)
    assert repr(other.__cause__) == repr(error.__cause__)
