"""Every source block is read as often as it has to be, and no more."""

from __future__ import annotations

import tempfile
import threading
from collections import Counter
from pathlib import Path
from unittest import mock

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
from fsspec.implementations.local import LocalFileSystem
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.preprocessing import StandardScaler

from benchmarks._claims import Row, main
from incremental import Incremental

N_BLOCKS, N_ROWS, N_FEATURES = 20, 1_000, 5


class Source:
    """A lazy array that counts how often each of its blocks is read."""

    def __init__(self, n_blocks: int = N_BLOCKS, n_rows: int = N_ROWS):
        self.reads: Counter[int] = Counter()
        self._lock = threading.Lock()
        load = dask.delayed(self._load, pure=False)
        shape = (n_rows, N_FEATURES)
        self.array = da.concatenate(
            [
                da.from_delayed(load(number, shape), shape=shape, dtype=float)
                for number in range(n_blocks)
            ]
        )

    def _load(self, number: int, shape: tuple[int, int]) -> np.ndarray:
        with self._lock:
            self.reads[number] += 1
        return np.random.default_rng(number).random(shape)

    def __dask_tokenize__(self):
        return id(self)

    @property
    def most(self) -> int:
        """How often the block was read that was read most; all have been read at all."""
        assert len(self.reads) == self.array.numblocks[0]
        return max(self.reads.values())


def plain() -> int:
    source = Source()
    Incremental(StandardScaler()).fit(source.array)
    return source.most


def target_from_data() -> int:
    source = Source()
    y = source.array[:, 0] > 0.5
    Incremental(SGDClassifier(), classes=[False, True]).fit(source.array, y)
    return source.most


def standardised() -> int:
    source = Source()
    X = source.array
    Incremental(SGDRegressor()).fit((X - X.mean(axis=0)) / X.var(axis=0), X[:, 0])
    return source.most


def rechunked() -> int:
    source = Source(n_blocks=4, n_rows=10_000)
    Incremental(StandardScaler()).fit(source.array.rechunk((100, -1)))
    return source.most


def csv_frame() -> int:
    opened: Counter[str] = Counter()
    lock = threading.Lock()
    original = LocalFileSystem._open

    def count(self, path, *args, **kwargs):
        with lock:
            opened[Path(path).name] += 1
        return original(self, path, *args, **kwargs)

    with tempfile.TemporaryDirectory() as folder:
        rng = np.random.default_rng(0)
        for number in range(N_BLOCKS):
            block = pd.DataFrame(rng.random((N_ROWS, 3)), columns=["a", "b", "target"])
            block.to_csv(Path(folder, f"{number:02}.csv"), index=False)
        frame = dd.read_csv(f"{folder}/*.csv", blocksize=None)
        with mock.patch.object(LocalFileSystem, "_open", count):
            Incremental(SGDRegressor()).fit(frame[["a", "b"]], frame["target"])
    assert len(opened) == N_BLOCKS
    return max(opened.values())


def run() -> list[Row]:
    claim = "reads of a source block:"
    with dask.config.set(scheduler="threads"):
        return [
            Row(f"{claim} X alone", plain(), 1),
            Row(f"{claim} y made from X", target_from_data(), 1),
            Row(f"{claim} X scaled by its lazy mean and variance", standardised(), 2),
            Row(f"{claim} X re-chunked 100 to 1", rechunked(), 1),
            Row(f"{claim} X and y from a frame of CSV files", csv_frame(), 1),
        ]


if __name__ == "__main__":
    main(run)
