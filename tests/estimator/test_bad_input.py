"""Bad input is refused before any block is read."""

import copy
from functools import partial

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils._param_validation import InvalidParameterError

from incremental import BlockError, Incremental
from tests.conftest import same_state


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
        ({"prefetch": 0.5}, TypeError, "prefetch must be an instance of .*int.*str.*, not float"),
        *(
            ({"prefetch": size}, ValueError, f"a size in bytes. Got '{size}' instead; write a size")
            for size in ("many", "MB", "", "5 XB", "0 MB", "-5 MB", "inf MB")
        ),
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


@pytest.mark.parametrize("estimator", [sgd(), make_pipeline(StandardScaler(), GaussianNB())])
def test_several_columns_of_y_are_refused_where_one_is_taken(estimator, source):
    y = (source.X[:, :2] > 0.5).astype(int)
    message = "y should be a 1d array for (SGD|Gauss).*, got 2 columns instead"
    for target in (y, np.zeros((200, 2))):
        model = Incremental(estimator)
        refused(model, partial(model.fit, source.X, target), ValueError, message)
    assert not source.reads


def test_a_single_delayed_y_is_refused_with_what_to_pass(source):
    model = Incremental(sgd())
    call = partial(model.fit, source.X, dask.delayed(np.zeros(200)))
    refused(model, call, TypeError, r"Got a single Delayed instead; pass \[y\] if it is one block")
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


def test_predicting_before_fitting_is_refused(source):
    model = Incremental(sgd())
    message = "not fitted yet. Call 'fit' or 'partial_fit' before using 'predict'"
    refused(model, lambda: model.predict(source.X), NotFittedError, message)
    assert not source.reads


def test_a_fitted_estimator_has_to_be_frozen_to_predict(source):
    model = Incremental(LinearRegression().fit(np.eye(3), [0, 1, 1]))
    message = r"not fitted yet.*pass Incremental\(FrozenEstimator\(estimator\)\)"
    refused(model, lambda: model.predict(source.X), NotFittedError, message)
    assert not source.reads
    assert Incremental(FrozenEstimator(model.estimator)).predict(source.X).shape == (200,)


def test_a_score_is_never_lazy(source):
    model = Incremental(sgd()).fit(np.eye(3), [0, 1, 1])
    score = lambda: model.score(source.X, source.y, compute=False)  # noqa: E731
    refused(model, score, TypeError, "score returns a number; leave compute out")
    assert not source.reads


def test_missing_values_that_are_not_among_the_categories_are_named():
    X = pd.DataFrame({"a": ["x", None], "b": [0.0, 1.0]})
    for column, given, message in (("a", "x", "add np.nan to categories"), ("b", 0.0, "call fit")):
        encoder = OneHotEncoder(categories=[[given]])
        model = Incremental(make_pipeline(encoder, SGDClassifier()))
        with pytest.raises(BlockError, match="unknown categories") as caught:
            model.fit(dd.from_pandas(X[[column]], npartitions=1), dd.from_array(np.array([0, 1])))
        assert message in str(caught.value)
        assert ("np.nan" in str(caught.value)) == (column == "a")


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


def test_containers_that_cannot_be_cut_are_refused(source):
    count = db.from_sequence([1, 2]).count()
    for model in never_fitted_and_fitted():
        for X, message in ((count, "Got Item instead"), (np.array(3.0), "Got a single value: ")):
            fit = lambda: model.fit(X, source.y)  # noqa: E731
            refused(model, fit, (TypeError, ValueError), message)
    assert not source.reads


def test_what_cannot_be_cloned_is_refused(source):
    class Learner:
        def fit(self, X, y=None): ...

        def partial_fit(self, X, y=None): ...

    with pytest.raises(TypeError, match="get_params"):
        Incremental(Learner()).fit(source.X)
    assert not source.reads
