"""What a task of a session computes: with the others, alone, or apart from them."""

from __future__ import annotations

import random
import threading
from functools import partial

import dask
import dask.array as da
import dask.dataframe as dd
import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import SGDClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import FeatureUnion
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from incremental import BlockError, Incremental
from incremental._data.blocks import make_blocks
from incremental._engines.open import open_engine
from incremental._engines.scan import joining


def in_session(*functions):
    """Call functions side by side; return their results or errors."""

    def run(function):
        try:
            return function()
        except Exception as error:
            return error

    with joblib.parallel_config("incremental"):
        return joblib.Parallel(n_jobs=2)(joblib.delayed(run)(f) for f in functions)


def broken(block):
    raise OSError("disk is gone")


def test_a_task_that_has_a_stream_computes_alone(source):
    def streams_twice():
        blocks = make_blocks(source.X)
        with open_engine(blocks.collections) as engine:
            planned = engine.plan(blocks)
            with engine.stream(planned) as outer:
                _, first = next(outer)
                with engine.stream(planned) as inner:
                    found = [block["X"] for _, block in inner]
                (again,) = engine.get(blocks.graph, list(blocks.keys[0]))
                assert np.array_equal(first["X"], again)
        return np.concatenate(found)

    for found in in_session(streams_twice, streams_twice):
        assert np.array_equal(found, source.X.compute())


def test_a_value_that_cannot_be_computed_is_the_error_of_those_who_asked_for_it(source):
    def fit(X):
        return lambda: Incremental(StandardScaler()).fit(X)

    failing = source.X - source.X.map_blocks(broken, dtype=float).mean(0)
    centred = source.X - source.X.mean(0)
    error, one, other = in_session(fit(failing), fit(centred), fit(centred))
    assert isinstance(error, BlockError)
    assert isinstance(error.__cause__, OSError)
    expected = Incremental(StandardScaler()).fit(centred)
    for model in (one, other):
        assert np.array_equal(model.var_, expected.var_)


@pytest.mark.parametrize("method", ["disk", "tasks"])
def test_rows_that_are_shuffled_are_learned_once_by_each_fit(method):
    frame = pd.DataFrame({"a": np.arange(60.0), "k": np.arange(60) % 7, "u": np.arange(60)})
    with dask.config.set({"dataframe.shuffle.method": method}):
        lazy = dd.from_pandas(frame, npartitions=3).shuffle("k")
        lazy = lazy.assign(a=lazy.a - lazy.a.mean()).shuffle("u")[["a", "k"]]
        union = FeatureUnion(
            [(s.__name__, Incremental(s())) for s in (StandardScaler, MinMaxScaler)]
        )
        alone = union.fit(lazy).transformer_list
        with joblib.parallel_config("incremental"):
            together = union.fit(lazy).transformer_list
    for (_, one), (_, other) in zip(alone, together, strict=True):
        assert one.n_samples_seen_ == other.n_samples_seen_ == 60
        assert np.array_equal(one.scale_, other.scale_)


def test_fits_of_shuffled_rows_that_come_later_learn_them_once_too():
    frame = pd.DataFrame({"a": np.arange(60.0), "k": np.arange(60) % 7})
    lazy = dd.from_pandas(frame, npartitions=3).shuffle("k")[["a"]]

    def fit(n_passes):
        return lambda: Incremental(StandardScaler(), max_iter=n_passes).fit(lazy).n_samples_seen_

    assert in_session(*map(fit, (1, 2, 3, 1))) == [60, 120, 180, 60]


def test_a_lazy_mean_is_computed_once_for_all_fits(source):
    X = source.X - source.X.mean(0)
    models = in_session(*[lambda: Incremental(StandardScaler()).fit(X)] * 4)
    assert all(np.array_equal(m.mean_, models[0].mean_) for m in models)
    assert set(source.reads.values()) == {2}


def test_data_in_memory_are_learned_as_without_a_session():
    X = np.random.default_rng(0).random((20, 3))
    (found,) = in_session(lambda: Incremental(StandardScaler()).fit(X).mean_)
    assert np.array_equal(found, StandardScaler().partial_fit(X).mean_)
    (lazy,) = in_session(lambda: Incremental(StandardScaler()).fit_transform(da.from_array(X)))
    assert isinstance(lazy, da.Array)  # what the next step learns from stays lazy


def test_predictions_are_in_memory_and_are_those_without_a_session(source):
    Y = np.c_[np.arange(200) % 2, np.arange(200) % 3 == 0].astype(int)
    several = Incremental(MultiOutputClassifier(GaussianNB())).fit(source.X, Y)
    expected = [dask.compute(p)[0] for p in several.predict_proba(source.X)]
    (found,) = in_session(lambda: several.predict_proba(source.X))
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))
    empty = [dask.delayed(np.empty)((0, 3)) for _ in range(2)]
    (found,) = in_session(lambda: several.predict(empty))
    assert found.shape == (0, 2)


@pytest.mark.parametrize(("n_bytes_kept", "n_reads"), [(0, 2), (joining.N_BYTES_KEPT, 1)])
def test_only_so_many_values_are_kept(source, monkeypatch, n_bytes_kept, n_reads):
    monkeypatch.setattr(joining, "N_BYTES_KEPT", n_bytes_kept)
    (found,) = in_session(lambda: [source.X.compute(), source.X.compute()])
    assert np.array_equal(*found)
    assert set(source.reads.values()) == {n_reads}


def test_a_thread_that_runs_no_task_computes_by_the_scheduler_that_was_configured():
    found = []

    def compute():
        found.append(dask.delayed(threading.get_ident, pure=True)().compute())

    def in_a_thread():
        thread = threading.Thread(target=compute)
        thread.start()
        thread.join()
        return thread.ident

    with dask.config.set(scheduler="synchronous"):
        assert in_session(in_a_thread) == found


def test_what_one_fit_alone_computes_fails_for_that_fit_alone(source):
    def fit(X, y):
        return Incremental(SGDClassifier(random_state=0), classes=[0, 1]).fit(X, y).coef_

    def outcome(X, y):
        try:
            return fit(X, y).tolist()
        except BlockError as error:
            return str(error), type(error.__cause__), error.block

    cases = [
        (source.X.map_blocks(broken, dtype=float), source.y),
        (2 * source.X, source.y),
        (3 * source.X, source.y.map_blocks(broken, dtype=int)),
    ]
    alone = [outcome(*case) for case in cases]
    assert [found[1:] for found in alone[::2]] == [(OSError, 0)] * 2
    assert in_session(*[partial(outcome, *case) for case in cases]) == alone


def test_a_fit_is_explained_as_without_a_session(source):
    def explain():
        return str(Incremental(StandardScaler()).explain(source.X))

    assert in_session(explain) == [explain()]


def test_nothing_is_drawn_from_a_global_generator_to_weigh_what_is_kept():
    # dask's sizeof draws some of many objects, which makes another sum each time, too.
    texts = dask.delayed([f"{i}" * i for i in range(500)]).__add__(["last"])
    before = random.getstate()
    found = in_session(texts.compute, texts.compute)
    assert [len(one) for one in found] == [501, 501]
    assert random.getstate() == before
