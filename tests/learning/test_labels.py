"""Labels and their weights are found in one pass over y, and compared to classes."""

import datetime
import pickle
import re

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import Perceptron, SGDClassifier, SGDRegressor
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_class_weight

from incremental import BlockError, Incremental, indexable
from incremental._learning.balance import balanced, balanced_weights
from incremental._learning.classes import accepts, needs_classes
from incremental._learning.label_checks import are_same, check_classes, check_labels
from incremental._learning.labels import (
    Ask,
    Found,
    check_kinds,
    find,
    is_multilabel,
    merge,
    name_rows,
)
from tests.conftest import in_blocks, loop, same_state


@pytest.fixture
def skewed(source):
    source.y = (source.X[:, 0] > 0.9).astype(int)
    return source


def weights_of(y, classes):
    weights = compute_class_weight("balanced", classes=np.asarray(classes), y=y)
    return dict(zip(classes, weights.tolist(), strict=True))


@pytest.mark.parametrize("in_memory", [False, True])
@pytest.mark.parametrize("classes", [None, [0, 1]])
def test_balanced_classes_are_weighted_as_by_scikit_learn(skewed, classes, in_memory):
    blocks = in_blocks(skewed.X, skewed.y)
    y = np.concatenate([y for _, y in blocks])
    skewed.reads.clear()
    model = Incremental(SGDClassifier(class_weight="balanced", random_state=0), classes=classes)
    model.fit(skewed.X, y if in_memory else skewed.y)
    # y is made of X here; it is read once for the labels and the counts together.
    assert skewed.reads == dict.fromkeys(range(10), 1 if in_memory else 2)
    weights = weights_of(y, [0, 1])
    assert model.estimator_.class_weight == weights
    expected = loop(SGDClassifier(class_weight=weights, random_state=0), blocks, classes=[0, 1])
    assert same_state(model.estimator_, expected)
    assert model.estimator.class_weight == "balanced"


def test_balanced_classes_of_categories_and_strings():
    frame = pd.DataFrame({"a": np.arange(40.0), "b": 1.0})
    labels = np.array(["few", "many"])[(np.arange(40) % 4 > 0).astype(int)]
    X = dd.from_pandas(frame, npartitions=4)
    for dtype in ("category", object):
        y = dd.from_pandas(pd.Series(labels, dtype=dtype), npartitions=4)
        model = Incremental(Perceptron(class_weight="balanced")).fit(X, y)
        assert model.estimator_.class_weight == {"few": 2.0, "many": 40 / 60}


def test_the_weights_stay_when_learning_goes_on(skewed):
    model = Incremental(SGDClassifier(class_weight="balanced", random_state=0))
    model.partial_fit(skewed.X, skewed.y)
    weights = model.estimator_.class_weight
    model.partial_fit(skewed.X[:100], skewed.y[:100])
    assert model.estimator_.class_weight == weights


def test_a_mean_that_y_depends_on_is_found_once(source):
    X = source.X - source.X.mean(0)
    model = Incremental(SGDClassifier(random_state=0)).fit(X, (X[:, 0] > 0).astype(int))
    # For the mean, for the labels, which are made of X here, and to be learned.
    assert source.reads == dict.fromkeys(range(10), 3)
    assert model.classes_.tolist() == [0, 1]


def test_an_estimator_inside_the_estimator_is_balanced_too(skewed):
    inner = SGDClassifier(class_weight="balanced", random_state=0)
    model = Incremental(SelectFromModel(inner)).fit(skewed.X, skewed.y)
    y = skewed.y.compute()
    assert model.estimator_.estimator_.class_weight == weights_of(y, [0, 1])


@pytest.mark.parametrize("outer", [OneVsRestClassifier, OneVsOneClassifier, MultiOutputClassifier])
def test_classes_are_not_balanced_where_the_labels_are_not_those_of_y(skewed, outer):
    estimator = outer(SGDClassifier(class_weight="balanced"))
    for model in (estimator, make_pipeline(StandardScaler(), estimator)):
        message = f"class_weight must be None or a dict: {outer.__name__} trains on other labels"
        with pytest.raises(ValueError, match=message):
            Incremental(model).fit(skewed.X, skewed.y)
    assert not skewed.reads


def test_a_class_that_does_not_occur_cannot_be_balanced(skewed):
    model = Incremental(SGDClassifier(class_weight="balanced"), classes=[0, 1, 2])
    with pytest.raises(ValueError, match=r"Got none of \[2\]; pass class_weight as a dict"):
        model.fit(skewed.X, skewed.y)
    assert not hasattr(model, "estimator_")


class TakesClasses(SGDRegressor):
    """Has a parameter that is not for regressors, as all that skorch makes has."""

    def partial_fit(self, X, y, classes=None):
        assert classes is None
        return super().partial_fit(X, y)


def test_no_classes_are_looked_for_in_the_target_of_a_regressor(source):
    y = source.X[:, 0]
    expected = loop(SGDRegressor(random_state=0), in_blocks(source.X, y))
    source.reads.clear()
    assert same_state(
        Incremental(TakesClasses(random_state=0)).fit(source.X, y).estimator_, expected
    )
    assert source.reads == dict.fromkeys(range(10), 1)


def test_classes_are_found_in_one_read_of_y_alone():
    reads = []

    def load(i):
        reads.append(i)
        return np.arange(10) % (i + 2)

    parts = [da.from_delayed(dask.delayed(load)(i), (10,), int) for i in range(4)]
    y = da.concatenate(parts)
    X = da.random.default_rng(0).random((40, 2), chunks=10)
    model = Incremental(SGDClassifier(class_weight="balanced", random_state=0), max_iter=2)
    model.fit(X, y)
    assert model.classes_.tolist() == [0, 1, 2, 3, 4]
    assert sorted(reads) == sorted([0, 1, 2, 3] * 3)  # the labels, and two passes


def test_classes_stay_where_the_model_does_not_tell_them(source):
    y = da.stack([source.y, (source.X[:, 1] * 3).astype(int)], axis=1).rechunk((20, 2))
    sgd = SGDClassifier(random_state=0)
    for estimator, target, rest, more, got in [
        (SelectFromModel(sgd), source.y, np.zeros(20, int), [0, 1, 2], "[0, 1]"),
        (MultiOutputClassifier(sgd), y, np.zeros((20, 2), int), [[0], [1]], "[[0, 1], [0, 1, 2]]"),
    ]:
        model = Incremental(estimator).fit(source.X, target)
        classes = [0, 1] if target is source.y else [np.array([0, 1]), np.array([0, 1, 2])]
        blocks = [*in_blocks(source.X, target), (source.X[:20].compute(), rest)]
        expected = loop(clone(estimator), blocks, classes=classes)
        model.partial_fit(source.X[:20], rest)
        assert pickle.dumps(model.estimator_) == pickle.dumps(expected)
        with pytest.raises(ValueError, match=re.escape(f"model has learned, {got}. Got {more}")):
            model.partial_fit(source.X, target, classes=more)


# Which estimators need labels, and which


class Classified(SGDClassifier):
    def partial_fit(self, X, y, sample_weight=None):
        return self


def test_classes_are_needed_where_partial_fit_takes_them_here_or_inside():
    assert needs_classes(SGDClassifier()) and needs_classes(MultinomialNB())
    assert needs_classes(SelectFromModel(SGDClassifier()))
    for other in (
        SGDRegressor(),
        Classified(),
        SelectFromModel(SGDRegressor()),
        SelectFromModel(Classified()),
    ):
        assert not needs_classes(other)
    assert not accepts(3, "classes")


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        (MLPClassifier(), True),
        (RandomForestClassifier(), False),  # each column is an output
        (SGDClassifier(), False),
        (SGDRegressor(), False),
        (StandardScaler(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_columns_are_labels_for_classifiers_of_one_multilabel_output(estimator, expected):
    assert is_multilabel(estimator) is expected


def test_parameters_of_balanced_classes_are_found_inside_too():
    weighted = SGDClassifier(class_weight="balanced")
    assert balanced(SelectFromModel(weighted)) == ["estimator__class_weight"]
    assert balanced(weighted) == ["class_weight"]
    for class_weight in (None, {0: 1, 1: 2}, {"balanced": 1}):
        assert balanced(SGDClassifier(class_weight=class_weight)) == []
    assert balanced(SGDClassifier(penalty="balanced")) == []


class HandsOn(SGDClassifier):
    def partial_fit(self, *args, **kwargs):
        return super().partial_fit(*args, **kwargs)


class Holds(ClassifierMixin, BaseEstimator):
    """Trains one that it holds."""

    def partial_fit(self, X, y, **kwargs):
        self.inner_ = getattr(self, "inner_", None) or SGDClassifier(random_state=0)
        self.inner_.partial_fit(X, y, **kwargs)
        return self


class HoldsUnsaid(BaseEstimator):
    partial_fit = Holds.partial_fit


class DropsThem(Classified):
    def partial_fit(self, *args, **kwargs):
        return super().partial_fit(*args, **kwargs)


def test_classes_are_for_what_takes_any_keyword_and_hands_them_on():
    assert needs_classes(HandsOn()) and needs_classes(Holds())
    assert not needs_classes(HoldsUnsaid()) and needs_classes(HoldsUnsaid(), given=True)
    assert not needs_classes(DropsThem(), given=True)
    assert not needs_classes(SelectFromModel(SGDRegressor()), given=True)
    assert needs_classes(SelectFromModel(HandsOn()))


@pytest.mark.parametrize("how", ["found", "constructor", "fit"])
@pytest.mark.parametrize("bare", [HandsOn(random_state=0), Holds(), HoldsUnsaid()])
def test_classes_arrive_among_the_keywords(bare, how, source):
    if how == "found" and isinstance(bare, HoldsUnsaid):
        pytest.skip("does not say that it is a classifier")
    model = Incremental(bare, classes=[0, 1] if how == "constructor" else None)
    model.fit(source.X, source.y, **({"classes": [0, 1]} if how == "fit" else {}))
    blocks = in_blocks(source.X, source.y)
    expected = loop(SGDClassifier(random_state=0), blocks, classes=[0, 1])
    assert same_state(getattr(model.estimator_, "inner_", model.estimator_), expected)


# Labels of a block


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


@pytest.mark.parametrize("balanced", [None, "balanced"])
@pytest.mark.parametrize("in_memory", [True, False])
def test_classes_are_the_categories_that_occur(in_memory, balanced, source):
    y = pd.Categorical(["b", "a"] * 100, categories=["b", "never", "a"])
    y = y if in_memory else indexable(dd.from_pandas(pd.Series(y), npartitions=10))
    sgd = SGDClassifier(class_weight=balanced, random_state=0)
    model = Incremental(sgd).fit(source.X, y)
    assert model.classes_.tolist() == ["a", "b"]
    expected = Incremental(sgd).fit(source.X, np.array(["b", "a"] * 100))
    assert same_state(model.estimator_, expected.estimator_)
    more = Incremental(SGDClassifier(), classes=["a", "b", "never"]).fit(source.X, y)
    assert more.classes_.tolist() == ["a", "b", "never"]


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


def test_looking_for_categories_reads_y_once():
    reads = []

    def load(part):
        reads.append(1)
        return part

    frame = pd.DataFrame({"a": np.arange(40.0), "y": pd.Categorical(["u", "v"] * 20)})
    y = dd.from_pandas(frame, npartitions=4).y.map_partitions(load, meta=frame.y.iloc[:0])
    X = dd.from_pandas(frame[["a"]], npartitions=4)
    Incremental(SGDClassifier()).fit(X, y)
    assert len(reads) == 8
    Incremental(SGDClassifier(), classes=["u", "v"]).fit(X, y)
    assert len(reads) == 12


def test_several_outputs_cannot_be_balanced(source):
    model = Incremental(SGDClassifier(class_weight="balanced"))
    with pytest.raises(ValueError, match=r"y should be a 1d array for class_weight='balanced'"):
        model.fit(source.X, np.zeros((200, 2)))
    assert not source.reads


def test_without_y_there_are_no_classes(source):
    class Learner(BaseEstimator):
        def partial_fit(self, X, y=None, classes=None):
            self.classes_given_ = classes
            return self

    assert Incremental(Learner()).fit(source.X).classes_given_ is None


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


# Labels of all blocks


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


def test_weights_of_classes_are_those_of_scikit_learn():
    y = np.array([3, 1, 1, 1, 2, 2])
    counts = {3: 1, 1: 3, 2: 2, 9: 4}  # 9 is not among the classes
    assert balanced_weights(counts, [1, 2, 3]) == weights_of(y, [1, 2, 3])
    with pytest.raises(ValueError, match=r"Got none of \[4, 5\]; pass class_weight"):
        balanced_weights({1: 1, 4: 0}, [1, 4, 5])


# Classes that were given


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
        (np.ones((2, 2)), None, "at least one label"),
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


# Labels against classes


LABELS = st.sampled_from(
    [[0, 1], [0, 1, 2], [5], [-1, 1], [3, 0, 7, 1], ["a", "b"], ["c", "a", "b"], [0.5, 2.0, 1.5]]
)


@settings(max_examples=200, deadline=None)
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
