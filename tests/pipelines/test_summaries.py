"""Steps that learn from summaries of blocks, in one pass with those that learn from blocks."""

import dask
import dask.array as da
import dask.dataframe as dd
import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

from incremental import BlockError, Incremental
from incremental._pipelines.gathered import Gathered, Summary
from incremental._summaries.table import summaries_of
from tests.conftest import Source, in_blocks, loop, same_state
from tests.pipelines.common import CLASSES, frame, lazy, partitions, sgd
from tests.pipelines.summing import Centre, MeanOfY, Supervised, centred, merged


def test_summaries_are_merged_in_a_tree_of_few(source):
    class Spelled(Centre):
        def merge_summaries(self, first, second):
            return f"({first}{second})"

        def fit_summary(self, summary):
            self.spelled_ = summary

    for n in range(1, 40):
        step = Spelled()
        gathered = Gathered("spelled", step, summaries_of(step))
        names = [chr(ord("a") + i) for i in range(n)]
        for i, name in enumerate(names):
            gathered.add(3 * i, Summary(1, name))
            gathered.add(3 * i, Summary(1, "seen before"))
            assert len(gathered._stack) <= 1 + np.log2(i + 1)
        gathered.fit(step)
        assert step.spelled_ == merged(step.merge_summaries, names)


def test_a_step_of_a_user_learns_from_summaries_in_a_pass_of_its_own(source):
    model = Incremental(make_pipeline(Centre(), sgd()), classes=CLASSES)
    model.fit(source.X, source.y)
    assert source.reads == dict.fromkeys(range(10), 2)
    blocks = in_blocks(source.X, source.y)
    centre = centred([x for x, _ in blocks])
    assert same_state(model.estimator_[0], centre)
    expected = loop(sgd(), [(centre.transform(x), y) for x, y in blocks], classes=CLASSES)
    assert same_state(model.estimator_[1], expected)


def test_summaries_have_the_same_bits_on_every_scheduler(scheduler):
    source = Source(n_blocks=13)
    expected = centred([x for (x,) in in_blocks(source.X)])
    union = make_union(Centre(), StandardScaler())
    for prefetch in (0, 1, None):
        model = Incremental(union, prefetch=prefetch).fit(source.X)
        assert same_state(model.estimator_.transformer_list[0][1], expected)


def test_summaries_and_blocks_are_learned_in_the_same_pass(source):
    union = make_union(StandardScaler(), Supervised(), Centre())
    model = Incremental(make_pipeline(union, sgd()), classes=CLASSES, batch_size=50)
    model.fit(source.X, source.y)
    assert source.reads == dict.fromkeys(range(10), 2)
    X, y = dask.compute(source.X, source.y)
    steps = [step for _, step in model.estimator_[0].transformer_list]
    expected = loop(StandardScaler(), [(X[i : i + 40],) for i in range(0, 200, 40)])
    assert same_state(steps[0], expected)
    assert steps[1].n_seen_ == 200
    assert steps[1].mean_[-1] == y.mean()
    assert same_state(steps[2], centred([x for (x,) in in_blocks(source.X)]))


def test_found_categories_and_a_scaler_and_a_classifier_read_each_block_twice():
    X, y = frame()
    reads = []

    def load(i):
        reads.append(i)
        return X.iloc[60 * i : 60 * i + 60]

    lazy_X = dd.from_map(load, range(4), meta=X.iloc[:0])
    columns = make_column_transformer(
        (OneHotEncoder(), ["city", "text"]),
        (OrdinalEncoder(), ["text"]),
        (StandardScaler(), ["size"]),
    )
    model = Incremental(make_pipeline(columns, sgd()), classes=CLASSES)
    with dask.config.set(scheduler="threads"):
        model.fit(lazy_X, lazy(y)[0])
    assert sorted(reads) == [0, 0, 0, 1, 1, 2, 2, 3, 3]  # the first rows tell the columns
    blocks = partitions(lazy_X, lazy(y)[0])
    scaler = loop(StandardScaler(), [(x[["size"]],) for x, _ in blocks])
    encoders = OneHotEncoder().fit(X[["city", "text"]]), OrdinalEncoder().fit(X[["text"]])
    found = [step for _, step, _ in model.estimator_[0].transformers_[:3]]
    assert same_state(found[2], scaler)
    for one, other in zip(found, encoders, strict=False):
        assert all(map(np.array_equal, one.categories_, other.categories_))
    expected = [
        (
            np.hstack([
                encoders[0].transform(x[["city", "text"]]).toarray(),
                encoders[1].transform(x[["text"]]),
                scaler.transform(x[["size"]]),
            ]),
            y,
        )
        for x, y in blocks
    ]  # fmt: skip
    assert same_state(model.estimator_[1], loop(sgd(), expected, classes=CLASSES))


@pytest.mark.parametrize(
    "encoder", [OneHotEncoder(), OrdinalEncoder(), OneHotEncoder(min_frequency=1)]
)
def test_known_categories_are_all_kept_and_others_found(encoder):
    X = frame()[0][["colour"]]
    X = X.assign(colour=X["colour"].cat.add_categories("pink"))
    gone = X.assign(colour=X["colour"].where(X.index % 50 > 0))
    for rows, missing in ((X, []), (gone, [np.nan])):
        known, unknown = (lazy(rows)[0] for _ in range(2))
        unknown["colour"] = unknown["colour"].cat.as_unknown()
        for data in (known, unknown):
            (found,) = Incremental(make_pipeline(encoder)).fit(data).estimator_[0].categories_
            is_kept = data is known and encoder.min_frequency is None
            pink = ["pink"] if is_kept else []
            assert str(found.tolist()) == str(["blue", "green", *pink, "red", *missing])


@pytest.mark.parametrize("values", [[1, 2, 4], ["a", "b", "c"], [True, False]])
def test_missing_values_of_categorical_columns_are_categories(values):
    X = pd.DataFrame({"kind": pd.Categorical([None, *values] * 6, categories=values)})
    for encoder in (OneHotEncoder(handle_unknown="ignore", sparse_output=False), OrdinalEncoder()):
        found = Incremental(encoder).fit(dd.from_pandas(X, npartitions=3)).estimator_
        expected = clone(encoder).fit(X)
        assert found.categories_[0].dtype == expected.categories_[0].dtype
        assert str(found.categories_) == str(expected.categories_)
        assert np.array_equal(found.transform(X), expected.transform(X), equal_nan=True)


def test_a_search_in_one_scan_finds_the_same(source):
    pipe = make_pipeline(make_union(Centre(), StandardScaler()), sgd())
    search = GridSearchCV(
        Incremental(pipe), {"estimator__sgdclassifier__alpha": [1e-4, 1.0]}, cv=2, refit=False
    )
    y = source.y.compute()
    expected = search.fit(source.X, y).cv_results_["mean_test_score"]
    with joblib.parallel_config("incremental", n_jobs=2):
        found = search.fit(source.X, y).cv_results_["mean_test_score"]
    assert np.array_equal(found, expected)


def test_text_alone_is_learned_and_transformed():
    texts = [["one two", "three"], ["two two four"], [], ["one"]]
    X = [dask.delayed(part) for part in texts]
    whole = [text for part in texts for text in part]
    model = Incremental(TfidfVectorizer()).fit(X)
    expected = TfidfVectorizer().fit(whole)
    assert model.vocabulary_ == expected.vocabulary_
    assert np.array_equal(model.idf_, expected.idf_)
    assert (model.transform(X).compute() != expected.transform(whole)).nnz == 0


class OtherFrame:
    """Rows with names, as of another library than pandas."""

    def __init__(self, values):
        self.values, self.shape, self.columns = values, values.shape, ["a", "b", "c"]

    def __array__(self, dtype=None, copy=None):
        return self.values


@pytest.mark.parametrize("step", [VarianceThreshold(), SimpleImputer(), OrdinalEncoder()])
def test_frames_of_other_libraries_keep_their_names(source, step):
    pipe = make_pipeline(FunctionTransformer(OtherFrame), step)
    found = Incremental(pipe).fit(source.X).estimator_[1]
    expected = clone(step).fit(pd.DataFrame(source.X.compute(), columns=["a", "b", "c"]))
    assert found.get_feature_names_out().tolist() == expected.get_feature_names_out().tolist()


# Alone, and last


def test_a_step_that_learns_from_summaries_may_be_alone(source):
    model = Incremental(Centre()).fit(source.X)
    assert source.reads == dict.fromkeys(range(10), 1)
    expected = centred([x for (x,) in in_blocks(source.X)])
    assert same_state(model.estimator_, expected)
    X = source.X.compute()
    found = model.transform(source.X)
    assert isinstance(found, da.Array)
    assert np.array_equal(found.compute(), expected.transform(X))
    assert same_state(Incremental(Centre()).fit(X).estimator_, Centre().fit(X))
    assert model.n_iter_ == 1
    assert not hasattr(Centre(), "n_seen_")


def test_encoders_may_be_alone_whether_they_look_or_learn():
    (X,) = lazy(frame()[0][["city"]])
    expected = OneHotEncoder().fit(X.compute())
    for encoder in (OneHotEncoder(), OneHotEncoder(categories=[["Bonn", "Rome"]])):
        found = Incremental(encoder).fit_transform(X).compute()
        assert (found != expected.transform(X.compute())).nnz == 0


def test_partial_fit_of_what_learns_from_summaries_is_missing_for_a_reason(source):
    for estimator in (Centre(), make_pipeline(StandardScaler(), Centre())):
        model = Incremental(estimator)
        assert not hasattr(model, "partial_fit")
        with pytest.raises(AttributeError, match="Centre .*gathered.*not kept: call fit"):
            model.partial_fit(source.X)
        with pytest.raises(ValueError, match="max_iter is about .* learns by partial_fit"):
            Incremental(estimator, max_iter=2).fit(source.X)


def test_a_model_may_learn_from_summaries(source):
    model = Incremental(make_pipeline(StandardScaler(), MeanOfY())).fit(source.X, source.y)
    assert source.reads == dict.fromkeys(range(10), 2)
    assert set(model.predict(source.X).compute()) == {source.y.compute().mean()}
    with pytest.raises(ValueError, match="MeanOfY .*requires y to be passed"):
        Incremental(MeanOfY()).fit(source.X)


# What is refused


def test_a_step_alone_is_refused_like_one_of_several(source):
    with pytest.raises(TypeError, match="Centre learns from summaries .*Got .*sample_weight"):
        Incremental(Centre()).fit(source.X, sample_weight=np.ones(200))
    pipe = make_pipeline(Centre(), sgd())
    with pytest.raises(TypeError, match="Centre learns from summaries .*Got .*sample_weight"):
        Incremental(pipe).fit(source.X, source.y, centre__sample_weight=np.ones(200))
    assert not source.reads


def test_an_error_in_a_summary_names_the_block_and_the_step(scheduler):
    X = np.random.default_rng(0).random((60, 2))
    X[45, 0] = np.nan
    lazy_X = da.from_array(X, chunks=(10, 2))
    for model, step in (
        (Incremental(make_pipeline(make_union(Centre()), "passthrough")), "featureunion__centre"),
        (Incremental(Centre()), "Centre"),
    ):
        with pytest.raises(
            BlockError, match=f"Block 4 could not be summarised by the step {step}: .*X has NaN"
        ) as info:
            model.fit(lazy_X)
        assert info.value.block == 4
        assert not hasattr(model, "estimator_")
    with pytest.raises(ValueError, match="^X has NaN"):  # data in memory have no blocks
        Incremental(Centre()).fit(X)


@pytest.mark.parametrize(
    "step",
    [OneHotEncoder(), SimpleImputer(), MissingIndicator(), VarianceThreshold(), Centre()],
    ids=lambda step: type(step).__name__,
)
def test_blocks_of_other_columns_are_refused(step):
    first = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    for other, got in (
        (first[["b", "a"]], r"\['b', 'a'\]"),
        (first.rename(columns={"a": "c"}), r"\['c', 'b'\]"),
        (first[["a"]], r"\['a'\]"),
        (first.to_numpy(), "2 columns without names"),
    ):
        blocks = [dask.delayed(block) for block in (first, first, other)]
        with pytest.raises(
            BlockError, match=rf"same columns.*Got {got} in block 2, and \['a', 'b'"
        ):
            Incremental(step).fit(blocks)


def test_an_error_where_summaries_are_merged_names_the_block_and_the_step(source):
    with pytest.raises(
        BlockError, match="summary of block 3 could not be merged by the step centre: .*than 50"
    ):
        Incremental(make_pipeline(Centre(limit=50), sgd()), classes=CLASSES).fit(source.X, source.y)


def test_categories_without_end_are_refused_before_memory_is_gone():
    X = pd.DataFrame({"few": ["a", "b"] * 50, "id": [f"{i}" for i in range(100)]})
    (lazy_X,) = lazy(X, npartitions=10)
    with dask.config.set({"incremental.most-values": 25}):
        with pytest.raises(BlockError, match="block 3 .*onehotencoder: .*most 25 .*'id' has"):
            Incremental(make_pipeline(OneHotEncoder())).fit(lazy_X)


def test_blocks_without_rows_add_nothing_and_others_are_as_long_as_y(source):
    keep = source.X[:, 0] > np.repeat([2, 0, 2, 0, 0], 40)
    model = Incremental(Centre()).fit(source.X[keep])
    blocks = [x for (x,) in in_blocks(source.X)]
    assert same_state(model.estimator_, centred([*blocks[2:4], *blocks[6:]]))
    with pytest.raises(ValueError, match="every block of X is empty"):
        Incremental(Centre()).fit(source.X[source.X[:, 0] > 2])
    y = [dask.delayed(np.ones)(19 + (i != 7)) for i in range(10)]
    with pytest.raises(BlockError, match="20 rows of X and 19 of y in block 7"):
        Incremental(Supervised()).fit(source.X, y)
