"""Whoever brings what cannot learn, or settings of another fit, is told what to do."""

import inspect
import warnings

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    Perceptron,
    Ridge,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import CategoricalNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import LinearSVC

from incremental import BlockError, Incremental, indexable
from tests.conftest import loop, same_state

# Without partial_fit


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (LogisticRegression(), r'which has none; pass SGDClassifier\(loss="log_loss"\)\.$'),
        (LinearSVC(), r'which has none; pass SGDClassifier\(loss="hinge"\)\.$'),
        (LinearRegression(), r"which has none; pass SGDRegressor\(\)\.$"),
        (Ridge(), r'which has none; pass SGDRegressor\(penalty="l2"\)\.$'),
        (KMeans(), r"which has none; pass MiniBatchKMeans\.$"),
        (PCA(), r"which has none; pass IncrementalPCA\.$"),
        (RandomForestClassifier(), "which has none; SGDClassifier, .* and others do"),
        (
            MLPClassifier(solver="lbfgs"),
            "for a reason: partial_fit is only available for stochastic.*lbfgs is not stochastic",
        ),
        (
            OneVsRestClassifier(LogisticRegression()),
            r'whose LogisticRegression has none; pass SGDClassifier\(loss="log_loss"\)',
        ),
        (MultiOutputClassifier(RandomForestClassifier()), r"whose RandomForestClassifier has none"),
        (
            GridSearchCV(SGDClassifier(), {"alpha": [1, 2]}),
            r"which fits others; pass GridSearchCV\(Incremental\(SGDClassifier\(...\)\), ...\)",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_why_partial_fit_is_missing_and_what_has_one(estimator, message, method, source):
    with pytest.raises(TypeError, match=message):
        getattr(Incremental(estimator), method)(source.X, source.y)
    assert not source.reads


# Settings that change nothing


@pytest.mark.parametrize(
    ("estimator", "named"),
    [
        (SGDClassifier(max_iter=50), ["max_iter=50 of SGDClassifier"]),
        (OneVsRestClassifier(Perceptron(max_iter=7)), ["estimator__max_iter=7 of Perceptron"]),
        (make_pipeline(StandardScaler(), SGDClassifier(max_iter=50)), ["max_iter=50 of SGDCl"]),
        (MLPClassifier((2,), max_iter=300), ["max_iter=300 of MLPClassifier"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_passes_of_the_estimator_that_partial_fit_ignores_are_named_once(estimator, named, source):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Incremental(estimator).fit(source.X, source.y)
    (warning,) = caught
    assert warning.category is UserWarning
    assert warning.filename == __file__
    assert all(name in str(warning.message) for name in named)
    assert "Set max_iter of Incremental" in str(warning.message)


class OwnLoop(SGDClassifier):
    def partial_fit(self, X, y=None, classes=None):
        return super().partial_fit(X, y, classes)


def test_passes_that_are_the_default_or_of_somebody_else_are_not_named(source):
    Incremental(SGDClassifier(max_iter=1000)).fit(source.X, source.y)
    Incremental(SGDClassifier(max_iter=1, tol=None)).fit(source.X, source.y)
    Incremental(OwnLoop(max_iter=5)).fit(source.X, source.y)


def test_early_stopping_of_one_pass_is_named(source):
    model = Incremental(SGDClassifier(max_iter=9), early_stopping=True, random_state=0)
    with pytest.warns(UserWarning, match=r"(?s)max_iter=9 .*\nearly_stopping=True has nothing to"):
        model.fit(source.X, source.y)
    Incremental(SGDClassifier(), early_stopping=True, max_iter=2).fit(source.X, source.y)


# Methods that are missing


def test_a_method_that_a_loss_does_not_have_names_the_loss(source):
    for model in (Incremental(SGDClassifier()), Incremental(SGDClassifier()).fit(*data(source))):
        message = "no attribute 'predict_proba': probability estimates are not available for loss="
        with pytest.raises(AttributeError, match=f"{message}'hinge'") as caught:
            model.predict_proba  # noqa: B018
        assert isinstance(caught.value.__cause__, AttributeError)
        assert not hasattr(model, "predict_proba")
    inside = Incremental(make_pipeline(StandardScaler(), SGDClassifier()))
    with pytest.raises(AttributeError, match="not available for loss='hinge'"):
        inside.predict_proba  # noqa: B018
    with pytest.raises(AttributeError, match="'SGDClassifier' object has no attribute 'transform'"):
        model.transform  # noqa: B018
    with pytest.raises(AttributeError, match="'Incremental' object has no attribute 'nothing'$"):
        model.nothing  # noqa: B018


def data(source):
    return source.X, source.y


# Coming from dask-ml


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("shuffle_blocks", "Use shuffle: blocks keep their order, unless shuffle=True"),
        ("assume_equal_chunks", "Leave it out: y and weights are cut to the blocks of X"),
        ("predict_meta", "Leave it out: the type of the result is found automatically"),
        ("predict_proba_meta", "Leave it out"),
        ("transform_meta", "Leave it out"),
        ("verbose", r"Leave it out, and call set_callbacks\(sklearn.callback.ProgressBar"),
    ],
)
def test_parameters_of_dask_ml_name_what_replaces_them(name, message):
    message = f"Incremental has no parameter '{name}'. {message}"
    with pytest.raises(TypeError, match=message):
        Incremental(SGDClassifier(), **{name: True})
    with pytest.raises(TypeError, match=message):
        Incremental(SGDClassifier()).set_params(**{name: True})


def test_all_parameters_of_dask_ml_are_named_at_once():
    with pytest.raises(TypeError, match="'shuffle_blocks'.*no parameter 'predict_meta'. Leave it"):
        Incremental(SGDClassifier(), shuffle_blocks=False, predict_meta=None)


def test_parameters_are_those_that_can_be_set():
    shown = set(inspect.signature(Incremental).parameters)
    assert shown == set(Incremental(3).get_params(deep=False))
    assert "shuffle" in shown and "shuffle_blocks" not in shown


# Data that cannot be learned


FRAME = pd.DataFrame({"b": [1.0, 2, 3, 4], "a": [4.0, 3, 2, 1], "c": [0.0, 1, 0, 1]})
Y = dd.from_pandas(pd.Series([0, 1, 0, 1]), npartitions=2)


def lazy(frame):
    return dd.from_pandas(frame, npartitions=2)


@pytest.mark.parametrize("method", ["partial_fit", "predict", "score"])
def test_columns_in_another_order_than_was_learned_are_refused(method):
    model = Incremental(SGDClassifier(random_state=0)).fit(lazy(FRAME), Y)
    given = (lazy(FRAME[["c", "b", "a"]]),) + (() if method == "predict" else (Y,))
    message = r"in the order that SGDClassifier has learned, \['b', 'a', 'c'\]. Got \['c', 'b', 'a'"
    with pytest.raises(ValueError, match=message):
        getattr(model, method)(*given)


def test_columns_that_dask_describes_in_another_order_are_learned():
    X = lazy(FRAME)
    centred = X - X.mean()
    assert list(centred.columns) == ["a", "b", "c"]  # its blocks have the order of X
    model = Incremental(SGDClassifier(random_state=0)).fit(X, Y).partial_fit(centred, Y)
    blocks = [
        (one.compute(), label.compute())
        for data in (X, centred)
        for one, label in zip(data.partitions, Y.partitions, strict=True)
    ]
    assert same_state(model.estimator_, loop(SGDClassifier(random_state=0), blocks, classes=[0, 1]))


def test_three_dimensions_are_refused_where_two_are_needed(source):
    X = source.X.reshape(200, 3, 1)
    message = r"2 dimensions.* for SGDClassifier. Got 3 dimensions instead; pass X.reshape\(X.shap"
    with pytest.raises(ValueError, match=message):
        Incremental(SGDClassifier()).fit(X, source.y)
    assert not source.reads


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["x", "y", "x", "y"], "the column 'd' of X has text"),
        (pd.Categorical(["x", "y", "x", "y"]), "the column 'd' of X has text"),
        (pd.date_range("2013", periods=4), "the column 'd' of X has dates or times"),
        (pd.to_timedelta([1, 2, 3, 4]), "the column 'd' of X has dates"),
        (pd.date_range("2013", periods=4, tz="UTC"), "the column 'd' of X has dates"),
    ],
)
def test_columns_without_numbers_are_named_before_a_block_is_read(column, message):
    reads = []

    def read(frame):
        reads.append(1)
        return frame

    frame = FRAME.assign(d=column)
    X = lazy(frame).map_partitions(read, meta=lazy(frame)._meta)  # where text is no object
    for data in (X, indexable(lazy(frame))):
        for model in (SGDClassifier(), MinMaxScaler(), OneVsRestClassifier(SGDClassifier())):
            with pytest.raises(ValueError, match=f"takes numbers, but {message}"):
                Incremental(model).fit(data, Y)
    assert not reads
    with pytest.raises((TypeError, ValueError)):
        SGDClassifier().partial_fit(frame, [0, 1, 0, 1], classes=[0, 1])  # refuses them, too


class Parsing(StandardScaler):
    """Takes what it likes."""

    def partial_fit(self, X, y=None):
        return super().partial_fit(X.assign(d=X.d.astype(float)))


def test_columns_are_left_to_what_may_take_them():
    text = lazy(FRAME.assign(d=["1", "2", "3", "4"]))
    assert Incremental(Parsing()).fit(text).mean_.tolist() == [2.5, 2.5, 0.5, 2.5]
    numbers = FRAME.astype(int).assign(d=pd.Categorical([0, 1, 0, 1]))
    assert Incremental(CategoricalNB()).fit(lazy(numbers), Y).n_features_in_ == 4
    only_dates = pd.DataFrame({"d": pd.date_range("2013", periods=4)})
    expected = loop(MinMaxScaler(), [(only_dates[:2],), (only_dates[2:],)])
    assert same_state(Incremental(MinMaxScaler()).fit(lazy(only_dates)).estimator_, expected)
    objects = lazy(FRAME).astype(object)
    assert Incremental(SGDRegressor()).fit(objects, Y).n_features_in_ == 3


@pytest.mark.parametrize("make", [lazy, lambda f: indexable(lazy(f))])
def test_a_frame_of_texts_is_told_to_be_a_series(make):
    frame = pd.DataFrame({"text": ["a b", "b c", "c d", "d e"]})
    texts = HashingVectorizer(n_features=8)
    for vectorizer in (texts, make_pipeline(texts, SGDClassifier())):
        message = r"HashingVec.* columns \['text'\] instead; pass the Series X\['text'\]"
        with pytest.raises(ValueError, match=message):
            Incremental(vectorizer).fit(make(frame), Y)
    if make is lazy:
        with pytest.raises(ValueError, match=message):
            Incremental(texts).transform(make(frame))
    Incremental(vectorizer).fit(lazy(frame)["text"], Y)
    bag = db.from_sequence(frame["text"].tolist(), npartitions=2)
    with dask.config.set(scheduler="synchronous"):
        Incremental(vectorizer).fit(bag, Y)


# Messages are short


def test_messages_are_short_whatever_they_are_about():
    n = 100_000
    X = da.zeros((n, 1), chunks=n // 2)
    many = np.arange(n)
    sgd = SGDClassifier()
    wide = pd.DataFrame(np.ones((2, 20_000)), columns=[f"column {i}" for i in range(20_000)])
    fitted = Incremental(SGDRegressor()).fit(wide, [0, 1])
    trained = Incremental(sgd, classes=[0, 1]).fit(np.eye(2), [0, 1])
    other = dd.from_pandas(wide.add_prefix("a"), npartitions=1)
    calls = [
        lambda: Incremental(sgd, classes=many).fit(X, many - 5),
        lambda: Incremental(sgd, classes=many).fit(X, da.from_array(many - 5, chunks=n // 2)),
        lambda: Incremental(sgd, classes=[*many, *many]).fit(X, many),
        lambda: Incremental(sgd, classes=[many.tolist()]).fit(X, many),
        lambda: Incremental(sgd, classes=["x" * n, 0]).fit(X, many),
        lambda: trained.partial_fit(np.eye(2), [0, 1], classes=many),
        lambda: Incremental(SGDClassifier(class_weight="balanced"), classes=many).fit(X, many * 0),
        lambda: fitted.predict(other),
        lambda: fitted.set_params(early_stopping=True).fit(wide, [0, 1], X_val=other, y_val=[0, 1]),
        lambda: Incremental("x" * n).fit(X),
        lambda: Incremental(sgd).fit(X, many % 2, sample_weight=["x" * n]),
    ]
    for call in calls:
        with pytest.raises((ValueError, TypeError, BlockError)) as caught:
            call()
        assert len(str(caught.value)) < 1_500
