"""Steps, parameters and blocks that a pipeline refuses."""

import dask
import dask.array as da
import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import MiniBatchKMeans
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline, make_union
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)

from incremental import BlockError, Incremental
from tests.conftest import SKLEARN, loop, same_state
from tests.pipelines.common import CLASSES, frame, lazy, sgd


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
            make_pipeline(make_column_transformer((TargetEncoder(), [0])), sgd()),
            "columntransformer__targetencoder .*Use OneHotEncoder or FeatureHasher",
        ),
        (
            make_pipeline(StandardScaler(), RandomForestClassifier()),
            "randomforestclassifier .*Use SGDClassifier or SGDRegressor",
        ),
        (make_pipeline(QuantileTransformer(), sgd()), "Use StandardScaler or MinMaxScaler"),
        (make_pipeline(RFE(sgd()), sgd()), r"Use SelectFromModel\(SGDClassifier"),
        (
            make_pipeline(SimpleImputer(strategy="median"), sgd()),
            "simpleimputer .*needs the medians of all rows.*Use strategy='mean'.*a sketch",
        ),
        (KBinsDiscretizer(), "but KBinsDiscretizer.*needs the quantiles .*Use strategy='uniform'"),
        (make_pipeline(make_union(NeedsAll()), sgd()), "featureunion__needsall .*Frozen"),
        (make_pipeline(sgd(), sgd()), "All intermediate steps should be transformers"),
        (
            make_pipeline(SelectFromModel(RandomForestClassifier()), sgd()),
            "only with an estimator that has partial_fit; with prefit=True a frozen one",
        ),
        (make_pipeline(SelectFromModel(sgd(), prefit=True), sgd()), "with prefit=True a frozen"),
        (make_pipeline(SelectFromModel(FrozenEstimator(sgd())), sgd()), "with prefit=True a froz"),
        (make_pipeline(FitsItself(categories=[[0, 1]]), sgd()), "fitsitself .*Frozen"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_step_that_needs_all_rows_is_refused_before_anything_is_read(pipe, message, source):
    model = Incremental(pipe, classes=CLASSES)
    with pytest.raises(TypeError, match=message):
        model.fit(source.X, source.y)
    assert not source.reads
    assert not hasattr(model, "estimator_")


def test_a_column_that_is_missing_is_named():
    X, y = lazy(*frame())
    pipe = make_pipeline(make_column_transformer((MinMaxScaler(), ["missing"])), sgd())
    with pytest.raises(ValueError, match="missing|A given column is not") as caught:
        Incremental(pipe).fit(X, y)
    cause = caught.value.__cause__  # which alone names it before scikit-learn 1.9
    assert "missing" in str(cause if SKLEARN < (1, 9) else caught.value)


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
        (Pipeline([]), ValueError, "The pipeline is empty" if SKLEARN >= (1, 7) else "got 0"),
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


@pytest.mark.parametrize("step", [StandardScaler, object()])
def test_a_step_that_is_no_estimator_is_refused(step, source):
    pipe = Pipeline([("first", StandardScaler()), ("union", FeatureUnion([("a", MaxAbsScaler())]))])
    pipe.steps[1][1].transformer_list = [("a", step)]
    with pytest.raises(TypeError, match="should implement fit and transform|an estimator"):
        Incremental(pipe).fit(source.X)
    assert not source.reads


def test_a_branch_that_does_not_transform_is_refused(source):
    union = make_union(StandardScaler(), MiniBatchKMeans(2))
    union.transformer_list[1] = ("sgd", sgd())
    with pytest.raises(TypeError, match="All estimators should implement fit and transform"):
        Incremental(make_pipeline(union, sgd())).fit(source.X, source.y)
    assert not source.reads


def test_a_step_that_does_not_fit_the_first_rows_is_named(source):
    pipe = make_pipeline(SplineTransformer(knots=np.zeros((2, 5))), sgd())
    with pytest.raises(
        BlockError, match="rows of block 0 could not be learned by the step splinetransformer: Val"
    ) as info:
        Incremental(pipe, classes=CLASSES).fit(source.X, source.y)
    assert info.value.block == 0
    assert type(info.value.__cause__) is ValueError
    assert info.value.__cause__.__cause__ is None
