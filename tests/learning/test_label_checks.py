"""What classes may be, and labels that are not among them."""

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import SGDClassifier

from incremental import BlockError, Incremental
from incremental._learning import learner
from incremental._learning.label_checks import are_same, check_classes, check_labels
from incremental._learning.labels import (
    name_rows,
)
from tests.conftest import examples


def test_classes_are_the_same_in_any_order():
    assert are_same(["b", "a"], np.array(["a", "b"]))
    assert are_same([[1, 0], ["b", "a"]], [np.array([0, 1]), ["a", "b"]])
    assert are_same([], [])
    assert not are_same([0, 1], [0, 2])
    assert not are_same([0, 1], [0, 1, 2])
    assert not are_same([[0], [1]], [[0]])
    assert not are_same([[0], [1]], [[0], [2]])
    assert not are_same([[0, 1], [1]], [[0, 2], [1]])


@pytest.mark.parametrize(
    ("classes", "y"),
    [
        ([0, 1], np.zeros(3)),
        ((1, 0), None),
        (["a", "b"], np.array(["a", "c"])),
        ([b"a", b"b"], np.array(["a", "c"])),
        ([0, 1], np.array([0, 1], dtype=object)),
        (["a", "b"], pd.Series(["a", "b"], dtype="category")),
        (["a", "b"], pd.Series(["a", "b"], dtype="string")),
        (["a", "b"], da.from_array(np.array(["a", "b"]))),
        ([True, False], np.array([0, 1])),
        ([0, 1], [0, 1]),
        (np.array(["a", 5], dtype=object)[:1], np.array([0, 1])),
        (["a", "b"], np.array([0, 1], dtype="M8[s]")),
        (np.array([[0], [1]])[:, 0], np.zeros((3, 1))),
        ([0], np.zeros(3)),
    ],
)
def test_classes_keep_their_order(classes, y):
    checked = check_classes(classes, y)
    assert isinstance(checked, np.ndarray) and checked.tolist() == list(classes)


def test_classes_of_several_outputs_are_one_list_for_each():
    y = np.zeros((3, 2))
    assert [one.tolist() for one in check_classes(np.array([[0, 1], [2, 3]]), y)] == [
        [0, 1],
        [2, 3],
    ]
    for given_ in ([[0, 1], [2, 3, 4]], ([0, 1], (2, 3, 4)), [np.array([0, 1]), [2, 3, 4]]):
        for of in (y, None, y.tolist()):
            checked = check_classes(given_, of)
            assert type(checked) is list
            assert [labels.tolist() for labels in checked] == [[0, 1], [2, 3, 4]]
    for of, n in ((np.zeros(3), 1), (np.zeros((3, 1)), 1), (np.zeros((3, 3)), 3)):
        with pytest.raises(ValueError, match=f"Got 2 lists for {n} outputs instead"):
            check_classes([[0, 1], [2, 3]], of)
    with pytest.raises(ValueError, match="classes must name each label once"):
        check_classes([[0, 1], [2, 2]], y)


@pytest.mark.parametrize(
    ("classes", "y", "message"),
    [
        ([], None, r"at least one label. Got \[\] instead"),
        (3, None, "at least one label. Got 3 instead"),
        (np.ones((2, 2, 2)), None, "at least one label"),
        ([2, 1, 2, 1, 0], None, r"once. Got \[1, 2\] more than once"),
        ([0, "a"], None, r"classes must have labels of one kind. Got 0 \(int\)"),
        (["a", "b"], np.zeros(3), "Got classes of dtype <U1 and y of dtype float64"),
        ([0, 1], np.array(["a"]), "Got classes of dtype int64 and y of dtype <U1"),
        ([b"a"], da.ones(3, dtype=bool), "Got classes of dtype .S1 and y of dtype bool"),
        ([0.5, 1], np.array([b"a"]), "Got classes of dtype float64 and y of dtype .S1"),
        (["a"], np.zeros(3, "u1"), "of the kind of y. Got classes of dtype <U1 and y of dtype uin"),
    ],
)
def test_classes_that_cannot_be_are_refused(classes, y, message):
    with pytest.raises(ValueError, match=message):
        check_classes(classes, y)


LABELS = st.sampled_from(
    [[0, 1], [0, 1, 2], [5], [-1, 1], [3, 0, 7, 1], ["a", "b"], ["c", "a", "b"], [0.5, 2.0, 1.5]]
)


@examples(100)
@given(classes=LABELS, data=st.data())
def test_exactly_the_labels_that_are_not_in_classes_are_refused(classes, data):
    others = ["", "aa", "z"] if isinstance(classes[0], str) else [-7, 4, 99]
    y = data.draw(st.lists(st.sampled_from([*classes, *others]), max_size=8))
    y = np.array(y, dtype=np.array([*classes, *others]).dtype)
    if data.draw(st.booleans()):
        y = y[:, None]
    rows = [i for i, label in enumerate(y.ravel().tolist()) if label not in classes]
    number = data.draw(st.sampled_from([None, 0, 4]))
    if not rows:
        check_labels(y, classes, number)
        return
    with pytest.raises(ValueError if number is None else BlockError) as caught:
        check_labels(y, classes, number)
    unknown = sorted({y.ravel()[i].item() for i in rows}, key=str)
    where = "" if number is None else f" of block {number}"
    assert str(caught.value) == (
        f"y must contain only labels of classes={sorted(classes)}. Got {unknown} in "
        f"{name_rows(rows)}{where}. Add them to classes, or clean y."
    )
    assert getattr(caught.value, "block", None) == number


def test_labels_of_several_outputs_are_those_of_each():
    y = np.array([[0, 5], [1, 6]])
    check_labels(None, [0, 1])
    check_labels(y, [[0, 1], [5, 6]])
    check_labels(y, np.array([0, 1]))  # columns are labels themselves
    check_labels([[0, 5], [1, 6]], [[0, 1], [6, 5]])
    check_labels(sp.csr_matrix(y), np.array([0, 1]))
    for classes, row in (([[0, 1], [5, 7]], 1), ([[1, 2], [5, 6]], 0)):
        with pytest.raises(ValueError, match=f"in row {row}. Add"):
            check_labels(y, classes)


def test_labels_of_a_shuffled_block_are_in_the_rows_of_the_data():
    y = np.array([0, 7, 1, 8, 8])
    order = np.array([4, 3, 2, 1, 0])
    calls = []

    def shuffled(number, n):
        calls.append((number, n))
        return order

    with pytest.raises(BlockError, match=r"Got \[7, 8\] in rows 0, 1, 3 of block 2"):
        check_labels(y, [0, 1], 2, shuffled)
    outputs = np.stack([y % 2, y], axis=1)
    with pytest.raises(BlockError, match=r"Got \[7, 8\] in rows 0, 1, 3 of block 2"):
        check_labels(outputs, [[0, 1], [0, 1]], 2, shuffled)
    assert calls == [(2, 5)] * 2


def test_at_most_ten_labels_are_named_each_once():
    with pytest.raises(ValueError, match=r"2, 3, 4, 5, 6, 7, 8, ... \(11 in all\)\] in rows 0, 1"):
        check_labels(np.tile(np.arange(1, 12), 2), [0])
    with pytest.raises(ValueError, match=r"Got \[nan\] in rows 1, 2. Add"):
        check_labels(np.array([0, np.nan, np.nan]), [0, 1])


def test_labels_that_cannot_be_compared_are_told_apart():
    for classes in ([0, 1], [0, 1, 2], ["a", "b"], ["a", "b", "c"]):
        y = np.array([0, "a", None], dtype=object)
        with pytest.raises(ValueError, match=r"Got \[.*None.*\] in rows (0|1), 2"):
            check_labels(y, classes)
        with pytest.raises(ValueError, match=r"in rows 0, 1. Add"):
            other = np.array(["x", "y"]) if classes[0] == 0 else np.array([5, 6])
            check_labels(other, classes)


def test_labels_of_a_kind_that_cannot_be_compared_are_refused():
    with pytest.raises(ValueError, match="Got"):
        check_labels(np.array([1, 2]), np.array(["a", "b", "c"]))
    with pytest.raises(ValueError, match=r"Got \[1, 2\] in rows 0, 1"):
        check_labels(np.array([1, 2]), np.array(["2020", "2021", "2022"], dtype="M8[Y]"))


def lazy(y):
    return da.from_array(y, chunks=10)


@pytest.mark.parametrize(("form", "n"), [(lambda y: y, 0), (lambda y: y.tolist(), 0), (lazy, 4)])
def test_labels_in_memory_are_compared_to_the_classes_once_for_all_blocks(monkeypatch, form, n):
    compared = []
    monkeypatch.setattr(learner, "check_labels", lambda *given: compared.append(given))
    X = da.from_array(np.random.default_rng(0).random((40, 3)), chunks=(10, 3))
    y = np.arange(40) % 2
    model = Incremental(SGDClassifier(random_state=0), classes=[0, 1])
    model.fit(X, form(y)).partial_fit(X, form(y))
    assert len(compared) == 2 * n
