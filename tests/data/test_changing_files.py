"""Files that change between passes, and what a collection knows of it."""

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import zarr
from sklearn.preprocessing import StandardScaler

from incremental import Incremental
from tests.conftest import needs_callbacks


def write(path, kind, values):
    if kind == "zarr":
        zarr.open(path, mode="w", shape=values.shape, chunks=(10, 2), dtype=float)[:] = values
    elif kind == "parquet":
        pd.DataFrame(values, columns=["a", "b"]).to_parquet(path)
    else:
        pd.DataFrame(values, columns=["a", "b"]).to_csv(path, index=False)


READ = {"parquet": dd.read_parquet, "csv": dd.read_csv, "zarr": da.from_zarr}


@needs_callbacks
@pytest.mark.parametrize("kind", READ)
def test_each_pass_learns_what_the_file_holds_then(kind, tmp_path):
    path = str(tmp_path / "data")
    old, new = np.zeros((40, 2)), np.ones((40, 2))
    write(path, kind, old)
    X = READ[kind](path)

    class Rewriting:
        """A callback that writes the file anew after the first pass."""

        def setup(self, estimator, context): ...

        def teardown(self, estimator, context): ...

        def on_fit_task_begin(self, estimator, context): ...

        def on_fit_task_end(self, estimator, context):
            if context.task_name == "pass" and context.task_id == 0:
                write(path, kind, new)

    model = Incremental(StandardScaler(), max_iter=2).set_callbacks(Rewriting()).fit(X)
    assert model.mean_.tolist() == [0.5, 0.5]


@pytest.mark.parametrize(("kind", "tells"), [("parquet", True), ("csv", True), ("zarr", False)])
def test_the_token_of_a_collection_tells_whether_its_files_were_rewritten(kind, tells, tmp_path):
    path = str(tmp_path / "data")
    write(path, kind, np.zeros((40, 2)))
    before = dask.base.tokenize(READ[kind](path))
    assert dask.base.tokenize(READ[kind](path)) == before
    write(path, kind, np.ones((40, 2)))
    assert (dask.base.tokenize(READ[kind](path)) != before) == tells
