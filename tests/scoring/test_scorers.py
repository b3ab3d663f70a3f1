"""What is passed as `scoring` is found, or refused before anything is read."""

import dask.array as da
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.cluster import MiniBatchKMeans
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.metrics import accuracy_score, get_scorer, log_loss, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    cross_val_predict,
    cross_val_score,
)
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from incremental import Incremental
from incremental._scoring.scorers import find_scorer
from tests.conftest import SKLEARN

#: Many of these look at one pass only.
pytestmark = pytest.mark.filterwarnings("ignore:early_stopping=True has nothing to stop")


def agreement(a, b):
    return np.mean(a == b)


METRICS = [
    accuracy_score,
    log_loss,
    agreement,
    lambda y_true, y_pred, sample_weight=None: 1.0,
    lambda y, p, w=None: 1.0,
]


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_is_refused_with_what_makes_a_scorer_of_it(metric, early_stopping, source):
    name = metric.__name__
    message = rf"scoring must be the name of .* Got {name}\(.* \S+make_scorer\({name}\)"
    model = Incremental(SGDClassifier(), early_stopping=early_stopping, scoring=metric)
    for method in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match=message):
            method(source.X, source.y)
    with pytest.raises(ValueError, match=message):
        Incremental(SGDClassifier(), scoring={"a": metric}).fit(source.X, source.y)
    fitted = Incremental(SGDClassifier()).fit(source.X, source.y).set_params(scoring=metric)
    source.reads.clear()
    with pytest.raises(ValueError, match=message):
        fitted.score(source.X, source.y)
    assert not source.reads


@pytest.mark.parametrize(
    ("scoring", "meant"),
    [
        ("acuracy", "did you mean 'accuracy'"),
        ("acc", r"did you mean 'accuracy'\?"),
        ("log_loss", "did you mean 'neg_log_loss'"),
        ("auc", "did you mean 'roc_auc'"),
        ("mean_squared_error", "did you mean 'neg_mean_squared_error'"),
        ("xyz", r"sklearn.metrics.get_scorer_names\(\)"),
        (3, r"sklearn.metrics.get_scorer_names\(\)"),
        (["f1", "acuracy"], "did you mean 'accuracy'"),
        ({"a": "acuracy"}, "did you mean 'accuracy'"),
    ],
)
def test_a_name_that_there_is_not_is_refused_with_the_nearest_ones(scoring, meant, source):
    name = {list: "acuracy", dict: "acuracy"}.get(type(scoring), scoring)
    message = f"scoring must be the name .* Got {name!r} instead; {meant}"
    model = Incremental(SGDClassifier(), scoring=scoring)
    stopping = Incremental(SGDClassifier(), scoring=scoring, early_stopping=True)
    several = [stopping.fit] if isinstance(scoring, str) else []
    for method in (model.fit, model.partial_fit, *several):
        with pytest.raises(ValueError, match=message) as caught:
            method(source.X, source.y)
        assert len(str(caught.value)) < 300
    assert not source.reads


UNMET = [
    (SGDClassifier(), "neg_log_loss", "predict_proba", "not available for loss='hinge'"),
    (SGDClassifier(), make_scorer(log_loss, response_method="predict_proba"), "predict_proba", ""),
    (SGDRegressor(), "roc_auc", "decision_function or predict_proba", ""),
    (make_pipeline(StandardScaler(), SGDClassifier()), "neg_log_loss", "predict_proba", "'hinge'"),
    (Incremental(SGDClassifier()), "neg_log_loss", "predict_proba", "'hinge'"),
    (Incremental(SGDClassifier(), scoring="neg_log_loss"), None, "predict_proba", "'hinge'"),
    (MultiOutputClassifier(SGDClassifier()), "neg_log_loss", "predict_proba", ""),
]


@pytest.mark.parametrize(("estimator", "scoring", "method", "why"), UNMET, ids=str)
def test_a_scorer_that_the_model_cannot_meet_is_refused_before_anything_is_read(
    estimator, scoring, method, why, source
):
    several = isinstance(estimator, MultiOutputClassifier)
    y = da.stack([source.y, source.y], axis=1) if several else source.y
    model = Incremental(estimator, scoring=scoring).fit(source.X, y)
    source.reads.clear()
    message = f"The scoring .* needs {method}, which .* does not have: .*{why}"
    with pytest.raises(AttributeError, match=message):
        model.score(source.X, y)
    new = Incremental(estimator, scoring=scoring, early_stopping=True, max_iter=3)
    with pytest.raises(AttributeError, match=message):
        new.fit(source.X, y)
    if scoring is not None:
        with pytest.raises(AttributeError, match=message):
            model.set_params(scoring={"a": "accuracy", "b": scoring}).score(source.X, y)
    assert not source.reads and not hasattr(new, "estimator_")


class Later(SGDClassifier):
    """Knows only once it is fitted what it can do."""

    @property
    def predict_proba(self):
        check_is_fitted(self)
        return super().predict_proba


def test_a_method_that_is_there_once_the_model_is_fitted_is_waited_for(source):
    model = Incremental(Later("log_loss", random_state=0), scoring="neg_log_loss")
    model.set_params(early_stopping=True, max_iter=2, random_state=0).fit(source.X, source.y)
    assert model.best_validation_score_ < 0


def test_the_model_that_was_fitted_before_does_not_decide_what_the_next_one_can_meet(source):
    model = Incremental(SGDClassifier(random_state=0), early_stopping=True, max_iter=2)
    model.fit(source.X, source.y)
    model.set_params(scoring="neg_log_loss", estimator__loss="log_loss").fit(source.X, source.y)
    assert model.best_validation_score_ < 0


NEED_Y = [
    (SGDRegressor(), None),
    (make_pipeline(StandardScaler(), SGDRegressor()), None),
    (make_pipeline(StandardScaler(), Incremental(SGDRegressor())), None),
    (Incremental(SGDRegressor()), None),
    (SGDRegressor(), "r2"),
    (SGDRegressor(), ["r2", "neg_mean_squared_error"]),
    (Incremental(SGDRegressor(), scoring="r2"), None),
    (MiniBatchKMeans(2, random_state=0, n_init=1), "rand_score"),
]


@pytest.mark.parametrize(("estimator", "scoring"), NEED_Y, ids=str)
def test_a_forgotten_y_is_refused_before_anything_is_read(estimator, scoring, source):
    model = Incremental(estimator, scoring=scoring).fit(source.X, source.y)
    source.reads.clear()
    for X in (source.X, np.ones((2, 3))):
        with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
            model.score(X)
    if not isinstance(scoring, list):
        model.set_params(early_stopping=True)
        with pytest.raises(ValueError, match=r"requires y|without y_val"):
            model.fit(source.X, source.y, X_val=source.X)
    assert not source.reads


def test_weights_that_a_metric_does_not_take_are_refused_before_anything_is_read(source):
    model = Incremental(SGDRegressor()).fit(source.X, source.X[:, 0])
    source.reads.clear()
    for scoring in ("neg_max_error", lambda model, X, y: 1.0):
        model.set_params(scoring=scoring)
        with pytest.raises(TypeError, match="no parameter 'sample_weight'"):
            model.score(source.X, source.X[:, 0], sample_weight=np.ones(200))
    assert not source.reads
    if SKLEARN < (1, 7):  # gives each scorer the weights
        return
    model.set_params(scoring=["neg_max_error", "r2"])
    scores = model.score(source.X, source.X[:, 0], sample_weight=np.arange(200))
    X, w = source.X.compute(), np.arange(200)
    assert scores["r2"] == get_scorer("r2")(model.estimator_, X, X[:, 0], sample_weight=w)


def test_a_callable_that_needs_no_y_is_given_none(source):
    model = Incremental(StandardScaler(), scoring=lambda model, X, y: float(y is None))
    assert model.fit(source.X).score(source.X) == 1


@pytest.fixture(scope="module")
def outputs():
    """Data with three outputs: lazy, and in memory."""
    X = np.random.default_rng(0).normal(size=(200, 6))
    y = (X @ np.random.default_rng(1).normal(size=(6, 3)) > 0).astype(int)
    return da.from_array(X, chunks=(50, 6)), da.from_array(y, chunks=(50, 3)), X, y


SEVERAL = MultiOutputClassifier(SGDClassifier(loss="log_loss", random_state=0))


def told(model):
    """The same model with the classes that its own fit would have kept."""
    model.classes_ = [each.classes_ for each in model.estimators_]
    return model


def by_hand(X, y, **params):
    model = clone(SEVERAL).set_params(**params)
    for rows in np.split(np.arange(len(X)), len(X) // 50):
        model.partial_fit(X[rows], y[rows], classes=[[0, 1]] * 3)
    return told(model)


@pytest.mark.parametrize("scoring", ["f1_micro", "accuracy", "roc_auc", "average_precision"])
@pytest.mark.parametrize(
    "wrap", [lambda m: m, make_pipeline, Incremental, lambda m: make_pipeline(Incremental(m))]
)
def test_a_named_score_of_several_outputs_is_that_of_data_in_memory(scoring, wrap, outputs):
    lazy_X, lazy_y, X, y = outputs
    expected = get_scorer(scoring)(by_hand(X, y), X, y)
    model = Incremental(wrap(clone(SEVERAL)), scoring=scoring).fit(lazy_X, lazy_y)
    assert np.array_equal(model.classes_, [[0, 1]] * 3)
    assert model.score(lazy_X, lazy_y) == model.score(X, y) == expected
    assert get_scorer(scoring)(model, X, y) == get_scorer(scoring)(model, lazy_X, y) == expected


def test_early_stopping_decides_by_a_named_score_of_several_outputs(outputs):
    lazy_X, lazy_y, X, y = outputs
    model = Incremental(clone(SEVERAL), early_stopping=True, max_iter=2, scoring="f1_micro")
    model.fit(lazy_X, lazy_y, X_val=X, y_val=y)
    expected = get_scorer("f1_micro")(told(model.estimator_), X, y)
    assert model.best_validation_score_ == expected


def test_searches_and_cross_validation_take_named_scores_of_several_outputs(outputs):
    lazy_X, lazy_y, X, y = outputs
    alphas, folds = [10.0, 1e-4], list(KFold(2).split(X))
    expected = [
        [
            get_scorer("f1_micro")(by_hand(X[a], y[a], estimator__alpha=alpha), X[b], y[b])
            for a, b in folds
        ]
        for alpha in alphas
    ]
    options = {"cv": KFold(2), "scoring": "f1_micro", "error_score": "raise"}
    scores = cross_val_score(Incremental(clone(SEVERAL)), lazy_X, lazy_y, **options)
    assert scores.tolist() == expected[1]
    grid = {"estimator__estimator__alpha": alphas}
    search = GridSearchCV(Incremental(clone(SEVERAL)), grid, **options).fit(lazy_X, lazy_y)
    assert search.cv_results_["mean_test_score"].tolist() == np.mean(expected, axis=1).tolist()
    assert search.best_params_ == {"estimator__estimator__alpha": 1e-4}


def test_probabilities_of_several_outputs_are_cross_validated(outputs):
    lazy_X, lazy_y, X, y = outputs
    options = {"cv": KFold(2), "method": "predict_proba"}
    got = cross_val_predict(Incremental(clone(SEVERAL)), lazy_X, lazy_y, **options)
    expected = [by_hand(X[a], y[a]).predict_proba(X[b]) for a, b in KFold(2).split(X)]
    assert np.array_equal(got, np.concatenate(expected, axis=1))


def test_a_callable_without_a_signature_is_taken_at_its_word():
    assert find_scorer(SGDClassifier(), max) is max  # written in C
