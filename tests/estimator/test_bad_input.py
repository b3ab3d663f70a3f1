"""Bad input is refused before any block is read, or at the block where it shows."""

import copy
import re
from functools import partial

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils._param_validation import InvalidParameterError

from incremental import BlockError, Incremental
from incremental._estimator.checks import check_keywords
from incremental._learning.classes import accepts
from incremental._learning.label_checks import check_labels
from tests.conftest import in_blocks, loop, same_state


def sgd():
    return SGDClassifier(random_state=0)


def refused(model, call, error, message):
    """Assert the error, and that the model is as it was, learned or not."""
    before = {name: (value, copy.deepcopy(value)) for name, value in vars(model).items()}
    with pytest.raises(error, match=message) as caught:
        call()
    assert vars(model).keys() == before.keys()
    for name, value in vars(model).items():
        same, was = before[name]
        assert value is same
        if hasattr(value, "get_params"):
            assert vars(value).keys() == vars(was).keys()
            assert same_state(value, was)
        else:
            assert repr(value) == repr(was)
    return caught.value


def never_fitted_and_fitted(**params):
    """Return a new model and one that has learned three columns."""
    fitted = Incremental(sgd(), classes=[0, 1]).fit(np.eye(3), [0, 1, 1])
    return [Incremental(sgd(), **params), fitted.set_params(**{"classes": None, **params})]


# Before any block is read


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (SGDClassifier, r"estimator must be an instance.*Got the class.*pass SGDClassifier\(\)"),
        (LinearRegression(), "must have a method partial_fit.*Got LinearRegression instead"),
        (3, r"estimator must be a scikit-learn estimator with partial_fit. Got 3 \(int\) instead"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_what_cannot_learn_is_refused(estimator, message, method, source):
    for model in never_fitted_and_fitted():
        model.set_params(estimator=estimator)
        refused(model, lambda: getattr(model, method)(source.X, source.y), TypeError, message)
    assert not source.reads


BAD_DATA = {
    "no X": (lambda X, y: (None, y), TypeError, "X must be the data. Got None instead; pass X"),
    "no y": (lambda X, y: (X, None), ValueError, "SGDClassifier requires y to be passed.* Pass y"),
    "one dimension": (
        lambda X, y: (X[:, 0], y),
        ValueError,
        r"X must have 2 dimensions.*Got 1 dimension instead \(dtype float64\); pass X.reshape\(-1",
    ),
    "a series": (
        lambda X, y: (X[:, 0].to_dask_dataframe(), y),
        ValueError,
        r"X must have 2 dimensions.*Got 1 dimension instead.*; pass X.to_frame\(\)",
    ),
    "no dimension": (lambda X, y: (X.sum(), y), ValueError, "X must have at least one dimension"),
    "fewer rows of y": (
        lambda X, y: (X, y[:-1]),
        ValueError,
        "inconsistent numbers of samples: X has 200 rows, y has 199",
    ),
    "fewer rows of y in memory": (
        lambda X, y: (X, np.ones(5)),
        ValueError,
        "inconsistent numbers of samples: X has 200 rows, y has 5",
    ),
    "fewer blocks of y": (
        lambda X, y: (X[X[:, 0] > 0], y[:40]),
        ValueError,
        r"same number of blocks.*Got 10 blocks in X and 2 in y; repartition.*compute_chunk_sizes",
    ),
    "unknown rows and y in memory": (
        lambda X, y: (X[X[:, 0] > 0], np.ones(200)),
        ValueError,
        r"y is in memory, but the numbers of rows.*are not known.*X.compute_chunk_sizes\(\)",
    ),
    "no rows": (
        lambda X, y: (X[:0], y[:0]),
        ValueError,
        r"Found array with 0 sample\(s\) in X \(1 blocks\) while a minimum of 1 is required",
    ),
    "no blocks": (
        lambda X, y: ([], []),
        ValueError,
        r"Found array with 0 sample\(s\) in X \(1 blocks\) while a minimum of 1 is required",
    ),
    "one Delayed": (
        lambda X, y: (dask.delayed(X), y),
        TypeError,
        r"X must be a dask array.*Got a single Delayed instead; pass \[X\] if it is one block",
    ),
    "text": (lambda X, y: ("some text", y), TypeError, "X must be a dask coll.*Got str instead"),
    "a dictionary": (lambda X, y: ({"a": X}, y), TypeError, "X must be.*Got dict instead"),
}


@pytest.mark.parametrize("name", BAD_DATA)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_bad_data_are_refused(name, method, source):
    change, error, message = BAD_DATA[name]
    for model in never_fitted_and_fitted():
        X, y = change(source.X, source.y)
        refused(model, lambda: getattr(model, method)(X, y), error, message)
    assert not source.reads


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (
            np.array([0, "a"] * 100, dtype=object),
            r"y must have labels of one kind. Got 0 \(int\) and 'a' \(str\) instead; convert them",
        ),
        (
            np.array([0, None] * 100, dtype=object),
            r"Input y contains None, in rows 1, 3, 5, 7, 9, .... Drop these rows, or give them",
        ),
        (
            np.array([0, np.nan] * 100),
            r"Input y contains NaN, in rows 1, 3, 5, 7, 9, .... Drop these rows, or give",
        ),
    ],
)
def test_labels_that_cannot_be_sorted_are_refused(y, message, source):
    new, fitted = never_fitted_and_fitted()
    for model in (new, fitted):
        refused(model, lambda: model.fit(source.X, y), ValueError, message)
    refused(new, lambda: new.partial_fit(source.X, y), ValueError, message)
    learned = (
        r"y must contain only labels of classes=\[0, 1\]. Got \[(nan|None|'a')\] in rows 1, 3, 5"
    )
    refused(fitted, lambda: fitted.partial_fit(source.X, y), ValueError, learned)
    assert not source.reads


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.ones(7), "sample_weight must have one value for each of the 200 rows of X. Got 7"),
        (da.ones(7), "numbers of samples: X has 200 rows, sample_weight has 7"),
        (
            [dask.delayed(np.ones)(20)] * 2,
            "X and sample_weight must have the same number of blocks.*Got 10 blocks in X and 2 in",
        ),
    ],
)
def test_weights_of_another_length_are_refused(weight, message, source):
    for model in never_fitted_and_fitted():
        fit = lambda: model.fit(source.X, source.y, sample_weight=weight)  # noqa: E731
        refused(model, fit, ValueError, message)
    assert not source.reads


def test_a_score_without_y_or_with_weights_of_another_length_is_refused(source):
    model = Incremental(sgd()).fit(np.eye(3), [0, 1, 1])
    message = "score of SGDClassifier requires y to be passed.* Pass y"
    refused(model, lambda: model.score(source.X), ValueError, message)
    message = "sample_weight must have one value for each of the 200 rows of X. Got 7"
    for scoring in (None, "accuracy"):
        model.set_params(scoring=scoring)
        score = partial(model.score, source.X, source.y, sample_weight=np.ones(7))
        refused(model, score, ValueError, message)
    assert not source.reads


def test_weights_in_memory_are_refused_where_the_rows_are_not_known(source):
    X = source.X[source.X[:, 0] > 0]
    with pytest.raises(ValueError, match=r"number of rows of X is not known.*compute_chunk_sizes"):
        Incremental(sgd()).fit(X, source.y, sample_weight=np.ones(200))
    assert not source.reads


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"max_iter": 0}, ValueError, "max_iter == 0, must be >= 1"),
        ({"max_iter": 1.5}, TypeError, "max_iter must be an instance of .*int.*, not float"),
        ({"prefetch": -1}, ValueError, "prefetch == -1, must be >= 0"),
        ({"batch_size": 0}, ValueError, "batch_size == 0, must be >= 1"),
        ({"validation_fraction": 1}, ValueError, "validation_fraction == 1, must be < 1"),
        ({"validation_fraction": 0}, ValueError, "validation_fraction == 0, must be > 0"),
        ({"validation_fraction": np.nan}, ValueError, "validation_fraction must be a number. Got"),
        ({"n_iter_no_change": 0}, ValueError, "n_iter_no_change == 0, must be >= 1"),
        ({"tol": -1}, ValueError, "tol == -1, must be >= 0"),
        ({"tol": np.nan}, ValueError, "tol must be a number. Got nan instead"),
        ({"shuffle": "rows"}, TypeError, "shuffle must be an instance of .*bool.*, not str"),
        ({"early_stopping": 5}, TypeError, "early_stopping must be an instance of .*, not int"),
        ({"random_state": "x"}, ValueError, "'x' cannot be used to seed"),
        ({"classes": []}, ValueError, r"classes must be a list of at least one label. Got \[\]"),
        ({"classes": 3}, ValueError, "classes must be a list of at least one label. Got 3"),
        ({"classes": [0, 1, 1]}, ValueError, r"classes must name each label once. Got \[1\] more"),
        ({"classes": ["a", "b"]}, ValueError, "classes must be of the kind of y. Got classes of"),
        (
            {"classes": [0, "a"]},
            ValueError,
            r"classes must have labels of one kind. Got 0 \(int\) and 'a' \(str\) instead; convert",
        ),
        (
            {"classes": [[0, 1], [0, 1]]},
            ValueError,
            "a list of labels, or one for each output of y. Got 2 lists for 1 outputs instead",
        ),
        (
            {"classes": [[0, 1]]},
            ValueError,
            r"a list of labels where y has one dimension. Got a list of lists.*pass \[0, 1\]",
        ),
    ],
)
def test_bad_parameters_are_refused(params, error, message, source):
    for model in never_fitted_and_fitted(**params):
        refused(model, lambda: model.fit(source.X, source.y), error, message)
    assert not source.reads


def test_labels_of_each_output_are_checked(source):
    y = (source.X[:, :2] > 0.5).astype(int)
    model = Incremental(MLPClassifier(), classes=[[0, 1], [1, 1]])
    message = r"classes must name each label once. Got \[1\] more than once"
    refused(model, lambda: model.fit(source.X, y), ValueError, message)
    assert not source.reads


@pytest.mark.parametrize("method", ["fit", "partial_fit", "score"])
def test_unknown_parameters_of_a_method_are_refused(method, source):
    model = Incremental(GaussianNB(), classes=[0, 1]).fit(np.eye(3), [0, 1, 1])
    name = "score" if method == "score" else "partial_fit"
    message = f"{name} has no parameter 'sample_wieght'; it takes 'sample_weight'. Correct the name"
    call = lambda: getattr(model, method)(source.X, source.y, sample_wieght=1)  # noqa: E731
    refused(model, call, TypeError, message)
    assert not source.reads


def test_unknown_parameters_of_the_wrapper_are_refused():
    with pytest.raises(TypeError, match="unexpected keyword argument 'max_itr'"):
        Incremental(sgd(), max_itr=1)
    model = Incremental(sgd())
    message = (
        "Invalid parameter 'max_itr' for estimator Incremental.*Valid parameters are.*max_iter"
    )
    refused(model, lambda: model.set_params(max_itr=1), ValueError, message)


def test_an_unknown_score_is_refused(source):
    (_, model) = never_fitted_and_fitted(scoring="acuracy")
    refused(model, lambda: model.score(source.X, source.y), ValueError, "acuracy")
    assert not source.reads


@pytest.mark.parametrize("method", ["partial_fit", "predict", "decision_function", "score"])
def test_another_number_of_columns_than_was_learned_is_refused(method, source):
    X = da.concatenate([source.X, source.X], axis=1)
    (_, model) = never_fitted_and_fitted()
    given = (X, source.y) if method in ("partial_fit", "score") else (X,)
    message = "X has 6 features, but SGDClassifier is expecting 3 features as input"
    refused(model, lambda: getattr(model, method)(*given), ValueError, message)
    assert not source.reads


@pytest.mark.parametrize("method", ["partial_fit", "predict", "score"])
def test_other_columns_than_were_learned_are_refused(method, source):
    learned = pd.DataFrame(np.eye(3), columns=["a", "b", "c"])
    model = Incremental(sgd(), classes=[0, 1]).fit(learned, [0, 1, 1])
    X = dd.from_dask_array(source.X, columns=["a", "b", "d"])
    given = (X, source.y) if method != "predict" else (X,)
    message = r"columns \['a', 'b', 'c'\] that.*has learned. Got \['a', 'b', 'd'\] instead. Pass"
    refused(model, lambda: getattr(model, method)(*given), ValueError, message)
    assert not source.reads


def test_other_classes_than_were_learned_are_refused(source):
    (_, model) = never_fitted_and_fitted(classes=[0, 1, 2])
    message = r"classes must stay those that.*learned, \[0, 1\]. Got \[0, 1, 2\] instead; call fit"
    refused(model, lambda: model.partial_fit(source.X, source.y), ValueError, message)
    assert not source.reads
    model.set_params(classes=[1, 0]).partial_fit(source.X, source.y)  # the order does not matter


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"X_val": np.ones((4, 2))}, "X_val must have as many columns as X, 3. Got 2 instead"),
        (
            {"X_val": pd.DataFrame(np.ones((4, 3)), columns=list("abd"))},
            r"X_val must have the columns \['a', 'b', 'c'\] of X. Got \['a', 'b', 'd'\] instead",
        ),
        (
            {"X_val": pd.DataFrame(np.ones((5, 3)), columns=list("abc"))},
            r"validate on \(X_val, y_val, .*X has 5 rows, y has 4",
        ),
    ],
)
def test_validation_data_that_do_not_fit_are_refused(given, message, source):
    X, y = dd.from_dask_array(source.X, columns=["a", "b", "c"]), source.y.to_dask_dataframe()
    for model in never_fitted_and_fitted(early_stopping=True):
        fit = lambda: model.fit(X, y, y_val=[0, 1, 0, 1], **given)  # noqa: E731
        refused(model, fit, ValueError, message)
    assert not source.reads


def test_a_single_block_cannot_be_held_out(source):
    for model in never_fitted_and_fitted(early_stopping=True):
        fit = lambda: model.fit(source.X[:20], source.y[:20])  # noqa: E731
        refused(model, fit, ValueError, "X must have at least 2. Got 1 instead; cut X into more")
    assert not source.reads


def test_predicting_before_fitting_is_refused(source):
    model = Incremental(sgd())
    message = "not fitted yet. Call 'fit' or 'partial_fit' before using 'predict'"
    refused(model, lambda: model.predict(source.X), NotFittedError, message)
    assert not source.reads


# Where it shows


def test_only_empty_blocks_are_refused(source):
    for model in never_fitted_and_fitted(classes=[0, 1]):
        none = source.X[:, 0] > 1
        fit = lambda: model.fit(source.X[none], source.y[none])  # noqa: E731
        refused(
            model, fit, ValueError, "every block of X is empty while a minimum of 1 is required"
        )
    for empty in (db.from_sequence([]), [dask.delayed(np.ones)((0, 3))]):
        with pytest.raises(ValueError, match="every block of X is empty"):
            Incremental(StandardScaler()).fit(empty)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            [0] * 60 + [1, "a"] * 10 + [1] * 120,
            r"Block 3 could not be computed: ValueError: y must have labels of one kind. Got 1 \(",
        ),
        ([0] * 60 + ["a"] * 140, r"y must have labels of one kind. Got 0 in block 0 and 'a' in bl"),
        (
            [0.0] * 65 + [np.nan] + [1.0] * 134,
            "Block 3 could not be computed: ValueError: Input y contains NaN, in row 5. Drop",
        ),
    ],
)
def test_labels_that_are_not_of_one_kind_name_the_block(labels, message, source):
    dtype = float if isinstance(labels[0], float) else object
    y = da.from_array(np.array(labels, dtype=dtype), chunks=20)
    for model in never_fitted_and_fitted():
        refused(model, lambda: model.fit(source.X, y), (BlockError, ValueError), message)
    assert not source.reads


def test_a_target_for_regressors_is_refused_at_its_first_block(source):
    sources = []

    def load(i):
        sources.append(i)
        return np.arange(20) / 8 + 1

    y = da.concatenate([da.from_delayed(dask.delayed(load)(i), (20,), float) for i in range(10)])
    message = "Unknown label type: continuous. y must have labels for a classifier. Got 1.125"
    for balanced in (None, "balanced"):
        model = Incremental(SGDClassifier(class_weight=balanced), prefetch=0)
        with pytest.raises(BlockError, match=message):
            model.fit(source.X, y)
    assert sources == [0, 0]
    assert not source.reads


def test_labels_outside_classes_name_the_label_and_the_rows():
    X = da.ones((40, 2), chunks=(10, 2))
    y = np.arange(40) // 15
    model = Incremental(sgd(), classes=[0, 1])
    message = r"classes=\[0, 1\]. Got \[2\] in rows 30, 31, 32, 33, 34, .... Add them to classes"
    refused(model, lambda: model.fit(X, y), ValueError, message)
    lazy = da.from_array(y, chunks=10)
    with pytest.raises(BlockError, match=r"Got \[2\] in rows 0, 1, 2, 3, 4, ... of block 3") as e:
        model.fit(X, lazy)
    assert e.value.block == 3
    expected = loop(sgd(), in_blocks(X, lazy)[:3], classes=[0, 1])
    assert same_state(model.estimator_, expected)


def test_rows_are_those_of_the_data_where_they_were_shuffled():
    X = da.zeros((30, 2), chunks=(30, 2))
    y = np.zeros(30, int)
    y[[7, 21]] = 5
    model = Incremental(sgd(), classes=[0, 1], shuffle=True, random_state=0)
    with pytest.raises(BlockError, match=r"Got \[5\] in rows 7, 21 of block 0"):
        model.fit(X, da.from_array(y, chunks=30))
    values = np.zeros((30, 2))
    values[[3, 12], 1] = np.inf
    with pytest.raises(BlockError, match="NaN or infinity: rows 3, 12 of X in block 0"):
        model.fit(da.from_array(values, chunks=30), y % 2)


def with_nan(kind):
    values = np.arange(20.0).reshape(10, 2)
    values[[4, 6], 1] = np.nan
    return {
        "array": values,
        "sparse": sp.csr_matrix(values),
        "frame": pd.DataFrame(values, columns=["a", "b"]),
        "objects": values.astype(object),
        "list": values.tolist(),
    }[kind]


@pytest.mark.parametrize("kind", ["array", "sparse", "frame", "objects", "list"])
def test_rows_with_nan_are_named(kind):
    good = np.zeros((10, 2))
    if kind == "frame":
        good = pd.DataFrame(good, columns=["a", "b"])
    blocks = [dask.delayed(good), dask.delayed(with_nan(kind), traverse=False)]
    model = Incremental(sgd(), classes=[0, 1])
    message = (
        r"(?s)Block 1 \(10 rows\) could not be learned by SGDClassifier: ValueError: Input X "
        r"contains NaN.*\nNaN or infinity: rows 4, 6 of X in block 1."
    )
    with pytest.raises(BlockError, match=message) as caught:
        model.fit(blocks, [dask.delayed(np.arange(10) % 2)] * 2)
    assert caught.value.block == 1
    assert isinstance(caught.value.__cause__, ValueError)
    expected = sgd().partial_fit(good, np.arange(10) % 2, classes=[0, 1])
    assert same_state(model.estimator_, expected)


@pytest.mark.parametrize("dtype", ["string", "Int64", "boolean", "category"])
def test_rows_with_what_pandas_calls_missing_are_named(dtype):
    labels = pd.Series(["yes", "no", None, "no"] if dtype == "string" else [1, 0, None, 1])
    frame = pd.DataFrame({"a": range(4), "y": labels.astype(dtype)}, index=range(4))
    good = frame.assign(y=frame.y.fillna(frame.y[1]))
    X = dd.concat([dd.from_pandas(part, npartitions=1) for part in (good, frame)])
    classes = ["no", "yes"] if dtype == "string" else [0, 1]
    model = Incremental(sgd(), classes=classes)
    with pytest.raises(BlockError, match=r"Got \[(<NA>|nan)\] in row 2 of block 1. Add them") as e:
        model.fit(X[["a"]], X.y)
    assert e.value.block == 1
    assert model.t_ == 5
    if dtype != "category":  # its categories are the classes
        with pytest.raises(BlockError, match="Input y contains (<NA>|NaN), in row 2. Drop these"):
            Incremental(sgd()).fit(X[["a"]], X.y)


def test_rows_of_nullable_columns_are_named():
    values = pd.array([1.0, None, 2.0, None], dtype="Float64")
    blocks = [dask.delayed(pd.DataFrame)({"a": v}) for v in (values.fillna(0), values)]
    with pytest.raises(BlockError, match="NaN or infinity: rows 1, 3 of X in block 1.") as e:
        Incremental(sgd(), classes=[0, 1]).fit(blocks, [dask.delayed([0, 1, 0, 1])] * 2)
    assert e.value.block == 1


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (
            None,
            "Block 1 of X must be an array.*Got NoneType instead; check what its loader returns",
        ),
        (7, "Block 1 of X must be an array.*Got int instead; check what its loader returns"),
        ("text", "Block 1 of X must be an array.*Got str instead; check what its loader returns"),
        ({"a": 1}, "Block 1 of X must be an array.*Got dict instead; check what its loader"),
        (np.ones((10, 5)), r"shape \(n_rows, 2\) that.*promises. Got \(10, 5\) in block 1; check"),
        (np.full((10, 2), "a"), "dtype float64 that.*promises. Got <U1 in block 1; check its load"),
        (np.ones((9, 2)), "Got 9 rows of X and 10 of y in block 1"),
    ],
)
@pytest.mark.parametrize("shuffle", [False, True])
def test_a_block_that_is_not_what_was_promised_is_named(block, message, shuffle):
    good = da.ones((10, 2), chunks=(10, 2))
    bad = da.from_delayed(dask.delayed(lambda: block)(), (10, 2), float)
    model = Incremental(sgd(), classes=[0, 1], shuffle=shuffle, random_state=0)
    with pytest.raises(BlockError, match=message) as caught:
        model.fit(da.concatenate([good, bad]), np.arange(20) % 2)
    assert caught.value.block == 1


def test_a_block_of_another_width_than_those_before_is_named():
    blocks = [dask.delayed(np.ones)((4, n)) for n in (2, 2, 3)]
    message = r"Block 2 \(4 rows\).*X has 3 features, but StandardScaler is expecting 2 features"
    with pytest.raises(BlockError, match=message):
        Incremental(StandardScaler()).fit(blocks)
    frames = [
        dask.delayed(pd.DataFrame)({"a": [1.0], name: [2.0]}, index=[0]) for name in ("b", "b", "c")
    ]
    with pytest.raises(BlockError, match="(?s)Block 2 .*feature names should match.*- c"):
        Incremental(StandardScaler()).fit(frames)


@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"loss": "nope"}, "The 'loss' parameter of SGDClassifier must be"),
        ({"alpha": -1}, "The 'alpha' parameter of SGDClassifier must be"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_parameters_of_the_estimator_are_refused_before_anything_is_read(
    method, params, message, scale, source
):
    bad = SGDClassifier(**params)
    for estimator in (bad, OneVsRestClassifier(bad)):
        estimator = make_pipeline(StandardScaler(), estimator) if scale else estimator
        model = Incremental(estimator, classes=[0, 1])
        call = lambda: getattr(model, method)(source.X, source.y)  # noqa: E731
        refused(model, call, InvalidParameterError, message)
        assert not source.reads
        with sklearn.config_context(skip_parameter_validation=True), pytest.raises(BlockError):
            call()
        source.reads.clear()


@pytest.mark.parametrize("name", ["sample_wieght", "standardscaler__sample_wieght"])
def test_unknown_parameters_of_steps_are_refused_before_anything_is_read(name, source):
    model = Incremental(make_pipeline(StandardScaler(), sgd()))
    fit = lambda: model.fit(source.X, source.y, **{name: source.y})  # noqa: E731
    refused(model, fit, TypeError, "partial_fit has no parameter 'sample_wieght'; it takes 'sampl")
    assert not source.reads


def test_errors_of_data_in_memory_are_those_of_the_bare_estimator():
    with pytest.raises(ValueError, match="Input X contains NaN"):
        Incremental(sgd()).fit(np.full((4, 2), np.nan), [0, 1, 0, 1])
    for y in ([0, 1, np.nan, 1], [0, 1, np.inf, 1]):
        with pytest.raises(ValueError, match=re.escape("Input y contains NaN") + "|infinity|Unkn"):
            Incremental(sgd()).fit(np.ones((4, 2)), y)
    encoder = OneHotEncoder(categories=[["a", "b"]])
    for pipe in (
        make_pipeline(encoder, sgd()),
        make_pipeline(make_column_transformer((encoder, [0])), StandardScaler(with_mean=False)),
        make_pipeline(StandardScaler(), encoder),
    ):
        X = np.array([["a"], ["c"]], dtype=object)
        with pytest.raises(ValueError) as bare:
            clone(pipe).fit(X, [0, 1])
        with pytest.raises(ValueError) as wrapped:
            Incremental(pipe).fit(X, [0, 1])
        assert str(wrapped.value) == str(bare.value)


def test_text_where_numbers_are_needed_names_the_block():
    values = np.array([[0.0, 1.0]] * 10 + [[0.0, "a"]] * 10, dtype=object)
    model = Incremental(StandardScaler())
    message = r"Block 1 \(10 rows\) could not be learned.*could not convert string to float: 'a'"
    with pytest.raises(BlockError, match=message):
        model.fit(da.from_array(values, chunks=(10, 2)))
    assert model.n_samples_seen_ == 10


def test_containers_that_cannot_be_cut_are_refused(source):
    count = db.from_sequence([1, 2]).count()
    for model in never_fitted_and_fitted():
        for X, message in ((count, "Got Item instead"), (np.array(3.0), "Got a single value: ")):
            fit = lambda: model.fit(X, source.y)  # noqa: E731
            refused(model, fit, (TypeError, ValueError), message)
    assert not source.reads


def test_labels_of_several_outputs_are_each_compared_to_their_classes():
    y = np.array([[0, 5], [1, 6], [0, 7]])
    message = r"classes=\[5, 6\]. Got \[7\] in row 2 of block 4. Add them to classes"
    with pytest.raises(BlockError, match=message):
        check_labels(y, [[0, 1], [5, 6]], 4)
    mixed = np.array([0, "a", 2], dtype=object)
    with pytest.raises(BlockError, match=r"Got \['a'\] in row 1 of block 4"):
        check_labels(mixed, [0, 1, 2], 4)


def test_parameters_of_what_has_no_signature_are_left_to_it():
    check_keywords(min, ["key", "nothing"])
    assert not accepts(min, "key")


def test_a_score_that_fails_names_the_block(source):
    (_, model) = never_fitted_and_fitted()
    broken = da.concatenate([source.X[:60], source.X[60:] * np.nan])
    with pytest.raises(BlockError, match="Block 3 could not be scored: ValueError: Input X contai"):
        model.score(broken, source.y)
    none = source.X[:, 0] > 1
    with pytest.raises(ValueError, match="every block of X is empty"):
        model.score(source.X[none], source.y[none])


def test_what_cannot_be_cloned_is_refused(source):
    class Learner:
        def fit(self, X, y=None): ...

        def partial_fit(self, X, y=None): ...

    with pytest.raises(TypeError, match="get_params"):
        Incremental(Learner()).fit(source.X)
    assert not source.reads
