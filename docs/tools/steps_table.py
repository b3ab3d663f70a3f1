"""Write the guide's table of transformers: how many passes each takes, and what it needs.

Run ``python -m docs.tools.steps_table`` from the root of the repository.  Each transformer of
scikit-learn is trained in a pipeline, on blocks that count how often they are read.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import dask
import dask.array as da
import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction import DictVectorizer, FeatureHasher
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.discovery import all_estimators

from incremental import Incremental
from incremental._pipelines.refused import REFUSED
from incremental._pipelines.transformers import CONDITIONS, looks_only
from incremental._summaries.table import summaries_of

TABLE = Path(__file__).parents[1] / "guide" / "steps_table.rst"

#: What a transformer needs to be trained block by block, or at all.
ARGUMENTS = {
    "Birch": {"n_clusters": None},
    "CountVectorizer": {"vocabulary": ["one", "two"]},
    "GaussianRandomProjection": {"n_components": 2},
    "MissingIndicator": {"features": "all"},
    "OneHotEncoder": {"categories": [[0.0, 1.0]] * 3, "handle_unknown": "ignore"},
    "OrdinalEncoder": {
        "categories": [[0.0, 1.0]] * 3,
        "handle_unknown": "use_encoded_value",
        "unknown_value": -1,
    },
    "RBFSampler": {"gamma": 1.0},
    "SelectFromModel": {"estimator": SGDClassifier(), "threshold": -np.inf},
    "SimpleImputer": {"strategy": "constant"},
    "SparseCoder": {"dictionary": np.eye(3)},
    "SparseRandomProjection": {"n_components": 2},
    "SplineTransformer": {"knots": [[0.0] * 3, [1.0] * 3]},
    "ColumnTransformer": {"transformers": [("scale", StandardScaler(), [0])]},
    "FeatureUnion": {"transformer_list": [("scale", StandardScaler())]},
    "RFE": {"estimator": SGDClassifier()},
    "RFECV": {"estimator": SGDClassifier()},
    "SequentialFeatureSelector": {"estimator": SGDClassifier()},
    **{
        name: {"estimators": [("a", SGDClassifier())]}
        for name in "StackingClassifier StackingRegressor VotingClassifier VotingRegressor".split()
    },
}

SCORES = "with ``chi2``, ``f_classif`` or ``f_regression``"
#: What those need that learn from summaries of blocks, and in words.
SUMMED: dict[str, tuple[dict, str]] = {
    "KBinsDiscretizer": ({"strategy": "uniform"}, 'with ``strategy="uniform"``'),
    "SimpleImputer": ({}, "with any ``strategy`` but the median"),
    "SplineTransformer": ({}, 'with ``knots="uniform"``'),
    "SelectKBest": ({"k": 2}, SCORES),
    **{
        name: ({}, SCORES)
        for name in "GenericUnivariateSelect SelectFdr SelectFpr SelectFwe SelectPercentile".split()
    },
}

#: Those that all_estimators leaves out, for text is not what scikit-learn's checks give them.
TEXT = [CountVectorizer, TfidfVectorizer]


def n_passes(transformer):
    """Return how often a block is read to train a transformer in a pipeline."""
    reads = Counter()

    def load(i):
        reads[i] += 1
        return np.random.default_rng(i).random((30, 3))

    blocks = [da.from_delayed(dask.delayed(load)(i), (30, 3), float) for i in range(3)]
    X = da.concatenate(blocks)
    y = (X[:, 0] > 0.5).astype(int)
    if isinstance(transformer, (CountVectorizer, HashingVectorizer)):  # and TfidfVectorizer
        X = X.map_blocks(lambda x: np.full(len(x), "one two"), dtype="U7", drop_axis=1)
    elif isinstance(transformer, (DictVectorizer, FeatureHasher)):
        X = [dask.delayed(lambda x: [{"a": 1}] * len(x))(x) for x in X.to_delayed().ravel()]
    model = Incremental(make_pipeline(transformer, "passthrough"), classes=[0, 1])
    with dask.config.set(scheduler="threads"):
        model.fit(X, y)
    return reads[2]


def row_of(transformer):
    """Return what the table says of a transformer besides its name."""
    name = type(transformer).__name__
    try:
        passes = str(n_passes(transformer))
    except TypeError:
        refusal = next(one for one in REFUSED if name in one.names)
        instead = f": use {refusal.instead}" if refusal.instead else ""
        return "refused", refusal.why + instead
    if isinstance(transformer, (ColumnTransformer, FeatureUnion)):
        return passes, "as many as the deepest branch"
    if summaries_of(transformer) is not None and not looks_only(transformer):
        return passes, SUMMED.get(name, ({}, ""))[1]
    return passes, CONDITIONS[type(transformer)][1] if type(transformer) in CONDITIONS else ""


def table():
    """Return the table of transformers as reST."""
    found = {}
    for cls in [*dict(all_estimators(type_filter="transformer")).values(), *TEXT]:
        name = cls.__name__
        transformers = [cls(**ARGUMENTS.get(name, {}))]
        if summaries_of(transformers[0]) is not None:  # may look at the layout, or learn
            learns = cls(**SUMMED.get(name, ({}, ""))[0])
            transformers = [*filter(looks_only, transformers), learns]
        for transformer in transformers:
            found.setdefault(row_of(transformer), []).append(name)
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 10 45 45", ""]
    header = ("Passes", "Transformers", "Condition, or the text of the error")
    rows = [
        (passes, ", ".join(sorted(found[passes, note])), note) for passes, note in sorted(found)
    ]
    for passes, names, note in [header, *rows]:
        lines += [f"   * - {passes}", f"     - {names}", f"     - {note}".rstrip()]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    TABLE.write_text(table())
