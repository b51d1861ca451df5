"""Series in tables: a column of times, and columns of numbers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_refs.datasets.files.reading import numbers, require_column
from keras_refs.datasets.files.splits import COLUMN, UNKNOWN, place_in, read_tables
from keras_refs.datasets.files.times import find_times, read_times
from keras_refs.datasets.regular import Rows
from keras_refs.errors import UserError


def read_series(path: str | Path, target: str, time: str | None = None, inputs: Sequence[str] = ()) -> Any:
    """Read the `Rows` of a series from a table, or from a folder with one for each split, as `read_tables` does.

    Args:
        path: The file or the folder.
        target: Name of the column to forecast.
        time: Name of the column of times; by default the one that has them.
        inputs: Names of the columns to forecast from, beside the target; by default all that have numbers.

    Returns:
        The `Rows`, and sentences that say what was found in them and left out.

    Raises:
        UserError: If the tables cannot be read, or columns do not exist or have no times and numbers.
    """
    tables, codes, time = _read(path, time)
    names, notes = _columns(tables[0], time, target, inputs)

    def place(row, name=None):
        return place_in(tables, int(row), name)

    # The columns of all tables are of one type only if all are inferred alike.
    starts = np.cumsum([0, *map(len, tables)])
    times = [
        read_times(table.column(time), lambda row, start=start: place(start + row, time))
        for table, start in zip(tables, starts, strict=False)
    ]
    return Rows(
        name=Path(path).name,
        about={"name": Path(path).resolve().name, "citation": "", "homepage": ""},
        times=np.concatenate(times),
        values=np.concatenate([_values(table, names) for table in tables]),
        names=names,
        parts=None if (codes == UNKNOWN).all() else codes,
        place=place,
    ), [f"The times are those of the column {time!r}.", *notes]


def _read(path, time):
    """Return what `read_tables` does, and the name of the column of times, which is text if it has zones."""
    tables, codes = read_tables(path, text=())
    time = find_times(tables[0], time)
    # What pyarrow makes of times with a zone is no longer by the clock that they are written by.
    if any(getattr(table.column(time).type, "tz", None) for table in tables):
        tables, codes = read_tables(path, text=(time,))
    return tables, codes, time


def _columns(table, time, target, inputs):
    """Return the names of the columns to read, the target's among them, and notes."""
    if not target:
        raise UserError(f"--target must name the column to forecast, one of: {', '.join(table.column_names)}.")
    require_column(table, target, "--target")
    for name in inputs:
        require_column(table, name, "--inputs")
    if time in (target, *inputs):
        raise UserError(f"{time!r} is the column of times; --target and --inputs name columns of numbers.")
    if inputs:
        return tuple(dict.fromkeys((*inputs, target))), []
    names, left_out = [], []
    for name in table.column_names:
        if name == time or name == COLUMN != target:
            continue
        kind = str(table.column(name).type)
        is_number = kind.startswith(("int", "uint", "float", "double", "half", "decimal", "bool"))
        (names if is_number or name == target else left_out).append(name)
    return tuple(names), [f"Left out, as not all values are numbers: {', '.join(left_out)}."] * bool(left_out)


def _values(table, names):
    """Return the numbers of columns as float32 `(rows, columns)`, NaN where they are missing."""
    values = np.empty((table.num_rows, len(names)), "float32")
    for column, name in enumerate(names):
        values[:, column] = numbers(table, name, missing="keep")
    return values
