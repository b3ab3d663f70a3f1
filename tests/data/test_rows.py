"""scikit-learn selects rows of dataframes, bags and loaders as it does of arrays, lazily."""

import pickle
from collections import Counter

import dask
import dask.array as da
import dask.bag as db
import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingRandomSearchCV,
    KFold,
    ShuffleSplit,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    train_test_split,
)

from incremental import Incremental, indexable
from incremental._data.rows import Rows
from tests.conftest import loop, same_state
from tests.data.made import FRAME, VALUES, array

pd = pytest.importorskip("pandas")
dd = pytest.importorskip("dask.dataframe")

SGD = SGDClassifier(random_state=0)
LENGTHS = [30, 0, 25, 35, 30]
STARTS = np.cumsum([0, *LENGTHS])
rng = np.random.default_rng(0)
WHOLE = pd.DataFrame(rng.random((120, 3)), columns=list("abc"))
WHOLE["y"] = (WHOLE["a"] + rng.random(120) > 1).astype(int)
FEATURES = ["a", "b", "c"]
GRID = {"estimator__alpha": [1e-4, 1e-1]}


@pytest.fixture
def reads():
    return Counter()


@pytest.fixture
def frame(reads, request):
    def load(i, test):  # dask takes frames of equal loaders for the same
        reads[i] += 1
        return WHOLE.iloc[STARTS[i] : STARTS[i + 1]]

    return dd.from_map(load, range(5), meta=WHOLE.iloc[:0], test=request.node.name)


@pytest.fixture(params=["lazy y", "y in memory"])
def data(request, frame, reads):
    if request.param == "lazy y":
        X, y = indexable(frame[FEATURES], frame["y"])
    else:
        X, y = indexable(frame[FEATURES]), WHOLE["y"].to_numpy()
    reads.clear()
    return X, y


def cut(rows):
    """What is selected of each of the blocks, if the order is kept."""
    block = np.searchsorted(STARTS[1:], rows, side="right")
    return [rows[block == i] for i in np.unique(block)]


def by_hand(rows, **params):
    blocks = [(WHOLE[FEATURES].iloc[part], WHOLE["y"].iloc[part]) for part in cut(rows)]
    return loop(clone(SGD).set_params(**params), blocks, classes=[0, 1])


SPLITTERS = {
    "KFold": KFold(3),
    "shuffled KFold": KFold(3, shuffle=True, random_state=0),
    "StratifiedKFold": StratifiedKFold(3),
    "TimeSeriesSplit": TimeSeriesSplit(3),
    "GroupKFold": GroupKFold(3),
}
GROUPS = np.arange(120) % 7


def splits(name):
    return list(SPLITTERS[name].split(WHOLE, WHOLE["y"], groups(name)))


def groups(name):
    return GROUPS if name == "GroupKFold" else None


KEYS = [
    slice(None),
    slice(40, 100),
    slice(None, None, -7),
    slice(10, 20, 2),
    np.arange(120) % 3 == 0,
    [-1],
    [3, 2, 60, 60, 119],
    [],
    np.random.default_rng(1).permutation(120),
]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_rows_are_those_that_pandas_selects(key, frame):
    rows, target = indexable(frame, frame["y"])
    expected = WHOLE.iloc[key]
    for selected, whole in ((rows[key], expected), (target[key], expected["y"])):
        assert selected.shape == whole.shape and len(selected) == len(whole)
        assert selected.compute().equals(whole)
        assert [len(block.compute()) for block in selected.blocks] == selected.lengths
        assert selected[::-2].compute().equals(whole.iloc[::-2])
    assert np.array_equal(np.asarray(target[key]), expected["y"])


def test_rows_are_counted_once_and_only_read_where_they_are(frame, reads):
    rows, target = indexable(frame, frame["y"])
    assert reads == dict.fromkeys(range(5), 1)  # both in one pass
    reads.clear()
    part = rows[[1, 2, 100]]
    assert rows.shape == (120, 4) and len(target) == 120 and part[1:].shape == (2, 4)
    assert not reads
    assert part.compute().equals(WHOLE.iloc[[1, 2, 100]])
    assert reads == {0: 1, 4: 1}


def test_some_columns_of_parquet_have_the_partitions_of_all(tmp_path):
    dd.from_pandas(WHOLE, npartitions=12).to_parquet(tmp_path)
    frame = dd.read_parquet(tmp_path)
    X, y = indexable(frame[["a"]], frame["y"])
    assert X.lengths == y.lengths == [10] * 12
    blocks = [(WHOLE[["a"]][i : i + 10], WHOLE["y"][i : i + 10]) for i in range(0, 120, 10)]
    expected = loop(clone(SGD), blocks, classes=[0, 1])
    assert same_state(Incremental(SGD).fit(X, y).estimator_, expected)
    assert same_state(Incremental(SGD).fit(frame[["a"]], frame["y"]).estimator_, expected)


def test_x_and_y_of_one_source_are_read_once(frame, reads):
    X, y = indexable(frame[FEATURES], frame["y"])
    reads.clear()
    train = np.arange(10, 110)
    model = Incremental(SGD, classes=[0, 1]).fit(X[train], y[train])
    assert reads == {0: 1, 2: 1, 3: 1, 4: 1}
    assert same_state(model.estimator_, by_hand(train))


def test_every_method_takes_rows(data, reads):
    X, y = data
    some = np.arange(20, 100)
    weights = np.linspace(0, 1, 80)
    model = Incremental(SGD, classes=[0, 1]).fit(X[some], y[some], sample_weight=weights)
    expected = clone(SGD)
    for part in cut(some):
        chosen = WHOLE[FEATURES].iloc[part], WHOLE["y"].iloc[part]
        expected.partial_fit(*chosen, classes=[0, 1], sample_weight=weights[part - 20])
    assert same_state(model.estimator_, expected)
    predicted = model.predict(X[some])
    assert isinstance(predicted, da.Array) and predicted.shape == (80,)
    assert np.array_equal(predicted.compute(), expected.predict(WHOLE[FEATURES].iloc[some]))
    reads.clear()
    assert model.score(X[:25], y[:25]) == expected.score(
        WHOLE[FEATURES].iloc[:25], WHOLE["y"].iloc[:25]
    )
    assert set(reads) == {0}
    model.partial_fit(X[100:], y[100:])
    assert same_state(
        model.estimator_, expected.partial_fit(WHOLE[FEATURES][100:], WHOLE["y"][100:])
    )


@pytest.mark.parametrize("name", SPLITTERS)
def test_cross_validation_is_the_loop_over_the_blocks_of_each_fold(name, data):
    X, y = data
    result = cross_validate(
        Incremental(SGD), X, y, cv=SPLITTERS[name], groups=groups(name), return_estimator=True
    )
    for i, (train, test) in enumerate(splits(name)):
        expected = by_hand(train)
        assert same_state(result["estimator"][i].estimator_, expected)
        score = expected.score(WHOLE[FEATURES].iloc[test], WHOLE["y"].iloc[test])
        assert result["test_score"][i] == score


@pytest.mark.parametrize("name", ["KFold", "shuffled KFold", "StratifiedKFold"])
@pytest.mark.parametrize("method", ["predict", "decision_function"])
def test_cross_val_predict_is_the_loop_over_the_blocks_of_each_fold(name, method, data):
    X, y = data
    result = cross_val_predict(Incremental(SGD), X, y, cv=SPLITTERS[name], method=method)
    expected = np.empty(120)
    for train, test in splits(name):
        respond = getattr(by_hand(train), method)
        for part in cut(test):
            expected[part] = respond(WHOLE[FEATURES].iloc[part])
    assert np.array_equal(np.asarray(result), expected)


@pytest.mark.parametrize("name", ["KFold", "shuffled KFold", "StratifiedKFold"])
def test_a_search_is_the_loop_over_the_blocks_of_each_fold(name, data):
    X, y = data
    found = GridSearchCV(Incremental(SGD), GRID, cv=SPLITTERS[name]).fit(X, y)
    for fold, (train, test) in enumerate(splits(name)):
        for i, alpha in enumerate(GRID["estimator__alpha"]):
            expected = by_hand(train, alpha=alpha)
            score = expected.score(WHOLE[FEATURES].iloc[test], WHOLE["y"].iloc[test])
            assert found.cv_results_[f"split{fold}_test_score"][i] == score
    best = by_hand(np.arange(120), alpha=found.best_params_["estimator__alpha"])
    assert same_state(found.best_estimator_.estimator_, best)
    assert found.score(X, y) == best.score(WHOLE[FEATURES], WHOLE["y"])


def test_halving_hands_out_rows(data):
    X, y = data
    options = dict(cv=KFold(2), random_state=0, min_resources=40, n_candidates=3)
    distributions = {"estimator__alpha": loguniform(1e-4, 1e-1)}
    found = HalvingRandomSearchCV(Incremental(SGD), distributions, **options).fit(X, y)
    assert found.n_resources_ == [40, 120]


def test_two_processes_give_what_one_gives(two_jobs):
    frame = dd.from_pandas(WHOLE, npartitions=4)
    X, y = indexable(frame[FEATURES], frame["y"])
    one, two = (cross_val_score(Incremental(SGD), X, y, cv=3, n_jobs=n) for n in (1, two_jobs))
    assert np.array_equal(one, two)
    assert pickle.loads(pickle.dumps(X[50:70])).compute().equals(WHOLE[FEATURES].iloc[50:70])


def test_train_test_split_keeps_the_order_that_it_draws(data):
    X, y = data
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    train, test = next(ShuffleSplit(1, test_size=30, random_state=0).split(WHOLE))
    assert X_train.compute().equals(WHOLE[FEATURES].iloc[train])
    assert np.array_equal(y_train, WHOLE["y"].iloc[train])
    assert X_train.lengths == [35, 35, 20]  # pieces of the order, as long as the longest block
    model = Incremental(SGD).fit(X_train, y_train)
    blocks = [(WHOLE[FEATURES].iloc[p], WHOLE["y"].iloc[p]) for p in np.split(train, [35, 70])]
    assert same_state(model.estimator_, loop(clone(SGD), blocks, classes=[0, 1]))
    expected = model.estimator_.score(WHOLE[FEATURES].iloc[test], WHOLE["y"].iloc[test])
    assert model.score(X_test, y_test) == expected


def test_train_test_split_without_shuffling_reads_only_its_part(data, reads):
    X_train, X_test, *_ = train_test_split(*data, shuffle=False, test_size=0.25)
    assert X_train.lengths == [30, 25, 35] and X_test.lengths == [30]
    assert not reads
    assert X_test.compute().equals(WHOLE[FEATURES].iloc[90:])
    assert reads == {4: 1}


def test_rows_follow_blocks_of_other_lengths(frame):
    X = da.from_array(WHOLE[FEATURES].to_numpy(), chunks=((50, 70), 3))
    y = indexable(frame["y"])
    model = Incremental(SGD).fit(X, y)
    values = WHOLE[FEATURES].to_numpy(), WHOLE["y"].to_numpy()
    blocks = [tuple(v[part] for v in values) for part in (slice(50), slice(50, None))]
    assert same_state(model.estimator_, loop(clone(SGD), blocks, classes=[0, 1]))
    with pytest.raises(ValueError, match="X has 120 rows, y has 119"):
        Incremental(SGD).fit(X, y[1:])


def test_bags_loaders_and_arrays_of_unknown_length_are_counted():
    words = indexable(db.from_sequence(list("abcdef"), npartitions=4))
    assert len(words) == 6 and words[[5, 2]].compute() == ["f", "c"]
    some = indexable(db.range(6, 3).filter(lambda i: i > 1))  # the first block is empty
    assert some.lengths == [0, 2, 2] and some.compute() == [2, 3, 4, 5]
    values = WHOLE[FEATURES].to_numpy()
    loaders = indexable([dask.delayed(lambda i=i: values[i : i + 40])() for i in (0, 40, 80)])
    assert np.array_equal(loaders[30:50].compute(), values[30:50])
    known = da.from_array(values, chunks=(40, 2))
    assert indexable(values) is values
    unknown = indexable(known[known[:, 0] > 0.5])
    assert np.array_equal(unknown[3:].compute(), values[values[:, 0] > 0.5][3:])


def test_folds_of_rows_of_an_array_are_views_of_its_chunks():
    values = WHOLE[FEATURES].to_numpy()
    X = indexable(da.map_blocks(lambda: values, chunks=((120,), (3,)), dtype=float))
    assert X.shape == (120, 3) and indexable(X) is X
    train = X[np.r_[0:30, 60:120]]
    assert train.lengths == [90]
    (test,) = dask.compute(*X[30:60].blocks, scheduler="synchronous")
    assert np.shares_memory(test, values)
    chunked = indexable(da.from_array(values, chunks=(40, 2)))  # chunks of columns, too
    assert np.array_equal(chunked[30:50].compute(), values[30:50])
    assert chunked[np.r_[0:30, 50:120]].lengths == [30, 30, 40]


def test_labels_that_were_asked_for_as_an_array_are_not_read_again(source):
    X, y = indexable(source.X, source.y)
    assert y.known is None and y[:5].known is None
    labels = np.asarray(y)
    assert sum(source.reads.values()) == 10
    assert np.array_equal(np.asarray(y[30:90]), labels[30:90])
    assert np.array_equal(y[[5, 3]].known, labels[[5, 3]])
    model = Incremental(SGD).fit(X[30:90], y[30:90])
    assert sum(source.reads.values()) == 14
    blocks = [(source.values(i)[10 * (i == 1) :][: 20 - 10 * (i == 4)],) for i in (1, 2, 3, 4)]
    stops = np.cumsum([30, *(len(x) for (x,) in blocks)])
    parts = [(x, labels[a:b]) for (x,), a, b in zip(blocks, stops, stops[1:], strict=False)]
    assert same_state(model.estimator_, loop(clone(SGD), parts, classes=[0, 1]))
    np.asarray(X)
    assert X.known is None  # but for labels, all rows are too many to keep


def test_dataframes_of_predictions_are_those_of_the_selected_rows(data):
    from sklearn.preprocessing import StandardScaler

    X, _ = data
    scaler = Incremental(StandardScaler().set_output(transform="pandas")).fit(X)
    result = scaler.transform(X[40:110])
    assert isinstance(result, dd.DataFrame)
    expected = scaler.estimator_.transform(WHOLE[FEATURES].iloc[40:110])
    pd.testing.assert_frame_equal(result.compute(), expected)


@pytest.mark.parametrize("key", [(slice(3), 0), (0, 1)])
def test_columns_are_refused(key, frame):
    with pytest.raises(IndexError, match="Only rows can be selected here"):
        indexable(frame)[key]


def test_a_single_row_is_refused(frame):
    with pytest.raises(TypeError, match=r"Got 3 instead; pass \[3\] for one row"):
        indexable(frame)[3]
    with pytest.raises(IndexError, match="out of bounds"):
        indexable(frame)[[120]]


@pytest.mark.parametrize("key", [[[0, 1]], None], ids=str)
def test_what_is_no_list_of_rows_is_refused(key, frame):
    with pytest.raises(TypeError, match="a slice, a mask or a list of positions"):
        indexable(frame)[key]


def test_rows_of_one_block_cost_one_task(frame):
    rows = indexable(frame)
    for key in (slice(2, 9), [5, 3, 4], []):
        (block,) = rows[key].blocks
        assert len(block.dask) == len(rows.blocks[0].dask) + 1


def test_neighbouring_rows_are_a_view():
    values = np.arange(20.0).reshape(10, 2)
    rows = indexable([dask.delayed(lambda: values)()])
    with dask.config.set(scheduler="synchronous"):
        assert np.shares_memory(rows[3:7].compute(), values)
        assert not np.shares_memory(rows[[4, 3]].compute(), values)


def test_blocks_are_kept_only_where_the_rows_are_in_their_order(frame):
    rows = indexable(frame)
    assert rows[[40, 41, 60]].lengths == [2, 1]
    assert rows[[60, 40, 41]].lengths == [3]


def test_rows_show_how_many_they_are(frame):
    assert repr(indexable(frame)) == "Rows(shape=(120, 4), n_blocks=5)"


def test_rows_have_a_table_for_notebooks():
    frame = dd.from_pandas(pd.DataFrame({"<a>": [0.5, 1, 2], "b": [1, 2, 3]}), npartitions=2)
    shown = indexable(frame)._repr_html_()
    assert "(3, 2)" in shown and "1 to 2" in shown
    assert "&lt;a&gt; float64, b int64" in shown
    assert "int64" in indexable(frame["b"])._repr_html_()
    assert "Columns" not in indexable([dask.delayed(np.ones((2, 1)))])._repr_html_()
    assert "(0,)" in Rows([], [])._repr_html_()


def test_indexable_counts_all_in_one_pass():
    reads = []

    def load(i):
        reads.append(i)
        return FRAME[:6] if i == 0 else FRAME[6:]

    source = [dask.delayed(load, pure=True)(i) for i in range(2)]
    X, y = dd.from_delayed(source, meta=FRAME[:0], verify_meta=False), source
    with dask.config.set(scheduler="synchronous"):
        found = indexable(X, y, VALUES, array())
    assert [type(rows).__name__ for rows in found] == ["Rows", "Rows", "ndarray", "Rows"]
    assert found[0].lengths == found[1].lengths == [6, 14]
    assert found[0].shape == (20, 3) and found[1].shape == (20,)
    assert sorted(reads) == [0, 1]
    for kept, given_ in zip(indexable(VALUES, found[0]), (VALUES, found[0]), strict=True):
        assert kept is given_
    wide = array().rechunk({1: 1})
    assert np.array_equal(indexable(wide).compute(), wide.compute())
    assert indexable() == []
    with pytest.raises(TypeError, match=r"data\[1\] must be a dask collection"):
        indexable(array(), "text")


def test_indexable_reads_no_column_of_parquet_to_count_rows(tmp_path):
    for i, part in enumerate((FRAME[:6], FRAME[6:].reset_index(drop=True))):
        part.to_parquet(tmp_path / f"{i}.parquet")
    X = dd.read_parquet(tmp_path)
    for path in tmp_path.iterdir():  # all but the description at the end of the file
        content = path.read_bytes()
        footer = 8 + int.from_bytes(content[-8:-4], "little")
        path.write_bytes(content[:4] + bytes(len(content) - 4 - footer) + content[-footer:])
    with dask.config.set(scheduler="synchronous"):
        assert indexable(X).lengths == [6, 14]
        with pytest.raises(OSError):
            X.compute()


def test_equal_selections_are_the_same_tasks():
    X = indexable([dask.delayed(np.arange)(4), dask.delayed(np.arange)(4, 8)])
    some = [1, 2, 5]
    assert [b.key for b in X[some].blocks] == [b.key for b in X[np.array(some)].blocks]
    assert [b.key for b in X[some].blocks] != [b.key for b in X[[1, 2, 6]].blocks]
    assert [b.key for b in X.cut([3, 5]).blocks] == [b.key for b in X.cut([3, 5]).blocks]


def test_rows_of_dataframes_with_other_columns_are_not_put_together():
    frames = [pd.DataFrame({"a": [1.0, 2.0], name: [3.0, 4.0]}) for name in "bc"]
    X = indexable([dask.delayed(frame) for frame in frames])
    with pytest.raises(ValueError, match=r"same columns. Got \['a', 'b', 'c'\] of all"):
        X[[3, 0]].compute()
