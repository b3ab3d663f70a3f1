"""Data of every kind, for the tests of what is done with them."""

import operator

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import scipy.sparse as sp

from incremental import indexable
from incremental._data.containers import is_lazy

VALUES = np.random.default_rng(0).random((20, 3))
FRAME = pd.DataFrame(VALUES, columns=list("abc"))


def array(lengths=(6, 14)):
    return da.from_array(VALUES, chunks=(tuple(lengths), 3))


def unknown(X):
    """Return an array that does not say how long its blocks are."""
    return X[da.ones(len(X), chunks=X.chunks[0], dtype=bool)]


def frame(lengths=(6, 14)):
    stops = np.cumsum(lengths)
    parts = [FRAME[stop - n : stop] for stop, n in zip(stops, lengths, strict=True)]
    return dd.from_delayed([dask.delayed(part) for part in parts], meta=FRAME[:0])


def loaders(lengths=(6, 14)):
    stops = np.cumsum(lengths)
    return [
        dask.delayed(operator.getitem)(VALUES, slice(int(stop - n), int(stop)))
        for stop, n in zip(stops, lengths, strict=True)
    ]


def bag(lengths=(6, 14)):
    return db.from_delayed([loader.tolist() for loader in loaders(lengths)])


def rows(lengths=(6, 14)):
    return indexable(loaders(lengths))


LAZY = {"array": array, "dataframe": frame, "loaders": loaders, "bag": bag, "rows": rows}
KNOWN = {"array": array, "rows": rows}
UNKNOWN = {name: make for name, make in LAZY.items() if name not in KNOWN}
UNKNOWN["array of unknown length"] = lambda lengths=(6, 14): unknown(array(lengths))
IN_MEMORY = {
    "array": lambda: VALUES,
    "dataframe": lambda: FRAME,
    "list": VALUES.tolist,
    "csr": lambda: sp.csr_matrix(VALUES),
    "coo": lambda: sp.coo_matrix(VALUES),
    "bsr": lambda: sp.bsr_matrix(VALUES),
}


def computed(blocks):
    """Compute the blocks, each a tuple of NumPy arrays."""
    values = dask.get(blocks.graph, [list(keys) for keys in blocks.keys])
    assert not any(is_lazy(part) for block in values for part in block)
    return [
        tuple(part.toarray() if sp.issparse(part) else np.asarray(part) for part in block)
        for block in values
    ]


def assert_cut(blocks, lengths, n_values):
    """Assert that each value of each block is those rows of the data."""
    stops = np.cumsum(lengths)
    found = computed(blocks)
    assert len(found) == len(blocks) == len(lengths)
    for block, stop, n in zip(found, stops, lengths, strict=True):
        assert [len(part) for part in block] == [n] * n_values  # of no rows, a list has no columns
        assert all(np.array_equal(part, VALUES[stop - n : stop]) for part in block if n)
