"""What the tests of summaries share: the reference is ``fit`` on all rows."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.interpolate import BSpline
from sklearn.base import clone

from incremental._data.values import concatenate
from incremental._summaries.table import summaries_of


def cut(values, stops):
    """Return blocks of rows; some may be empty."""
    starts = [0, *stops]
    stops = [*stops, len(values) if not hasattr(values, "shape") else values.shape[0]]
    if hasattr(values, "iloc"):
        return [values.iloc[a:b] for a, b in zip(starts, stops, strict=True)]
    return [values[a:b] for a, b in zip(starts, stops, strict=True)]


def learned(estimator, blocks, ys=None):
    """Return a clone of an estimator that has learned from the summaries of blocks, in a tree."""
    estimator = clone(estimator)
    how = summaries_of(estimator)
    assert how.refusal(estimator) is None
    before = estimator.get_params()
    ys = [None] * len(blocks) if ys is None else ys
    level = [
        pickle.loads(pickle.dumps(how.block(estimator, X, y)))
        for X, y in zip(blocks, ys, strict=True)
    ]
    while len(level) > 1:
        pairs = [level[i : i + 2] for i in range(0, len(level), 2)]
        level = [how.merge(estimator, *pair) if len(pair) == 2 else pair[0] for pair in pairs]
    how.check_size(estimator, level[0])
    how.fit(estimator, level[0])
    assert estimator.get_params() == before
    return estimator


def same(a, b, rtol=0):
    """Assert that two values are the same, with their types and dtypes, but for rounding."""
    if a is b:
        return
    assert type(a) is type(b), (a, b)
    if sp.issparse(a):
        a, b = a.tocsr(), b.tocsr()
        assert a.shape == b.shape
        for name in ("indptr", "indices", "data"):
            same(getattr(a, name), getattr(b, name), rtol)
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype and a.shape == b.shape, (a, b)
        if a.dtype == object:
            same(a.tolist(), b.tolist(), rtol)
        elif a.dtype.kind == "f" and rtol:
            np.testing.assert_allclose(a, b, rtol=rtol, atol=0)
        else:
            np.testing.assert_array_equal(a, b)
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), (a, b)
        for one, two in zip(a, b, strict=True):
            same(one, two, rtol)
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            same(a[key], b[key], rtol)
    elif isinstance(a, BSpline):
        same([a.t, a.c, a.k], [b.t, b.c, b.k], rtol)
    elif hasattr(a, "get_params"):
        same_state(a, b, rtol)
    else:
        assert a == b or (a != a and b != b), (a, b)


def same_state(a, b, rtol=0):
    """Assert that two estimators have the same attributes, private ones included."""
    assert vars(a).keys() == vars(b).keys()
    for name in vars(a):
        if name == "_stop_words_id":  # the address of a parameter
            assert (a._stop_words_id, b._stop_words_id) == (id(a.stop_words), id(b.stop_words))
            continue
        try:
            same(vars(a)[name], vars(b)[name], rtol)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error


def outcome(function):
    """Return what a function returns, or the type of what it raises."""
    try:
        return function()
    except Exception as error:
        return type(error)


def compare(estimator, blocks, ys=None, ulps=0):
    """Assert that what is learned from blocks is what is learned from all rows, errors included."""
    X = concatenate(blocks)
    y = None if ys is None else concatenate(ys)
    whole = outcome(lambda: clone(estimator).fit(X, y))
    found = outcome(lambda: learned(estimator, blocks, ys))
    if isinstance(whole, type) or isinstance(found, type):
        assert whole == found
        return None
    # What has 32 bits may have been added in 32 bits.
    is_narrow = any("float32" in str(getattr(b, "dtypes", getattr(b, "dtype", ""))) for b in blocks)
    rtol = ulps * np.finfo(np.float32 if is_narrow else np.float64).eps
    same_state(found, whole, rtol)
    a, b = outcome(lambda: found.transform(X)), outcome(lambda: whole.transform(X))
    if hasattr(a, "iloc"):
        pd.testing.assert_frame_equal(a, b)
    else:
        same(a, b, rtol)
    return found
