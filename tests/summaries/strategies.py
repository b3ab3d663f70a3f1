"""Random blocks, for the tests of summaries."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.sparse as sp
from hypothesis import strategies as st

from tests.summaries.common import cut

NUMBERS = st.sampled_from([0, 1, 2, 3, 10, -5])
COUNTS = st.sampled_from([0, 0, 1, 2, 3, 10])
FLOATS = st.sampled_from([0.0, 1.0, 2.5, -1.0, 0.1, np.nan])
TEXTS = st.sampled_from(["a", "b", "cc", "ddd", "é"])

#: Values of a column of a frame, and the dtypes that it may have in a block: not such as pandas
#: puts together in a way that depends on which come first (pandas.NA becomes an object).
KINDS = {
    "int": (NUMBERS, ["int64", "int8", "Int64", "float64"]),
    "objects": (NUMBERS, ["int64", object]),
    "count": (COUNTS, ["int64", "Int64", "float64"]),
    "float": (FLOATS, ["float64", "float32", "Float64"]),
    "text": (st.one_of(TEXTS, st.none()), ["str", object, "category"]),
    "string": (st.one_of(TEXTS, st.none()), ["string"]),
    "bool": (st.booleans(), ["bool", "boolean"]),
    "flags": (st.booleans(), ["bool", object]),
    "dates": (
        st.sampled_from([pd.Timestamp("2013-01-01"), pd.Timestamp("2013-06-01"), pd.NaT]),
        ["datetime64[ns]"],
    ),
    "mixed": (st.one_of(NUMBERS, TEXTS), [object]),
    "missing": (st.sampled_from([None, np.nan, "a"]), [object]),
}


@st.composite
def cuts(draw, n):
    return sorted(draw(st.lists(st.integers(0, n), max_size=3)))


@st.composite
def frames(draw, kinds=None):
    """Draw blocks of a frame; dtypes may change from block to block."""
    n = draw(st.integers(1, 10))
    kinds = draw(st.lists(st.sampled_from(kinds or sorted(KINDS)), min_size=1, max_size=3))
    columns = [draw(st.lists(KINDS[kind][0], min_size=n, max_size=n)) for kind in kinds]
    dtypes = [st.sampled_from(KINDS[kind][1]) for kind in kinds]
    stops = draw(cuts(n))
    if int(pd.__version__.split(".")[0]) < 3:  # puts frames together by another rule if empty
        dtypes = [st.just(draw(dtype)) for dtype in dtypes]
        stops = sorted({*stops} - {0, n})
    blocks = []
    for part in cut(list(range(n)), stops):
        one = {}
        for i, (dtype, column) in enumerate(zip(dtypes, columns, strict=True)):
            values = pd.Series([column[j] for j in part], dtype=object)
            one[f"c{i}"] = values.astype(draw(dtype))
        blocks.append(pd.DataFrame(one))
    return blocks


@st.composite
def arrays(draw, values, dtypes, n_rows=10):
    """Draw blocks of an array; dtypes may change from block to block."""
    n = draw(st.integers(1, n_rows))
    n_columns = draw(st.integers(1, 3))
    column = st.lists(values, min_size=n, max_size=n)
    X = np.empty((n, n_columns), dtype=object)
    for i in range(n_columns):
        X[:, i] = draw(column)
    return [part.astype(draw(st.sampled_from(dtypes))) for part in cut(X, draw(cuts(n)))]


def sparse(blocks):
    """Draw a format for each of some blocks."""
    formats = st.sampled_from([sp.csr_array, sp.csc_array, sp.csr_matrix])
    return formats.map(lambda form: [form(block) for block in blocks])


ints = arrays(NUMBERS, ["int64", "int8", "float64"])
counts = arrays(COUNTS, ["int64", "uint8", "float64", "float32"])
floats = arrays(FLOATS, ["float64", "float32"])
doubles = arrays(FLOATS, ["float64"])
texts = arrays(TEXTS, ["U3", "U5", object])
objects = arrays(st.one_of(TEXTS, st.none(), st.just(np.nan)), [object])
booleans = arrays(st.booleans(), [bool])
