"""Fits in several threads, and many one after the other, leave each other alone."""

import gc
import itertools
import subprocess
import sys
import threading
import tracemalloc
import warnings

import dask
import dask.array as da
import numpy as np
import pytest
from sklearn.linear_model import SGDClassifier

from incremental import BlockError, Incremental
from tests.conftest import in_blocks, loop, same_state


def sgd():
    return SGDClassifier(random_state=0)


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
    count = f"from tests.estimator.test_many_fits import many_fits; print(*many_fits({n}))"
    found = subprocess.run(
        [sys.executable, "-c", count], check=True, stdout=subprocess.PIPE, text=True
    )
    return map(int, found.stdout.split())


@pytest.mark.slow
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
