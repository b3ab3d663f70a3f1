"""Labels are found in each block of y, and merged."""

import datetime

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from incremental._learning.labels import (
    Ask,
    Found,
    check_kinds,
    find,
    merge,
    name_rows,
)


@pytest.mark.parametrize("make", [list, np.array, lambda y: np.array(y)[:, None], pd.Series])
def test_labels_of_a_block_are_sorted_and_counted(make):
    y = [2, 0, 2, 1, 2]
    found = find(Ask(counts=True), make(y))
    assert found.labels.tolist() == [0, 1, 2] and found.counts == {0: 1, 1: 1, 2: 3}
    assert not find(Ask(), make(y)).counts
    assert find(Ask(multilabel=True), make(y)).labels.tolist() == [0, 1, 2]


def test_labels_of_several_outputs_are_found_for_each():
    y = [[2, 5], [0, 5], [2, 4]]
    for ask in (Ask(), Ask(counts=True)):
        found = find(ask, y)
        assert [labels.tolist() for labels in found.labels] == [[0, 2], [4, 5]]
        assert not found.counts
    assert find(Ask(multilabel=True), sp.csr_matrix(y)).labels.tolist() == [0, 1]


def test_a_label_of_nan_is_refused_in_the_rows_that_have_it():
    for y in ([0.0, np.nan, 1.0, np.nan], [[0.0], [np.nan], [1.0], [np.nan]]):
        for ask in (Ask(), Ask(counts=True)):
            with pytest.raises(ValueError, match="y contains NaN, in rows 1, 3. Drop these rows"):
                find(ask, y)
    with pytest.raises(ValueError, match="y contains NaN, in row 0. Drop"):
        find(Ask(), [np.nan])
    with pytest.raises(ValueError, match="y contains NaN, in row 1. Drop"):
        find(Ask(), [[0.0, 1.0], [1.0, np.nan]])
    for y in (np.array([]), np.array([], dtype=int), np.array([], dtype="U1")):
        assert find(Ask(counts=True), y)[1] == {}
    assert find(Ask(), [0.5, np.inf]).labels.tolist() == [0.5, np.inf]


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT])
def test_what_is_missing_is_refused_in_the_rows_that_have_it(missing):
    for labels in (["a", missing, "b", missing], [0, missing, 1, missing], [missing] * 4):
        name = "NaN" if missing is np.nan else repr(missing)
        rows = "rows 0, 1, 2, 3" if labels[0] is missing else "rows 1, 3"
        y = np.empty(4, dtype=object)
        y[:] = labels
        with pytest.raises(ValueError, match=f"Input y contains {name}, in {rows}. Drop these"):
            find(Ask(), y)


@pytest.mark.parametrize("make", [pd.Series, pd.Categorical], ids=["series", "categorical"])
def test_categories_are_counted_where_they_occur(make):
    dtype = pd.CategoricalDtype(["z", "b", "a"])
    y = make(["b", "a", "b"], dtype=dtype)
    assert find(Ask(), y).labels.tolist() == ["a", "b"]
    assert find(Ask(counts=True), y).counts == {"a": 1, "b": 2}
    assert find(Ask(counts=True), y[:0]).counts == {}
    with pytest.raises(ValueError, match="Input y contains NaN, in row 1. Drop"):
        find(Ask(), make(["b", None], dtype=dtype))
    with pytest.raises(ValueError, match="y must have labels of one kind"):
        find(Ask(), make([1, "a"], dtype=pd.CategoricalDtype([1, "a"])))


def test_at_most_five_rows_are_named():
    assert name_rows([2, 4]) == "rows 2, 4"
    assert name_rows(range(5)) == "rows 0, 1, 2, 3, 4"
    assert name_rows(range(6)) == "rows 0, 1, 2, 3, 4, ..."


@pytest.mark.parametrize("make", [list, tuple, lambda y: np.array(y, dtype=object)])
def test_labels_of_one_kind_are_numbers_text_or_another(make):
    when = datetime.date(2013, 1, 1), datetime.date(2013, 1, 2)
    for y in ([0, 1.5, True, np.bool_(True), np.int8(3)], ["a", b"b", np.str_("c")], when, []):
        check_kinds(make(y), "y")
    for y, got in (
        ([1, "a", 2, "b"], r"1 \(int\) and 'a' \(str\)"),
        (["a", 1.5], r"'a' \(str\) and 1.5 \(float\)"),
        ([None, *when, 3], r"None \(NoneType\) and datetime.*\(date\) and 3 \(int\)"),
        ([True, "a"], r"True \(bool\) and 'a' \(str\)"),
    ):
        with pytest.raises(ValueError, match=f"^y must have labels of one kind. Got {got} instead"):
            check_kinds(make(y), "y")


def test_labels_whose_dtype_is_of_one_kind_are_not_looked_at():
    check_kinds(np.array(["a", "1"]), "y")
    check_kinds(sp.csr_matrix([[0, 1]]), "y")
    check_kinds(3, "y")
    mixed = np.array([[0], ["a"]], dtype=object)
    with pytest.raises(ValueError, match=r"Got 0 \(int\) and 'a' \(str\)"):
        check_kinds(mixed, "y")


def found(labels, counts=None):
    return Found(np.array(labels), counts or {})


def test_labels_and_counts_of_blocks_are_merged():
    parts = [
        found([1, 3], {1: 2, 3: 1}),
        found(np.array([], dtype=int)),
        found([0, 1], {0: 1, 1: 5}),
    ]
    merged = merge(parts)
    assert merged.labels.tolist() == [0, 1, 3] and merged.counts == {0: 1, 1: 7, 3: 1}
    assert not merge([Found(part.labels) for part in parts]).counts
    assert merge([found([])]).labels.tolist() == []
    outputs = [Found([np.array([1]), np.array([5])]), Found([np.array([0, 1]), np.array([2])])]
    assert [labels.tolist() for labels in merge(outputs).labels] == [[0, 1], [2, 5]]


def test_blocks_of_another_kind_of_labels_are_named():
    numbers, text = found([0.5, 1.5]), found(["a", "b"])
    dates = Found(np.array([datetime.date(2013, 1, 1)], dtype=object))
    for parts, got in (
        ([numbers, numbers, text, text], "0.5 in block 0 and 'a' in block 2"),
        ([found([]), text, numbers], "'a' in block 1 and 0.5 in block 2"),
        ([text, dates, numbers], r"'a' in block 0 and datetime.*in block 1 and 0.5 in block 2"),
    ):
        with pytest.raises(ValueError, match=f"^y must have labels of one kind. Got {got} instead"):
            merge(parts)
    assert merge([found([True]), found([1.5])]).labels.tolist() == [1.0, 1.5]
