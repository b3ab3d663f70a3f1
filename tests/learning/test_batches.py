"""Every row is in one batch, none of them tiny."""

from itertools import pairwise

import dask
import dask.array as da
import dask.bag as db
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import IncrementalPCA
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import StandardScaler

from incremental import Incremental
from incremental._data.values import concatenate, rows
from incremental._learning.batches import Batches, split
from incremental.datasets import make_classification
from incremental.exceptions import BlockError
from tests.conftest import loop, same_state


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20), st.integers(1, 60))
def test_every_row_is_in_one_batch_whatever_the_blocks(sizes, batch_size):
    stops = np.cumsum([0, *sizes])
    blocks = [np.arange(a, b) for a, b in pairwise(stops)]
    batches = Batches(batch_size)
    found = [b["X"] for block in blocks for b in batches.add({"X": block})]
    found += [b["X"] for b in batches.rest()]
    assert np.array_equal(np.concatenate(found), np.arange(stops[-1]))
    assert max(map(len, found)) <= batch_size
    assert min(map(len, found)) >= min(batch_size / 3, stops[-1])


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.integers(1, 60))
def test_little_more_than_a_batch_and_a_block_wait(sizes, batch_size):
    batches = Batches(batch_size)
    for n in sizes:
        batches.add({"X": [0] * n})
        assert sum(len(block["X"]) for block in batches.blocks()) < 1.5 * batch_size + max(sizes)
    batches.rest()
    assert batches.blocks() == []


@pytest.mark.parametrize(
    ("batch_size", "sizes", "expected"),
    [
        (4, [1], [[], [1]]),
        (4, [4, 4, 4], [[], [4], [4], [4]]),
        (4, [2, 2, 2], [[], [], [], [4, 2]]),
        (4, [2, 2, 1], [[], [], [], [3, 2]]),  # one is less than half
        (4, [2, 3], [[], [], [2, 3]]),  # two are enough for a batch
        (4, [2, 3, 1, 3], [[], [], [2], [], [4, 3]]),
        (4, [1, 4], [[], [], [3, 2]]),  # one is not
        (4, [1, 3, 2, 2], [[], [], [], [4], [4]]),
        (4, [9, 1], [[], [], [4, 3, 3]]),
        (4, [9, 2], [[], [], [3, 3, 3, 2]]),
        (4, [9, 8, 3], [[], [3, 3, 3], [], [4, 4, 3]]),
        (10, [10, 4], [[], [], [7, 7]]),
        (10, [10, 5], [[], [], [10, 5]]),
        (10, [4, 7], [[], [], [6, 5]]),
        (10, [5, 6], [[], [], [5, 6]]),
        (10, [6, 7], [[], [], [6, 7]]),
    ],
    ids=str,
)
def test_batches_are_full_or_at_least_half_full(batch_size, sizes, expected):
    batches = Batches(batch_size)
    found = [batches.add({"X": [0] * n}) for n in sizes] + [batches.rest()]
    assert [[len(batch["X"]) for batch in ready] for ready in found] == expected


def test_blocks_that_are_batches_already_are_not_copied():
    block = {"X": np.arange(4), "y": np.arange(4)}
    assert split(block, 4) == [block]
    for batch_size in (None, 4, 5):
        batches = Batches(batch_size)
        (found,) = [*batches.add(block), *batches.rest()]
        assert found["X"] is block["X"] and found["y"] is block["y"]


def test_a_copy_of_batches_takes_other_blocks():
    batches = Batches(4)
    for n in (4, 1):
        batches.add({"X": [n] * n})
    other = batches.copy()
    assert [b["X"] for b in other.add({"X": [5] * 5})] == [[4] * 4]
    assert [b["X"] for b in other.rest()] == [[1, 5, 5], [5, 5, 5]]
    assert [b["X"] for b in batches.blocks()] == [[4] * 4, [1]]
    assert [b["X"] for b in batches.rest()] == [[4, 4, 4], [4, 1]]


def test_a_large_block_is_split_into_views():
    block = np.arange(10)
    parts = split({"X": block}, 4)
    assert [len(part["X"]) for part in parts] == [4, 3, 3]
    assert all(part["X"].base is block for part in parts)


@pytest.mark.parametrize("batch_size", [7, 30, 64, 1000])
def test_batches_equal_the_loop_over_slices(batch_size):
    X = da.random.default_rng(0).random((300, 3), chunks=(30, 3))
    y = (X[:, 0] > 0.5).astype(int)
    w = np.linspace(0, 1, 300)
    seen = []

    class Spy(SGDClassifier):
        def partial_fit(self, X, y, classes=None, sample_weight=None):
            seen.append(len(X))
            return super().partial_fit(X, y, classes=classes, sample_weight=sample_weight)

    model = Incremental(Spy(random_state=0), batch_size=batch_size).fit(X, y, sample_weight=w)
    expected, start = SGDClassifier(random_state=0), 0
    values, labels = X.compute(), y.compute()
    for n in seen:
        part = slice(start, start + n)
        expected.partial_fit(values[part], labels[part], classes=[0, 1], sample_weight=w[part])
        start += n
    assert start == 300
    assert same_state(model.estimator_, expected)


def test_small_blocks_are_put_together_for_an_estimator_that_needs_more_rows():
    X = da.random.default_rng(0).random((100, 5), chunks=(3, 5))
    model = Incremental(IncrementalPCA(4), batch_size=20).fit(X)
    assert model.n_samples_seen_ == 100


@pytest.mark.parametrize(
    "convert", [sp.csr_matrix, lambda x: pd.DataFrame(x, columns=["a", "b", "c"])]
)
def test_sparse_blocks_and_frames_are_put_together_as_what_they_are(convert):
    import dask

    blocks = [np.full((4, 3), float(i + 1)) for i in range(5)]
    kinds = []

    class Spy(StandardScaler):
        def partial_fit(self, X, y=None, sample_weight=None):
            kinds.append((type(X), X.shape[0]))
            return super().partial_fit(X)

    data = [dask.delayed(convert)(block) for block in blocks]
    model = Incremental(Spy(with_mean=False), batch_size=8).fit(data)
    assert kinds == [(type(convert(blocks[0])), n) for n in (8, 8, 4)]
    assert np.allclose(model.var_, 2)


def test_lists_are_put_together_row_by_row_whatever_is_in_them():
    first, *others = np.arange(12.0).reshape(4, 3)
    for parts in ([[first], others], [[], [first], others], [list(first), []]):
        together = concatenate(parts)
        assert list(map(id, together)) == [id(value) for part in parts for value in part]


@pytest.mark.parametrize("batch_size", [None, 3, 4, 10])
def test_a_bag_of_arrays_is_put_together_row_by_row(batch_size):
    values = np.arange(18.0).reshape(6, 3)
    X = db.from_sequence(list(values), npartitions=3)
    model = Incremental(StandardScaler(), batch_size=batch_size).fit(X)
    assert model.mean_.tolist() == values.mean(0).tolist()


def test_shuffling_moves_every_row_once_per_pass_and_repeats_itself(scheduler):
    X = da.arange(60, chunks=20).reshape(-1, 1)
    y = da.arange(60, chunks=20) % 2
    fitted = [
        Incremental(SGDClassifier(), max_iter=3, shuffle=True, random_state=1).fit(X, y)
        for _ in range(2)
    ]
    assert same_state(fitted[0].estimator_, fitted[1].estimator_)


class Seen(StandardScaler):
    def partial_fit(self, X, y=None, sample_weight=None):
        self.order_ = [*getattr(self, "order_", []), *X.ravel().tolist()]
        return self


def test_each_pass_has_an_order_of_its_own():
    X = da.arange(60, chunks=(20,)).reshape(-1, 1)
    model = Incremental(Seen(), max_iter=2, shuffle=True, random_state=0).fit(X)
    first, second = model.order_[:60], model.order_[60:]
    assert sorted(first) == sorted(second) == list(range(60))
    assert first != second != list(range(60))
    for order in (first, second):  # whole blocks
        assert [len({i // 20 for i in order[a : a + 20]}) for a in (0, 20, 40)] == [1, 1, 1]


@pytest.mark.parametrize("k", [1, 2, 3])
def test_passes_resumed_after_a_pickle_equal_passes_in_one_go(k, source):
    import pickle

    def new(n):
        return Incremental(SGDClassifier(), max_iter=n, shuffle=True, batch_size=15, random_state=0)

    whole = new(4).fit(source.X, source.y)
    part = pickle.loads(pickle.dumps(new(k).fit(source.X, source.y)))
    for _ in range(4 - k):
        part.partial_fit(source.X, source.y)
    assert same_state(part.estimator_, whole.estimator_)
    assert part.n_iter_ == 4


def test_shuffling_reads_a_source_of_many_blocks_once_per_pass(source):
    model = Incremental(StandardScaler(), shuffle=True, max_iter=2, random_state=0)
    model.fit(source.X.rechunk((5, 3)))
    assert source.reads == dict.fromkeys(range(10), 2)
    plain = loop(StandardScaler(), [(source.X.compute(),)] * 2)
    assert np.allclose(model.mean_, plain.mean_)


def test_shuffling_repairs_sorted_labels_as_far_as_blocks_of_one_class_can():
    X, y = dask.compute(*make_classification(n_samples=9_000, chunks=3_000, random_state=0))
    order = np.argsort(y, kind="stable")

    def accuracy(chunk, **params):
        lazy = da.from_array(X[order], chunks=(chunk, -1)), da.from_array(y[order], chunks=chunk)
        model = Incremental(SGDClassifier(), classes=[0, 1], random_state=0, **params)
        return model.fit(*lazy).score(X, y)

    assert accuracy(100) < 0.55  # all of class 0 comes first, and is forgotten
    assert accuracy(100, shuffle=True, max_iter=5) > 0.85
    assert accuracy(4_500, shuffle=True, max_iter=5) < 0.65  # two blocks are a bad order both ways


def test_rows_and_parts_of_every_kind():
    sparse = sp.coo_matrix(np.arange(6.0).reshape(3, 2))
    assert rows(sparse, np.array([2, 0])).toarray().tolist() == [[4, 5], [0, 1]]
    assert rows(("a", "b", "c"), np.array([2, 0])) == ["c", "a"]
    assert concatenate([sparse, sparse]).format == "csr"
    frame = pd.DataFrame({"a": [1, 2]})
    assert rows(frame, np.array([1, 0])).a.tolist() == [2, 1]
    assert concatenate([frame, frame]).a.tolist() == [1, 2, 1, 2]


@pytest.mark.parametrize("kind", [list, tuple, lambda values: [np.str_(v) for v in values]])
def test_lists_are_rows_whatever_they_are_lists_of(kind):
    X, y = np.arange(24.0).reshape(8, 3), np.array([0, 1] * 4)
    blocks = [dask.delayed(list)(X[i : i + 2]) for i in range(0, 8, 2)]
    targets = [dask.delayed(kind, pure=True)(y[i : i + 2]) for i in range(0, 8, 2)]
    model = Incremental(SGDClassifier(random_state=0), batch_size=4).fit(blocks, targets)
    labels = y.astype(str) if kind not in (list, tuple) else y
    expected = SGDClassifier(random_state=0)
    for rows_ in (slice(0, 4), slice(4, 8)):
        expected.partial_fit(X[rows_], labels[rows_], classes=np.unique(labels))
    assert np.array_equal(model.coef_, expected.coef_)
    assert model.t_ == expected.t_


@pytest.mark.parametrize("name", ["y", "sample_weight"])
def test_lists_of_numbers_of_numpy_are_put_together(name):
    X = da.arange(24.0, chunks=6).reshape(8, 3)
    given = {"y": np.array([0, 1] * 4), "sample_weight": np.arange(1.0, 9.0)}
    expected = Incremental(SGDClassifier(random_state=0), batch_size=4).fit(X, **given)
    given[name] = list(given[name])
    model = Incremental(SGDClassifier(random_state=0), batch_size=4).fit(X, **given)
    assert np.array_equal(model.coef_, expected.coef_)
    model.set_params(scoring="f1")
    assert model.score(X, given["y"]) == expected.set_params(scoring="f1").score(X, [0, 1] * 4)


FRAME = pd.DataFrame(np.arange(8.0).reshape(4, 2), columns=["a", "b"])


@pytest.mark.parametrize(
    ("other", "got"),
    [
        (FRAME.rename(columns={"b": "c"}), r"a dataframe with the columns \['a', 'c'\]"),
        (FRAME[["b", "a"]], r"a dataframe with the columns \['b', 'a'\]"),
        (FRAME.to_numpy(), r"an array of shape \(n_rows, 2\)"),
        (sp.csr_array(FRAME), r"a sparse matrix of shape \(n_rows, 2\)"),
    ],
    ids=["another column", "another order", "array", "sparse"],
)
def test_a_block_of_another_form_is_named_before_it_is_put_together(other, got):
    X = [dask.delayed(block) for block in (FRAME, FRAME, other)]
    model = Incremental(StandardScaler(), batch_size=100)
    with pytest.raises(BlockError, match=f"Block 2 of X .*'a', 'b'.*Got {got}") as info:
        model.fit(X)
    assert info.value.block == 2
    assert model.n_samples_seen_.max() == 8  # those that waited before it


def test_labels_of_several_kinds_in_one_dimension_are_put_together():
    X, y = np.arange(24.0).reshape(8, 3), np.array([0, 1] * 4)
    blocks = [dask.delayed(X[i : i + 2]) for i in range(0, 8, 2)]
    kinds = pd.Series, np.asarray, list, pd.Series
    targets = [dask.delayed(k(y[i : i + 2])) for i, k in zip(range(0, 8, 2), kinds, strict=True)]
    model = Incremental(SGDClassifier(random_state=0), batch_size=100).fit(blocks, targets)
    expected = loop(SGDClassifier(random_state=0), [(X, y)], classes=[0, 1])
    assert np.array_equal(model.coef_, expected.coef_)


def test_rows_of_blocks_that_wait_are_counted_once():
    class Counted(list):
        n_times = 0

        def __len__(self):
            Counted.n_times += 1
            return 1

    batches = Batches(1_000)
    for i in range(900):
        assert batches.add({"X": Counted([i])}) == []
    assert Counted.n_times <= 2 * 900
    assert (batches.n_blocks, batches.n_rows) == (900, 900)
