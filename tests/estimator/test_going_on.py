"""A fit that fails, or is killed, leaves a model that goes on."""

import doctest
import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.linear_model import SGDClassifier

from incremental import BlockError, Incremental
from tests.conftest import Source, first_seed, in_blocks, loop, needs_callbacks, same_state

ROOT = Path(__file__).parents[2]


def sgd():
    return SGDClassifier(random_state=0)


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


def checkpoint_of_the_guide():
    """Return the code of the class that the guide shows."""
    examples = doctest.DocTestParser().get_examples((ROOT / "docs/guide/watching.rst").read_text())
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


@pytest.mark.slow
@needs_callbacks
def test_a_killed_process_goes_on_from_its_checkpoint_to_the_same_model(tmp_path):
    rng = np.random.default_rng(first_seed())
    (tmp_path / "checkpoint.py").write_text(checkpoint_of_the_guide())
    (tmp_path / "train.py").write_text(textwrap.dedent(KILLED))
    log, every = tmp_path / "log", 3
    environment = dict(os.environ, PYTHONPATH=f"{ROOT}{os.pathsep}{tmp_path}")
    first, saved, n_kills = 0, "", 0
    while True:
        path = tmp_path / f"model-{n_kills}"
        log.write_text("")
        last = first + 13 if n_kills < 2 else 40  # so far it comes, however late it is killed
        command = [sys.executable, tmp_path / "train.py", path, log, first, every, last, saved]
        process = subprocess.Popen(
            list(map(str, command)), stdout=subprocess.PIPE, env=environment, text=True
        )
        stop_after = rng.integers(1, 13) if n_kills < 2 else 1_000
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
    assert n_kills == 2  # from the start, and from a checkpoint
    coef, t = json.loads(process.communicate()[0])
    values = np.random.default_rng(0).random((40 * 20, 3))
    labels = (values[:, 0] > 0.5).astype(int)
    blocks = zip(np.split(values, 40), np.split(labels, 40), strict=True)
    expected = loop(sgd(), blocks, classes=[0, 1])
    assert np.array_equal(coef, expected.coef_)
    assert t == expected.t_
