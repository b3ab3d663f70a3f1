"""Each step is trained in a pass of its own, and equals the hand-written loop."""

import threading

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.decomposition import IncrementalPCA
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.feature_selection import SelectFromModel
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PolynomialFeatures,
    StandardScaler,
)

from incremental import Incremental
from tests.conftest import Source, in_blocks, loop, same_state
from tests.pipelines.common import CLASSES, sgd


def test_a_scaler_and_a_classifier_equal_the_two_loops_and_read_each_block_twice(source):
    model = Incremental(make_pipeline(StandardScaler(), sgd()), classes=CLASSES)
    model.fit(source.X, source.y)
    assert source.reads == dict.fromkeys(range(10), 2)
    blocks = in_blocks(source.X, source.y)
    scaler = loop(StandardScaler(), [(x,) for x, _ in blocks])
    expected = loop(sgd(), [(scaler.transform(x), y) for x, y in blocks], classes=CLASSES)
    assert same_state(model.estimator_[0], scaler)
    assert same_state(model.estimator_[1], expected)


def test_the_model_is_the_same_on_every_scheduler(scheduler):
    source = Source()
    model = Incremental(make_pipeline(StandardScaler(), sgd()), prefetch=3)
    model.fit(source.X, source.y)
    blocks = in_blocks(source.X, source.y)
    scaler = loop(StandardScaler(), [(x,) for x, _ in blocks])
    expected = loop(sgd(), [(scaler.transform(x), y) for x, y in blocks], classes=CLASSES)
    assert same_state(model.estimator_[-1], expected)
    predicted = model.predict(source.X).compute()
    assert np.array_equal(predicted, model.estimator_.predict(source.X.compute()))
    assert model.score(source.X, source.y) == model.estimator_.score(
        *dask.compute(source.X, source.y)
    )


@pytest.mark.parametrize("batch_size", [None, 30])
def test_the_model_is_the_same_on_a_cluster(batch_size, three_processes):
    X = da.random.default_rng(0).random((100, 3), chunks=(20, 3))
    y = (X[:, 0] > X[:, 1]).astype(int)
    # Not IncrementalPCA: a pickle puts its arrays in another order, which BLAS rounds otherwise.
    deep = make_pipeline(StandardScaler(copy=False), MaxAbsScaler())
    union = make_column_transformer((deep, [0, 1]), (MinMaxScaler(), [2]))
    model = Incremental(make_pipeline(union, sgd()), max_iter=2, batch_size=batch_size)
    client = three_processes
    with client.as_current(), dask.config.set(scheduler=client):
        found = model.fit(X, y).estimator_
        score = model.score(X, y)
    with dask.config.set(scheduler="threads"):
        expected = model.fit(X, y).estimator_
    assert score == expected.score(*dask.compute(X, y))
    assert same_state(found[1], expected[1])
    for one, other in zip(found[0]["pipeline"], expected[0]["pipeline"], strict=True):
        assert same_state(one, other)


def test_only_the_last_step_takes_max_iter_passes(source):
    model = Incremental(make_pipeline(StandardScaler(), sgd()), classes=CLASSES, max_iter=3)
    model.fit(source.X, source.y)
    assert source.reads == dict.fromkeys(range(10), 4)
    blocks = in_blocks(source.X, source.y)
    scaler = loop(StandardScaler(), [(x,) for x, _ in blocks])
    scaled = [(scaler.transform(x), y) for x, y in blocks]
    assert same_state(model.estimator_[0], scaler)
    assert same_state(model.estimator_[1], loop(sgd(), scaled * 3, classes=CLASSES))
    assert model.n_iter_ == 3


def test_classes_are_found_once(source):
    Incremental(make_pipeline(StandardScaler(), MaxAbsScaler(), sgd()), max_iter=2).fit(
        source.X, source.y
    )
    assert source.reads == dict.fromkeys(range(10), 1 + 4)


def test_a_lazy_mean_is_computed_once_for_all_passes(source):
    X = source.X - source.X.mean(0)
    Incremental(make_pipeline(StandardScaler(), sgd()), classes=CLASSES).fit(X, source.y)
    assert source.reads == dict.fromkeys(range(10), 1 + 2)


def test_branches_learn_in_the_same_pass(source):
    union = FeatureUnion([("scale", StandardScaler()), ("pca", IncrementalPCA(2))])
    model = Incremental(make_pipeline(union, sgd()), classes=CLASSES).fit(source.X, source.y)
    assert source.reads == dict.fromkeys(range(10), 2)
    blocks = in_blocks(source.X, source.y)
    scaler = loop(StandardScaler(), [(x,) for x, _ in blocks])
    pca = loop(IncrementalPCA(2), [(x,) for x, _ in blocks])
    both = [(np.hstack([scaler.transform(x), pca.transform(x)]), y) for x, y in blocks]
    assert same_state(model.estimator_[1], loop(sgd(), both, classes=CLASSES))
    assert list(model.estimator_[0].named_transformers) == ["scale", "pca"]


def test_passes_are_as_many_as_steps_one_after_the_other():
    source = Source()
    deep = make_pipeline(MinMaxScaler(), make_pipeline(Normalizer(), IncrementalPCA(1)))
    by_column = make_column_transformer((deep, [0, 1]), (StandardScaler(), [2]))
    pipe = make_pipeline(MaxAbsScaler(), by_column, make_pipeline(StandardScaler(), sgd()))
    model = Incremental(pipe, classes=CLASSES).fit(source.X, source.y)
    # MaxAbsScaler; MinMaxScaler and StandardScaler; IncrementalPCA; StandardScaler; SGD; and the
    # first rows for the columns.
    assert source.reads == {0: 6, **dict.fromkeys(range(1, 10), 5)}
    blocks = in_blocks(source.X, source.y)
    maximum = loop(MaxAbsScaler(), [(x,) for x, _ in blocks])
    first = [maximum.transform(x) for x, _ in blocks]
    small = loop(MinMaxScaler(), [(x[:, [0, 1]],) for x in first])
    normal = [Normalizer().transform(small.transform(x[:, [0, 1]])) for x in first]
    pca = loop(IncrementalPCA(1), [(x,) for x in normal])
    third = loop(StandardScaler(), [(x[:, [2]],) for x in first])
    joined = [
        np.hstack([pca.transform(z), third.transform(x[:, [2]])])
        for z, x in zip(normal, first, strict=True)
    ]
    scaler = loop(StandardScaler(), [(x,) for x in joined])
    scaled = [(scaler.transform(x), y) for x, (_, y) in zip(joined, blocks, strict=True)]
    assert same_state(model.estimator_[-1][-1], loop(sgd(), scaled, classes=CLASSES))
    assert np.array_equal(
        model.predict(source.X).compute(), model.estimator_.predict(source.X.compute())
    )


@pytest.mark.usefixtures("threads")  # those of a bag are processes, which count for themselves
@pytest.mark.parametrize("kind", ["bag", "series"])
def test_text_is_read_once_per_pass(kind):
    texts = [["one two", "three", "two two"], ["four", "one", "three two"], ["two", "four four"]]
    ys = [[0, 1, 0], [1, 0, 1], [0, 1]]
    reads = []

    def load(i):
        reads.append(i)
        return texts[i] if kind == "bag" else pd.Series(texts[i])

    if kind == "bag":
        X = db.from_delayed([dask.delayed(load)(i) for i in range(3)])
    else:
        X = dd.from_map(load, range(3), meta=pd.Series(dtype=str))
    y = da.concatenate([da.from_array(np.array(one)) for one in ys])
    hashing = HashingVectorizer(n_features=16)
    pipe = make_pipeline(hashing, sgd())
    model = Incremental(pipe, classes=CLASSES, max_iter=3).fit(X, y)
    assert sorted(reads) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    blocks = [(hashing.transform(t), np.array(one)) for t, one in zip(texts, ys, strict=True)]
    assert same_state(model.estimator_[-1], loop(sgd(), blocks * 3, classes=CLASSES))
    found = model.predict(X).compute()
    assert np.array_equal(found, model.estimator_.predict([t for part in texts for t in part]))
    assert model.score(X, y) == model.estimator_.score(
        [t for part in texts for t in part], y.compute()
    )


@pytest.mark.usefixtures("threads")
def test_transforms_run_where_blocks_are_computed(source):
    transforms = []

    def note(X):
        transforms.append(threading.current_thread())
        return X

    pipe = make_pipeline(FunctionTransformer(note), StandardScaler(), sgd())
    Incremental(pipe, classes=CLASSES).fit(source.X, source.y)
    here = threading.current_thread()
    assert sum(thread is not here for thread in transforms) == 2 * 10  # and some for the first rows


def test_batches_are_those_of_every_step():
    source = Source(n_blocks=6, n_rows=7)
    pipe = make_pipeline(IncrementalPCA(3), sgd())
    model = Incremental(pipe, classes=CLASSES, batch_size=14).fit(source.X, source.y)
    X, y = dask.compute(source.X, source.y)
    batches = [(X[i : i + 14], y[i : i + 14]) for i in range(0, 42, 14)]
    pca = loop(IncrementalPCA(3), [(x,) for x, _ in batches])
    expected = [(np.vstack([pca.transform(x[:7]), pca.transform(x[7:])]), y) for x, y in batches]
    assert same_state(model.estimator_[0], pca)
    assert same_state(model.estimator_[1], loop(sgd(), expected, classes=CLASSES))


def test_steps_that_learn_nothing_need_no_pass(source):
    model = Incremental(make_pipeline(PolynomialFeatures(), Normalizer())).fit(source.X)
    assert source.reads == {0: 1}
    X = source.X.compute()
    expected = make_pipeline(PolynomialFeatures(), Normalizer()).fit_transform(X)
    assert np.array_equal(model.transform(source.X).compute(), expected)


def in_blocks_of_unknown_size(*arrays):
    return list(zip(*(dask.compute(*a.to_delayed().ravel()) for a in arrays), strict=True))


def test_empty_blocks_go_through_no_step():
    source = Source()
    keep = source.X[:, 0] > np.repeat([2, 0, 2, 0, 0], 40)
    X, y = source.X[keep], source.y[keep]
    union = make_column_transformer((StandardScaler(), [0, 1]))
    model = Incremental(make_pipeline(union, sgd()), classes=CLASSES).fit(X, y)
    blocks = [b for b in in_blocks_of_unknown_size(X, y) if len(b[0])]
    scaler = loop(StandardScaler(), [(x[:, :2],) for x, _ in blocks])
    scaled = [(scaler.transform(x[:, :2]), y) for x, y in blocks]
    assert same_state(model.estimator_[1], loop(sgd(), scaled, classes=CLASSES))
    with pytest.raises(ValueError, match="every block of X is empty"):
        Incremental(make_pipeline(union, sgd()), classes=CLASSES).fit(
            source.X[source.X[:, 0] > 2], source.y[source.X[:, 0] > 2]
        )
    with pytest.raises(ValueError, match="every block of X is empty"):
        Incremental(make_pipeline(StandardScaler(), sgd()), classes=CLASSES).fit(
            source.X[source.X[:, 0] > 2], source.y[source.X[:, 0] > 2]
        )


def test_blocks_may_be_sparse_and_out_of_order():
    source = Source()
    X = source.X.map_blocks(sp.csr_matrix)
    pipe = make_pipeline(MaxAbsScaler(), sgd())
    model = Incremental(pipe, classes=CLASSES, shuffle=True, max_iter=2, random_state=0)
    model.fit(X, source.y)
    scaler = loop(MaxAbsScaler(), [(sp.csr_matrix(x),) for x, _ in in_blocks(source.X, source.y)])
    assert same_state(model.estimator_[0], scaler)
    scaled = X.map_blocks(scaler.transform, dtype=float, meta=sp.csr_matrix((0, 3)))
    alone = Incremental(clone(pipe[1]), classes=CLASSES, shuffle=True, max_iter=2, random_state=0)
    assert same_state(model.estimator_[1], alone.fit(scaled, source.y).estimator_)


@pytest.mark.parametrize("in_memory", [True, False])
def test_steps_never_change_the_blocks(in_memory):
    source = Source()
    X = da.from_array(source.X.compute(), (20, 3)) if in_memory else source.X
    before = X.compute().copy()
    y = (X[:, 0] > 0.5).astype(int)
    steps = StandardScaler(copy=False), MinMaxScaler(copy=False)
    model = Incremental(make_pipeline(*steps, sgd()), max_iter=2).fit(X, y)
    careful = make_pipeline(StandardScaler(), MinMaxScaler(), sgd())
    assert np.array_equal(X.compute(), before)
    assert same_state(
        model.estimator_[-1], Incremental(careful, max_iter=2).fit(X, y).estimator_[-1]
    )


def test_a_supervised_step_is_given_y_and_classes(source):
    select = SelectFromModel(sgd(), threshold=-np.inf, max_features=2)
    model = Incremental(make_pipeline(select, sgd())).fit(source.X, source.y)
    blocks = in_blocks(source.X, source.y)
    chosen = loop(clone(select), blocks, classes=CLASSES)
    expected = loop(sgd(), [(chosen.transform(x), y) for x, y in blocks], classes=CLASSES)
    assert same_state(model.estimator_[1], expected)


def test_the_state_of_another_thread_reaches_the_steps(source):
    with sklearn.config_context(transform_output="pandas"):
        model = Incremental(make_pipeline(StandardScaler(), sgd()), classes=CLASSES)
        model.fit(source.X, source.y)
    assert model.estimator_[1].feature_names_in_.tolist() == ["x0", "x1", "x2"]


def test_steps_are_not_copied_to_look_at_them():
    class Watched(StandardScaler):
        copies = 0

        def __sklearn_clone__(self):
            Watched.copies += 1
            return super().__sklearn_clone__()

    model = Incremental(make_pipeline(make_union(Watched()), sgd())).fit(np.eye(3), [0, 1, 1])
    assert Watched.copies == 1
    model.partial_fit(np.eye(3), [0, 1, 1])
    assert hasattr(model, "partial_fit")
    assert Watched.copies == 1
