"""Validation scores can be looked at."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import accuracy_score, make_scorer

from incremental import Incremental
from incremental.plotting import ValidationScoresDisplay

pytestmark = pytest.mark.xdist_group("plotting")  # one process imports matplotlib


@pytest.fixture(scope="module")
def plt():
    pytest.importorskip("matplotlib").use("agg")
    return pytest.importorskip("matplotlib.pyplot")


@pytest.fixture
def fitted(source):
    model = Incremental(SGDClassifier(random_state=0), max_iter=4, early_stopping=True)
    return model.set_params(classes=[0, 1], random_state=0).fit(source.X, source.y)


def test_scores_are_plotted_against_the_pass_with_the_best_marked(fitted):
    display = ValidationScoresDisplay.from_estimator(fitted)
    x, y = display.line_.get_data()
    assert x.tolist() == [1, 2, 3, 4]
    assert y.tolist() == fitted.validation_scores_
    assert display.best_.get_ydata().item() == fitted.best_validation_score_
    assert display.ax_.get_ylabel() == "Score"
    assert display.figure_ is display.ax_.figure


def test_scores_are_plotted_against_the_rows_learned(fitted, plt):
    _, ax = plt.subplots()
    fitted.set_params(scoring="roc_auc")
    display = ValidationScoresDisplay.from_estimator(fitted, x="n_samples", ax=ax, color="red")
    assert display.ax_ is ax
    assert display.line_.get_xdata().tolist() == fitted.validation_n_samples_
    assert display.line_.get_color() == "red"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Rows learned", "ROC AUC")


@pytest.mark.parametrize(
    ("scoring", "label"),
    [
        ("accuracy", "Accuracy"),
        ("neg_brier_score", "Negative Brier score"),
        ("roc_auc_ovr", "ROC AUC one-vs-rest"),
        ("r2", "R²"),
        ("v_measure_score", "V-measure score"),
        (make_scorer(accuracy_score), "Score"),
        (lambda model, X, y: 1.0, "Score"),
    ],
)
def test_the_axis_says_what_the_score_is(scoring, label, fitted):
    display = ValidationScoresDisplay.from_estimator(fitted.set_params(scoring=scoring))
    assert display.ax_.get_ylabel() == label
    best = int(np.argmax(fitted.validation_scores_))
    text = f"kept: {fitted.validation_scores_[best]:.4g} after pass {best + 1}"
    assert [t.get_text() for t in display.ax_.get_legend().get_texts()] == [text]


def test_where_to_plot_may_come_first(plt):
    _, ax = plt.subplots()
    assert ValidationScoresDisplay([1.0, 2.0]).plot(ax, ms=5).ax_ is ax


def test_scores_that_are_all_nan_have_no_best():
    assert ValidationScoresDisplay([np.nan, np.nan]).plot().best_ is None


def test_what_cannot_be_plotted_is_refused(source, fitted):
    with pytest.raises(NotFittedError, match="fitted with early_stopping=True"):
        ValidationScoresDisplay.from_estimator(Incremental(SGDClassifier()))
    with pytest.raises(NotFittedError, match="must be an Incremental fitted.* Got 3 without"):
        ValidationScoresDisplay.from_estimator(3)
    with pytest.raises(ValueError, match="must be 'pass' or 'n_samples'. Got 'rows'"):
        ValidationScoresDisplay.from_estimator(fitted, x="rows")
    with pytest.raises(ValueError, match="needs n_samples"):
        ValidationScoresDisplay([1.0]).plot(x="n_samples")


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        ValidationScoresDisplay([1.0]).plot()


@pytest.fixture(autouse=True)
def closed_figures(plt):
    yield
    plt.close("all")
