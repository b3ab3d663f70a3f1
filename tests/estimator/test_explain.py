"""What `explain` says is what `fit` reads, pass by pass, and nothing is read for it."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    StandardScaler,
)

from incremental import Incremental, indexable
from incremental._engines.local.engine import LocalEngine
from tests.conftest import Source

CLASSES = [0, 1]


@pytest.fixture
def reads_of_fit(monkeypatch):
    """Return a function that fits, and says what was read in each pass."""

    def counting(source, model, X, y, **params):
        passes = []

        @contextmanager
        def counted():
            before = source.reads.total()
            yield
            passes.append(source.reads.total() - before)

        get, stream = LocalEngine.get, LocalEngine.stream

        def counted_get(self, graph, keys):
            with counted():
                return get(self, graph, keys)

        @contextmanager
        def counted_stream(self, planned, **options):
            with counted(), stream(self, planned, **options) as blocks:
                yield blocks

        monkeypatch.setattr(LocalEngine, "get", counted_get)
        monkeypatch.setattr(LocalEngine, "stream", counted_stream)
        source.reads.clear()
        with dask.config.set(scheduler="synchronous"):
            model.fit(X, y, **params)
        return passes

    return counting


def classifier(**params):
    return Incremental(SGDClassifier(random_state=0), classes=CLASSES, **params)


def pipeline(*steps, **params):
    last = SGDClassifier(random_state=0)
    return Incremental(make_pipeline(*steps, last), classes=CLASSES, **params)


def of_target(transformer):
    regressor = make_pipeline(StandardScaler(), SGDRegressor(random_state=0))
    return Incremental(TransformedTargetRegressor(regressor, transformer=transformer), max_iter=2)


def scaled_y(**transforms):
    regressor = make_pipeline(StandardScaler(), SGDRegressor(random_state=0))
    return TransformedTargetRegressor(regressor, check_inverse=False, **transforms)


def of_delayed(source):
    blocks = [dask.delayed(source.load)(i) for i in range(10)]
    return blocks, [dask.delayed(_labels)(block) for block in blocks]


def _labels(block):
    return (block[:, 0] > 0.5).astype(int)


def frame(source):
    parts = [dask.delayed(_as_frame)(dask.delayed(source.load)(i)) for i in range(10)]
    return dd.from_delayed(parts, meta=_as_frame(np.ones((1, 3))), verify_meta=False)


def _as_frame(values):
    return pd.DataFrame(values, columns=["a", "b", "c"])


def halos(X):
    return da.overlap.map_overlap(lambda block: block, X, depth={0: 1}, boundary="none")


BY_NAME = make_column_transformer((MinMaxScaler(), [0]), (StandardScaler(), [1, 2]))
SIDE_BY_SIDE = make_union(StandardScaler(), make_pipeline(MaxAbsScaler(), MinMaxScaler()))

#: What is fitted to what of a source.
CASES = {
    "plain": lambda s: (classifier(), s.X, s.y),
    "passes": lambda s: (classifier(max_iter=3), s.X, s.y),
    "labels": lambda s: (Incremental(SGDClassifier()), s.X, s.y),
    "balanced": lambda s: (
        Incremental(SGDClassifier(class_weight="balanced"), classes=CLASSES),
        *(s.X, s.y),
    ),
    "y in memory": lambda s: (Incremental(SGDClassifier()), s.X, np.arange(200) % 2),
    "in memory": lambda s: (Incremental(SGDClassifier()), np.ones((9, 2)), np.arange(9) % 2),
    "no y": lambda s: (Incremental(StandardScaler()), s.X, None),
    "mean": lambda s: (classifier(), s.X - s.X.mean(0), s.y),
    "scaled": lambda s: (classifier(max_iter=2), (s.X - s.X.mean(0)) / s.X.std(0), s.y),
    "mean of mean": lambda s: (classifier(), s.X - (s.X - s.X.mean(0)).max(0), s.y),
    "many blocks of a source": lambda s: (classifier(), s.X.rechunk((5, 3)), s.y),
    "misaligned": lambda s: (classifier(), s.X.rechunk((33, 3)), s.y),
    "neighbours": lambda s: (classifier(max_iter=2), halos(s.X), s.y),
    "permuted": lambda s: (classifier(), s.X[np.arange(200).reshape(2, 100).T.ravel()], s.y),
    "far apart": lambda s: (classifier(), da.concatenate([s.X, s.X]), da.concatenate([s.y] * 2)),
    "shuffled": lambda s: (classifier(shuffle=True, max_iter=3, random_state=0), s.X, s.y),
    "shuffled neighbours": lambda s: (
        classifier(shuffle=True, max_iter=3, random_state=0),
        *(s.X.rechunk((30, 3)), s.y),
    ),
    "held out": lambda s: (
        classifier(early_stopping=True, n_iter_no_change=9, max_iter=3),
        *(s.X, s.y),
    ),
    "delayed": lambda s: (classifier(), *of_delayed(s)),
    "indexable": lambda s: (classifier(), *(rows[30:130] for rows in indexable(*of_delayed(s)))),
    "frame": lambda s: (Incremental(StandardScaler()), frame(s), None),
    "bag": lambda s: (
        Incremental(StandardScaler()),
        *(db.from_delayed([dask.delayed(s.load)(i) for i in range(10)]), None),
    ),
    "pipeline": lambda s: (pipeline(StandardScaler(), max_iter=2), s.X, s.y),
    "three steps": lambda s: (
        pipeline(StandardScaler(), FunctionTransformer(), MaxAbsScaler(), MinMaxScaler()),
        *(s.X, s.y),
    ),
    "first rows": lambda s: (pipeline(PolynomialFeatures(), StandardScaler()), s.X, s.y),
    "only steps": lambda s: (
        Incremental(make_pipeline(StandardScaler(), PolynomialFeatures())),
        *(s.X, None),
    ),
    "side by side": lambda s: (pipeline(SIDE_BY_SIDE, StandardScaler()), s.X, s.y),
    "by column": lambda s: (pipeline(BY_NAME, max_iter=2), s.X - s.X.mean(0), s.y),
    "summaries": lambda s: (pipeline(SimpleImputer(), StandardScaler()), s.X, s.y),
    "target": lambda s: (of_target(StandardScaler()), s.X, s.X[:, 0]),
    "target of Delayed": lambda s: (of_target(None), *of_delayed(s)),
    "summaries alone": lambda s: (Incremental(VarianceThreshold()), s.X, None),
    "summaries and blocks": lambda s: (
        pipeline(make_union(VarianceThreshold(), StandardScaler()), MaxAbsScaler()),
        *(s.X, s.y),
    ),
    "scaled y": lambda s: (Incremental(scaled_y(transformer=StandardScaler())), s.X, s.y),
    "function of y": lambda s: (
        Incremental(scaled_y(func=np.cbrt, inverse_func=np.power), max_iter=2),
        *(s.X, s.y),
    ),
    "held out of a pipeline": lambda s: (
        pipeline(StandardScaler(), early_stopping=True, n_iter_no_change=9, max_iter=2),
        *(s.X, s.y),
    ),
}


@pytest.mark.filterwarnings("ignore::dask.array.PerformanceWarning")
@pytest.mark.parametrize("name", CASES)
def test_each_pass_reads_what_was_said(name, reads_of_fit):
    source = Source(10)
    model, X, y = CASES[name](source)
    source.reads.clear()
    said = [one.reads for one in model.explain(X, y).passes]
    assert source.reads.total() == 0
    assert said == reads_of_fit(source, model, X, y)


def test_data_to_validate_on_are_read_after_each_pass(reads_of_fit):
    source, other = Source(10), Source(4)
    other.reads = source.reads
    X_val = other.X - other.X.mean(0)
    model = classifier(early_stopping=True, max_iter=2)
    explanation = model.explain(source.X, source.y, X_val=X_val, y_val=other.y)
    assert [one.reads for one in explanation.passes] == [4, 10, 4, 10, 4]
    said = [one.reads for one in explanation.passes]
    assert said == reads_of_fit(source, model, source.X, source.y, X_val=X_val, y_val=other.y)


def test_weights_of_a_file_of_their_own_are_read_with_X(reads_of_fit):
    source, weights = Source(10), Source(10)
    weights.reads = source.reads
    params = {"sample_weight": weights.X[:, 0]}
    model = pipeline(StandardScaler())
    said = [one.reads for one in model.explain(source.X, source.y, **params).passes]
    assert said == [10, 20]
    assert said == reads_of_fit(source, model, source.X, source.y, **params)


def test_attributes_text_and_table_say_the_same():
    source = Source(10)
    model = pipeline(StandardScaler(), PolynomialFeatures(), max_iter=3, prefetch=2)
    with dask.config.set(scheduler="threads", num_workers=2):
        found = model.explain(source.X - source.X.mean(0), source.y)
    assert (found.n_blocks, found.n_rows, found.reads) == (10, 200, 51)
    assert (found.scheduler, found.workers, found.prefetch) == ("threads", 2, 2)
    assert (found.block_bytes, found.bytes_ahead) == (20 * 3 * 8, 2 * 20 * 3 * 8)
    assert found.warnings == []
    assert [one.what for one in found.passes] == [
        "compute mean_agg-aggregate before",
        "look at the first rows",
        "train standardscaler",
        *["pass of SGDClassifier"] * 3,
    ]
    for text in (str(found), found._repr_html_()):
        assert "3 x pass of SGDClassifier: 10 reads each" in text
        assert "480 B" in text


def test_what_is_not_known_is_said():
    source = Source(3)
    blocks, _ = of_delayed(source)
    found = Incremental(StandardScaler()).explain(blocks)
    assert (found.n_blocks, found.block_bytes, found.n_rows) == (10, None, None)
    assert "Rows: not known before" in str(found)


def test_nothing_of_the_model_nor_of_its_random_state_is_changed():
    source = Source(4)
    random_state = np.random.RandomState(0)
    model = classifier(shuffle=True, random_state=random_state).fit(source.X, source.y)
    before, coef = random_state.get_state()[2], model.coef_.copy()
    model.explain(source.X, source.y)
    assert random_state.get_state()[2] == before
    assert np.array_equal(model.coef_, coef)


def test_what_fit_refuses_before_it_reads_is_refused():
    source = Source(4)
    with pytest.raises(ValueError, match="requires y to be passed"):
        classifier().explain(source.X)
    with pytest.raises(ValueError, match="X_val was passed, but early_stopping is False"):
        classifier().explain(source.X, source.y, X_val=source.X)
    assert source.reads.total() == 0


def test_blocks_that_are_mixed_all_to_all_are_warned_of():
    source = Source(20)
    X = source.X[np.random.default_rng(0).permutation(400)]
    with pytest.warns(da.PerformanceWarning, match="mixed all to all") as caught:
        Incremental(StandardScaler()).fit(X)
    [warning] = Incremental(StandardScaler()).explain(X).warnings
    assert warning == str(caught[0].message)


def test_a_block_that_is_larger_than_what_may_be_ahead_is_warned_of():
    source = Source(4)
    found = Incremental(StandardScaler(), prefetch="300 B").explain(source.X)
    assert found.bytes_ahead == 480
    assert "The largest block has 480 B, more than the 300 B" in found.warnings[0]


def test_labels_that_y_in_memory_is_sorted_by_are_warned_of():
    source = Source(4)
    explain = partial(classifier().explain, source.X)
    assert "4 of 4 blocks have one label only" in explain(np.arange(80) // 40).warnings[0]
    assert explain(np.arange(80) % 2).warnings == []
