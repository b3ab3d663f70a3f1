"""What shapes, columns and names tell is refused before any block is read."""

import functools

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    LabelBinarizer,
    MinMaxScaler,
    StandardScaler,
)

from incremental._data.containers import as_container
from incremental._estimator.checks import (
    check_data,
    check_dimensions,
    check_keywords,
    check_settings,
    check_weights,
)
from incremental._estimator.columns import check_columns, check_same_columns

FRAME = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
LAZY_FRAME = dd.from_pandas(FRAME, npartitions=1)
NO_NAMES = pd.DataFrame(np.ones((2, 3)))
UNKNOWN_WIDTH = da.ones((2, 3))[:, da.ones(3) > 0]


# Dimensions


@pytest.mark.parametrize("dtype", ["?", "i4", "u1", "f8", "c16"])
def test_numbers_in_one_dimension_are_refused_where_two_are_needed(dtype):
    X = da.ones(4, dtype=dtype)
    with pytest.raises(ValueError, match=rf"Got 1.*\(dtype {X.dtype}\); pass X.reshape\(-1, 1\)"):
        check_dimensions(StandardScaler(), X)
    series = dd.from_pandas(pd.Series(np.ones(4, dtype)), npartitions=1)
    with pytest.raises(ValueError, match=r"for StandardScaler. Got 1.*; pass X.to_frame\(\)"):
        check_dimensions(StandardScaler(), series)


class Images(StandardScaler):
    def partial_fit(self, X, y=None):
        return super().partial_fit(X.reshape(len(X), -1))


class OneOrTwo(StandardScaler):
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        return tags


@pytest.mark.parametrize(
    ("estimator", "X"),
    [
        (StandardScaler(), da.ones((4, 1))),
        (Images(), da.ones((4, 1, 1))),  # which is not of scikit-learn
        (StandardScaler(), LAZY_FRAME),
        (StandardScaler(), np.ones(4)),  # is left to the estimator
        (StandardScaler(), db.range(4, 1)),
        (StandardScaler(), da.from_array(np.array(["a", "b"]))),  # left to a step before it
        (StandardScaler(), da.from_array(np.array(["a", "b"], dtype=object), chunks=1)),
        (OneOrTwo(), da.ones(4)),
        (LabelBinarizer(), da.ones(4)),
        (HashingVectorizer(), da.ones(4)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_other_dimensions_are_not_refused(estimator, X):
    check_dimensions(estimator, X)


# Settings


@pytest.mark.parametrize("name", ["early_stopping", "warm_start"])
def test_settings_that_partial_fit_does_not_follow_are_refused(name):
    message = rf"{name} of MLPClassifier must be False.*Got {name}=True instead. \w+"
    with pytest.raises(ValueError, match=message):
        check_settings(MLPClassifier(**{name: True}))
    inside = make_pipeline(StandardScaler(), MLPClassifier(**{name: True}))
    with pytest.raises(ValueError, match=f"mlpclassifier__{name} of Pipeline must be False"):
        check_settings(inside)


def test_settings_that_partial_fit_follows_are_not_refused():
    check_settings(MLPClassifier(shuffle=True))
    check_settings(SGDClassifier(average=True, early_stopping=1))
    check_settings(object())


# X and names of parameters


def test_no_X_is_refused():
    with pytest.raises(TypeError, match="X must be the data. Got None instead; pass X"):
        check_data(StandardScaler(), None, [], is_fitted=False)


def test_columns_are_compared_to_those_of_a_fitted_model_only():
    scaler = StandardScaler().fit(np.ones((2, 3)))
    check_data(scaler, LAZY_FRAME, ["sample_weight"], is_fitted=False)
    with pytest.raises(ValueError, match="X has 2 features, but StandardScaler is expecting 3"):
        check_data(scaler, LAZY_FRAME, [], is_fitted=True)
    with pytest.raises(ValueError, match="X must have 2 dimensions"):
        check_data(scaler, da.ones(3), [], is_fitted=False)


def test_names_of_parameters_are_those_of_partial_fit():
    with pytest.raises(TypeError, match="partial_fit has no parameter 'weight'; it takes 'sample_"):
        check_data(StandardScaler(), LAZY_FRAME, ["sample_weight", "weight"], is_fitted=False)
    pipe = make_pipeline(make_union(StandardScaler()), MinMaxScaler())
    name = "featureunion__standardscaler__sample_weight"
    check_data(pipe, LAZY_FRAME, [name], is_fitted=False)
    with pytest.raises(TypeError, match="StandardScaler.partial_fit has no parameter 'weight'"):
        check_data(pipe, LAZY_FRAME, ["featureunion__standardscaler__weight"], is_fitted=False)
    with pytest.raises(TypeError, match="MinMaxScaler.partial_fit has no parameter 'weight'"):
        check_data(pipe, LAZY_FRAME, [name, "weight"], is_fitted=False)


# Weights


@pytest.mark.parametrize("name", ["sample_weight", "sgdclassifier__sample_weight"])
def test_weights_without_a_value_for_each_row_are_refused(name):
    X = da.ones((4, 2))
    others = {
        "alpha": [1, 2],
        "weights": [1, 2],
        "sample_weight": np.ones(4),
        "a__sample_weight": 1.0,
    }
    for weight, got in (
        (np.ones(3), "3"),
        ([1, 2], "2"),
        (np.array(5), r"array\(5\)"),
        (np.ones((3, 2)), "3"),
    ):
        for before in ({"alpha": [1, 2]}, {"b__sample_weight": None}, {"a__sample_weight": 1.0}):
            with pytest.raises(
                ValueError, match=f"^{name} must.*each of the 4 rows.* Got {got} in"
            ):
                check_weights(X, {**before, name: weight}, [])
    with pytest.raises(ValueError, match=f"^{name} is in memory, but the number of rows of X is n"):
        check_weights(LAZY_FRAME, {name: np.ones(2)}, [])
    check_weights(X, {**others, name: np.ones(4)}, ["sample_weight", name])
    check_weights(X, {**others, name: np.ones(3)}, ["sample_weight", name])  # cut elsewhere


def test_a_weight_of_all_rows_before_it_does_not_hide_one_that_is_refused():
    given = {"a__sample_weight": np.ones(4), "b__sample_weight": np.ones(3)}
    with pytest.raises(ValueError, match=r"^b__sample_weight must have one value for each"):
        check_weights(da.ones((4, 2)), given, ["a__sample_weight"])


# Keywords


class Learner:
    def partial_fit(self, X, y=None, classes=None, alpha=1, *, beta=2): ...

    def fit(self, X, y=None, classes=None): ...

    def anything(self, X, **params): ...


def test_parameters_that_a_method_lacks_are_refused_with_those_that_it_has():
    check_keywords(Learner().partial_fit, ["alpha", "beta", "classes", "y"])
    message = "^Learner.partial_fit has no parameter 'gamma'; it takes 'alpha', 'beta'. Correct"
    with pytest.raises(TypeError, match=message):
        check_keywords(Learner.partial_fit, ["alpha", "gamma"])
    with pytest.raises(TypeError, match="^Learner.fit has no parameter 'alpha'; it takes no other"):
        check_keywords(Learner().fit, ["alpha"])

    unnamed = functools.partial(Learner().fit, y=None)
    with pytest.raises(TypeError, match=r"^functools.partial\(.*\) has no parameter 'alpha'"):
        check_keywords(unnamed, ["alpha"])

    def local(X): ...

    with pytest.raises(TypeError, match=r"with_those_that_it_has\.local has no parameter 'a'"):
        check_keywords(local, ["a"])


def test_parameters_are_left_to_what_takes_any_or_does_not_say():
    check_keywords(Learner().anything, ["alpha"])
    check_keywords(min, ["alpha"])  # no signature: ValueError
    check_keywords(3, ["alpha"])  # no callable: TypeError
    check_keywords(Learner().fit, [])


# Columns


class Shaped:
    def __init__(self, shape):
        self.shape = shape


@pytest.mark.parametrize(
    ("X", "expected"),
    [
        (FRAME, (2, ["a", "b"])),
        (LAZY_FRAME, (2, ["a", "b"])),
        (NO_NAMES, (3, None)),
        (pd.DataFrame({"a": [1], 0: [2]}), (2, None)),
        (np.ones((2, 3)), (3, None)),
        (da.ones((2, 3, 4)), (3, None)),
        (sp.csr_matrix((2, 3)), (3, None)),
        (Shaped((2, np.int32(3))), (3, None)),
        (da.ones(4), (None, None)),
        (FRAME["a"], (None, None)),
        (UNKNOWN_WIDTH, (None, None)),
        ([[1, 2]], (None, None)),
        ([dask.delayed(FRAME)], (None, None)),
        (((1, 2), (3, 4)), (None, None)),
        (db.range(4, 1), (None, None)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_columns_are_found_without_computing(X, expected):
    found = as_container(X).columns
    assert found == expected
    assert found[0] is None or type(found[0]) is int


def test_a_lazy_X_must_have_the_columns_that_were_learned():
    named = SGDRegressor().fit(FRAME, [0, 1])
    with pytest.raises(ValueError, match=r"in the order that SGDRegressor has learned"):
        check_columns(named, LAZY_FRAME[["b", "a"]])
    other_order = SGDRegressor().fit(FRAME[["b", "a"]], [0, 1])
    check_columns(other_order, LAZY_FRAME)  # sorted names are left to each block
    check_columns(named, da.ones((4, 2)))
    other = LAZY_FRAME.rename(columns={"b": "c"})
    message = r"columns \['a', 'b'\] that SGDRegressor has learned. Got \['a', 'c'\] instead. Pass"
    with pytest.raises(ValueError, match=message):
        check_columns(named, other)
    check_columns(SGDRegressor().fit(FRAME.to_numpy(), [0, 1]), other)
    for X in (da.ones((4, 3)), da.ones((4, 1)), dd.from_pandas(NO_NAMES, npartitions=1)):
        message = rf"X has {X.shape[1]} features, but SGDRegressor is expecting 2 features as"
        with pytest.raises(ValueError, match=message):
            check_columns(named, X)


def test_any_number_of_columns_may_be_the_same():
    wide = np.ones((2, 300))
    check_columns(SGDRegressor().fit(wide, [0, 1]), da.from_array(wide))
    check_same_columns(SGDRegressor(), wide, da.from_array(wide))


def test_columns_that_are_not_known_are_left_to_the_estimator():
    named = SGDRegressor().fit(FRAME, [0, 1])
    for X in (UNKNOWN_WIDTH, [dask.delayed(NO_NAMES)], NO_NAMES, np.ones((2, 5))):
        check_columns(named, X)
    check_columns(HashingVectorizer(), da.ones((4, 3)))  # learns none


def test_X_val_must_have_the_columns_of_X():
    other = FRAME.rename(columns={"b": "c"})
    for X in (FRAME, LAZY_FRAME):
        check_same_columns(SGDRegressor(), X, LAZY_FRAME[["b", "a"]])
        check_same_columns(SGDRegressor(), LAZY_FRAME[["b", "a"]], X)
        with pytest.raises(ValueError, match=r"X_val must have the columns \['a', 'b'\] of X. Got"):
            check_same_columns(SGDRegressor(), X, other)
        check_same_columns(SGDRegressor(), X, np.ones((3, 2)))
        check_same_columns(SGDRegressor(), np.ones((3, 2)), X)
        for X_val in (np.ones((2, 1)), da.ones((2, 3)), NO_NAMES):
            with pytest.raises(ValueError, match="X_val must have as many columns as X, 2. Got"):
                check_same_columns(SGDRegressor(), X, X_val)
    check_same_columns(SGDRegressor(), UNKNOWN_WIDTH, NO_NAMES)
    check_same_columns(SGDRegressor(), NO_NAMES, UNKNOWN_WIDTH)


def test_X_val_in_memory_must_have_the_columns_of_X_in_their_order():
    message = r"columns of X in their order, \['a', 'b'\]. Got \['b', 'a'\] instead; pass X"
    with pytest.raises(ValueError, match=message):
        check_same_columns(SGDRegressor(), FRAME, FRAME[["b", "a"]])
    check_same_columns(SGDRegressor(), FRAME, FRAME[["b", "a"]][["a", "b"]])


@pytest.mark.parametrize(
    "first",
    [
        make_column_transformer((StandardScaler(), ["a"])),
        FunctionTransformer(lambda X: X[["a"]]),
        make_union(make_column_transformer((StandardScaler(), ["a"]))),
    ],
    ids=lambda first: type(first).__name__,
)
def test_columns_are_left_to_a_first_step_that_needs_some_of_them_only(first):
    pipe = make_pipeline(None, "passthrough", make_pipeline(first), StandardScaler())
    fitted = FrozenEstimator(make_pipeline(first, StandardScaler()).fit(FRAME))
    for X in (LAZY_FRAME[["a"]], LAZY_FRAME.assign(c=1.0), LAZY_FRAME[["b", "a"]]):
        check_columns(fitted, X)
        check_same_columns(pipe, LAZY_FRAME, X)
    wide = LAZY_FRAME.assign(c=1.0)
    for other in (StandardScaler(), FunctionTransformer(validate=True)):
        with pytest.raises(ValueError, match="X must have the columns"):
            check_columns(make_pipeline(other).fit(FRAME), wide)
        with pytest.raises(ValueError, match="X_val must have the columns"):
            check_same_columns(make_pipeline("passthrough", other), LAZY_FRAME, wide)
    check_same_columns(make_pipeline("passthrough"), LAZY_FRAME, wide)  # nobody needs any


@pytest.mark.parametrize("remainder", ["drop", "passthrough"])
@pytest.mark.parametrize("inside", [False, True])
def test_columns_that_a_column_transformer_looks_for_must_be_there(remainder, inside):
    by_column = make_column_transformer(
        (StandardScaler(), ["a"]), ("drop", ["b"]), remainder=remainder
    )
    fitted = (make_pipeline(by_column, StandardScaler()) if inside else by_column).fit(
        FRAME.assign(c=1.0)
    )
    needed = ["a"] if remainder == "drop" else ["a", "c"]
    check_columns(fitted, LAZY_FRAME.assign(z=0, c=1.0)[["z", *needed[::-1]]])
    message = rf"must have the columns \{needed}.* that {type(fitted).__name__} has learned. Got"
    for X, got in (
        (LAZY_FRAME.rename(columns={"a": "d"}), r" \['d', 'b'\] instead \(missing: \['a'"),
        (da.ones((4, 3)), r" 3 columns without names instead \(missing: \['a'"),
    ):
        with pytest.raises(ValueError, match=message + got):
            check_columns(fitted, X)
    by_position = make_column_transformer((StandardScaler(), [0]), (StandardScaler(), []))
    check_columns(by_position.fit(FRAME), da.ones((4, 2)))
    with pytest.raises(ValueError, match=r"the columns \['a'\] that ColumnT.*Got \['b'\] instead"):
        check_columns(by_position, LAZY_FRAME[["b"]])
    by_slice = make_column_transformer((StandardScaler(), slice("a", "b")))
    with pytest.raises(ValueError, match="Got 2 columns without names"):
        check_columns(by_slice.fit(FRAME), da.ones((4, 2)))
    by_selector = make_column_transformer((StandardScaler(), make_column_selector("a")))
    with pytest.raises(ValueError, match="Got 2 columns without names"):
        check_columns(by_selector.fit(FRAME), da.ones((4, 2)))


def test_a_selection_of_columns_says_their_order():
    other_order = make_pipeline(StandardScaler(), SGDRegressor()).fit(FRAME[["b", "a"]], [0, 1])
    check_columns(other_order, LAZY_FRAME[["b", "a"]])
    for X in (LAZY_FRAME[["a", "b"]], LAZY_FRAME[["a", "b"]].astype("float32")):
        with pytest.raises(ValueError, match=r"in the order that Pipeline has learned, \['b', 'a'"):
            check_columns(other_order, X)
