"""Text in a pipeline: documents are hashed in parallel, ahead of the model that learns them.

Hashing takes forty times as long as learning two classes and holds Python's global lock for almost
all of that, so that threads cannot share it; processes, which compute bags unless told otherwise,
do.
"""

from __future__ import annotations

import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import dask
import dask.bag as db
import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline

from benchmarks._claims import Row, fastest, main
from incremental import Incremental

N_FILES = 24
N_DOCUMENTS = 1_500
N_WORDS = 200


def write(folder: str) -> list[str]:
    """Write files of made-up documents whose words are as frequent as in a language (Zipf)."""
    paths = []
    for i in range(N_FILES):
        words = np.random.default_rng(i).zipf(1.3, (N_DOCUMENTS, N_WORDS)) % 50_000
        path = Path(folder) / f"{i}.txt"
        path.write_text(
            "\n".join(" ".join(f"word{word}" for word in document) for document in words.tolist())
        )
        paths.append(str(path))
    return paths


def train(paths: list[str], **where: Any) -> None:
    """Hash and learn documents, one file after the other."""
    labels = np.arange(N_DOCUMENTS) % 2
    y = [dask.delayed(labels) for _ in paths]
    pipe = make_pipeline(HashingVectorizer(), SGDClassifier(random_state=0))
    with dask.config.set(**where):
        Incremental(pipe, classes=[0, 1]).fit(db.read_text(paths), y)


def run() -> list[Row]:
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool,
    ):
        paths = write(folder)
        train(paths[:8], scheduler="processes", pool=pool)  # which starts them
        one, threads, processes = fastest(
            3,
            partial(train, paths, scheduler="synchronous"),
            partial(train, paths, scheduler="threads", num_workers=2),
            partial(train, paths, scheduler="processes", pool=pool),
        )
    claim = "text, hashed and learned: time over that of one thread,"
    return [
        Row(f"{claim} two threads", threads / one, 0.65),
        Row(f"{claim} two processes", processes / one, 0.65),
    ]


if __name__ == "__main__":
    main(run)
