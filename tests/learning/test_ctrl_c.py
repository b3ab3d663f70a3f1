"""Ctrl-C leaves whole blocks and no thread."""

import subprocess
import sys
import textwrap
from pathlib import Path

from tests.conftest import first_seed

ROOT = Path(__file__).parents[2]


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

    def new(batch_size):
        return Incremental(
            Counting(random_state=0), classes=[0, 1], batch_size=batch_size, max_iter=2
        )

    def press(moment):
        time.sleep(moment)
        os.kill(os.getpid(), signal.SIGINT)

    def interrupt(seed, batch_size, seconds):
        print("seed", seed, "batch_size", batch_size, flush=True)
        model = new(batch_size)
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
            return
        assert not model.half_
        done = model.n_blocks_
        assert model.n_iter_ in (0, 1, 2)
        if batch_size is None and done < n_blocks:
            assert (model.coef_ == reference(done).coef_).all(), done
            if done < n_blocks:
                model.partial_fit(X[20 * done :], y[20 * done :])
            assert (model.coef_ == reference(n_blocks).coef_).all()
        elif batch_size is not None:
            assert (model.t_ - 1) % 20 == 0, model.t_  # rows of whole blocks

    for batch_size in (None, 50):
        start = time.perf_counter()
        new(batch_size).fit(X, y)
        seconds = time.perf_counter() - start
        for seed in range(FIRST_SEED, FIRST_SEED + N_SEEDS):
            interrupt(seed, batch_size, seconds)
"""


def test_ctrl_c_at_any_moment_leaves_whole_blocks_and_no_thread():
    code = textwrap.dedent(INTERRUPTED)
    code = code.replace("FIRST_SEED", str(first_seed())).replace("N_SEEDS", "12")
    done = run_python(code)
    assert done.returncode == 0, done.stdout[-200:] + done.stderr
    print(done.stdout)


def run_python(code, *args):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, args)], capture_output=True, text=True, cwd=ROOT
    )
