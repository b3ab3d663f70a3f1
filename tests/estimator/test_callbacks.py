"""scikit-learn's callbacks see the passes and the blocks of a fit."""

import os
import pickle
from copy import deepcopy

import dask
import numpy as np
import pytest
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from incremental import Incremental
from tests.conftest import same_state

# scikit-learn 1.6 to 1.8 have none; goes when they are no longer supported.
pytest.importorskip("sklearn.callback")
from sklearn.callback import CallbackContext, ProgressBar, ScoringMonitor


class Log:
    """Writes down what it is told, and may ask to stop."""

    def __init__(self, stop_after=None):
        self.events, self.stop_after = [], stop_after

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(f"begin {context.task_name} {context.task_id}")

    def on_fit_task_end(self, estimator, context, *, X=None, y=None):
        self.events.append(f"end {context.task_name} {context.task_id}")
        return self.events[-1] == self.stop_after


def model(**params):
    return Incremental(SGDClassifier(random_state=0), classes=[0, 1], **params)


def test_a_fit_has_passes_and_a_pass_has_blocks(source):
    log = Log()
    model(max_iter=2).set_callbacks(log).fit(source.X[:40], source.y[:40])
    one = "begin pass {0},begin block 0,end block 0,begin block 1,end block 1,end pass {0}"
    expected = "setup,begin fit 0," + one.format(0) + "," + one.format(1) + ",end fit 0,teardown"
    assert log.events == expected.split(",")


def test_a_hook_that_asks_to_stop_ends_the_pass_or_the_fit(source):
    stopped = model().set_callbacks(Log("end block 3")).fit(source.X, source.y)
    assert same_state(stopped.estimator_, model().fit(source.X[:80], source.y[:80]).estimator_)
    stopped = model(max_iter=5).set_callbacks(Log("end pass 1")).fit(source.X, source.y)
    assert stopped.n_iter_ == 2


def test_callbacks_do_not_change_the_model(source):
    heard = model(max_iter=2).set_callbacks(Log()).fit(source.X, source.y)
    assert same_state(heard.estimator_, model(max_iter=2).fit(source.X, source.y).estimator_)


class Copied(SGDClassifier):
    """Counts how often it is copied."""

    copies = 0

    def __deepcopy__(self, memo):
        type(self).copies += 1
        copy = type(self)(**self.get_params())
        copy.__dict__.update(deepcopy(self.__dict__, memo))
        return copy


@pytest.mark.parametrize("listens", [False, True])
def test_who_is_not_heard_costs_no_context_and_no_copy(listens, source, monkeypatch):
    contexts = []
    subcontext = CallbackContext.subcontext

    def counted(self, *args, **kwargs):
        contexts.append(self)
        return subcontext(self, *args, **kwargs)

    monkeypatch.setattr(CallbackContext, "subcontext", counted)
    monkeypatch.setattr(Copied, "copies", 0)
    fitted = Incremental(Copied(random_state=0), classes=[0, 1], max_iter=3)
    if listens:
        fitted.set_callbacks(ScoringMonitor(scoring="accuracy"))
    fitted.fit(source.X, source.y)
    # A pass has a context, and each of its ten blocks; what is monitored are copies.
    n_tasks = 3 * (1 + 10) if listens else 0
    assert len(contexts) == n_tasks
    assert Copied.copies > n_tasks if listens else Copied.copies == 0


def test_the_progress_bar_shows_passes_and_blocks(source, capsys):
    model(max_iter=2).set_callbacks(ProgressBar()).fit(source.X, source.y)
    shown = capsys.readouterr().out
    assert "Incremental - fit" in shown
    assert "pass" in shown


def test_the_monitor_scores_after_every_block_and_pass(source):
    monitor = ScoringMonitor(scoring="accuracy")
    fitted = model(max_iter=2).set_callbacks(monitor).fit(source.X, source.y)
    scores = [row["accuracy"] for row in monitor.get_logs().data if "accuracy" in row]
    assert len(scores) == 2 * 10 + 2 + 1
    assert fitted.score(source.X, source.y) in scores


def test_the_end_of_a_fit_shows_the_model_that_is_kept(source):
    class Last(Log):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            self.fitted = fitted_estimator

    last = Last()
    fitted = model(max_iter=8, early_stopping=True, n_iter_no_change=2, random_state=0)
    fitted.set_callbacks(last).fit(source.X, source.y)
    assert np.argmax(fitted.validation_scores_) < fitted.n_iter_ - 1
    assert same_state(last.fitted.estimator_, fitted.estimator_)


class Propagated(Log):
    """A log that meta-estimators hand on to what they fit."""

    max_propagation_depth = None


def test_a_pipeline_hands_its_callbacks_on(source):
    log = Propagated()
    pipe = make_pipeline(Incremental(StandardScaler()), model())
    pipe.set_callbacks(log).fit(source.X[:40], source.y[:40])
    blocks = [event for event in log.events if "block" in event]
    assert blocks == ["begin block 0", "end block 0", "begin block 1", "end block 1"] * 2


def test_a_search_hands_its_callbacks_on(source, two_jobs, capsys):
    for n_jobs in (1, two_jobs):
        search = GridSearchCV(model(), {"max_iter": [1, 2]}, cv=2, n_jobs=n_jobs)
        search.set_callbacks(ProgressBar()).fit(source.X, source.y.compute())
        assert search.best_estimator_.n_iter_ == search.best_params_["max_iter"]
        assert "Incremental" in capsys.readouterr().out


class Checkpoint:
    """Saves the model every `every` blocks; the file is always a whole one."""

    def __init__(self, path, every):
        self.path, self.every = path, every

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.task_name == "block" and (context.task_id + 1) % self.every == 0:
            done = context.task_id + 1
            with open(f"{self.path}.part", "wb") as file:
                pickle.dump((done, fitted_estimator), file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(f"{self.path}.part", self.path)


def test_training_goes_on_from_a_checkpoint(source, tmp_path):
    path = tmp_path / "model"
    model().set_callbacks(Checkpoint(path, every=3), Log("end block 7")).fit(source.X, source.y)
    done, saved = pickle.loads(path.read_bytes())
    assert done == 6
    saved.set_callbacks().partial_fit(source.X[done * 20 :], source.y[done * 20 :])
    assert same_state(saved.estimator_, model().fit(source.X, source.y).estimator_)
    assert np.isfinite(saved.coef_).all()


def test_an_empty_block_has_no_model_to_show_before_one_has_rows():
    seen = []

    class Watching(Log):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            if context.task_name == "block":
                seen.append(fitted_estimator and fitted_estimator.n_samples_seen_)

    X = [dask.delayed(np.ones)((n, 2)) for n in (0, 3)]
    Incremental(StandardScaler()).set_callbacks(Watching()).fit(X)
    assert seen == [None, 3]
