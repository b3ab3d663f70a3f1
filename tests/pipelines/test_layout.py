"""What the columns and dtypes of lazy data tell is checked before anything is read."""

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer, make_column_selector, make_column_transformer
from sklearn.decomposition import PCA, IncrementalPCA
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.feature_selection import SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from incremental import Incremental

N = 40


def sgd():
    return SGDClassifier(random_state=0)


class Frame:
    """A lazy frame that counts how often its partitions are read."""

    def __init__(self, **columns):
        self.reads = 0
        self.whole = pd.DataFrame(columns)
        self.X = dd.from_map(self.load, range(4), meta=self.whole.iloc[:0])
        self.y = np.arange(N) % 2
        self.y = dd.from_pandas(pd.Series(self.y), npartitions=4)

    def __dask_tokenize__(self):
        return id(self)  # dask keeps equal frames once, and another test's would be counted

    def load(self, i):
        self.reads += 1
        return self.whole.iloc[i * 10 : i * 10 + 10]


@pytest.fixture(autouse=True)
def threads():
    with dask.config.set(scheduler="threads", num_workers=2):
        yield


@pytest.fixture
def mixed():
    return Frame(
        size=np.linspace(0, 1, N),
        age=np.linspace(3, 4, N) ** 2,
        city=pd.array(["Bonn", "Rome"] * 20, "string"),
        day=pd.date_range("2020", periods=N),
        kind=pd.Categorical(["a", "b"] * 20),
    )


# Steps that get no column


NONE = {
    "list": [],
    "mask": [False, False],
    "selector": make_column_selector(dtype_include="category"),
    "callable": lambda X: [],
    "callable mask": lambda X: np.zeros(X.shape[1], bool),
}


@pytest.mark.parametrize("columns", NONE.values(), ids=NONE.keys())
@pytest.mark.parametrize("step", [OneHotEncoder(), PCA(), make_pipeline(PCA()), PCA])
@pytest.mark.parametrize("kind", ["frame", "array", "delayed", "second"])
def test_a_step_that_gets_no_column_is_left_out(columns, step, kind):
    if step is PCA:  # the remainder, then
        steps = [("none", StandardScaler(), columns), ("all", StandardScaler(), [0, 1])]
        tree = ColumnTransformer(steps, remainder=PCA())
    else:
        tree = ColumnTransformer([("none", step, columns), ("all", StandardScaler(), [0, 1])])
    frame = pd.DataFrame({"a": np.arange(20.0), "b": np.arange(20.0) ** 2})
    y = np.arange(20) % 2
    lazy = dd.from_pandas(frame, npartitions=2)
    array = da.from_array(frame.to_numpy(), chunks=(10, 2))
    if kind == "array" and isinstance(columns, make_column_selector):
        return  # needs a frame
    pipe = Pipeline([("tree", tree), ("sgd", sgd())])
    if kind == "second":
        pipe.steps.insert(0, ("same", FunctionTransformer()))
    X = {"array": array, "delayed": lazy.to_delayed()}.get(kind, lazy)
    target = da.from_array(y, chunks=10).to_delayed().ravel().tolist()
    model = Incremental(pipe).fit(X, target).estimator_
    memory = frame.to_numpy() if kind == "array" else frame
    whole = pipe.fit(memory, y)
    assert model[:-1].transform(memory).shape == whole[:-1].transform(memory).shape == (20, 2)
    found, expected = model.named_steps["tree"], whole.named_steps["tree"]
    assert [name for name, *_ in found.transformers_] == [n for n, *_ in expected.transformers_]


def test_a_step_that_gets_columns_in_the_first_block_only_is_refused_then(mixed):
    columns = make_column_transformer(
        (PCA(), make_column_selector(dtype_include="number")), ("drop", ["city"])
    )
    for X in (mixed.X, mixed.X.to_delayed()):
        with pytest.raises(TypeError, match=r"columntransformer__pca \(PCA\(\)\) decomposes all"):
            Incremental(make_pipeline(columns, sgd())).fit(X, mixed.y)
    assert mixed.reads == 1  # of a list of Delayed nothing is known before


def test_a_remainder_of_columns_is_refused_before_anything_is_read(mixed):
    columns = ColumnTransformer([("size", StandardScaler(), ["size"])], remainder=PCA())
    with pytest.raises(TypeError, match="remainder .* decomposes all rows"):
        Incremental(columns).fit(mixed.X)
    assert not mixed.reads


# Text, dates and frames


NUMBERS = {
    "plain": sgd(),
    "regressor": SGDRegressor(),
    "outputs": OneVsRestClassifier(sgd()),
    "first": make_pipeline(StandardScaler(), sgd()),
    "union": make_pipeline(make_union(StandardScaler(), FunctionTransformer()), sgd()),
    "deep": make_pipeline(make_pipeline("passthrough", IncrementalPCA(1)), sgd()),
    "selects": make_pipeline(SelectFromModel(sgd()), sgd()),
    "passed": make_pipeline(
        make_column_transformer((StandardScaler(), ["size"]), remainder="passthrough"), sgd()
    ),
    "passed twice": make_pipeline(
        make_union(make_column_transformer(("passthrough", lambda X: X.columns.tolist()))),
        "passthrough",
        sgd(),
    ),
}


@pytest.mark.parametrize("estimator", NUMBERS.values(), ids=NUMBERS.keys())
@pytest.mark.parametrize(
    ("column", "what"), [("city", "text"), ("day", "dates or times"), ("kind", "text")]
)
def test_a_column_without_numbers_is_named_before_anything_is_read(estimator, column, what, mixed):
    missing = [name for name in ("city", "day", "kind") if name != column]
    X = mixed.X.drop(columns=missing)
    model = Incremental(estimator)
    with pytest.raises(
        ValueError, match=f"takes numbers, but the column '{column}' of X has {what}"
    ):
        model.fit(X, mixed.y)
    assert not mixed.reads
    with pytest.raises((TypeError, ValueError)):  # scikit-learn refuses it, too
        estimator.fit(X.compute(), mixed.y.compute())


def test_columns_that_are_encoded_or_left_out_may_be_text(mixed):
    columns = make_column_transformer(
        (OneHotEncoder(categories=[["Bonn", "Rome"]]), ["city"]),
        (OneHotEncoder(), ["kind"]),
        (StandardScaler(), ["size"]),
        (FunctionTransformer(lambda X: X.apply(lambda x: x.dt.day)), ["day"]),
    )
    frozen = FrozenEstimator(OneHotEncoder().fit(mixed.whole[["city"]]))
    for pipe in (
        make_pipeline(columns, sgd()),
        make_pipeline(make_column_transformer((frozen, ["city"]), ("passthrough", ["age"])), sgd()),
        make_pipeline(FunctionTransformer(lambda X: X[["size", "age"]]), sgd()),
    ):
        model = Incremental(pipe).fit(mixed.X, mixed.y)
        assert len(model.predict(mixed.X).compute()) == N


class Mine(TransformerMixin, BaseEstimator):
    """Takes what it is given, without saying so."""

    def partial_fit(self, X, y=None):
        return self

    fit = partial_fit

    def transform(self, X):
        return X[["size"]].to_numpy()

    def __sklearn_is_fitted__(self):
        return True


def test_what_other_estimators_take_is_up_to_them(mixed):
    model = Incremental(make_pipeline(Mine(), sgd())).fit(mixed.X, mixed.y)
    assert len(model.predict(mixed.X).compute()) == N


def test_dates_alone_are_numbers_as_for_scikit_learn(mixed):
    X = mixed.X[["day"]]
    model = Incremental(StandardScaler()).fit(X)
    expected = StandardScaler()
    for part in X.partitions:
        expected.partial_fit(part.compute())
    assert np.array_equal(model.mean_, expected.mean_)


@pytest.mark.parametrize("method", ["fit", "predict"])
def test_a_frame_for_text_is_told_to_pass_the_series(method, mixed):
    pipe = make_pipeline(HashingVectorizer(n_features=8), sgd())
    model = Incremental(pipe).fit(mixed.X["city"], mixed.y)
    assert len(model.predict(mixed.X["city"]).compute()) == N
    mixed.reads = 0
    with pytest.raises(ValueError, match=r"pass the Series X\['city'\]"):
        model.fit(mixed.X[["city"]], mixed.y) if method == "fit" else model.predict(
            mixed.X[["city"]]
        )
    assert not mixed.reads


def test_a_list_of_one_column_for_text_is_told_to_name_it(mixed):
    columns = make_column_transformer((HashingVectorizer(n_features=8), ["city"]))
    with pytest.raises(ValueError, match="hashingvectorizer .* name of the column, 'city', and n"):
        Incremental(make_pipeline(columns, sgd())).fit(mixed.X, mixed.y)
    assert not mixed.reads


def test_a_column_without_numbers_is_named_by_the_methods_of_a_model(mixed):
    model = Incremental(StandardScaler()).fit(mixed.whole[["size"]])
    X = mixed.X[["city"]].rename(columns={"city": "size"})
    with pytest.raises(ValueError, match="column 'size' of X has text"):
        model.transform(X)
    assert not mixed.reads


def test_a_frame_of_several_texts_is_refused_with_one_column_of_it():
    frame = pd.DataFrame({"t": ["good", "bad"] * 4, "u": ["a", "b"] * 4, "y": [1, 0] * 4})
    lazy = dd.from_pandas(frame, npartitions=2)
    model = Incremental(make_pipeline(HashingVectorizer(n_features=8), SGDClassifier()))
    with pytest.raises(ValueError, match=r"pass the Series of one column, such as X\['t'\]"):
        model.fit(lazy[["t", "u"]], lazy["y"])
