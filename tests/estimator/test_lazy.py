"""Lazy methods of a fitted model: what results are called, and what dask is told about them."""

import subprocess
import sys

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from dask.base import collections_to_expr
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import (
    FunctionTransformer,
    Normalizer,
    OneHotEncoder,
    StandardScaler,
)

from incremental import BlockError, Incremental, indexable

VALUES = np.random.default_rng(0).random((40, 3))
LABELS = (VALUES[:, 0] > 0.5).astype(int)
FRAME = pd.DataFrame(VALUES, columns=list("abc"))
X = da.from_array(VALUES, chunks=(10, 3))

LAZY = {
    "array": lambda: X,
    "frame": lambda: dd.from_pandas(FRAME, npartitions=4),
    "loaders": lambda: [dask.delayed(VALUES[i : i + 10], name=f"part-{i}") for i in (0, 10)],
    "rows": lambda: indexable(dd.from_pandas(FRAME, npartitions=4)),
}


CALLS = []


class Counts(GaussianNB):
    def predict(self, X):
        CALLS.append(len(X))
        return super().predict(X)


class ReturnsSeries(SGDRegressor):
    def predict(self, X):
        return pd.Series(super().predict(X), index=getattr(X, "index", None))


# Names


@pytest.mark.parametrize("make", LAZY.values(), ids=LAZY)
def test_the_same_prediction_of_the_same_data_has_the_same_name(make):
    lazy = make()
    one, two = (Incremental(GaussianNB(), classes=[0, 1]).fit(X, LABELS) for _ in range(2))
    for method in ("predict", "predict_proba"):
        first, second = getattr(one, method)(lazy), getattr(two, method)(lazy)
        assert first.name == second.name and first.name.startswith(f"{method}-")
        assert dict(first.dask).keys() == dict(second.dask).keys()
    assert one.predict(lazy).name != one.predict_proba(lazy).name
    other = lazy[lazy["a"] > 0.5] if isinstance(lazy, dd.DataFrame) else lazy[:1]
    assert one.predict(other).name != one.predict(lazy).name


def test_dataframes_of_results_are_named_by_the_model_and_the_data():
    frame = LAZY["frame"]()
    scaler = Incremental(StandardScaler().set_output(transform="pandas")).fit(frame)
    assert scaler.transform(frame)._name == scaler.transform(frame)._name
    before = scaler.transform(frame)
    scaler.partial_fit(frame + 1)
    assert scaler.transform(frame)._name != before._name


def test_a_model_that_went_on_learning_gives_other_names_and_leaves_earlier_results():
    model = Incremental(GaussianNB(), classes=[0, 1]).fit(X, LABELS)
    before, expected = model.predict_proba(X), model.predict_proba(VALUES)
    model.partial_fit(X + 1, 1 - LABELS)
    assert model.predict_proba(X).name != before.name
    assert np.allclose(before.compute(), expected, rtol=1e-12)


def test_two_equal_predictions_are_computed_once():
    model = Incremental(Counts(), classes=[0, 1]).fit(X, LABELS)
    one, two = model.predict(X), model.predict(X)
    CALLS.clear()
    dask.compute(one, two, scheduler="synchronous")
    assert CALLS == [10] * 4


def test_naming_a_model_leaves_its_class_as_it_is():
    calls = []

    class Local(GaussianNB):
        def predict(self, X):
            calls.append(len(X))
            return super().predict(X)

    model = Incremental(Local(), classes=[0, 1]).fit(X, LABELS)
    one, two = model.predict(X), model.predict(X)
    assert one.name != two.name
    calls.clear()
    one.compute(scheduler="synchronous")
    assert calls == [10] * 4


def test_models_that_cannot_be_looked_into_have_names_of_their_own():
    class Closed(GaussianNB):
        def __reduce_ex__(self, protocol):
            raise TypeError("not pickled")

        def __deepcopy__(self, memo):
            return self

    model = Closed().fit(VALUES, LABELS)
    from incremental._estimator.lazy import apply

    assert apply(model, "predict", X).name != apply(model, "predict", X).name


def tasks_of(name, *collections):
    graph = collections_to_expr(list(collections)).optimize().__dask_graph__()
    return {key: task.dependencies for key, task in graph.items() if key[0] == name}


@pytest.mark.parametrize("make", LAZY.values(), ids=LAZY)
def test_a_prediction_is_made_of_the_same_tasks_whatever_is_computed_with_it(make):
    lazy = make()
    model = Incremental(GaussianNB(), classes=[0, 1]).fit(X, LABELS)
    one, two = model.predict(lazy), model.predict(lazy)
    alone = tasks_of(one.name, one)
    assert len(alone) == one.numblocks[0]
    assert alone == tasks_of(one.name, one, one + 1, two.sum(), model.predict_proba(lazy))
    if lazy is X:
        assert alone == tasks_of(one.name, X, one, X[:, 0] > 0.5)


# What they are


def test_series_for_frames_are_series_with_their_divisions():
    frame = LAZY["frame"]()
    model = Incremental(ReturnsSeries(random_state=0)).fit(frame, frame["a"])
    result = model.predict(frame)
    assert isinstance(result, dd.Series) and result.divisions == frame.divisions
    expected = model.estimator_.predict(FRAME)
    pd.testing.assert_series_equal(result.compute(), expected)
    assert result.mean().compute() == expected.mean()
    assert result.loc[12:14].compute().equals(expected.loc[12:14])


def test_series_for_anything_else_are_arrays():
    model = Incremental(ReturnsSeries(random_state=0)).fit(X, VALUES[:, 0])
    for lazy in (X, LAZY["loaders"]()):
        result = model.predict(lazy)
        assert isinstance(result, da.Array)
        assert isinstance(result.compute(), np.ndarray)


def test_dataframes_keep_the_divisions_of_theirs():
    frame = LAZY["frame"]()
    scaler = Incremental(StandardScaler().set_output(transform="pandas")).fit(frame)
    result = scaler.transform(frame)
    assert result.divisions == frame.divisions
    pd.testing.assert_frame_equal(result.compute(), scaler.estimator_.transform(FRAME))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_results_of_loaders_have_the_dtype_of_their_blocks(dtype):
    blocks = [dask.delayed(np.ones((5, 2), dtype) * i) for i in range(3)]
    result = Incremental(StandardScaler()).fit(blocks).transform(blocks)
    assert result.dtype == result.compute().dtype == dtype


@pytest.mark.parametrize("output", ["pandas", "default"])
def test_results_of_loaders_of_frames_have_the_dtypes_of_their_columns(output):
    frame = pd.DataFrame({"a": np.arange(20.0), "text": ["x", "y"] * 10, "k": range(20)})
    blocks = [dask.delayed(frame.iloc[i : i + 10]) for i in (0, 10)]
    columns = ColumnTransformer(
        [("s", StandardScaler(), ["a"]), ("p", "passthrough", ["text", "k"])]
    )
    result = Incremental(columns.set_output(transform=output)).fit(blocks).transform(blocks)
    if output == "default":
        assert result.dtype == result.compute().dtype
        return
    assert dict(result.dtypes) == dict(result.compute().dtypes)
    assert result["p__text"].str.upper().compute().tolist() == ["X", "Y"] * 10


@pytest.mark.parametrize("model", [FunctionTransformer(), Normalizer()], ids=str)
def test_results_of_models_that_take_anything_are_told_by_the_first_block(model):
    blocks = [dask.delayed(np.ones((5, 2), "float32") * i) for i in (1, 2)]
    result = Incremental(model).transform(blocks)
    assert result.dtype == np.float32 and result.shape[1:] == (2,)
    expected = [model.transform(block) for block in dask.compute(*blocks)]
    assert np.array_equal(result.compute(), np.concatenate(expected))


def test_where_the_dtype_of_the_data_is_of_no_account_no_block_is_read():
    def fail():
        raise AssertionError("read")

    model = Incremental(SGDClassifier(random_state=0), classes=[0, 1]).fit(X, LABELS)
    blocks = [dask.delayed(fail)()]
    for method in ("predict", "decision_function"):
        assert getattr(model, method)(blocks).dtype == getattr(model, method)(VALUES).dtype


def test_each_output_of_several_is_an_array():
    y = np.stack([LABELS, 1 - LABELS], 1)
    model = Incremental(MultiOutputClassifier(GaussianNB()), classes=[[0, 1]] * 2).fit(X, y)
    results = model.predict_proba(X)
    for result, expected in zip(results, model.estimator_.predict_proba(VALUES), strict=True):
        assert result.shape == (40, 2)
        assert np.allclose(result.compute(), expected, rtol=1e-12)


# No rows


def test_no_rows_in_memory_give_no_result_as_they_do_in_a_block():
    model = Incremental(GaussianNB()).fit(FRAME, LABELS)
    assert model.predict(FRAME[:0]).shape == (0,)
    assert model.predict_proba(FRAME[:0]).shape == (0, 2)
    assert Incremental(StandardScaler()).fit(VALUES).transform(VALUES[:0]).shape == (0, 3)
    with pytest.raises(ValueError, match="0 sample"):  # what cannot be asked says so itself
        Incremental(GaussianNB()).fit(VALUES, LABELS).predict(np.empty((0, 2)))


def test_no_rows_in_memory_are_as_those_that_were_learned():
    cities = pd.DataFrame({"city": ["Bonn", "Ulm"]})  # made-up rows would have other categories
    columns = ColumnTransformer([("city", OneHotEncoder(), ["city"])])
    model = Incremental(columns).fit([dask.delayed(cities)])
    assert model.transform(cities[:0]).shape == (0, 2)


# Blocks of other dtypes


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [([[1]], [[1.5]], "int64.*float64"), ([["a"]], [["bcd"]], "U1.*U3")],
)
def test_results_that_dask_would_cut_are_refused(first, second, what):
    blocks = [dask.delayed(np.array(block)) for block in (first, second)]
    lazy = Incremental(FunctionTransformer()).transform(blocks)
    with pytest.raises(BlockError, match=f"transform of block 1 must have the dtype .*{what}"):
        lazy.compute(scheduler="synchronous")


def test_results_that_fit_have_the_dtype_that_dask_was_told():
    lazy = Incremental(FunctionTransformer()).transform(
        [dask.delayed(np.array(block)) for block in ([[0.5]], [[1]], [[True]])]
    )
    assert {lazy.blocks[i].compute().dtype for i in range(3)} == {lazy.dtype}
    assert lazy.compute().tolist() == [[0.5], [1.0], [1.0]]


@pytest.mark.slow
def test_a_bag_in_a_script_without_the_guard_is_told_to_have_one(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import dask.bag as db\n"
        "from sklearn.preprocessing import StandardScaler\n"
        "from incremental import Incremental\n"
        "bag = db.from_sequence([[1.0], [2.0]], npartitions=2)\n"
        "Incremental(StandardScaler()).fit(bag)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode and 'if __name__ == "__main__":' in done.stderr.splitlines()[-1]


def test_models_of_classes_of_a_script_have_names_of_their_own(monkeypatch):
    class Mine(StandardScaler):
        pass

    Mine.__module__, Mine.__qualname__ = "__main__", "Mine"
    monkeypatch.setattr(sys.modules["__main__"], "Mine", Mine, raising=False)
    X = da.ones((4, 2), chunks=2)
    model = Incremental(Mine()).fit(X)
    assert model.transform(X).name != model.transform(X).name
