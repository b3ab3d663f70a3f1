"""Plots of how training went; needs matplotlib."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.exceptions import NotFittedError

__all__ = ["ValidationScoresDisplay"]


class ValidationScoresDisplay:
    """Score on held-out data after each pass.

    Create it with `from_estimator`; all parameters are stored as attributes.  Read more in
    :doc:`/guide/passes`.

    Parameters
    ----------
    scores : array-like of shape (n_passes,)
        The score after each pass.
    n_samples : array-like of shape (n_passes,), default=None
        How many rows were learned until then.
    score_name : str, default="Score"
        What the scores are called.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curve.
    figure_ : matplotlib Figure
        Figure with the curve.
    line_ : matplotlib Line2D
        The curve.
    best_ : matplotlib Line2D or None
        The mark of the best pass; None if every score is NaN.

    See Also
    --------
    incremental.Incremental : Its `early_stopping` makes the scores.

    Examples
    --------
    >>> from sklearn.linear_model import SGDClassifier
    >>> from incremental import Incremental
    >>> from incremental.datasets import make_classification
    >>> from incremental.plotting import ValidationScoresDisplay
    >>> X, y = make_classification(n_samples=1_000, chunks=100, random_state=0)
    >>> model = Incremental(
    ...     SGDClassifier(random_state=0), max_iter=5, early_stopping=True, random_state=0
    ... ).fit(X, y)
    >>> display = ValidationScoresDisplay.from_estimator(model)
    >>> display.ax_.get_xlabel()
    'Pass'
    """

    def __init__(self, scores: Any, *, n_samples: Any = None, score_name: str = "Score"):
        self.scores = scores
        self.n_samples = n_samples
        self.score_name = score_name

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, x: str = "pass", ax: Any = None, **kwargs: Any
    ) -> Self:
        """Plot the validation scores of a fitted `Incremental`.

        Parameters
        ----------
        estimator : Incremental
            Fitted with ``early_stopping=True``.
        x : {"pass", "n_samples"}, default="pass"
            Against what: the number of the pass, or the rows learned until then.
        ax : matplotlib Axes, default=None
            Where to plot; None makes a new figure.
        **kwargs : dict
            Given to matplotlib's ``plot``.

        Returns
        -------
        display : ValidationScoresDisplay
            The plot.

        Raises
        ------
        NotFittedError
            If `estimator` has no validation scores.
        ValueError
            If `x` is none of the two.
        ImportError
            If matplotlib is not installed.

        Examples
        --------
        >>> from sklearn.linear_model import SGDClassifier
        >>> from incremental import Incremental
        >>> from incremental.datasets import make_classification
        >>> from incremental.plotting import ValidationScoresDisplay
        >>> X, y = make_classification(n_samples=1_000, chunks=100, random_state=0)
        >>> model = Incremental(SGDClassifier(), max_iter=5, early_stopping=True, random_state=0)
        >>> display = ValidationScoresDisplay.from_estimator(model.fit(X, y), x="n_samples")
        >>> display.ax_.get_xlabel()
        'Rows learned'
        """
        scores = getattr(estimator, "validation_scores_", None)
        if scores is None:
            raise NotFittedError(
                "estimator must be an Incremental fitted with early_stopping=True. Got "
                f"{estimator!r} without validation_scores_ instead."
            )
        display = cls(
            scores, n_samples=estimator.validation_n_samples_, score_name=_name(estimator.scoring)
        )
        return display.plot(x=x, ax=ax, **kwargs)

    def plot(self, ax: Any = None, *, x: str = "pass", **kwargs: Any) -> Self:
        """Plot the scores.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to plot; None makes a new figure.
        x : {"pass", "n_samples"}, default="pass"
            Against what: the number of the pass, or the rows learned until then.
        **kwargs : dict
            Given to matplotlib's ``plot``.

        Returns
        -------
        display : ValidationScoresDisplay
            This object.

        Raises
        ------
        ValueError
            If `x` is none of the two, or is "n_samples" without `n_samples`.
        ImportError
            If matplotlib is not installed.

        Examples
        --------
        >>> from incremental.plotting import ValidationScoresDisplay
        >>> ValidationScoresDisplay([0.7, 0.8, 0.78], score_name="Accuracy").plot().ax_.get_ylabel()
        'Accuracy'
        """
        if x not in ("pass", "n_samples"):
            raise ValueError(f"x must be 'pass' or 'n_samples'. Got {x!r} instead.")
        if x == "n_samples" and self.n_samples is None:
            raise ValueError("x='n_samples' needs n_samples. Got n_samples=None instead.")
        try:
            import matplotlib.pyplot as plt
            from matplotlib.ticker import MaxNLocator
        except ImportError as error:
            raise ImportError(
                "ValidationScoresDisplay needs matplotlib. Install it: pip install matplotlib."
            ) from error
        if ax is None:
            _, ax = plt.subplots()
        scores = np.asarray(self.scores, dtype=float)
        at = np.arange(1, len(scores) + 1) if x == "pass" else np.asarray(self.n_samples)
        (self.line_,) = ax.plot(at, scores, **{"marker": ".", **kwargs})
        self.best_ = None
        if not np.isnan(scores).all():
            best = int(np.nanargmax(scores))
            label = f"kept: {scores[best]:.4g} after pass {best + 1}"
            (self.best_,) = ax.plot(
                at[best], scores[best], "o", color="C1", markersize=8, fillstyle="none", label=label
            )
            ax.legend()
        ax.set_xlabel("Pass" if x == "pass" else "Rows learned")
        ax.set_ylabel(self.score_name)
        if x == "pass":
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        self.ax_, self.figure_ = ax, ax.figure
        return self


#: How the words of scikit-learn's names are written that are not English.
_WORDS = {
    "auc": "AUC",
    "brier": "Brier",
    "corrcoef": "correlation coefficient",
    "d2": "D²",
    "f1": "F1",
    "fowlkes": "Fowlkes-",
    "jaccard": "Jaccard",
    "mallows": "Mallows",
    "matthews": "Matthews",
    "neg": "negative",
    "ovo": "one-vs-one",
    "ovr": "one-vs-rest",
    "r2": "R²",
    "poisson": "Poisson",
    "rand": "Rand",
    "roc": "ROC",
    "v": "V-",
}


def _name(scoring: Any) -> str:
    """Return what to call a score on an axis.

    Examples
    --------
    >>> _name("roc_auc"), _name("neg_log_loss"), _name("f1_macro"), _name(None)
    ('ROC AUC', 'Negative log loss', 'F1 macro', 'Score')
    """
    name = scoring if isinstance(scoring, str) else getattr(scoring, "__name__", "score")
    if not name.isidentifier():  # a lambda
        return "Score"
    words = (_WORDS.get(word, word) for word in name.split("_"))
    label = " ".join(words).replace("- ", "-").strip()
    return label[:1].upper() + label[1:]
