"""What a user writes who has types checked: ``mypy --strict`` must find nothing.

Each ``type: ignore`` is a mistake that has to be found: one that is not needed is an error, too.
"""

from __future__ import annotations

from typing import assert_type

import dask
import dask.array as da
import dask.bag as db
import numpy as np
from dask.delayed import Delayed
from sklearn.linear_model import SGDClassifier  # type: ignore[import-untyped]

from incremental import BlockError, Incremental, indexable
from incremental.datasets import make_blobs, make_classification, make_regression
from incremental.plotting import ValidationScoresDisplay


def load(i: int) -> np.ndarray:
    return np.full((2, 2), i)


X, y = make_classification(n_samples=100, chunks=50, random_state=0)
assert_type(X, da.Array)
assert_type(y, da.Array)
blobs, _ = make_blobs(n_samples=100, chunks=50)
_, target = make_regression(n_samples=100, chunks=50)

model = Incremental(SGDClassifier(), classes=[0, 1], max_iter=2, scoring=["accuracy", "f1"])
assert_type(model.fit(X, y, sample_weight=y), Incremental)
assert_type(model.partial_fit(X, y), Incremental)
assert_type(model.set_params(max_iter=3), Incremental)
assert_type(model.set_output(transform="default"), Incremental)

# All kinds of data.
lazy: list[Delayed] = [dask.delayed(load)(i) for i in range(2)]  # type: ignore[attr-defined]
model.fit(lazy, [np.zeros(2), np.ones(2)])
model.fit(np.zeros((2, 2)), [0, 1], X_val=X, y_val=y)
model.fit(db.from_sequence(["a text", "another"]), y=None)  # type: ignore[no-untyped-call]
model.fit([[0.0, 1.0], [2.0, 3.0]], np.array([0, 1]))
rows = indexable(X)
model.fit(rows)

labels = model.predict(X)
scores: dict[str, float] = model.score(X, y)
model.fit_predict(X).compute()
coefficients = model.coef_  # whatever the model has learned
names = model.get_feature_names_out(["a", "b"])

# Mistakes.
model.fit(3, y)  # type: ignore[arg-type]
model.fit(None, y)  # type: ignore[arg-type]
model.predict({"a": 1})  # type: ignore[arg-type]
model.fit(X, y, X_val=3)  # type: ignore[arg-type]
Incremental(SGDClassifier(), max_iter="2")  # type: ignore[arg-type]
Incremental(SGDClassifier(), 2)  # type: ignore[call-arg, arg-type]
make_blobs(n_samples="100")  # type: ignore[arg-type]

try:
    model.set_callbacks().fit(X, y)
except BlockError as error:
    assert_type(error.block, int)

display = ValidationScoresDisplay.from_estimator(model)
assert_type(display, ValidationScoresDisplay)
assert_type(display.plot(), ValidationScoresDisplay)
