"""From raw Parquet, with text and missing values, to a model: nothing is prepared by hand."""

from collections import Counter

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from incremental import Incremental, indexable

NUMBERS = ["dep_delay", "sched_dep_time", "distance"]
TEXT = ["carrier", "origin", "dest"]


#: How often each file was read, by its first row.
READS = Counter()


def note(part):
    READS[int(part.index[0])] += 1
    return part


def raw(path):
    """Return flights as they are in the files, and whether each was late or never came."""
    READS.clear()
    flights = dd.read_parquet(path)
    flights = flights.map_partitions(note, meta=flights.head(0))
    y = (~(flights.arr_delay <= 15)).astype(int)
    return flights[[*NUMBERS, *TEXT, "tailnum"]], y


def in_memory(path, parts):
    """Return flights as pandas reads them."""
    found = pd.concat([pd.read_parquet(path / f"part.{i}.parquet") for i in parts])
    text = found[[*TEXT, "tailnum"]].astype(object)
    return found[NUMBERS].join(text.where(text.notna(), np.nan))


def model(**params):
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), NUMBERS),
        (OneHotEncoder(handle_unknown="ignore"), TEXT),
        (OneHotEncoder(min_frequency=300, handle_unknown="infrequent_if_exist"), ["tailnum"]),
    )
    return make_pipeline(columns, SGDClassifier(loss="log_loss", random_state=0, **params))


@pytest.mark.usefixtures("threads")
def test_raw_flights_are_learned_as_well_as_in_memory_with_four_reads(flights_path):
    X, y = raw(flights_path)
    train, test = X.partitions[:10], X.partitions[10:]
    READS.clear()
    found = Incremental(model(), classes=[0, 1]).fit(train, y.partitions[:10])
    # Imputer and categories; scaler; classifier; and the first rows, which tell the columns.
    assert [READS[first] for first in sorted(READS)] == [4, *[3] * 9]
    truth, target = dask.compute(y.partitions[:10], y.partitions[10:])
    memory, held_out = in_memory(flights_path, range(10)), in_memory(flights_path, (10, 11))
    assert memory.columns[memory.isna().any()].tolist() == ["dep_delay", "tailnum"]
    whole = model(max_iter=1, tol=None).fit(memory, truth)
    for one, other in zip(
        found.estimator_[0].transformers_[1:3], whole[0].transformers_[1:3], strict=True
    ):
        found_here, found_there = (step.categories_ for step in (one[1], other[1]))
        assert [c.astype(str).tolist() for c in found_here] == [
            c.astype(str).tolist() for c in found_there
        ]
        assert one[1].get_feature_names_out().tolist() == other[1].get_feature_names_out().tolist()
    expected = roc_auc_score(target, whole.predict_proba(held_out)[:, 1])
    auc = roc_auc_score(target, found.predict_proba(test)[:, 1].compute())
    assert auc > 0.85
    assert auc > expected - 0.005


@pytest.mark.usefixtures("threads")
def test_raw_flights_are_searched(flights_path):
    X, y = raw(flights_path)
    rows, labels = indexable(X.partitions[:4], y.partitions[:4])
    labels = labels.compute()
    READS.clear()
    name = "sgdclassifier__alpha"
    grid = {f"estimator__{name}": [1e-4, 1e2]}
    search = GridSearchCV(
        Incremental(model(), classes=[0, 1]), grid, cv=KFold(2), scoring="roc_auc", refit=False
    ).fit(rows, labels)
    # For two candidates each file is learned from once, and scored once; of the first file of a
    # fold, the first rows are read once more.
    assert sorted(READS.values()) == [2 * 4, 2 * 4, 2 * 5, 2 * 5]
    memory = in_memory(flights_path, range(4))
    whole = GridSearchCV(
        model(max_iter=1, tol=None), {name: [1e-4, 1e2]}, cv=KFold(2), scoring="roc_auc"
    ).fit(memory, labels)
    found, expected = (one.cv_results_["mean_test_score"] for one in (search, whole))
    assert found.argmax() == expected.argmax() == 0
    assert (found > expected - 0.005).all()
