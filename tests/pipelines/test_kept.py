"""The row that stays in a model survives as plain data, whatever its columns are."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from incremental._pipelines.kept import as_plain, from_plain

COLUMNS = {
    "float32": np.array([1.5], "f4"),
    "int": [2],
    "bool": [True],
    "text": ["x"],
    "object": pd.Series(["x"], dtype=object),
    "nothing": pd.Series([None], dtype=object),
    "nan": [np.nan],
    "date": pd.to_datetime(["2020-01-02 03:04:05.678"]),
    "zone": pd.to_datetime(["2020-01-02"]).tz_localize("Europe/Berlin"),
    "delta": pd.to_timedelta([3], unit="s"),
    "period": pd.period_range("2020", periods=1, freq="D"),
    "nullable": pd.array([pd.NA], "Int64"),
    "category": pd.Categorical(["a"], ["b", "a"], ordered=True),
    "dates": pd.Categorical(pd.to_datetime(["2020-01-02"])),
    "missing": pd.Categorical([None], ["b"]),
    ("a", 3): [1],
    7: [1],
}


def is_plain(value):
    if isinstance(value, dict):
        return all(is_plain(key) and is_plain(one) for key, one in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(is_plain, value))
    return type(value) in (str, bytes, bool, int, float, type(None))


@pytest.mark.parametrize("name", COLUMNS, ids=str)
def test_a_column_is_the_same_afterwards(name):
    frame = pd.DataFrame({0: COLUMNS[name]})
    frame.columns = pd.Index([name], tupleize_cols=False)
    plain = as_plain(frame)
    assert is_plain(plain)
    pd.testing.assert_frame_equal(
        from_plain(plain).set_axis([0], axis=1), frame.set_axis([0], axis=1)
    )
    assert list(from_plain(plain).columns) == [name]
    series = frame.iloc[:, 0]
    pd.testing.assert_series_equal(from_plain(as_plain(series)), series)


@pytest.mark.parametrize("index", [[5], ["e"], pd.to_datetime(["2020-01-02"])], ids=str)
def test_the_index_is_the_same_afterwards(index):
    frame = pd.DataFrame({"a": [1]}, index=index)
    pd.testing.assert_frame_equal(from_plain(as_plain(frame)), frame, check_index_type="equiv")


def test_what_is_no_frame_stays_what_it_is():
    for row in (np.ones((1, 2)), ["text"], [{"a": 1}], sp.csr_matrix((1, 2)), None):
        assert from_plain(as_plain(row)) is row


@pytest.mark.parametrize("value", [[1, 2], object(), {"a": 1}])
def test_what_is_not_plain_is_not_kept(value):
    assert as_plain(pd.DataFrame({"a": pd.Series([value], dtype=object)})) is None
    assert as_plain(pd.DataFrame({(1, pd.Timestamp("2020")): [1]})) is None


def test_a_frame_without_columns_is_one():
    frame = pd.DataFrame(index=[3])
    assert from_plain(pickle.loads(pickle.dumps(as_plain(frame)))).shape == (1, 0)
