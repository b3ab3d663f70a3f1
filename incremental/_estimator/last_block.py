"""Attributes that ``fit`` of an estimator gives of all rows, and ``partial_fit`` of the last block.

Found by training each estimator of scikit-learn that has ``partial_fit`` on blocks of different
lengths, and comparing every attribute to that of the last block alone:

===============  ==============================  ==================================================
of               attribute                       what has it for all rows
===============  ==============================  ==================================================
Birch            ``labels_``                     ``predict(X)``
MiniBatchKMeans  ``labels_``                     ``predict(X)``
MiniBatchKMeans  ``inertia_``                    ``-score(X)``
MLPClassifier,   ``loss_``, ``best_loss_``       ``score(X, y)``; ``loss_curve_`` has the loss of
MLPRegressor                                     each batch
===============  ==============================  ==================================================

All others are of the model, or of all that it has learned.  `BernoulliRBM.h_samples_` is the state
of a Markov chain, with ``fit`` as well; `GaussianNB.epsilon_` is what the model really adds.

They are right, and can be read, where one ``partial_fit`` was given all rows in their order: those
of data in memory, say.  `estimator_` has all of them.
"""

from __future__ import annotations

from typing import Any

_LABELS = "predict(X) labels all rows"
_LOSS = "score(X, y) is of all rows, and loss_curve_ has the loss of each batch"

#: By the names of the classes, none of which has to be imported, and of the attributes.
INSTEAD: dict[str, dict[str, str]] = {
    "Birch": {"labels_": _LABELS},
    "MiniBatchKMeans": {"labels_": _LABELS, "inertia_": "-score(X) is that of all rows"},
    "MLPClassifier": {"loss_": _LOSS, "best_loss_": _LOSS},
    "MLPRegressor": {"loss_": _LOSS, "best_loss_": _LOSS},
}


def of_last_block(model: Any) -> dict[str, str]:
    """Return the attributes of a model that are of the last block, and what to call instead.

    Examples
    --------
    >>> from sklearn.cluster import Birch
    >>> of_last_block(Birch())
    {'labels_': 'predict(X) labels all rows'}
    """
    return next((INSTEAD[c.__name__] for c in type(model).__mro__ if c.__name__ in INSTEAD), {})
