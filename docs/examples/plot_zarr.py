"""
Components and clusters of images on Zarr
=========================================

Sixty thousand images in a Zarr array: ``IncrementalPCA`` finds the directions in which they
differ, ``MiniBatchKMeans`` finds groups.  Neither ever sees more than a few chunks of the array.
"""

# %%
# Images on disk
# --------------
# The digits of scikit-learn, each many times and with noise, written chunk by chunk.
import tempfile

import dask.array as da
import numpy as np
from sklearn.datasets import load_digits

digits = load_digits()


def noisy(block_info=None):
    """Return digits with noise, as rows of 64 pixels."""
    (start, stop), _ = block_info[None]["array-location"]
    rng = np.random.default_rng(start)
    which = rng.integers(len(digits.data), size=stop - start)
    return digits.data[which] + rng.normal(0, 2, (stop - start, 64))


path = tempfile.mkdtemp() + "/digits.zarr"
da.map_blocks(noisy, chunks=((3_000,) * 20, (64,)), dtype=float, meta=np.empty((0, 0))).to_zarr(
    path
)
X = da.from_zarr(path)
X

# %%
# A pipeline of two steps that learn
# ----------------------------------
# ``batch_size`` cuts each chunk into batches, which suit ``MiniBatchKMeans``.
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import IncrementalPCA
from sklearn.pipeline import make_pipeline

from incremental import Incremental

pipeline = make_pipeline(
    IncrementalPCA(n_components=16), MiniBatchKMeans(n_clusters=12, n_init=3, random_state=0)
)
model = Incremental(pipeline, batch_size=1_000, max_iter=3, shuffle=True, random_state=0).fit(X)
components, clusters = model.estimator_
print(f"{components.explained_variance_ratio_.sum():.0%} of the variance in 16 of 64 directions")

# %%
# What was found
# --------------
# The centres of the clusters, put back to pixels, and two components of some images.
import matplotlib.pyplot as plt

figure = plt.figure(figsize=(9, 4), layout="constrained")
left, right = figure.subfigures(1, 2)
for ax, centre in zip(left.subplots(3, 4).ravel(), clusters.cluster_centers_, strict=True):
    ax.imshow(components.inverse_transform(centre[None]).reshape(8, 8), cmap="gray_r")
    ax.set_axis_off()
left.suptitle("centres of twelve clusters")
some = X[:3_000].compute()
first, second = components.transform(some)[:, :2].T
ax = right.subplots()
ax.scatter(first, second, c=model.predict(some), cmap="tab20", s=6)
ax.set(xlabel="first component", ylabel="second component")
plt.show()
