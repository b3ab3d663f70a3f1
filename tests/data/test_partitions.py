"""One way from a frame or a bag to its blocks, for every method."""

import json

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.metrics import accuracy_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from incremental import Incremental, indexable
from tests.conftest import loop, same_state

FEATURES = ["a", "b"]
_rng = np.random.default_rng(0)
WHOLE = pd.DataFrame({name: _rng.normal(size=200) for name in "abcdefgh"})
WHOLE["y"] = (WHOLE["a"] > 0).astype(int)
SGD = SGDClassifier(random_state=0)


def equal(a, b):
    return np.array_equal(np.asarray(a), np.asarray(b))


@pytest.fixture
def parquet(tmp_path):
    """Ten partitions so small that dask puts them together where some columns are read."""
    dd.from_pandas(WHOLE, npartitions=10).to_parquet(tmp_path)
    return dd.read_parquet(tmp_path)


def centred(part):
    return part - part.mean()


DONE = {
    "nothing": lambda X: X,
    "fillna": lambda X: X.fillna(0),
    "map_partitions": lambda X: X.map_partitions(centred, meta=X),
}


@pytest.mark.parametrize("do", DONE.values(), ids=DONE)
def test_every_method_has_the_partitions_that_were_learned_from(do, parquet):
    X, y = do(parquet[FEATURES]), parquet["y"]
    parts = [WHOLE[i : i + 20] for i in range(0, 200, 20)]
    look = centred if do is DONE["map_partitions"] else (lambda part: part)
    blocks = [(look(part[FEATURES]), part["y"]) for part in parts]
    expected = loop(clone(SGD), blocks, classes=[0, 1])
    model = Incremental(SGD).fit(X, y)
    assert same_state(model.estimator_, expected)
    predicted = model.predict(X)
    assert predicted.numblocks == (10,)
    assert equal(predicted, np.concatenate([expected.predict(x) for x, _ in blocks]))
    assert model.score(X, y) == accuracy_score(WHOLE["y"], predicted.compute())
    scaler = Incremental(StandardScaler()).fit(X)
    assert scaler.transform(X).numblocks[0] == 10
    frames = scaler.set_output(transform="pandas").transform(X)
    assert frames.npartitions == 10 and frames.compute().shape == (200, 2)


@pytest.mark.parametrize("do", DONE.values(), ids=DONE)
def test_a_pipeline_of_wrapped_steps_follows_the_partitions(do, parquet):
    X, y = do(parquet[FEATURES]), parquet["y"]
    model = make_pipeline(Incremental(StandardScaler()), Incremental(SGD)).fit(X, y)
    assert model.score(X, y) == accuracy_score(WHOLE["y"], model.predict(X).compute())


def test_rows_that_were_learned_are_not_among_those_of_the_other_part_of_a_split(parquet):
    train, test = parquet[FEATURES].random_split([0.7, 0.3], random_state=0)
    same = Incremental(StandardScaler(with_mean=False, with_std=False)).fit(train)
    learned, given = (set(map(tuple, same.transform(X).compute())) for X in (train, test))
    assert not learned & given
    assert len(learned) == same.n_samples_seen_ and len(learned) + len(given) == 200


@pytest.mark.filterwarnings("ignore:Concatenating dataframes with unknown divisions")
def test_predictions_stand_beside_their_frame(parquet):
    model = Incremental(SGD).fit(parquet[FEATURES], parquet["y"])
    expected = model.estimator_.predict(WHOLE[FEATURES])
    in_memory = dd.from_pandas(WHOLE, npartitions=10)
    for frame in (parquet, parquet[["a", "b", "y"]], in_memory):
        result = frame.assign(p=model.predict(frame[FEATURES]))
        assert equal(result.compute()["p"], expected)
        assert result["p"].mean().compute() == expected.mean()
        series = model.predict(frame[FEATURES]).to_dask_dataframe(index=frame.index)
        assert equal(series.compute(), expected)
    for frame in (parquet, in_memory):
        series = model.predict(frame[FEATURES]).to_dask_dataframe(columns="p", index=frame.index)
        together = dd.concat([frame, series], axis=1)
        assert equal(together.compute()["p"], expected)


def test_columns_of_probabilities_stand_beside_their_frame(parquet):
    model = Incremental(GaussianNB()).fit(parquet[FEATURES], parquet["y"])
    result = parquet.assign(p=model.predict_proba(parquet[FEATURES])[:, 1]).compute()
    parts = [WHOLE[FEATURES][i : i + 20] for i in range(0, 200, 20)]
    expected = [model.estimator_.predict_proba(part)[:, 1] for part in parts]
    assert equal(result["p"], np.concatenate(expected))


def test_predictions_stand_beside_frames_with_empty_partitions():
    frame = dd.from_pandas(WHOLE, npartitions=10)
    frame = frame[frame["a"] > 2]
    some = WHOLE[WHOLE["a"] > 2]
    assert 0 in frame.map_partitions(len).compute().tolist()
    model = Incremental(SGD).fit(WHOLE[FEATURES], WHOLE["y"])
    expected = model.predict(some[FEATURES])
    assert equal(frame.assign(p=model.predict(frame[FEATURES])).compute()["p"], expected)
    mapped = frame[FEATURES].map_partitions(model.predict, meta=np.empty(0, expected.dtype))
    assert equal(mapped.compute(), expected)


@pytest.mark.parametrize("seed", range(2))
def test_partitions_that_dask_optimises_away_are_none(seed):
    rng = np.random.default_rng(seed)
    data = {"a": rng.normal(size=20), "k": rng.integers(0, 5, 20), "u": rng.permutation(20)}
    whole = pd.DataFrame(data).assign(y=np.arange(20) % 2)
    frame = dd.from_pandas(whole, npartitions=5).set_index("u", drop=False)
    frame = frame[frame["k"].isin([0, 2])]
    some = frame.compute()
    X, y = frame[["a"]], frame["y"]
    parts = dask.compute(*frame.to_delayed())
    blocks = [(part[["a"]], part["y"]) for part in parts if len(part)]
    expected = loop(GaussianNB(), blocks, classes=[0, 1])
    model = Incremental(GaussianNB()).fit(X, y)
    assert same_state(model.estimator_, expected)
    assert equal(model.predict(X), expected.predict(some[["a"]]))
    assert model.score(X, y) == expected.score(some[["a"]], some["y"])
    rows, target = indexable(X, y)
    assert len(rows) == len(target) == len(some)
    assert same_state(Incremental(GaussianNB()).fit(rows, target).estimator_, expected)
    shuffled = Incremental(GaussianNB(), shuffle=True, random_state=0).fit(X, y)
    assert equal(shuffled.class_count_, expected.class_count_)


SLICED = {
    "loc, map_partitions": lambda f: f.loc[10:30].map_partitions(lambda part: part.iloc[::2]),
    "loc, merge": lambda f: (
        f.loc[10:30].reset_index(drop=True).merge(pd.DataFrame({"k": range(6), "z": 1.0}), on="k")
    ),
    "partitions, map_partitions": lambda f: f.partitions[1:].map_partitions(lambda p: p.iloc[::2]),
    "head": lambda f: f.head(12, npartitions=2, compute=False),
    "tail": lambda f: f.tail(5, compute=False),
}


@pytest.mark.parametrize("cut", SLICED.values(), ids=SLICED)
def test_sliced_frames_are_learned_as_loaders_and_as_rows(cut):
    whole = {"a": np.arange(40.0), "y": np.arange(40) // 3 % 2, "k": np.arange(40) % 5}
    frame = cut(dd.from_pandas(pd.DataFrame(whole), npartitions=5))
    X, y = frame[["a"]], frame["y"]
    parts = [part for part in dask.compute(*frame.to_delayed()) if len(part)]
    expected = loop(GaussianNB(), [(p[["a"]], p["y"]) for p in parts], classes=[0, 1])
    loaders = X.to_delayed(optimize_graph=False), y.to_delayed(optimize_graph=False)
    for data in ((X, y), indexable(X, y), loaders):
        model = Incremental(GaussianNB(), classes=[0, 1]).fit(*data)
        assert equal(model.class_count_, expected.class_count_)
        assert equal(model.theta_, expected.theta_)
        assert equal(model.predict(data[0]), expected.predict(X.compute()))
    assert len(indexable(X)) == sum(map(len, parts))


def scaled(row):
    return {"a": row["a"] / 40, "y": row["y"]}


def features(records):
    return np.array([[record["a"]] for record in records])


def targets(records):
    return np.array([record["y"] for record in records])


def records():
    lines = [json.dumps({"a": i, "y": i % 7}) for i in range(40)]
    return db.from_sequence(lines, npartitions=4).map(json.loads).map(scaled)


def _frame():
    frame = records().to_dataframe(meta={"a": "f8", "y": "i8"})
    return frame[["a"]], frame["y"]


def _loaders():
    parts = records().to_delayed()
    return [dask.delayed(features)(p) for p in parts], [dask.delayed(targets)(p) for p in parts]


def _optimised():
    bag = dask.optimize(records())[0]
    return bag.map(lambda record: [record["a"]]), bag.pluck("y")


MADE_OF_BAGS = {
    "frame": _frame,
    "loaders": _loaders,
    "optimised": _optimised,
    "rows": lambda: indexable(*_frame()),
}


@pytest.mark.parametrize("make", MADE_OF_BAGS.values(), ids=MADE_OF_BAGS)
def test_what_is_made_of_an_optimised_bag_is_learned(make, scheduler):
    expected = SGDRegressor(random_state=0)
    for i in range(0, 40, 10):
        expected.partial_fit(np.arange(i, i + 10)[:, None] / 40, np.arange(i, i + 10) % 7)
    X, y = make()
    model = Incremental(SGDRegressor(random_state=0)).fit(X, y)
    assert equal(model.coef_, expected.coef_)
    assert model.predict(X).compute().shape == (40,)


def parse(lines):
    for line in lines:
        if line:
            yield [float(value) for value in line.split()]


def test_partitions_that_are_iterators_are_lists_of_their_rows():
    bag = db.from_sequence(["1 2", "", "3 4", "5 6"], npartitions=2).map_partitions(parse)
    with dask.config.set(scheduler="synchronous"):
        scaler = Incremental(StandardScaler()).fit(bag)
        assert scaler.mean_.tolist() == [3, 4] and scaler.n_samples_seen_ == 3
        assert equal(
            scaler.transform(bag).compute(),
            StandardScaler().fit_transform([[1, 2], [3, 4], [5, 6]]),
        )
        rows = indexable(bag)
        assert rows.shape[0] == 3 and rows[1:].compute() == [[3, 4], [5, 6]]


def texts(i):
    return np.array(["good day", "a very bad day"] * 10)


PROMISES = {
    "str": lambda: _lazy_text(str),
    "wider": lambda: _lazy_text("<U100"),
    "objects": lambda: _lazy_text(object),
    "a function's": lambda: _lazy_text("<U14").map_blocks(np.char.replace, "day", "evening"),
    "two widths": lambda: da.concatenate(
        [da.from_array(np.array(["good"] * 20), 20), da.from_array(np.array(["very bad"] * 40), 20)]
    ),
}


def _lazy_text(dtype):
    parts = [da.from_delayed(dask.delayed(texts)(i), (20,), dtype) for i in range(3)]
    return da.concatenate(parts)


@pytest.mark.parametrize("make", PROMISES.values(), ids=PROMISES)
def test_the_width_of_text_is_a_guess(make):
    from sklearn.feature_extraction.text import HashingVectorizer

    X, y = make(), da.from_array(np.array([1, 0] * 30), chunks=20)
    hasher, expected = HashingVectorizer(n_features=64), clone(SGD)
    for part, target in zip(X.blocks, y.blocks, strict=True):
        expected.partial_fit(hasher.transform(part.compute()), target.compute(), classes=[0, 1])
    model = Incremental(make_pipeline(hasher, SGD)).fit(X, y)
    assert same_state(model.estimator_[-1], expected)
    whole = np.concatenate([part.compute() for part in X.blocks])
    assert model.score(X, y) == expected.score(hasher.transform(whole), y.compute())
    assert equal(model.predict(X), expected.predict(hasher.transform(whole)))


@pytest.mark.parametrize(
    ("promised", "found"), [("M8[ns]", "M8[D]"), ("m8[s]", "m8[D]"), ("S1", "S4"), ("O", "i8")]
)
def test_the_unit_of_dates_is_a_guess_too(promised, found):
    from incremental._learning.block_checks import check_block

    block = np.arange(4).astype(found)
    assert check_block(0, {"X": block}, ((), np.dtype(promised))) == 4


@pytest.mark.parametrize(
    ("promised", "found"), [("U1", "i8"), ("M8[ns]", "m8[ns]"), ("f8", "U4"), ("M8[ns]", "i8")]
)
def test_another_kind_than_the_promised_one_is_refused(promised, found):
    from incremental import BlockError
    from incremental._learning.block_checks import check_block

    with pytest.raises(BlockError, match="Every block of X must have the dtype"):
        check_block(0, {"X": np.arange(4).astype(found)}, ((), np.dtype(promised)))
