"""
Text, many classes, one pass
============================

Forty topics, thirty thousand short texts, and one pass over them: every text is hashed and
learned as soon as its block is there.  The texts are made up: each topic prefers some of the
words.
"""

# %%
# Texts in blocks
# ---------------
# A list of ``Delayed`` blocks stands for the files of a corpus.
import dask
import numpy as np

N_TOPICS, N_WORDS, N_BLOCKS, N_TEXTS = 40, 4_000, 30, 1_000
words = np.array([f"word{i}" for i in range(N_WORDS)])
rng = np.random.default_rng(0)
common = 1 / np.arange(1, N_WORDS + 1)  # a few words are frequent, most are rare
liking = rng.gamma(0.15, size=(N_TOPICS, N_WORDS))
liking[N_TOPICS // 2 :] = 0.5 * (liking[N_TOPICS // 2 :] + liking[: N_TOPICS // 2])  # relatives
shares = common * (liking + 0.02)
shares /= shares.sum(1, keepdims=True)
cumulated = shares.cumsum(1)


@dask.delayed(nout=2, pure=True)
def load(block):
    """Return texts and their topics."""
    rng = np.random.default_rng([1, block])
    topics = rng.integers(N_TOPICS, size=N_TEXTS)
    texts = [
        " ".join(words[np.minimum(np.searchsorted(cumulated[t], rng.random(25)), N_WORDS - 1)])
        for t in topics
    ]
    return np.array(texts, dtype=object), topics


X, y = map(list, zip(*[load(block) for block in range(N_BLOCKS)], strict=True))

# %%
# One pass
# --------
# ``HashingVectorizer`` learns nothing, so the pipeline needs a single pass.  ``classes`` names
# the topics, which saves the pass over y that would find them.  A callback scores the model on
# new texts while it learns.
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

from incremental import Incremental

model = Incremental(
    make_pipeline(
        HashingVectorizer(n_features=2**16, alternate_sign=False, norm=None),
        MultinomialNB(alpha=0.1),
    ),
    classes=range(N_TOPICS),
)
test_X, test_y = dask.compute(*load(N_BLOCKS))


class Watch:
    """Scores the model on held-out texts after every second block."""

    def __init__(self):
        self.n_texts, self.scores = [], []

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.task_name == "block" and context.task_id % 2 == 0:
            self.n_texts.append((context.task_id + 1) * N_TEXTS)
            self.scores.append(fitted_estimator.score(test_X, test_y))


watch = Watch()
model.set_callbacks(watch).fit(X, y)
print(f"accuracy on new texts: {watch.scores[-1]:.3f}, by chance {1 / N_TOPICS:.3f}")

# %%
# What it confuses
# ----------------
import matplotlib.pyplot as plt
from sklearn.metrics import confusion_matrix

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
left.plot(watch.n_texts, watch.scores, marker=".")
left.set(xlabel="texts learned", ylabel="accuracy on new texts", ylim=(0, 1))
confusion = confusion_matrix(test_y, model.predict(test_X), normalize="true")
image = right.imshow(confusion, cmap="magma_r", vmin=0, vmax=1)
right.set(xlabel="predicted topic", ylabel="topic")
figure.colorbar(image, ax=right, label="share of the topic")
plt.show()
