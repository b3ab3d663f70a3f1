"""Pipelines, trained step by step, are those of hand-written loops."""

import pickle
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.cluster import MiniBatchKMeans
from sklearn.compose import ColumnTransformer, make_column_selector, make_column_transformer
from sklearn.decomposition import PCA, IncrementalPCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.image import PatchExtractor
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectFromModel, SelectKBest
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
)
from sklearn.utils.discovery import all_estimators

from incremental import BlockError, Incremental, indexable
from incremental._pipelines.pipeline import is_tree
from incremental._pipelines.refused import REFUSED
from incremental._pipelines.transformers import CONDITIONS
from tests.conftest import Source, in_blocks, loop, same_state

CLASSES = [0, 1]


def sgd(**params):
    return SGDClassifier(random_state=0, **params)


def frame(n=240):
    rng = np.random.default_rng(0)
    found = pd.DataFrame(
        {
            "size": rng.random(n),
            "age": np.where(rng.random(n) < 0.1, np.nan, rng.random(n)),
            "colour": pd.Categorical(rng.choice(["red", "green", "blue"], n)),
            "city": rng.choice(["Bonn", "Rome"], n),
            "text": rng.choice(["one two", "three", "two two four"], n),
        }
    )
    return found, (found["size"] > 0.5).astype(int).rename("y")


def lazy(*pandas, npartitions=4):
    return [dd.from_pandas(one, npartitions=npartitions, sort=False) for one in pandas]


def partitions(*collections):
    return list(zip(*(dask.compute(*c.partitions) for c in collections), strict=True))


# Passes


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
def test_the_model_is_the_same_on_a_cluster(batch_size, client):
    X = da.random.default_rng(0).random((100, 3), chunks=(20, 3))
    y = (X[:, 0] > X[:, 1]).astype(int)
    # Not IncrementalPCA: a pickle puts its arrays in another order, which BLAS rounds otherwise.
    deep = make_pipeline(StandardScaler(copy=False), MaxAbsScaler())
    union = make_column_transformer((deep, [0, 1]), (MinMaxScaler(), [2]))
    model = Incremental(make_pipeline(union, sgd()), max_iter=2, batch_size=batch_size)
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


@pytest.fixture
def threads():
    with dask.config.set(scheduler="threads", num_workers=2):
        yield


@pytest.fixture(scope="module")
def client():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


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


# Layouts


def by_column():
    return make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="constant", fill_value=0.0), StandardScaler()),
         ["size", "age"]),
        (OneHotEncoder(), ["colour"]),
        (OneHotEncoder(categories=[["Bonn", "Rome"]]), ["city"]),
        (HashingVectorizer(n_features=16), "text"),
    )  # fmt: skip


def test_columns_are_taken_by_name_and_equal_the_loop():
    X, y = frame()
    lazy_X, lazy_y = lazy(X, y)
    model = Incremental(make_pipeline(by_column(), sgd()), classes=CLASSES).fit(lazy_X, lazy_y)
    blocks = partitions(lazy_X, lazy_y)
    numbers = loop(
        StandardScaler(), [(x[["size", "age"]].fillna(0).to_numpy(),) for x, _ in blocks]
    )
    found = model.estimator_[0].named_transformers_["pipeline"][-1]
    assert same_state(found, numbers) if "feature_names_in_" in vars(numbers) else True
    assert np.array_equal(found.mean_, numbers.mean_)
    whole = clone(by_column()).fit(X)
    whole.named_transformers_["pipeline"].steps[-1] = ("standardscaler", numbers)
    expected = loop(sgd(), [(whole.transform(x), y) for x, y in blocks], classes=CLASSES)
    assert same_state(model.estimator_[-1], expected)
    assert np.array_equal(model.predict(lazy_X).compute(), model.estimator_.predict(X))
    assert model.score(lazy_X, lazy_y) == model.estimator_.score(X, y)


@pytest.mark.parametrize(
    "make",
    [
        lambda: make_column_transformer(
            (OneHotEncoder(), make_column_selector(dtype_include="category")),
            (MinMaxScaler(), ["size"]),
            remainder="drop",
        ),
        lambda: make_column_transformer(
            (OneHotEncoder(drop="first", sparse_output=False), ["colour"]),
            ("drop", ["text", "city"]),
            remainder=MinMaxScaler(),
            verbose_feature_names_out=False,
        ),
        lambda: ColumnTransformer(
            [
                ("numbers", MinMaxScaler(), slice("size", "age")),
                ("none", MinMaxScaler(), []),
                ("colours", OrdinalEncoder(), ["colour"]),
                ("kept", "passthrough", ["size"]),
            ],
            transformer_weights={"numbers": 2.0},
        ),
        lambda: make_column_transformer(
            (OneHotEncoder(sparse_output=False), ["colour"]),
            (MinMaxScaler(), ["size", "age"]),
        ).set_output(transform="pandas"),
        lambda: make_union(
            make_column_transformer((MinMaxScaler(), ["size"])),
            make_column_transformer((OneHotEncoder(), ["colour"])),
        ),
        lambda: make_pipeline(
            make_column_transformer((MinMaxScaler(), ["size"]), ("passthrough", ["age"])),
            SimpleImputer(strategy="constant", fill_value=0),
            PolynomialFeatures(),
        ),
    ],
    ids=["selector", "remainder", "slice", "pandas", "union", "polynomial"],
)
def test_a_transformer_of_columns_is_the_one_that_is_fitted_in_memory(make):
    X, _ = frame()
    (lazy_X,) = lazy(X)
    model = Incremental(make()).fit(lazy_X)
    memory = make().fit(X)
    expected, found = memory.transform(X), model.estimator_.transform(X)
    assert type(expected) is type(found)
    assert list(model.get_feature_names_out()) == list(memory.get_feature_names_out())
    assert list(model.estimator_.feature_names_in_) == list(X.columns)
    if sp.issparse(expected):
        expected, found = expected.toarray(), found.toarray()
    if hasattr(expected, "columns"):
        pd.testing.assert_frame_equal(expected, found)
    assert np.array_equal(np.asarray(expected, float), np.asarray(found, float), equal_nan=True)
    result = model.transform(lazy_X).compute()
    result = result.toarray() if sp.issparse(result) else result
    assert np.array_equal(np.asarray(expected, float), np.asarray(result, float), equal_nan=True)


def test_the_first_rows_decide_about_columns_and_are_read_once_more(source):
    union = make_column_transformer((StandardScaler(), [0]), (PolynomialFeatures(), [1, 2]))
    model = Incremental(make_pipeline(union, sgd()), classes=CLASSES, max_iter=2)
    model.fit(source.X, source.y)
    assert source.reads == {0: 4, **dict.fromkeys(range(1, 10), 3)}


def test_a_column_that_is_missing_in_the_first_rows_is_kept():
    X = np.arange(12.0).reshape(6, 2)
    X[:3, 1] = np.nan
    imputer = SimpleImputer(strategy="constant", fill_value=7)
    model = Incremental(make_pipeline(imputer, StandardScaler())).fit(da.from_array(X, (3, 2)))
    expected = make_pipeline(imputer, StandardScaler()).fit(X)
    assert np.array_equal(model.transform(X), expected.transform(X))


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


def in_blocks_of_unknown_size(*arrays):
    return list(zip(*(dask.compute(*a.to_delayed().ravel()) for a in arrays), strict=True))


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


def test_data_in_memory_give_what_lists_of_blocks_give():
    X, y = frame()
    pipe = make_pipeline(by_column(), sgd())
    model = Incremental(pipe).fit(X, y)
    (lazy_X, lazy_y) = lazy(X, y, npartitions=1)
    assert same_state(model.estimator_[-1], Incremental(pipe).fit(lazy_X, lazy_y).estimator_[-1])
    assert np.array_equal(model.predict(X), model.predict(lazy_X).compute())


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


# As without a pipeline


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


def test_partial_fit_goes_on_with_the_last_step_only(source):
    pipe = make_pipeline(StandardScaler(), sgd())
    straight = Incremental(pipe, classes=CLASSES, max_iter=3).fit(source.X, source.y)
    resumed = Incremental(pipe, classes=CLASSES).partial_fit(source.X, source.y)
    resumed = pickle.loads(pickle.dumps(resumed)).partial_fit(source.X, source.y)
    source.reads.clear()
    resumed.partial_fit(source.X, source.y)
    assert source.reads == dict.fromkeys(range(10), 1)
    assert resumed.n_iter_ == straight.n_iter_ == 3
    for one, other in zip(resumed.estimator_, straight.estimator_, strict=True):
        assert same_state(one, other)
    other = Source(n_blocks=3)
    scaler = pickle.dumps(resumed.estimator_[0])
    resumed.partial_fit(other.X * 100, other.y)
    assert pickle.dumps(resumed.estimator_[0]) == scaler


def test_weights_go_to_the_last_step_or_to_the_one_that_is_named(source):
    rng = np.random.default_rng(0)
    w, v = rng.random(200), rng.random(200)
    model = Incremental(make_pipeline(StandardScaler(), sgd()), classes=CLASSES)
    model.fit(source.X, source.y, sample_weight=w, standardscaler__sample_weight=v)
    other = Incremental(make_pipeline(StandardScaler(), sgd()), classes=CLASSES).fit(
        source.X,
        source.y,
        sgdclassifier__sample_weight=da.from_array(w, 50),
        standardscaler__sample_weight=da.from_array(v, 70),
    )
    scaler, classifier = StandardScaler(), sgd()
    blocks = [*in_blocks(source.X, source.y, da.from_array(w, 20), da.from_array(v, 20))]
    for x, _, _, part in blocks:
        scaler.partial_fit(x, sample_weight=part)
    for x, y, part, _ in blocks:
        classifier.partial_fit(scaler.transform(x), y, classes=CLASSES, sample_weight=part)
    for found in (model, other):
        assert same_state(found.estimator_[0], scaler)
        assert same_state(found.estimator_[1], classifier)


def test_classes_may_be_given_by_the_name_of_a_step(source):
    steps = make_pipeline(SelectFromModel(sgd()), sgd())
    model = Incremental(steps).fit(source.X, source.y, sgdclassifier__classes=[0, 1, 2])
    assert model.classes_.tolist() == [0, 1, 2]
    model = Incremental(steps).fit(source.X, source.y, selectfrommodel__classes=[0, 1, 2])
    assert model.classes_.tolist() == [0, 1]
    assert model.estimator_[0].estimator_.classes_.tolist() == [0, 1, 2]


def test_metadata_is_routed_to_the_steps_that_ask_for_it(source):
    w = np.random.default_rng(0).random(200)
    with sklearn.config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_partial_fit_request(sample_weight=True)
        pipe = make_pipeline(scaler, sgd().set_partial_fit_request(sample_weight=False))
        model = Incremental(pipe, classes=CLASSES).fit(source.X, source.y, sample_weight=w)
    expected = Incremental(make_pipeline(StandardScaler(), sgd()), classes=CLASSES).fit(
        source.X, source.y, standardscaler__sample_weight=w
    )
    for one, other in zip(model.estimator_, expected.estimator_, strict=True):
        assert same_state(one, other)


def test_a_supervised_step_is_given_y_and_classes(source):
    select = SelectFromModel(sgd(), threshold=-np.inf, max_features=2)
    model = Incremental(make_pipeline(select, sgd())).fit(source.X, source.y)
    blocks = in_blocks(source.X, source.y)
    chosen = loop(clone(select), blocks, classes=CLASSES)
    expected = loop(sgd(), [(chosen.transform(x), y) for x, y in blocks], classes=CLASSES)
    assert same_state(model.estimator_[1], expected)


def test_early_stopping_trains_the_steps_on_the_blocks_that_are_learned(source):
    pipe = make_pipeline(StandardScaler(), sgd())
    model = Incremental(pipe, classes=CLASSES, max_iter=4, early_stopping=True, random_state=0)
    model.fit(source.X, source.y)
    assert model.estimator_[0].n_samples_seen_ == 180
    assert len(model.validation_scores_) == model.n_iter_


def test_callbacks_see_the_passes_of_all_steps(source):
    seen = []

    class Watch:
        def setup(self, estimator, context): ...

        def teardown(self, estimator, context): ...

        def on_fit_task_begin(self, estimator, context): ...

        def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
            model = None if fitted_estimator is None else type(fitted_estimator.estimator_)
            seen.append((context.parent and context.parent.task_name, context.task_name, model))
            if context.task_name == "block":
                assert (X is None) == (model is None)
            return model is None

    pipe = make_pipeline(StandardScaler(), MinMaxScaler(), sgd())
    model = Incremental(pipe, classes=CLASSES, max_iter=2).set_callbacks(Watch())
    for _ in range(2):  # the model of the first fit is not that of the second
        model.fit(source.X, source.y)
        step = [("step", "block", None)] * 10 + [("fit", "step", None)]
        one_pass = [("pass", "block", Pipeline)] * 10 + [("fit", "pass", Pipeline)]
        assert seen == 2 * step + 2 * one_pass + [(None, "fit", Pipeline)]
        seen.clear()
    model.partial_fit(source.X, source.y)
    assert seen == [*one_pass, (None, "fit", Pipeline)]


def test_parameters_of_steps_are_searched(source):
    pipe = make_pipeline(StandardScaler(), sgd())
    grid = {"estimator__sgdclassifier__alpha": [1e-4, 1e-1]}
    search = GridSearchCV(Incremental(pipe), grid, cv=2).fit(source.X, source.y.compute())
    assert search.best_estimator_.estimator_[-1].alpha == search.best_params_.popitem()[1]
    assert "StandardScaler" in search._repr_html_()


def test_the_state_of_another_thread_reaches_the_steps(source):
    with sklearn.config_context(transform_output="pandas"):
        model = Incremental(make_pipeline(StandardScaler(), sgd()), classes=CLASSES)
        model.fit(source.X, source.y)
    assert model.estimator_[1].feature_names_in_.tolist() == ["x0", "x1", "x2"]


@pytest.mark.parametrize(
    "last",
    [
        Normalizer(),
        IncrementalPCA(2),
        "passthrough",
        make_column_transformer((MinMaxScaler(), [0])),
        FeatureUnion([("pca", IncrementalPCA(1)), ("all", "passthrough"), ("none", "drop")]),
    ],
    ids=lambda last: type(last).__name__,
)
def test_the_last_step_may_be_a_transformer(last, source):
    model = Incremental(make_pipeline(StandardScaler(), last)).fit(source.X)
    X = source.X.compute()
    found = model.transform(source.X)
    assert found.chunks[0] == source.X.chunks[0]
    assert np.array_equal(found.compute(), model.estimator_.transform(X))
    whole = make_pipeline(StandardScaler(), clone(last) if last != "passthrough" else last).fit(X)
    assert found.shape == whole.transform(X).shape
    assert list(model.get_feature_names_out()) == list(whole.get_feature_names_out())
    assert model.n_iter_ == 1


def test_steps_that_learn_nothing_need_no_pass(source):
    model = Incremental(make_pipeline(PolynomialFeatures(), Normalizer())).fit(source.X)
    assert source.reads == {0: 1}
    X = source.X.compute()
    expected = make_pipeline(PolynomialFeatures(), Normalizer()).fit_transform(X)
    assert np.array_equal(model.transform(source.X).compute(), expected)


def test_a_frozen_step_stays_as_it_is(source):
    scaler = StandardScaler(copy=False).fit(source.X[:50].compute())
    ranks = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    ranks.fit(scaler.transform(source.X[:50].compute()))
    frozen = FrozenEstimator(scaler), FrozenEstimator(ranks)
    model = Incremental(make_pipeline(*frozen, sgd()), classes=CLASSES).fit(source.X, source.y)
    blocks = in_blocks(source.X, source.y)
    blocks = [(ranks.transform(scaler.transform(x)), y) for x, y in blocks]
    assert same_state(model.estimator_[-1], loop(sgd(), blocks, classes=CLASSES))


def test_a_frozen_step_never_changes_the_blocks(source):
    X, y = dask.persist(source.X, source.y)
    before = X.compute().copy()
    scaler = StandardScaler(copy=False).fit(before.copy())
    model = Incremental(make_pipeline(FrozenEstimator(scaler), sgd()), max_iter=2).fit(X, y)
    model.predict(X).compute()
    Incremental(FrozenEstimator(scaler)).fit(X).transform(X).compute()
    assert np.array_equal(X.compute(), before)
    assert scaler.copy is False


def test_what_is_frozen_as_a_whole_learns_nothing_and_is_the_model(source):
    X, y = dask.compute(source.X, source.y)
    for fitted in (sgd().fit(X, y), make_pipeline(StandardScaler(), sgd()).fit(X, y)):
        before = pickle.dumps(fitted)
        model = Incremental(FrozenEstimator(fitted)).fit(source.X, source.y)
        assert pickle.dumps(fitted) == before
        assert np.array_equal(model.predict(source.X).compute(), fitted.predict(X))
        assert model.score(source.X, source.y) == fitted.score(X, y)


def test_a_frozen_last_step_is_scored_as_in_memory(source):
    X, y = dask.compute(source.X, source.y)
    for fitted in (sgd().fit(X, y), make_pipeline(StandardScaler(), sgd()).fit(X, y)):
        pipeline = make_pipeline(MinMaxScaler(), FrozenEstimator(fitted))
        for scoring in (None, "roc_auc"):
            model = Incremental(pipeline, scoring=scoring).fit(source.X, source.y)
            assert model.score(source.X, source.y) == model.score(X, y)


# Real data


AIRLINES = "9E AA AS B6 DL EV F9 FL HA MQ OO UA US VX WN YV".split()


def delayed_flights(path, reads):
    """Return flights that arrived, and whether they were late; count the reads of each file."""

    def note(part):
        reads[int(part.index[0])] += 1
        return part

    flights = dd.read_parquet(path)
    flights = flights.map_partitions(note, meta=flights._meta).dropna(subset=["arr_delay"])
    flights = flights.assign(
        late=(flights.arr_delay > 15).astype(int),
        hour=flights.sched_dep_time // 100,
        carrier=flights.carrier.astype(pd.CategoricalDtype(AIRLINES)),
    )
    return flights[["dep_delay", "hour", "distance", "carrier", "origin", "dest"]], flights["late"]


@pytest.mark.usefixtures("threads")
def test_flights_from_parquet_are_searched_as_one_pipeline(flights_path):
    numbers = make_pipeline(SimpleImputer(strategy="constant", fill_value=0), StandardScaler())
    columns = make_column_transformer(
        (numbers, ["dep_delay", "hour", "distance"]),
        (OneHotEncoder(), ["carrier"]),
        (OneHotEncoder(categories=[["EWR", "JFK", "LGA"]]), ["origin"]),
        (HashingVectorizer(n_features=2**8, norm=None, alternate_sign=False), "dest"),
    )
    pipe = make_pipeline(columns, sgd(loss="log_loss", max_iter=1, tol=None))
    reads = Counter()
    X, y = indexable(*delayed_flights(flights_path, reads))
    y = y.compute()
    model = Incremental(pipe)
    grid = {"estimator__sgdclassifier__alpha": [1e-4, 1e-2]}
    search = GridSearchCV(model, grid, cv=KFold(2), scoring="roc_auc", refit=False)
    search.fit(X, y)
    alpha = search.cv_results_["mean_test_score"].argmax()
    model.set_params(estimator__sgdclassifier__alpha=grid.popitem()[1][alpha])
    reads.clear()
    model.fit(X, y)
    # The scaler and the classifier; the columns in the first rows.
    assert [reads[first] for first in sorted(reads)] == [3, *[2] * 11]
    memory = X.compute()
    auc = roc_auc_score(y, model.predict_proba(X).compute()[:, 1])
    whole = clone(model.estimator).fit(memory, y)
    assert auc > 0.85
    assert abs(auc - roc_auc_score(y, whole.predict_proba(memory)[:, 1])) < 0.005
    assert len(model.estimator_[-1].coef_[0]) == len(whole[-1].coef_[0]) == 3 + 16 + 3 + 256


# What is refused, and what breaks


class NeedsAll(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X


class FitsItself(OneHotEncoder):
    def fit(self, X, y=None):
        return super().fit(X, y)


@pytest.mark.parametrize(
    ("pipe", "message"),
    [
        (make_pipeline(PCA(), sgd()), r"but pca \(PCA\(\)\) decomposes all.*Use IncrementalPCA"),
        (
            make_pipeline(make_column_transformer((OneHotEncoder(), [0])), sgd()),
            r"columntransformer__onehotencoder .*categories=\[...\].*FeatureHasher",
        ),
        (make_pipeline(TfidfVectorizer(), sgd()), "tfidfvectorizer .*Use HashingVectorizer"),
        (
            make_pipeline(StandardScaler(), RandomForestClassifier()),
            "randomforestclassifier .*Use SGDClassifier or SGDRegressor",
        ),
        (make_pipeline(QuantileTransformer(), sgd()), "Use StandardScaler or MinMaxScaler"),
        (make_pipeline(SelectKBest(), sgd()), r"Use SelectFromModel\(SGDClassifier"),
        (make_pipeline(SimpleImputer(), sgd()), 'simpleimputer .*only with strategy="constant"'),
        (make_pipeline(make_union(NeedsAll()), sgd()), "featureunion__needsall .*Frozen"),
        (make_pipeline(sgd(), sgd()), "All intermediate steps should be transformers"),
        (
            make_pipeline(SelectFromModel(RandomForestClassifier()), sgd()),
            "only with an estimator that has partial_fit; with prefit=True a frozen one",
        ),
        (make_pipeline(SelectFromModel(sgd(), prefit=True), sgd()), "with prefit=True a frozen"),
        (make_pipeline(SelectFromModel(FrozenEstimator(sgd())), sgd()), "with prefit=True a froz"),
        (make_pipeline(FitsItself(categories=[[0, 1]]), sgd()), "fitsitself .*Frozen"),
        (make_pipeline(OneHotEncoder(categories=[[1]], min_frequency=2), sgd()), "without min_f"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_step_that_needs_all_rows_is_refused_before_anything_is_read(pipe, message, source):
    model = Incremental(pipe, classes=CLASSES)
    with pytest.raises(TypeError, match=message):
        model.fit(source.X, source.y)
    assert not source.reads
    assert not hasattr(model, "estimator_")


def test_categories_that_dask_does_not_know_are_refused():
    X, y = frame()
    lazy_X, lazy_y = lazy(X.assign(colour=X.colour.astype(str)), y)
    lazy_X["colour"] = lazy_X.colour.astype("category")
    pipe = make_pipeline(make_column_transformer((OneHotEncoder(), ["colour"])), sgd())
    with pytest.raises(TypeError, match="categories of the column 'colour', which dask does not"):
        Incremental(pipe).fit(lazy_X, lazy_y)
    with pytest.raises(ValueError, match="missing"):
        pipe = make_pipeline(make_column_transformer((MinMaxScaler(), ["missing"])), sgd())
        Incremental(pipe).fit(lazy_X, lazy_y)


def test_settings_of_the_last_step_need_one_that_learns(source):
    pipe = make_pipeline(StandardScaler(), Normalizer())
    with pytest.raises(ValueError, match="max_iter is about the last step"):
        Incremental(pipe, max_iter=2).fit(source.X)
    with pytest.raises(ValueError, match="early_stopping is about the last step"):
        Incremental(pipe, early_stopping=True).fit(source.X)


@pytest.mark.parametrize("name", ["nowhere__sample_weight", "normalizer__sample_weight"])
def test_parameters_of_other_steps_are_refused(name, source):
    pipe = make_pipeline(StandardScaler(), Normalizer(), sgd())
    with pytest.raises(ValueError, match=f"one that learns: standardscaler. Got {name} instead"):
        Incremental(pipe, classes=CLASSES).fit(source.X, source.y, **{name: source.y})
    assert not source.reads


def test_weights_of_a_step_are_checked(source):
    model = Incremental(make_pipeline(StandardScaler(), sgd()))
    with pytest.raises(ValueError, match="standardscaler__sample_weight must have one value"):
        model.fit(source.X, source.y, standardscaler__sample_weight=np.ones(3))


def test_a_block_that_a_step_refuses_is_named_with_the_step(scheduler):
    X = da.from_array(np.array([[0], [1], [0], [2], [1], [0]]), chunks=(2, 1))
    y = da.from_array(np.array([0, 1, 0, 1, 1, 0]), chunks=2)
    encoder = OneHotEncoder(categories=[[0, 1]])
    model = Incremental(make_pipeline(make_column_transformer((encoder, [0])), sgd()))
    message = "Block 1 could not be transformed by the step columntransformer.*unknown categories"
    with pytest.raises(BlockError, match=message) as info:
        model.fit(X, y)
    assert info.value.block == 1
    expected = loop(sgd(), [(np.eye(2), np.array([0, 1]))], classes=CLASSES)
    assert same_state(model.estimator_[-1], expected)


def test_a_refit_that_fails_before_the_last_step_keeps_the_former_model(source):
    model = Incremental(make_pipeline(StandardScaler(), sgd()), classes=CLASSES)
    before = model.fit(source.X, source.y).estimator_
    broken = Source(fail_at=7)
    with pytest.raises(BlockError, match="Block 7"):
        model.fit(broken.X, broken.y)
    assert model.estimator_ is before


def test_a_block_that_breaks_the_promise_is_refused():
    good = da.ones((10, 2), chunks=(10, 2))
    bad = da.from_delayed(dask.delayed(np.ones)((10, 3)), (10, 2), float)
    model = Incremental(make_pipeline(Normalizer(), sgd()), classes=CLASSES)
    with pytest.raises(BlockError, match=r"promises. Got \(10, 3\)"):
        model.fit(da.concatenate([good, bad]), np.arange(20) % 2)


def step():
    return "scale", StandardScaler()


@pytest.mark.parametrize(
    ("tree", "error", "message"),
    [
        (Pipeline([]), ValueError, "The pipeline is empty"),
        (Pipeline([step(), step()]), ValueError, "Names provided are not unique"),
        (Pipeline([("a__b", StandardScaler())]), ValueError, "must not contain __"),
        (Pipeline([("steps", StandardScaler())]), ValueError, "conflict with constructor arg"),
        (Pipeline([("none", "drop"), step()]), TypeError, "be the string 'passthrough' 'drop'"),
        (Pipeline([step(), ("none", "drop")]), TypeError, "be the string 'passthrough'. 'drop'"),
        (Pipeline([step()], memory=3), ValueError, "The 'memory' parameter of Pipeline must be"),
        (Pipeline([step()], transform_input=["w"]), ValueError, r"None: only X.* Got \['w'\] ins"),
        (FeatureUnion([]), ValueError, r"at least one transformer. Got \[\] instead"),
        (FeatureUnion([step(), step()]), ValueError, "Names provided are not unique"),
        (FeatureUnion([("a", None)]), TypeError, "should implement fit and transform. 'None'"),
        (
            FeatureUnion([step()], transformer_weights={"a": 2}),
            ValueError,
            'weight transformer "a", but it is not present',
        ),
        (ColumnTransformer([(*step(), [0]), (*step(), [1])]), ValueError, "are not unique"),
        (ColumnTransformer([("remainder", StandardScaler(), [0])]), ValueError, "conflict with"),
        (ColumnTransformer([("a", None, [0])]), TypeError, "should implement fit and transform"),
        (ColumnTransformer([(*step(), [0])], remainder="no"), ValueError, "The 'remainder' param"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_tree_that_scikit_learn_refuses_is_refused_with_its_error(tree, error, message, source):
    for estimator in (tree, Pipeline([("first", MaxAbsScaler()), ("last", tree)])):
        model = Incremental(estimator, classes=CLASSES)
        with pytest.raises(error, match=message):
            model.fit(source.X, source.y)
        assert not source.reads
        assert not hasattr(model, "estimator_")


def test_partial_fit_is_there_where_the_last_step_learns(source):
    union = FeatureUnion([("scale", StandardScaler())])
    fitted = StandardScaler().fit(np.eye(3))
    for last in (union, Normalizer(), "passthrough", FrozenEstimator(fitted)):
        model = Incremental(make_pipeline(StandardScaler(), last))
        assert not hasattr(model, "partial_fit")
        assert not hasattr(model.fit(source.X), "partial_fit")
    for tree in (union, FrozenEstimator(fitted), Pipeline([]), Pipeline([("none", "drop")])):
        assert not hasattr(Incremental(tree), "partial_fit")
    assert hasattr(Incremental(make_pipeline(union, StandardScaler())), "partial_fit")
    assert hasattr(Incremental(StandardScaler()), "partial_fit")


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("train_before", [False, True])
def test_dataframes_of_a_frozen_step_are_not_those_of_the_one_that_was_passed(
    inside, train_before, source
):
    X = source.X.compute()
    scaler = StandardScaler().fit(X)
    frozen = FrozenEstimator(scaler)
    model = Incremental(make_pipeline(frozen, Normalizer()) if inside else frozen)
    if train_before:
        model.fit(source.X)
    model.set_output(transform="pandas")
    model.fit(source.X)
    assert type(model.transform(X)) is pd.DataFrame
    assert type(scaler.transform(X)) is np.ndarray
    assert frozen.estimator is scaler
    assert is_tree(model.estimator)


def test_a_pipeline_without_state_works_without_a_fit():
    pipe = make_pipeline(HashingVectorizer(n_features=16), make_union(Normalizer()))
    texts = ["one two", "three"]
    expected = pipe.transform(texts).toarray()
    assert np.array_equal(Incremental(pipe).transform(texts).toarray(), expected)
    lazy_texts = db.from_sequence(texts, npartitions=1)
    with dask.config.set(scheduler="threads"):
        assert np.array_equal(Incremental(pipe).transform(lazy_texts).compute().toarray(), expected)
    for other in (make_pipeline(StandardScaler(), Normalizer()), by_column()):
        with pytest.raises(NotFittedError, match="Call 'fit' or 'partial_fit' before using 'tra"):
            Incremental(other).transform(np.eye(3))


def test_an_encoder_of_a_subclass_is_one(source):
    class Mine(OneHotEncoder): ...

    X = (source.X > 0.5).astype(float)
    found, expected = (
        Incremental(make_pipeline(encoder(categories=[[0.0, 1.0]] * 3), sgd()), classes=CLASSES)
        .fit(X, source.y)
        .estimator_
        for encoder in (Mine, OneHotEncoder)
    )
    assert type(found[0]) is Mine
    assert same_state(found[1], expected[1])


def test_a_frozen_model_selects_columns(source):
    X, y = dask.compute(source.X, source.y)
    select = SelectFromModel(FrozenEstimator(sgd().fit(X, y)), prefit=True, max_features=1)
    model = Incremental(make_pipeline(select, sgd()), classes=CLASSES).fit(source.X, source.y)
    chosen = select.fit(X, y).transform(X)
    blocks = [(chosen[i : i + 20], y[i : i + 20]) for i in range(0, 200, 20)]
    assert same_state(model.estimator_[1], loop(sgd(), blocks, classes=CLASSES))


def test_a_column_transformer_needs_the_columns_that_it_uses_only():
    X, y = frame()
    lazy_X, lazy_y = lazy(X, y)
    pipe = make_pipeline(make_column_transformer((MinMaxScaler(), ["size"])), sgd())
    model = Incremental(pipe).fit(lazy_X[["size", "city"]], lazy_y)
    expected = model.score(X, y)
    for columns in (["size"], ["size", "text"]):
        assert model.score(lazy_X[columns], lazy_y) == expected
        assert np.array_equal(model.predict(lazy_X[columns]).compute(), model.predict(X))
    model.partial_fit(lazy_X[["size"]], lazy_y)
    assert model.n_iter_ == 2
    stopped = Incremental(pipe, early_stopping=True)
    stopped.fit(lazy_X[["size", "city"]], lazy_y, X_val=lazy_X[["size"]], y_val=lazy_y)
    assert len(stopped.validation_scores_) == 1


class Days(TransformerMixin, BaseEstimator):
    """Takes dates, and nothing that is made up."""

    def fit(self, X, y=None):
        return self.partial_fit(X)

    def partial_fit(self, X, y=None):
        self.first_ = self._dates(X).min()
        return self

    def transform(self, X):
        return (self._dates(X) - self.first_).dt.days.to_numpy()[:, None]

    def _dates(self, X):
        return pd.to_datetime(X["date"], format="%Y-%m-%d")


@pytest.mark.parametrize("wrap", [lambda days: days, lambda days: make_pipeline(days, sgd())])
def test_the_first_row_is_read_where_all_made_up_ones_are_refused(wrap):
    reads = []

    def load(i):
        reads.append(i)
        return pd.DataFrame({"date": [f"2020-0{i + 1}-01", f"2020-0{i + 1}-02"] * (i > 0)})

    X = dd.from_map(load, range(4), meta=pd.DataFrame({"date": pd.Series(dtype=str)}))
    y = da.from_array(np.array([0, 1] * 3)).rechunk((2,)).to_delayed()
    y = [dask.delayed(np.zeros)(0, int), *y]
    model = Incremental(wrap(Days())).fit(X, y)
    method = "predict" if hasattr(model, "predict") else "transform"
    reads.clear()
    with dask.config.set(scheduler="threads"):
        found = getattr(model, method)(X)
        assert reads == [0, 1]  # nothing is in the first block
        expected = getattr(model.estimator_, method)(X.compute())
        assert np.array_equal(found.compute(), expected)


def test_a_row_of_X_is_kept_as_long_as_the_model(source):
    encoder = OneHotEncoder(categories=[[5.0, 6.0]] * 3)
    X = source.X.map_blocks(lambda x: 5.0 + (x > 0.5))
    model = Incremental(make_pipeline(encoder, sgd()), classes=CLASSES).fit(X, source.y)
    source.reads.clear()
    model.predict(X)
    assert not source.reads
    with pytest.raises(ValueError):
        model.set_params(estimator=sgd()).fit(X, source.y[:20])
    assert model._example is not None
    assert model.fit(X, source.y)._example is None


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


# The table of transformers in the README


#: What a transformer needs to be trained block by block, or at all.
ARGUMENTS = {
    "Birch": {"n_clusters": None},
    "CountVectorizer": {"vocabulary": ["one", "two"]},
    "GaussianRandomProjection": {"n_components": 2},
    "MissingIndicator": {"features": "all"},
    "OneHotEncoder": {"categories": [[0.0, 1.0]] * 3, "handle_unknown": "ignore"},
    "OrdinalEncoder": {
        "categories": [[0.0, 1.0]] * 3,
        "handle_unknown": "use_encoded_value",
        "unknown_value": -1,
    },
    "RBFSampler": {"gamma": 1.0},
    "SelectFromModel": {"estimator": sgd(), "threshold": -np.inf},
    "SimpleImputer": {"strategy": "constant"},
    "SparseCoder": {"dictionary": np.eye(3)},
    "SparseRandomProjection": {"n_components": 2},
    "SplineTransformer": {"knots": [[0.0] * 3, [1.0] * 3]},
    "ColumnTransformer": {"transformers": [("scale", StandardScaler(), [0])]},
    "FeatureUnion": {"transformer_list": [("scale", StandardScaler())]},
    "RFE": {"estimator": sgd()},
    "RFECV": {"estimator": sgd()},
    "SequentialFeatureSelector": {"estimator": sgd()},
    **{
        name: {"estimators": [("a", sgd())]}
        for name in "StackingClassifier StackingRegressor VotingClassifier VotingRegressor".split()
    },
}

#: Those that all_estimators leaves out, for text is not what scikit-learn's checks give them.
TEXT = [CountVectorizer, TfidfVectorizer]


def n_passes(transformer):
    """Return how often a block is read to train a transformer in a pipeline."""
    source = Source(n_blocks=3, n_rows=30)
    X = source.X
    if isinstance(transformer, (CountVectorizer, HashingVectorizer)):
        X = X.map_blocks(lambda x: np.full(len(x), "one two"), dtype="U7", drop_axis=1)
    elif isinstance(transformer, FeatureHasher):
        X = [dask.delayed(lambda x: [{"a": 1}] * len(x))(x) for x in X.to_delayed().ravel()]
    elif isinstance(transformer, PatchExtractor):
        X = X.reshape(30, 3, 3)
    model = Incremental(make_pipeline(transformer, "passthrough"), classes=CLASSES)
    with dask.config.set(scheduler="threads"):
        model.fit(X, None if isinstance(transformer, PatchExtractor) else source.y)
    return source.reads[2]


def table():
    """Return the table of transformers as reST."""
    found = {}
    for cls in [*dict(all_estimators(type_filter="transformer")).values(), *TEXT]:
        name = cls.__name__
        transformer = cls(**ARGUMENTS.get(name, {}))
        try:
            passes = n_passes(transformer)
        except TypeError:
            refusal = next(one for one in REFUSED if name in one.names)
            instead = f": use {refusal.instead}" if refusal.instead else ""
            row = "refused", refusal.why + instead
        else:
            row = str(passes), CONDITIONS[cls][1] if cls in CONDITIONS else ""
            if is_tree(transformer):
                row = row[0], "as many as the deepest branch"
        found.setdefault(row, []).append(name)
    lines = [".. list-table::", "   :header-rows: 1", ""]
    header = ("Passes", "Transformers", "On condition; why not, and what instead")
    rows = [
        (passes, ", ".join(sorted(found[passes, note])), note) for passes, note in sorted(found)
    ]
    for passes, names, note in [header, *rows]:
        lines += [f"   * - {passes}", f"     - {names}", f"     - {note}".rstrip()]
    return "\n".join(lines)


README = Path(__file__).parents[2] / "README.rst"


def test_the_readme_says_which_transformers_work_inside():
    assert table() in README.read_text(), "run python -m tests.pipelines.test_pipeline"


# Deployment


def test_the_model_is_used_where_neither_dask_nor_this_package_is_installed(tmp_path):
    X, y = frame()
    model = Incremental(make_pipeline(by_column(), sgd())).fit(*lazy(X, y))
    with open(tmp_path / "model", "wb") as file:
        pickle.dump(model.estimator_, file)
    X.to_pickle(tmp_path / "X")
    code = f"""
import sys
class NotInstalled:
    def find_spec(self, name, *args):
        if name.split(".")[0] in ("dask", "distributed", "incremental"):
            raise ImportError(name)
sys.meta_path.insert(0, NotInstalled())
import pickle, pandas as pd
model = pickle.load(open({str(tmp_path / "model")!r}, "rb"))
print(type(model).__name__, model.predict(pd.read_pickle({str(tmp_path / "X")!r})).tolist())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == f"Pipeline {model.predict(X).tolist()}", done.stderr
    assert type(model.estimator_) is Pipeline


if __name__ == "__main__":
    text = README.read_text()
    start = text.index(".. list-table::")
    README.write_text(text[:start] + table() + text[text.index("\n\nSearching\n", start) :])


@pytest.mark.parametrize("step", [StandardScaler, object()])
def test_a_step_that_is_no_estimator_is_refused(step, source):
    pipe = Pipeline([("first", StandardScaler()), ("union", FeatureUnion([("a", MaxAbsScaler())]))])
    pipe.steps[1][1].transformer_list = [("a", step)]
    with pytest.raises(TypeError, match="should implement fit and transform|an estimator instance"):
        Incremental(pipe).fit(source.X)
    assert not source.reads


def test_a_branch_that_does_not_transform_is_refused(source):
    union = make_union(StandardScaler(), MiniBatchKMeans(2))
    union.transformer_list[1] = ("sgd", sgd())
    with pytest.raises(TypeError, match="All estimators should implement fit and transform"):
        Incremental(make_pipeline(union, sgd())).fit(source.X, source.y)
    assert not source.reads


def test_categories_of_plain_text_have_to_be_given():
    (X,) = lazy(frame()[0][["city"]])
    with pytest.raises(TypeError, match="trained block by block only with categories="):
        Incremental(make_pipeline(OneHotEncoder())).fit(X)


def test_a_step_that_does_not_fit_the_first_rows_is_named(source):
    pipe = make_pipeline(SplineTransformer(knots=np.zeros((2, 5))), sgd())
    with pytest.raises(
        BlockError, match="rows of block 0 could not be learned by the step splinetransformer: Val"
    ) as info:
        Incremental(pipe, classes=CLASSES).fit(source.X, source.y)
    assert info.value.block == 0
    assert type(info.value.__cause__) is ValueError
    assert info.value.__cause__.__cause__ is None


def test_columns_are_found_where_dataframes_are_the_output_of_all_steps():
    X, y = frame()
    lazy_X, lazy_y = lazy(X, y)
    columns = make_column_transformer((MinMaxScaler(), ["size"]), ("passthrough", ["age"]))
    with sklearn.config_context(transform_output="pandas"):
        model = Incremental(columns).fit(lazy_X, lazy_y)
        found = model.transform(lazy_X).compute()
        expected = clone(columns).fit(X).transform(X)
    pd.testing.assert_frame_equal(found, expected)
