"""
One scan against many
=====================

A grid search fits many models to the same data.  How often are the data read?  This example
counts, with and without ``joblib.parallel_config("incremental")``.
"""

# %%
# A source that counts
# --------------------
# Each block says when it is read.
import threading
import time
from collections import Counter

import dask
import dask.array as da
import numpy as np

N_BLOCKS, N_ROWS = 12, 20_000
reads, lock = Counter(), threading.Lock()


def read(block):
    """Return a block as from a slow disk."""
    with lock:
        reads[block] += 1
    time.sleep(0.02)
    return np.random.default_rng(block).random((N_ROWS, 20))


blocks = [dask.delayed(read, pure=True)(i) for i in range(N_BLOCKS)]
X = da.concatenate([da.from_delayed(block, (N_ROWS, 20), float) for block in blocks])
y = (X[:, :3].sum(1) > 1.5).astype(int).compute()

# %%
# The same search twice
# ---------------------
# Four candidates in three folds: twelve fits and twelve scores.
import joblib
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV, KFold

from incremental import Incremental

alphas = [1e-5, 1e-4, 1e-3, 1e-2]
search = GridSearchCV(
    Incremental(SGDClassifier(random_state=0)),
    {"estimator__alpha": alphas},
    cv=KFold(3),
    refit=False,
)
seconds, counts, scores = {}, {}, {}
for backend in ("none", "incremental"):
    reads.clear()
    start = time.perf_counter()
    if backend == "incremental":
        with joblib.parallel_config("incremental"):
            search.fit(X, y)
    else:
        search.fit(X, y)
    seconds[backend] = time.perf_counter() - start
    counts[backend] = [reads[i] for i in range(N_BLOCKS)]
    scores[backend] = search.cv_results_["mean_test_score"]

print("the same scores, bit for bit:", (scores["none"] == scores["incremental"]).all())

# %%
# What was read
# -------------
# Without the backend, each block is read for each fit that learns from it, and for each score.
# In one scan, a block is read once for all fits and once for all scores.
import matplotlib.pyplot as plt

figure, (left, right) = plt.subplots(
    1, 2, figsize=(9, 3.6), width_ratios=(3, 1), layout="constrained"
)
at = np.arange(N_BLOCKS)
left.bar(at - 0.2, counts["none"], 0.4, label="many scans")
left.bar(at + 0.2, counts["incremental"], 0.4, label="one scan")
left.set(xlabel="block", ylabel="reads", xticks=at, ylim=(0, 15))
left.yaxis.get_major_locator().set_params(integer=True)
left.legend(ncols=2)
right.bar(["many scans", "one scan"], list(seconds.values()), color=["C0", "C1"])
right.set_ylabel("seconds")
plt.show()
