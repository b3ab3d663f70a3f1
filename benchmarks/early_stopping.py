"""Early stopping on the flights keeps what the best of many passes reaches.

``python -m benchmarks.early_stopping --measure plot`` draws the scores.
"""

from __future__ import annotations

from pathlib import Path

import dask.array as da
from sklearn.linear_model import SGDClassifier

from benchmarks._claims import Row, main
from benchmarks.converges_like_fit import flights
from incremental import Incremental

MAX_ITER = 40


def fit(**params) -> Incremental:
    X, y = flights()
    n_train = len(X) * 10 // 11
    lazy = [da.from_array(part[:n_train], chunks=6_000) for part in (X, y)]
    lazy[0] = lazy[0].rechunk({1: -1})
    model = Incremental(
        SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.001),
        max_iter=MAX_ITER,
        shuffle=True,
        early_stopping=True,
        scoring="roc_auc",
        random_state=0,
        **params,
    )
    return model.fit(*lazy)


def run() -> list[Row]:
    stopped, all_passes = fit(), fit(n_iter_no_change=MAX_ITER)
    best = max(all_passes.validation_scores_)
    claim = f"flights: area under the curve lost by stopping early instead of making {MAX_ITER}"
    return [
        Row(f"{claim} passes", best - stopped.best_validation_score_, 0.002),
        Row("flights: passes made over those allowed", stopped.n_iter_ / MAX_ITER, 0.75),
    ]


def plot(what: str) -> str:
    import matplotlib

    matplotlib.use("agg")
    from incremental.plotting import ValidationScoresDisplay

    display = ValidationScoresDisplay.from_estimator(fit())
    display.ax_.set_ylabel("ROC AUC on held-out blocks")
    display.figure_.set_size_inches(6, 3.5)
    path = Path(__file__).with_suffix(".png")
    display.figure_.tight_layout()
    display.figure_.savefig(path, dpi=100)
    return path.name


if __name__ == "__main__":
    main(run, measure=plot)
