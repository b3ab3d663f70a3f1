"""What has to work where nothing optional is installed; a script, for pytest is not either."""

import sys

import dask.array as da
import numpy as np
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from incremental import BlockError, Incremental, indexable
from incremental.datasets import make_classification

OPTIONAL = {"pandas", "pyarrow", "distributed", "rich", "matplotlib", "xarray"}
X, y = make_classification(n_samples=2_000, chunks=200, random_state=0)
pipe = make_pipeline(StandardScaler(), SGDClassifier(random_state=0))
model = Incremental(pipe, max_iter=3, early_stopping=True, random_state=0).fit(X, y)
assert model.score(X, y) > 0.7
assert model.predict(X).compute().shape == (2_000,)
assert indexable(X).shape == X.shape

scaler, sgd = StandardScaler(), SGDClassifier(random_state=0)
for rows in X.partitions:
    scaler.partial_fit(rows.compute())
for rows, labels in zip(X.partitions, y.partitions, strict=True):
    sgd.partial_fit(scaler.transform(rows.compute()), labels.compute(), classes=[0, 1])
once = Incremental(pipe, random_state=0).fit(X, y)
assert (once.estimator_[-1].coef_ == sgd.coef_).all()

try:
    Incremental(sgd, classes=[0, 1]).fit(da.where(X > 3, np.nan, X), y)
except BlockError as error:
    print(error)
assert not OPTIONAL & sys.modules.keys(), OPTIONAL & sys.modules.keys()
print("1 passed, 0 failed")
