"""The row of X that stays in a model, as plain data: what saves models may not know dataframes."""

from __future__ import annotations

from typing import Any

#: Values that every format knows.
_PLAIN = (str, bytes, bool, int, float, type(None))


def as_plain(row: Any) -> Any:
    """Return a row as plain data; None if it cannot be.

    Parameters
    ----------
    row : array, list, dataframe, series or None
        Arrays and lists stay what they are.

    Examples
    --------
    >>> import pandas as pd
    >>> plain = as_plain(pd.DataFrame({"a": [1.5], "b": ["x"]}))
    >>> plain["names"], [column["values"] for column in plain["columns"]]
    (['a', 'b'], [[1.5], ['x']])
    >>> from_plain(plain)
         a  b
    0  1.5  x
    """
    if not hasattr(row, "iloc"):
        return row
    frame = row.to_frame() if row.ndim == 1 else row
    names = frame.columns.tolist()
    if not all(_is_plain(name) for name in names):
        return None
    try:
        columns = [_plain_column(frame.iloc[:, i]) for i in range(len(names))]
        index = _plain_column(frame.index.to_series())
    except (TypeError, ValueError):
        return None
    return {"ndim": row.ndim, "names": names, "columns": columns, "index": index}


def from_plain(plain: Any) -> Any:
    """Return the row that `as_plain` was given."""
    if not isinstance(plain, dict):
        return plain
    import pandas as pd

    index = pd.Index(_series(plain["index"]))
    columns = [_series(column).set_axis(index) for column in plain["columns"]]
    if plain["ndim"] == 1:
        return columns[0].rename(plain["names"][0])
    frame = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=index)
    frame.columns = plain["names"]
    return frame


def _is_plain(value: Any) -> bool:
    return type(value) in _PLAIN or (type(value) is tuple and all(map(_is_plain, value)))


def _plain_column(series: Any) -> dict[str, Any]:
    """Return the values of a series and their dtype; as text where only that is plain."""
    if str(series.dtype) == "category":
        categories = series.dtype.categories.to_series()
        return {
            "categories": _plain_column(categories),
            "ordered": bool(series.dtype.ordered),
            "codes": series.cat.codes.tolist(),
        }
    as_text = series.astype(str).where(series.notna(), None)
    for values in (series.tolist(), as_text.tolist()):
        plain = {"values": values, "dtype": str(series.dtype)}
        if all(map(_is_plain, values)):
            found = _series(plain)
            if found.dtype == series.dtype and found.equals(series.reset_index(drop=True)):
                return plain
    raise TypeError(f"{series.dtype} is not plain")


def _series(plain: dict[str, Any]) -> Any:
    import pandas as pd

    if "codes" not in plain:
        return pd.Series(plain["values"], dtype=plain["dtype"])
    dtype = pd.CategoricalDtype(_series(plain["categories"]), plain["ordered"])
    return pd.Series(pd.Categorical.from_codes(plain["codes"], dtype=dtype))
