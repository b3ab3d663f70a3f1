"""The meta-estimator learns what the hand-written loop learns."""

import pickle

import cloudpickle
import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import IncrementalPCA
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import Normalizer, StandardScaler

from incremental import Incremental, indexable
from tests.conftest import in_blocks, loop, same_state

METHODS = (
    "predict predict_proba predict_log_proba decision_function transform inverse_transform "
    "score_samples fit_transform fit_predict score get_feature_names_out"
).split()


def sgd():
    return SGDClassifier(random_state=0)


@pytest.mark.parametrize("prefetch", [None, 0, 1, 5])
def test_fit_equals_the_loop_on_every_scheduler(scheduler, prefetch):
    X = da.random.default_rng(0).random((200, 4), chunks=(30, 4))
    y = (X[:, 0] > X[:, 1]).astype(int)
    model = Incremental(sgd(), prefetch=prefetch).fit(X, y)
    assert same_state(model.estimator_, loop(sgd(), in_blocks(X, y), classes=[0, 1]))


def test_fit_reads_each_source_block_once(source):
    Incremental(sgd(), classes=[0, 1]).fit(source.X, source.y)
    assert source.reads == dict.fromkeys(range(10), 1)


def test_lazy_statistics_read_each_block_exactly_twice(source):
    Z = (source.X - source.X.mean(0)) / source.X.std(0)
    model = Incremental(sgd(), classes=[0, 1]).fit(Z, source.y)
    assert source.reads == dict.fromkeys(range(10), 2)
    assert same_state(model.estimator_, loop(sgd(), in_blocks(Z, source.y), classes=[0, 1]))


def test_finding_classes_reads_y_once_more(source):
    model = Incremental(sgd()).fit(source.X, source.y)
    assert source.reads == dict.fromkeys(range(10), 2)
    assert model.classes_.tolist() == [0, 1]


@pytest.mark.parametrize("chunks", [(30, 2), (30, (1, 3)), ((50, 150), 4), (200, 1)])
def test_columns_are_put_together_and_y_follows_the_rows(chunks):
    X = da.random.default_rng(0).random((200, 4), chunks=chunks)
    y = (X.sum(1) > 2).astype(int).rechunk(70)
    model = Incremental(sgd()).fit(X, y)
    whole = X.rechunk({1: -1})
    assert same_state(model.estimator_, loop(sgd(), in_blocks(whole, y), classes=[0, 1]))


def test_y_and_weights_in_memory_are_cut_like_X():
    X = da.random.default_rng(0).random((200, 4), chunks=(30, 4))
    y = (np.arange(200) % 3 == 0).astype(int)
    w = np.linspace(0, 1, 200)
    model = Incremental(sgd()).fit(X, y, sample_weight=w)
    expected = sgd()
    for x, start in zip(X.blocks, range(0, 200, 30), strict=True):
        part = slice(start, start + 30)
        expected.partial_fit(x.compute(), y[part], classes=[0, 1], sample_weight=w[part])
    assert same_state(model.estimator_, expected)


def test_unknown_chunk_sizes_are_never_computed(source):
    keep = source.X[:, 1] > 0.3
    X, y = source.X[keep], source.y[keep]
    model = Incremental(sgd(), classes=[0, 1]).fit(X, y)
    assert source.reads == dict.fromkeys(range(10), 1)
    blocks = [(source.values(i)[source.values(i)[:, 1] > 0.3],) for i in range(10)]
    expected = loop(sgd(), [(x, (x[:, 0] > 0.5).astype(int)) for (x,) in blocks], classes=[0, 1])
    assert same_state(model.estimator_, expected)


def test_empty_blocks_are_skipped():
    X = da.from_array(np.arange(12.0).reshape(6, 2), chunks=((2, 0, 4, 0), 2))
    y = np.array([0, 1, 0, 1, 0, 1])
    model = Incremental(sgd()).fit(X, y)
    blocks = [b for b in in_blocks(X, da.from_array(y)) if len(b[0])]
    assert same_state(model.estimator_, loop(sgd(), blocks, classes=[0, 1]))


class Recorder(StandardScaler):
    """Keeps the types of what it is given."""

    seen: list = []

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        return tags

    def partial_fit(self, X, y=None, sample_weight=None):
        self.seen.append((type(X), len(X) if isinstance(X, list) else X.shape[0], type(y)))
        return self


def seen_by(X, y=None):
    Recorder.seen = []
    Incremental(Recorder()).fit(X, y)
    return Recorder.seen


def test_blocks_reach_the_estimator_as_what_they_are():
    frame = pd.DataFrame({"a": range(6), "b": range(6)})
    import dask.dataframe as dd

    ddf = dd.from_pandas(frame, npartitions=2)
    sparse = da.from_array(np.eye(6), chunks=(3, 6)).map_blocks(sp.csr_matrix)
    delayed = [dask.delayed(np.ones)((n, 2)) for n in (1, 3)]
    none = type(None)
    assert seen_by(da.ones((4, 2), chunks=2)) == [(np.ndarray, 2, none)] * 2
    assert seen_by(da.ones((4, 2, 2), chunks=2)) == [(np.ndarray, 2, none)] * 2
    assert seen_by(da.ones(4, chunks=2)) == [(np.ndarray, 2, none)] * 2
    assert seen_by(ddf, ddf.a) == [(pd.DataFrame, 3, pd.Series)] * 2
    assert seen_by(ddf.a) == [(pd.Series, 3, none)] * 2
    assert seen_by(sparse) == [(sp.csr_matrix, 3, none)] * 2
    assert seen_by(db.from_sequence(["a", "b", "c"], npartitions=2)) == [
        (list, 2, none),
        (list, 1, none),
    ]
    assert seen_by(delayed, [dask.delayed(list)("a"), dask.delayed(list)("abc")]) == [
        (np.ndarray, 1, list),
        (np.ndarray, 3, list),
    ]
    assert seen_by(frame, frame.a) == [(pd.DataFrame, 6, pd.Series)]
    assert seen_by(sp.csr_matrix(np.eye(3))) == [(sp.csr_matrix, 3, none)]
    assert seen_by(["a", "b"]) == [(list, 2, none)]


def test_frame_and_array_may_be_mixed():
    import dask.dataframe as dd

    frame = pd.DataFrame({"a": np.linspace(0, 1, 40), "b": np.linspace(1, 0, 40) ** 2})
    X = dd.from_pandas(frame, npartitions=4)
    y = (X.a > 0.5).astype(int).to_dask_array()
    model = Incremental(sgd()).fit(X, y)
    parts = [X.partitions[i].compute() for i in range(4)]
    expected = loop(sgd(), [(p, (p.a > 0.5).astype(int).to_numpy()) for p in parts], classes=[0, 1])
    assert same_state(model.estimator_, expected)


def test_classes_come_from_fit_then_the_constructor_then_the_data(source):
    y = source.y
    assert Incremental(sgd(), classes=[0, 1, 2]).fit(source.X, y).classes_.tolist() == [0, 1, 2]
    model = Incremental(sgd(), classes=[0, 1, 2]).fit(source.X, y, classes=[0, 1, 3])
    assert model.classes_.tolist() == [0, 1, 3]
    import dask.dataframe as dd

    labels = pd.Categorical(["x", "y"] * 10, categories=["z", "y", "x"])
    frame = dd.from_pandas(pd.DataFrame({"a": np.arange(20.0), "y": labels}), npartitions=2)
    assert Incremental(sgd()).fit(frame[["a"]], frame.y).classes_.tolist() == ["x", "y"]


def test_labels_may_be_strings():
    X = da.random.default_rng(0).random((40, 2), chunks=(10, 2))
    y = da.where(X[:, 0] > 0.5, "yes", "no")
    model = Incremental(sgd()).fit(X, y)
    assert model.classes_.tolist() == ["no", "yes"]
    assert set(model.predict(X).compute()) <= {"no", "yes"}


def test_max_iter_passes_equal_so_many_partial_fits(source):
    model = Incremental(sgd(), max_iter=3).fit(source.X, source.y)
    again = Incremental(sgd()).fit(source.X, source.y)
    again.partial_fit(source.X, source.y).partial_fit(source.X, source.y)
    assert same_state(model.estimator_, again.estimator_)
    assert model.n_iter_ == again.n_iter_ == 3


def test_fit_forgets_and_never_changes_the_estimator(source):
    estimator = sgd()
    model = Incremental(estimator).fit(source.X, source.y)
    first = model.estimator_
    model.fit(source.X, source.y)
    assert same_state(first, model.estimator_)
    assert first is not model.estimator_
    assert not hasattr(estimator, "coef_")


def test_data_in_memory_are_one_block():
    X = np.random.default_rng(0).random((50, 3))
    y = (X[:, 0] > 0.5).astype(int)
    model = Incremental(sgd()).fit(X, y)
    expected = sgd().partial_fit(X, y, classes=[0, 1])
    assert same_state(model.estimator_, expected)
    assert np.array_equal(model.predict(X), expected.predict(X))
    assert model.score(X, y) == expected.score(X, y)


@pytest.mark.parametrize("dump", [pickle, cloudpickle], ids=lambda module: module.__name__)
def test_pickles_fitted_and_unfitted(dump, source):
    unfitted = dump.loads(dump.dumps(Incremental(sgd())))
    model = dump.loads(dump.dumps(unfitted.fit(source.X, source.y)))
    assert same_state(model.estimator_, unfitted.estimator_)
    assert np.array_equal(*dask.compute(model.predict(source.X), unfitted.predict(source.X)))


def test_joblib_round_trips(source, tmp_path):
    model = Incremental(sgd()).fit(source.X, source.y)
    joblib.dump(model, tmp_path / "model")
    assert same_state(joblib.load(tmp_path / "model").estimator_, model.estimator_)


def test_params_clone_and_repr():
    model = Incremental(SGDClassifier(alpha=0.1), max_iter=2)
    assert model.get_params()["estimator__alpha"] == 0.1
    model.set_params(estimator__alpha=0.2, prefetch=3)
    assert clone(model).estimator.alpha == 0.2
    text = "Incremental(estimator=SGDClassifier(alpha=0.2), max_iter=2, prefetch=3)"
    assert repr(model) == text
    assert "SGDClassifier" in model._repr_html_()


def test_the_type_is_that_of_the_estimator():
    assert is_classifier(Incremental(sgd()))
    assert is_regressor(Incremental(SGDRegressor()))
    assert not is_classifier(Incremental(StandardScaler()))


@pytest.mark.parametrize(
    "estimator", [sgd(), SGDRegressor(), StandardScaler(), MiniBatchKMeans(), GaussianNB()]
)
@pytest.mark.parametrize("method", METHODS)
def test_has_the_methods_of_the_estimator_and_no_others(estimator, method):
    assert hasattr(Incremental(estimator), method) == hasattr(estimator, method)


def test_learned_attributes_are_read_through(source):
    model = Incremental(sgd())
    assert not hasattr(model, "coef_") and "coef_" not in dir(model)
    model.fit(source.X, source.y)
    assert model.coef_ is model.estimator_.coef_
    assert model.n_features_in_ == 3
    assert "coef_" in dir(model)
    with pytest.raises(AttributeError, match="nothing_"):
        model.nothing_  # noqa: B018


def test_feature_names_are_those_of_the_frame():
    import dask.dataframe as dd

    frame = dd.from_pandas(pd.DataFrame({"a": np.ones(4), "b": np.ones(4)}), npartitions=2)
    scaler = Incremental(StandardScaler()).fit(frame)
    assert scaler.feature_names_in_.tolist() == ["a", "b"]
    assert scaler.get_feature_names_out().tolist() == ["a", "b"]


def test_what_draws_from_the_global_generator_draws_what_the_loop_draws(source):
    state = np.random.get_state()  # noqa: NPY002  (what None draws from)
    expected = loop(SGDClassifier(), in_blocks(source.X, source.y), classes=[0, 1])
    np.random.set_state(state)  # noqa: NPY002
    model = Incremental(SGDClassifier(), classes=[0, 1]).fit(source.X, source.y)
    assert same_state(model.estimator_, expected)
    models = [Incremental(sgd(), shuffle=True).fit(source.X, source.y) for _ in range(2)]
    assert not np.array_equal(models[0].coef_, models[1].coef_)


def test_random_state_reaches_the_estimator(source):
    a, b = (Incremental(SGDClassifier(), random_state=1).fit(source.X, source.y) for _ in range(2))
    assert same_state(a.estimator_, b.estimator_)
    assert Incremental(sgd(), random_state=1).fit(source.X, source.y).estimator_.random_state == 0


# Other kinds of estimators


def test_a_transformer_without_score_can_be_fitted():
    X = da.random.default_rng(0).random((60, 5), chunks=(20, 5))
    model = Incremental(IncrementalPCA(2)).fit(X)
    assert same_state(model.estimator_, loop(IncrementalPCA(2), in_blocks(X)))
    assert model.transform(X).shape == (60, 2)
    assert model.transform(X).compute().shape == (60, 2)


def test_what_has_learned_from_single_precision_predicts_blocks_of_it():
    blocks = [np.random.default_rng(i).random((20, 3)).astype("f4") for i in range(3)]
    data = [dask.delayed(block) for block in blocks]
    model = Incremental(MiniBatchKMeans(2, random_state=0, n_init=1)).fit(data)
    expected = [model.estimator_.predict(block) for block in blocks]
    assert np.array_equal(model.predict(data).compute(), np.concatenate(expected))


def test_what_a_nullable_frame_gives_is_found_out_without_missing_values():
    X = pd.DataFrame({"a": np.arange(20) % 7, "b": np.arange(20) / 4})
    X = X.convert_dtypes(dtype_backend="numpy_nullable")
    y = pd.Series(np.arange(20) % 2, dtype="Int64")
    lazy, target = (dd.from_pandas(data, npartitions=2) for data in (X, y))
    model = Incremental(sgd()).fit(lazy, target)
    assert np.array_equal(model.predict(lazy).compute(), model.estimator_.predict(X))
    assert np.array_equal(model.predict(indexable(lazy)).compute(), model.estimator_.predict(X))


def test_blocks_of_an_unknown_width_are_predicted():
    blocks = [np.random.default_rng(i).random((20, 3)) for i in range(3)]
    parts = [da.from_delayed(dask.delayed(b), (np.nan, np.nan), float) for b in blocks]
    X = da.concatenate(parts, allow_unknown_chunksizes=True)
    model = Incremental(StandardScaler()).fit(X)
    expected = np.concatenate([model.estimator_.transform(b) for b in blocks])
    assert np.array_equal(model.transform(X).compute(), expected)


def test_lists_of_transformed_blocks_are_transformed_back():
    X = da.random.default_rng(0).random((40, 4), chunks=(10, 4))
    model = Incremental(IncrementalPCA(n_components=2)).fit(X)
    transformed = model.transform(X)
    blocks = list(transformed.to_delayed().ravel())
    assert np.array_equal(
        model.inverse_transform(blocks).compute(), model.inverse_transform(transformed).compute()
    )


@pytest.mark.parametrize("estimator", [IncrementalPCA(2, copy=False), StandardScaler(copy=False)])
def test_blocks_are_never_changed_in_place(estimator):
    X = da.random.default_rng(0).random((40, 4), chunks=(10, 4)).persist()
    before = X.compute().copy()
    transformed = Incremental(estimator, max_iter=2).fit(X).transform(X)
    assert np.array_equal(transformed.compute(), transformed.compute())
    assert np.array_equal(X.compute(), before)
    Incremental(Normalizer(copy=False)).transform(X).compute()
    assert np.array_equal(X.compute(), before)
    assert estimator.copy is False


def test_text_goes_through_a_stateless_vectoriser():
    text = db.from_sequence(["one two", "three", "two two"] * 4, npartitions=3)
    vectors = Incremental(HashingVectorizer(n_features=8)).transform(text)
    assert [type(b) for b in dask.compute(*vectors.to_delayed().ravel())] == [sp.csr_matrix] * 3
    model = Incremental(MultinomialNB(), classes=[0, 1])
    hashed = Incremental(HashingVectorizer(n_features=8, alternate_sign=False)).transform(text)
    y = da.from_array(np.arange(12) % 2, chunks=4)
    assert model.fit(hashed, y).predict(hashed).compute().shape == (12,)


@pytest.mark.parametrize("sparse", [False, True])
def test_columns_of_a_multilabel_y_are_the_classes(sparse):
    X = da.random.default_rng(0).random((40, 4), chunks=(10, 4))
    y = (X[:, :3] > 0.5).astype(int)
    mlp = MLPClassifier(hidden_layer_sizes=3, random_state=0)
    blocks = in_blocks(X, y)
    model = Incremental(mlp).fit(X, y.map_blocks(sp.csr_matrix) if sparse else y)
    assert model.classes_.tolist() == [0, 1, 2]
    direct = loop(clone(mlp), blocks, classes=[0, 1, 2])
    assert all(map(np.array_equal, model.coefs_, direct.coefs_))


def test_array_likes_that_cannot_be_sliced_are_cut_to_blocks():
    X = da.random.default_rng(0).random((40, 4), chunks=(10, 4))
    y, weight = np.arange(40) % 2, np.arange(40.0)
    y_like, weight_like = ArrayLike(y), ArrayLike(weight)
    model = Incremental(sgd()).fit(X, y_like, sample_weight=weight_like)
    assert same_state(
        model.estimator_, Incremental(sgd()).fit(X, y, sample_weight=weight).estimator_
    )


class ArrayLike:
    """What NumPy can convert, and nothing else."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype=dtype)


class Taking(BaseEstimator):
    """Keeps the parameters that it is given with each block."""

    def partial_fit(self, X, y=None, **params):
        self.taken_ = [*getattr(self, "taken_", []), params]
        return self


def test_a_parameter_that_is_text_or_a_dict_is_for_every_block():
    X = da.ones((4, 2), chunks=(2, 2))
    params = {"text": "four", "options": {"a": 1, "b": 2, "c": 3, "d": 4}}
    assert Incremental(Taking()).fit(X, **params).taken_ == [params, params]


def test_a_parameter_in_memory_is_for_every_block_where_rows_are_not_known():
    blocks = [dask.delayed(np.ones)((2, 2))] * 2
    params = {"limits": [0.0, 1.0, 2.0, 3.0]}
    assert Incremental(Taking()).fit(blocks, **params).taken_ == [params, params]


def test_labels_in_a_sparse_matrix_are_cut_to_the_blocks(source):
    y = sp.coo_matrix(np.random.default_rng(0).random((200, 3)) > 0.5).astype(int)
    classes = np.arange(3)
    mlp = MLPClassifier((2,), random_state=0)
    model = Incremental(mlp, classes=classes).fit(source.X, y)
    blocks = [(x, y.tocsr()[20 * i : 20 * i + 20]) for i, (x,) in enumerate(in_blocks(source.X))]
    expected = loop(clone(mlp), blocks, classes=classes)
    for one, other in zip(model.coefs_, expected.coefs_, strict=True):
        np.testing.assert_array_equal(one, other)


def test_several_targets_of_classes_are_those_of_the_loop(source):
    y = da.stack([source.y, 2 - 2 * source.y], axis=1)
    bare = MultiOutputClassifier(SGDClassifier(loss="log_loss", random_state=0))
    model = Incremental(bare).fit(source.X, y)
    classes = [np.array([0, 1]), np.array([0, 2])]
    expected = loop(clone(bare), in_blocks(source.X, y), classes=classes)
    for one, other in zip(model.estimators_, expected.estimators_, strict=True):
        assert same_state(one, other)
    probabilities = model.predict_proba(source.X)  # a list, one for each target
    for one, other in zip(probabilities, expected.predict_proba(source.X.compute()), strict=True):
        np.testing.assert_array_equal(one.compute(), other)


def test_lists_of_dataframes_are_predicted_by_the_names_of_their_columns():
    frames = [
        pd.DataFrame(np.random.default_rng(i).random((5, 2)), columns=["a", "b"]) for i in range(3)
    ]
    X = [dask.delayed(frame) for frame in frames]
    model = Incremental(StandardScaler()).fit(X)
    expected = model.estimator_.transform(pd.concat(frames))
    np.testing.assert_array_equal(model.transform(X).compute(), expected)


class Listing(BaseEstimator):
    """Returns tuples."""

    def partial_fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def score_samples(self, X):
        return tuple(float(x.sum()) for x in X)


def test_what_is_no_array_becomes_one(source):
    model = Incremental(Listing()).fit(source.X)
    found = model.score_samples(source.X)
    assert found.shape == (200,)
    assert tuple(found.compute()) == model.estimator_.score_samples(source.X.compute())


class OtherFrame:
    """Something with columns that is not of pandas."""

    columns = ("a",)

    def __getitem__(self, which):
        return self


def test_dataframes_of_other_libraries_are_refused_for_lazy_data(source):
    model = Incremental(Framing()).fit(source.X)
    with pytest.raises(TypeError, match=r"dataframes of pandas .* Got .*OtherFrame instead"):
        model.transform(source.X)


class Framing(Listing):
    def transform(self, X):
        return OtherFrame()
