"""Other meta-estimators around the wrapper, and transformers inside of it, on lazy data."""

import dask
import dask.array as da
import dask.bag as db
import numpy as np
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import (
    IncrementalPCA,
    LatentDirichletAllocation,
    MiniBatchDictionaryLearning,
    MiniBatchNMF,
)
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor, RegressorChain
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils.validation import has_fit_parameter

from incremental import Incremental
from tests.conftest import SKLEARN, in_blocks, loop, same_state

pd = pytest.importorskip("pandas")
dd = pytest.importorskip("dask.dataframe")

SGD = SGDClassifier(loss="log_loss", random_state=0)
CLASSIFIER = Incremental(SGD)
REGRESSOR = Incremental(SGDRegressor(random_state=0))


@pytest.fixture(autouse=True)
def threads():
    with dask.config.set(scheduler="threads"):  # a bag would start processes
        yield


@pytest.fixture
def X():
    return da.random.default_rng(0).random((120, 3), chunks=(30, 3))


@pytest.fixture
def y(X):
    return (X[:, 0] * 3).astype(int)


@pytest.fixture
def frame(X):
    return dd.from_pandas(pd.DataFrame(X.compute(), columns=list("abc")), npartitions=4)


@pytest.fixture
def converted(monkeypatch):
    """The shapes of the dask arrays that somebody converts as a whole."""
    shapes = []
    convert = da.Array.__array__

    def counted(self, *args, **kwargs):
        shapes.append(self.shape)
        return convert(self, *args, **kwargs)

    monkeypatch.setattr(da.Array, "__array__", counted)
    return shapes


def looped(X, y, model=SGD):
    more = {"classes": np.unique(y)} if hasattr(model, "decision_function") else {}
    return loop(clone(model), in_blocks(X, y), **more)


def two(model):
    return [("a", model), ("b", clone(model))]


# The meta-estimator; whether y may be lazy; whether scikit-learn converts all of X to fit.
CLASSIFIERS = {
    "VotingClassifier": (VotingClassifier(two(CLASSIFIER)), True, False),
    "soft VotingClassifier": (VotingClassifier(two(CLASSIFIER), voting="soft"), True, False),
    "StackingClassifier": (StackingClassifier(two(CLASSIFIER), cv=2), False, False),
    "CalibratedClassifierCV": (CalibratedClassifierCV(CLASSIFIER, cv=2), False, False),
    "OneVsOneClassifier": (OneVsOneClassifier(CLASSIFIER), True, True),
    "BaggingClassifier": (BaggingClassifier(CLASSIFIER, 2, random_state=0), True, True),
}
REGRESSORS = {
    "VotingRegressor": (VotingRegressor(two(REGRESSOR)), 1, False),
    "StackingRegressor": (StackingRegressor(two(REGRESSOR), cv=2), 1, False),
    "MultiOutputRegressor": (MultiOutputRegressor(REGRESSOR), 2, False),
    "RegressorChain": (RegressorChain(REGRESSOR), 2, True),
    "TransformedTargetRegressor": (
        TransformedTargetRegressor(REGRESSOR, func=np.log1p, inverse_func=np.expm1),
        1,
        False,
    ),
}


@pytest.mark.filterwarnings("ignore:scipy.optimize. The `disp`")  # which scikit-learn 1.6 sets
@pytest.mark.parametrize("lazy", [True, False])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_of_classifiers_learns_from_lazy_x(name, lazy, X, y, converted):
    meta, lazy_y, whole = CLASSIFIERS[name]
    labels = y if lazy else y.compute()
    # scikit-learn asks NumPy for the labels, and since 1.8 dask for these options.
    if lazy and not lazy_y and SKLEARN >= (1, 8):
        with pytest.raises(TypeError, match="unexpected keyword argument 'equal_nan'"):
            clone(meta).fit(X, labels)
        return
    converted.clear()
    model = clone(meta).fit(X, labels)
    assert (X.shape in converted) == whole
    predicted = model.predict(X)
    assert isinstance(predicted, np.ndarray)  # votes are counted as a whole
    assert np.mean(predicted == y.compute()) > 0.4


@pytest.mark.parametrize("lazy", [True, False])
@pytest.mark.parametrize("name", REGRESSORS)
def test_a_regressor_of_regressors_learns_from_lazy_x(name, lazy, X, converted):
    meta, n_outputs, whole = REGRESSORS[name]
    target = X[:, 0] * 2 if n_outputs == 1 else X[:, :2] * 2
    converted.clear()
    model = clone(meta).fit(X, target if lazy else target.compute())
    assert (X.shape in converted) == whole
    predicted = model.predict(X)
    assert isinstance(predicted, np.ndarray) and predicted.shape == target.shape


def test_voters_are_the_loop_over_the_blocks(X, y):
    model = clone(CLASSIFIERS["VotingClassifier"][0]).fit(X, y)
    expected = looped(X, y)
    assert all(same_state(voter.estimator_, expected) for voter in model.estimators_)
    assert np.array_equal(model.predict(X), expected.predict(X.compute()))


def test_outputs_are_the_loop_over_the_blocks(X):
    model = MultiOutputRegressor(REGRESSOR).fit(X, X[:, :2] * 2)
    for i, part in enumerate(model.estimators_):
        assert same_state(part.estimator_, looped(X, X[:, i] * 2, SGDRegressor(random_state=0)))


def test_a_transformed_target_is_the_loop_over_the_blocks(X):
    target = X[:, 0] * 2
    meta = TransformedTargetRegressor(REGRESSOR, func=np.log1p, inverse_func=np.expm1)
    expected = looped(X, np.log1p(target), SGDRegressor(random_state=0))
    model = meta.fit(X, target)
    assert same_state(model.regressor_.estimator_, expected)
    assert np.array_equal(model.predict(X), np.expm1(expected.predict(X.compute())))


def test_a_fitted_classifier_is_calibrated(X, y):
    labels = y.compute()
    frozen = FrozenEstimator(clone(CLASSIFIER).fit(X, y))
    model = CalibratedClassifierCV(frozen).fit(X, labels)
    expected = CalibratedClassifierCV(FrozenEstimator(looped(X, y))).fit(X.compute(), labels)
    assert np.array_equal(model.predict_proba(X), expected.predict_proba(X.compute()))


def test_one_versus_rest_learns_from_lazy_x_but_predicts_in_memory(X, y):
    model = OneVsRestClassifier(CLASSIFIER).fit(X, y.compute())
    labels = y.compute()
    for label, part in enumerate(model.estimators_):
        assert same_state(part.estimator_, looped(X, (labels == label).astype(int)))
    with pytest.raises(NotImplementedError, match="The out parameter is not fully supported"):
        model.predict(X)
    assert model.predict(X.compute()).shape == (120,)


class OnePass(SGDClassifier):
    """What the wrapper does with data in memory."""

    def fit(self, X, y, sample_weight=None):
        return self.partial_fit(X, y, np.unique(y), sample_weight)


ONE_PASS = OnePass(loss="log_loss", random_state=0)


def test_boosting_weights_rows(X, y):
    X, y = X.compute(), y.compute()
    # Boosting draws a random_state for the wrapper, too, and so others for the estimator.
    model, expected = (
        AdaBoostClassifier(estimator.set_params(**{name: False}), n_estimators=3).fit(X, y)
        for estimator, name in [
            (clone(CLASSIFIER), "estimator__shuffle"),
            (clone(ONE_PASS), "shuffle"),
        ]
    )
    assert np.array_equal(model.estimator_weights_, expected.estimator_weights_)
    assert np.array_equal(model.predict(X), expected.predict(X))


def test_calibration_weights_rows(X, y):
    X, y = X.compute(), y.compute()
    weight = np.linspace(0.1, 2, 120)
    model = CalibratedClassifierCV(CLASSIFIER, cv=3).fit(X, y, sample_weight=weight)
    expected = CalibratedClassifierCV(ONE_PASS, cv=3).fit(X, y, sample_weight=weight)
    assert np.array_equal(model.predict_proba(X), expected.predict_proba(X))


@pytest.mark.parametrize("scoring", [None, "accuracy"])
def test_a_search_weights_scores(X, y, scoring):
    X, y = X.compute(), y.compute()
    weight, grid = np.linspace(0.1, 2, 120), {"alpha": [1e-4, 1.0]}
    names = {f"estimator__{name}": values for name, values in grid.items()}
    model = GridSearchCV(CLASSIFIER, names, cv=3, scoring=scoring).fit(X, y, sample_weight=weight)
    expected = GridSearchCV(ONE_PASS, grid, cv=3, scoring=scoring).fit(X, y, sample_weight=weight)
    found, wanted = (s.cv_results_["mean_test_score"] for s in (model, expected))
    assert np.array_equal(found, wanted)


def test_weights_are_shown_where_the_estimator_takes_them():
    for estimator, takes in [
        (SGDClassifier(), True),
        (make_pipeline(StandardScaler(), SGDClassifier()), True),
        (Incremental(SGDClassifier()), True),
        (IncrementalPCA(), False),
        (make_pipeline(StandardScaler(), IncrementalPCA()), False),
        (FeatureUnion([("a", StandardScaler())]), False),
    ]:
        model = Incremental(estimator)
        assert has_fit_parameter(model, "sample_weight") == takes
        assert has_fit_parameter(model.set_params(estimator=IncrementalPCA()), "X_val")
        assert not has_fit_parameter(model, "sample_weight")


def test_a_union_of_features_stays_lazy(X, converted):
    union = FeatureUnion([("a", Incremental(StandardScaler())), ("b", Incremental(MinMaxScaler()))])
    result = union.fit(X).transform(X)
    assert isinstance(result, da.Array) and result.shape == (120, 6)
    assert not converted
    parts = [loop(scaler, in_blocks(X)) for scaler in (StandardScaler(), MinMaxScaler())]
    expected = np.hstack([part.transform(X.compute()) for part in parts])
    assert np.array_equal(result.compute(), expected)
    assert union.get_feature_names_out().tolist() == [f"{n}__x{i}" for n in "ab" for i in range(3)]


def test_columns_of_an_array_stay_lazy(X, converted):
    columns = ColumnTransformer([("a", Incremental(StandardScaler()), [0, 1])])
    result = columns.fit_transform(X)
    assert isinstance(result, da.Array) and not converted
    expected = loop(StandardScaler(), in_blocks(X[:, :2])).transform(X[:, :2].compute())
    # Equal up to the last bit of a mean.
    assert np.allclose(result.compute(), expected, rtol=1e-12, atol=1e-14)


def test_columns_of_a_dask_dataframe_have_no_names_for_scikit_learn_any_more(frame):
    columns = ColumnTransformer([("a", Incremental(StandardScaler()), ["a", "b"])])
    if SKLEARN < (1, 9):
        assert isinstance(columns.fit(frame).transform(frame), da.Array)
        return
    with pytest.raises(ValueError, match="using strings is only supported for dataframes"):
        columns.fit(frame)


def test_columns_of_the_partitions_are_transformed_inside_the_wrapper(frame, y):
    columns = ColumnTransformer([("a", StandardScaler(), ["a", "b"])])
    inside = Incremental(columns).fit(frame).transform(frame)
    scaled = Incremental(StandardScaler()).fit(frame[["a", "b"]]).transform(frame[["a", "b"]])
    assert isinstance(inside, da.Array) and isinstance(scaled, da.Array)
    assert np.array_equal(inside.compute(), scaled.compute())
    assert Incremental(SGD).fit(scaled, y).score(scaled, y) > 0.4


def test_voters_do_not_know_the_rows_of_a_dask_dataframe(frame, y):
    with pytest.raises(ValueError, match="y is in memory, but the numbers of rows"):
        VotingClassifier(two(CLASSIFIER)).fit(frame, y)


TRANSFORMERS = [
    StandardScaler(),
    MinMaxScaler(),
    IncrementalPCA(2),
    MiniBatchNMF(2, random_state=0),
    MiniBatchDictionaryLearning(2, random_state=0),
    LatentDirichletAllocation(2, random_state=0),
]


@pytest.mark.parametrize("kind", ["array", "frame"])
@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=lambda t: type(t).__name__)
def test_a_transformer_gives_the_transformed_blocks(transformer, kind, X, frame):
    data = X if kind == "array" else frame
    model = Incremental(transformer).fit(data)
    result = model.transform(data)
    blocks = [(part.compute(),) for part in (X.blocks if kind == "array" else frame.partitions)]
    expected = loop(clone(transformer), blocks)
    assert isinstance(result, da.Array)
    assert np.array_equal(
        result.compute(), np.concatenate([expected.transform(block) for (block,) in blocks])
    )
    names = model.get_feature_names_out()
    assert names.tolist() == expected.get_feature_names_out().tolist()
    assert len(names) == result.shape[1]


@pytest.mark.parametrize("kind", ["array", "frame"])
@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=lambda t: type(t).__name__)
def test_a_transformer_that_gives_dataframes_gives_a_dask_dataframe(transformer, kind, X, frame):
    data = X if kind == "array" else frame
    model = Incremental(clone(transformer).set_output(transform="pandas")).fit(data)
    result = model.transform(data)
    assert isinstance(result, dd.DataFrame) and result.npartitions == 4
    assert list(result.columns) == model.get_feature_names_out().tolist()
    computed = result.compute()
    plain = Incremental(transformer).fit(data).transform(data)
    assert list(computed.columns) == list(result.columns)
    assert np.array_equal(computed.to_numpy(), plain.compute())
    if kind == "frame":
        assert computed.index.tolist() == list(range(120))


@pytest.mark.parametrize("chunks", [(30, 30, 30, 30), (30, 0, 90), (120, 0), (0, 120)])
def test_dataframes_of_an_array_have_one_index(chunks, X):
    X = X.rechunk((chunks, 3))
    model = Incremental(StandardScaler()).set_output(transform="pandas").fit(X)
    result = model.transform(X)
    assert isinstance(result, dd.DataFrame) and result.known_divisions == (0 not in chunks)
    expected = model.estimator_.transform(X.compute())
    pd.testing.assert_frame_equal(result.compute(), expected, check_index_type=False)
    pd.testing.assert_frame_equal(
        result.loc[29:31].compute(), expected.loc[29:31], check_index_type=False
    )


def test_dataframes_of_a_frame_keep_its_index(X):
    whole = pd.DataFrame(X.compute(), columns=list("abc"), index=np.arange(120)[::-1] * 2)
    for frame in (
        dd.from_pandas(whole, npartitions=4, sort=False),
        dd.from_pandas(whole, npartitions=4),
    ):
        model = Incremental(StandardScaler()).set_output(transform="pandas").fit(frame)
        result = model.transform(frame)
        assert result.divisions == frame.divisions
        expected = model.estimator_.transform(frame.compute())
        pd.testing.assert_frame_equal(result.compute(), expected)


def test_an_index_restarts_where_the_rows_are_not_known(X):
    model = Incremental(StandardScaler()).set_output(transform="pandas").fit(X)
    result = model.transform(X[X[:, 0] > 0.5]).compute()
    assert (result.index == 0).sum() == 4


def test_set_output_changes_what_is_fitted_but_not_what_was_passed(X):
    inner = StandardScaler()
    model = Incremental(inner).fit(X)
    assert model.set_output() is model and isinstance(model.transform(X), da.Array)
    assert model.set_output(transform="pandas") is model
    assert isinstance(model.transform(X), dd.DataFrame)
    assert isinstance(model.transform(X.compute()), pd.DataFrame)
    assert isinstance(clone(model).fit_transform(X), dd.DataFrame)
    assert isinstance(model.fit(X).transform(X), dd.DataFrame)
    assert isinstance(model.set_output(transform="default").transform(X), da.Array)
    assert not hasattr(inner, "_sklearn_output_config")
    with pytest.raises(ValueError, match="output config must be in"):
        model.set_output(transform="parchment").transform(X)


def test_only_a_transformer_has_set_output():
    assert not hasattr(Incremental(SGD), "set_output")
    assert not hasattr(Incremental(HashingVectorizer()), "set_output")


@pytest.mark.parametrize("kind", ["array", "frame"])
def test_a_pipeline_hands_lazy_dataframes_on(kind, X, y, frame, converted):
    data = X if kind == "array" else frame
    scalers = make_pipeline(Incremental(StandardScaler()), Incremental(MinMaxScaler()))
    scalers.set_output(transform="pandas")
    result = scalers.fit(data).transform(data)
    assert isinstance(result, dd.DataFrame) and not converted
    expected = scalers[1].estimator_.transform(scalers[0].estimator_.transform(data.compute()))
    pd.testing.assert_frame_equal(result.compute(), expected, check_index_type=False)
    model = make_pipeline(*[step for _, step in scalers.steps], Incremental(SGD)).fit(data, y)
    assert model[-1].feature_names_in_.tolist() == list(expected.columns)


def test_the_configuration_of_scikit_learn_holds_for_all_blocks(X):
    model = Incremental(StandardScaler()).fit(X)
    with config_context(transform_output="pandas"):
        result = model.transform(X)
    expected = model.estimator_.set_output(transform="pandas").transform(X.compute())
    for scheduler in ("threads", "processes"):
        computed = result.compute(scheduler=scheduler)
        pd.testing.assert_frame_equal(computed, expected, check_index_type=False)


UNIONS = {
    "FeatureUnion": FeatureUnion(
        [("a", Incremental(StandardScaler())), ("b", Incremental(MinMaxScaler()))]
    ),
    "ColumnTransformer": ColumnTransformer(
        [("a", Incremental(StandardScaler()), [0, 1]), ("b", Incremental(MinMaxScaler()), [2])]
    ),
}


@pytest.mark.parametrize("name", UNIONS)
def test_scikit_learn_puts_dataframes_of_a_union_together_in_memory(name, X, converted):
    union = clone(UNIONS[name]).fit(X)
    lazy = union.transform(X)
    assert isinstance(lazy, da.Array) and not converted
    result = union.set_output(transform="pandas").transform(X)
    assert isinstance(result, pd.DataFrame)
    expected = pd.DataFrame(lazy.compute(), columns=union.get_feature_names_out())
    pd.testing.assert_frame_equal(result, expected)


TEXT = ["good day", "bad night", "good night", "bad day"] * 10
LABELS = np.array([1, 0, 1, 0] * 10)


def as_bag():
    return db.from_sequence(TEXT, npartitions=4)


def as_series():
    return dd.from_pandas(pd.Series(TEXT), npartitions=4)


def as_bag_of_series():
    return as_series().to_bag()


@pytest.mark.parametrize("text", [as_bag, as_bag_of_series, as_series])
def test_text_becomes_lazy_sparse_blocks_for_a_classifier(text):
    text = text()
    hashed = Incremental(HashingVectorizer(n_features=64)).transform(text)
    assert isinstance(hashed, da.Array)
    assert sparse.issparse(hashed.blocks[0].compute())
    labels = da.from_array(LABELS, chunks=10)
    model = Incremental(SGD).fit(hashed, labels)
    whole = HashingVectorizer(n_features=64).transform(TEXT)
    blocks = [(whole[i : i + 10], LABELS[i : i + 10]) for i in range(0, 40, 10)]
    expected = loop(clone(SGD), blocks, classes=[0, 1])
    assert same_state(model.estimator_, expected)
    assert np.array_equal(model.predict(hashed).compute(), expected.predict(whole))
    assert model.score(hashed, labels) == expected.score(whole, LABELS)


def test_a_pipeline_of_text_stays_lazy():
    labels = da.from_array(LABELS, chunks=10)
    vectorizer = Incremental(HashingVectorizer(n_features=64))
    model = make_pipeline(vectorizer, Incremental(SGD)).fit(as_bag(), labels)
    predicted = model.predict(as_bag())
    assert isinstance(predicted, da.Array)
    assert np.array_equal(predicted.compute(), LABELS)


def test_a_vectorizer_that_is_not_wrapped_reads_all_text():
    assert sparse.issparse(HashingVectorizer(n_features=64).transform(as_bag()))
