"""
A cluster that loses a worker
=============================

A model is trained on two workers, and one of them is killed in the middle.  Training goes on
from the last copy of the model that the client has received.  The model is the same, bit for bit,
as without the loss.
"""

# %%
# A cluster of two processes
# --------------------------
# ``SubprocessCluster`` starts workers on this machine.  The client of a real cluster is used in
# the same way.
import os
import signal
import time

import dask
import dask.array as da
import numpy as np
from distributed import Client, SubprocessCluster

os.environ.setdefault("DASK_DISTRIBUTED__LOGGING__DISTRIBUTED", "critical")
cluster = SubprocessCluster(
    n_workers=2,
    threads_per_worker=1,
    scheduler_kwargs={"dashboard": False},
    # A worker imports what it needs before it gets a task, also one that starts again.
    worker_kwargs={"preload": ["incremental", "sklearn.linear_model"]},
)
client = Client(cluster)
client.wait_for_workers(2)

# %%
# Blocks that take a moment
# -------------------------
N_BLOCKS = 40


def load(block):
    """Return a block as from a slow disk."""
    time.sleep(0.05)
    return np.random.default_rng(block).random((1_000, 10))


blocks = [dask.delayed(load, pure=True)(i) for i in range(N_BLOCKS)]
X = da.concatenate([da.from_delayed(block, (1_000, 10), float) for block in blocks])
y = (X[:, 0] > X[:, 1]).astype(int)

# %%
# Training, with a loss and without
# ---------------------------------
# A callback notes when each block was learned, and kills a worker after the sixteenth.
from sklearn.linear_model import SGDClassifier

from incremental import Incremental


class Notes:
    """Notes the time of each block; kills a worker after one of them."""

    def __init__(self, after=None):
        self.after, self.times, self.killed = after, [], None

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context):
        if context.task_name != "block":
            return
        self.times.append(time.perf_counter())
        if context.task_id == self.after:
            pid = next(iter(client.run(os.getpid).values()))
            os.kill(pid, signal.SIGKILL)
            self.killed = self.times[-1]


calm, loss = Notes(), Notes(after=15)
models = [
    Incremental(SGDClassifier(random_state=0), classes=[0, 1]).set_callbacks(note).fit(X, y)
    for note in (calm, loss)
]
print("the same coefficients:", (models[0].coef_ == models[1].coef_).all())
client.close()
cluster.close()

# %%
# What the loss cost
# ------------------
import matplotlib.pyplot as plt

figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for note, label in ((calm, "two workers"), (loss, "one of two is killed")):
    ax.step(
        np.subtract(note.times, note.times[0]), range(1, N_BLOCKS + 1), where="post", label=label
    )
ax.axvline(loss.killed - loss.times[0], color="C3", linestyle=":", label="the worker dies")
ax.set(xlabel="seconds since the first block", ylabel="blocks learned")
ax.legend()
plt.show()
