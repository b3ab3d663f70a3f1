"""A pipeline is used like any other model."""

import pickle
import subprocess
import sys

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.decomposition import IncrementalPCA
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.feature_selection import SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline, make_union
from sklearn.preprocessing import MinMaxScaler, Normalizer, OneHotEncoder, StandardScaler

from incremental import BlockError, Incremental
from tests.conftest import Source, in_blocks, needs_callbacks, same_state
from tests.pipelines.common import CLASSES, by_column, frame, lazy, sgd


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


def test_early_stopping_trains_the_steps_on_the_blocks_that_are_learned(source):
    pipe = make_pipeline(StandardScaler(), sgd())
    model = Incremental(pipe, classes=CLASSES, max_iter=4, early_stopping=True, random_state=0)
    model.fit(source.X, source.y)
    assert model.estimator_[0].n_samples_seen_ == 180
    assert len(model.validation_scores_) == model.n_iter_


@needs_callbacks
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


def test_a_refit_that_fails_before_the_last_step_keeps_the_former_model(source):
    model = Incremental(make_pipeline(StandardScaler(), sgd()), classes=CLASSES)
    before = model.fit(source.X, source.y).estimator_
    broken = Source(fail_at=7)
    with pytest.raises(BlockError, match="Block 7"):
        model.fit(broken.X, broken.y)
    assert model.estimator_ is before


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
