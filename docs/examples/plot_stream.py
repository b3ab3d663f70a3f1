"""
A learning curve while the data stream by
=========================================

How much data does a model need?  A callback scores the model on held-out rows while the blocks
stream by, for one pass and three estimators.
"""

# %%
# The data
# --------
# A hundred thousand rows that are generated when dask computes them, and rows that no model
# learns from.
import dask

from incremental.datasets import make_classification

X, y = make_classification(
    n_samples=110_000, n_informative=8, n_clusters_per_class=3, chunks=2_000, random_state=2
)
X, y, test_X, test_y = X[:-10_000], y[:-10_000], *dask.compute(X[-10_000:], y[-10_000:])

# %%
# A callback
# ----------
# scikit-learn's callbacks are told of each block.  ``fitted_estimator`` is a copy of the model as
# it is then.


class LearningCurve:
    """Scores the model on held-out rows after every `every` blocks."""

    def __init__(self, every):
        self.every, self.n_rows, self.scores = every, [], []

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.task_name == "block" and (context.task_id + 1) % self.every == 0:
            self.n_rows.append(2_000 * (context.task_id + 1))
            self.scores.append(fitted_estimator.score(test_X, test_y))


# %%
# Three estimators
# ----------------
from sklearn.linear_model import SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier

from incremental import Incremental

curves = {}
for estimator in (
    SGDClassifier(average=True, random_state=0),
    GaussianNB(),
    MLPClassifier(hidden_layer_sizes=(32,), learning_rate_init=0.005, random_state=0),
):
    curve = LearningCurve(every=2)
    Incremental(estimator, batch_size=500, classes=[0, 1]).set_callbacks(curve).fit(X, y)
    curves[type(estimator).__name__] = curve

# %%
# The curves
# ----------
# The linear model has learned what it can after a few blocks; the network goes on.
import matplotlib.pyplot as plt

figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for name, curve in curves.items():
    ax.plot(curve.n_rows, curve.scores, label=name)
ax.set(xlabel="rows learned", ylabel="accuracy on held-out rows")
ax.legend()
plt.show()
