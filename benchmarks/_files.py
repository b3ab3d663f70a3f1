"""Files of numbers with a label, and what a user would write to learn them block by block."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.parquet
import zarr
from sklearn.linear_model import SGDClassifier

from benchmarks._claims import MB
from incremental import Incremental

N_FILES, N_FEATURES, N_THREADS = 40, 50, 2
FEATURES = [f"x{i}" for i in range(N_FEATURES)]
#: Bytes that a number takes on disk, about.
BYTES = {"Parquet": 8, "CSV": 9, "Zarr": 8}

Data = tuple[Any, Any]


def n_rows(kind: str, size: int) -> int:
    """Return the rows of a file where all together have so many MB."""
    return size * MB // (N_FILES * N_FEATURES * BYTES[kind])


def write(folder: Path, kind: str, size: int) -> None:
    """Write files, every fourth the same one."""
    n = n_rows(kind, size)
    numbers = [np.random.default_rng(i).random((n, N_FEATURES)).round(6) for i in range(4)]
    if kind == "Zarr":
        shape, chunks = (N_FILES * n, N_FEATURES), (n, N_FEATURES)
        X = zarr.create_array(folder / "X", shape=shape, chunks=chunks, dtype=float)
        y = zarr.create_array(folder / "y", shape=shape[:1], chunks=chunks[:1], dtype=int)
        for i in range(N_FILES):
            X[i * n : (i + 1) * n] = numbers[i % 4]
            y[i * n : (i + 1) * n] = numbers[i % 4][:, 0] > 0.5
        return
    to_file = {"Parquet": pa.parquet.write_table, "CSV": pa.csv.write_csv}[kind]
    for i in range(N_FILES):
        path = folder / f"{i:02}.{kind.lower()}"
        if i >= 4:
            shutil.copy(folder / f"{i % 4:02}.{kind.lower()}", path)
            continue
        table = pa.table(dict(zip(FEATURES, numbers[i].T, strict=True)))
        to_file(table.append_column("label", pa.array(numbers[i][:, 0] > 0.5, pa.int64())), path)


def lazy(folder: Path, kind: str, **how: str) -> Data:
    if kind == "Zarr":
        return da.from_zarr(folder / "X"), da.from_zarr(folder / "y")
    frame = dd.read_csv(folder / "*.csv") if kind == "CSV" else dd.read_parquet(folder, **how)
    return frame[FEATURES], frame["label"]


def loads(folder: Path, kind: str) -> list[Callable[[], Data]]:
    """Return what reads each block, without dask."""
    if kind == "Zarr":
        X, y = zarr.open_array(folder / "X", mode="r"), zarr.open_array(folder / "y", mode="r")
        n = X.chunks[0]
        return [
            lambda start=start: (X[start : start + n], y[start : start + n])
            for start in range(0, y.shape[0], n)
        ]
    read = {"Parquet": pd.read_parquet, "CSV": pd.read_csv}[kind]

    def load(path: Path) -> Data:
        frame = read(path)
        return frame[FEATURES], frame["label"]

    return [lambda path=path: load(path) for path in sorted(folder.iterdir())]


def learn(blocks: Iterable[Data]) -> SGDClassifier:
    model = SGDClassifier(random_state=0)
    for X, y in blocks:
        model.partial_fit(X, y, classes=[0, 1])
    return model


def ours(folder: Path, kind: str, **how: str) -> SGDClassifier:
    model = Incremental(SGDClassifier(random_state=0), classes=[0, 1])
    return model.fit(*lazy(folder, kind, **how)).estimator_


def by_file(folder: Path, kind: str) -> SGDClassifier:
    return learn(load() for load in loads(folder, kind))


def by_partition(folder: Path, kind: str) -> SGDClassifier:
    X, y = lazy(folder, kind)
    parts = (X.blocks, y.blocks) if kind == "Zarr" else (X.partitions, y.partitions)
    return learn(dask.compute(*part) for part in zip(*parts, strict=True))


def ahead(loads: Iterable[Callable[[], Data]]) -> Iterator[Data]:
    """Load ahead in two threads, one block less than `Incremental` by default."""
    waiting = deque(loads)
    running: deque[Future] = deque()
    with ThreadPoolExecutor(N_THREADS) as pool:
        while waiting or running:
            while waiting and len(running) < N_THREADS + 2:
                running.append(pool.submit(waiting.popleft()))
            yield running.popleft().result()


def two_threads(folder: Path, kind: str) -> SGDClassifier:
    return learn(ahead(loads(folder, kind)))


def two_threads_of_dask(folder: Path, kind: str) -> SGDClassifier:
    """Compute dask's blocks ahead in two threads: what its readers take, and no more than that."""
    X, y = lazy(folder, kind)
    parts = (X.blocks, y.blocks) if kind == "Zarr" else (X.partitions, y.partitions)
    return learn(
        ahead(partial(dask.compute, *part, scheduler="sync") for part in zip(*parts, strict=True))
    )


def arrow_batches(folder: Path, kind: str) -> SGDClassifier:
    """Let pyarrow read ahead, in its own threads."""
    files = pa.dataset.dataset(folder, format=kind.lower())
    n = n_rows(kind, sum(path.stat().st_size for path in folder.iterdir()) // MB)

    def batches() -> Iterator[Data]:
        for batch in files.to_batches(batch_size=n):
            frame = batch.to_pandas()
            yield frame[FEATURES], frame["label"]

    return learn(batches())


def dask_ml(folder: Path, kind: str) -> SGDClassifier:
    from dask_ml.wrappers import Incremental as Theirs

    X, y = lazy(folder, kind)
    if kind != "Zarr":
        X, y = X.to_dask_array(), y.to_dask_array()
    model = Theirs(SGDClassifier(random_state=0), shuffle_blocks=False, assume_equal_chunks=True)
    return model.fit(X, y, classes=[0, 1]).estimator_


ALTERNATIVES: dict[str, Callable[[Path, str], SGDClassifier]] = {
    "a loop by file": by_file,
    "dask.compute by partition": by_partition,
    "two threads by hand": two_threads,
    "two threads by hand, of dask's blocks": two_threads_of_dask,
    "batches of pyarrow": arrow_batches,
    "dask-ml": dask_ml,
}
