"""Series in tables: a column of times, and columns of numbers."""

from pathlib import Path

import numpy as np

from keras_refs.datasets.files.reading import numbers, place, read_table, require_column
from keras_refs.datasets.files.times import find_times, read_times
from keras_refs.datasets.regular import PARTS, Rows
from keras_refs.errors import UserError

SPLIT = "split"
"""A column of this name tells which split a row is in."""


def read_series(path, target, time=None, inputs=()):
    """Read the `Rows` of a series from a table, or from a folder with one for each split, such as `train.csv`.

    Args:
        path: A file that `read_table` reads, or a folder of files that are named after the splits.
        target: Name of the column to forecast.
        time: Name of the column of times; by default the one that has them.
        inputs: Names of the columns to forecast from, beside the target; by default all that have numbers.

    Returns:
        The `Rows`, and sentences that say what was found in them and left out.

    Raises:
        UserError: If columns do not exist or have no times and numbers.
    """
    files = _files(Path(path))
    tables = [_read(file, time) for file in files.values()]
    (first, time_name), *rest = tables
    names, notes = _columns(first, time_name, target, inputs)
    for table, _ in rest:
        for name in names:
            require_column(table, name, "--inputs")
    values = [_values(table, names) for table, _ in tables]
    lengths = [len(part) for part in values]
    offsets = np.cumsum([0, *lengths])
    parts = np.repeat(np.array([PARTS.index(name) for name in files], "int8"), lengths) if rest else _parts(first)

    def where(row, name=None):
        number = int(np.searchsorted(offsets, row, side="right")) - 1
        return place(tables[number][0], row - offsets[number], name)

    times = [
        read_times(table.column(name), lambda row, start=start, name=name: where(start + row, name))
        for (table, name), start in zip(tables, offsets[:-1], strict=True)
    ]
    times, values = (np.concatenate(arrays) if rest else arrays[0] for arrays in (times, values))
    about = {"name": Path(path).name, "citation": "", "homepage": ""}
    notes = [f"The times are those of {time_name!r}.", *notes]
    return Rows(str(path), about, times, values, names, parts, where), notes


def _files(path):
    """Return the files by the split that they are, the one for all by no name."""
    if not path.is_dir():
        return {"": path}
    files = {name: next(iter(sorted(path.glob(f"{name}.*"))), None) for name in PARTS}
    if not (files["train"] and files["test"]):
        raise UserError(f"{path} must have a table train.csv and a table test.csv, or .tsv or .parquet.")
    return {name: file for name, file in files.items() if file}


def _read(path, time):
    """Return a table, and the name of its column of times, which is kept as it is written if it has zones."""
    table = read_table(path, text=())
    name = find_times(table, time)
    if getattr(table.column(name).type, "tz", None) and path.suffix != ".parquet":
        table = read_table(path, text=(name,))
    return table, name


def _columns(table, time, target, inputs):
    """Return the names of the columns to read, the target's among them, in the order of the table, and notes."""
    require_column(table, target, "--target")
    for name in inputs:
        require_column(table, name, "--inputs")
    if time in (target, *inputs):
        raise UserError(f"{time!r} is the column of times; --target and --inputs name columns of numbers.")
    if inputs:
        return tuple(name for name in table.column_names if name in (target, *inputs)), []
    names, left_out = [], []
    for name in table.column_names:
        if name == time or name == SPLIT != target:
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


def _parts(table):
    """Return the index in `PARTS` of the split that each row is in, if there is a column of that name."""
    if SPLIT not in table.column_names:
        return None
    names = table.column(SPLIT).to_pylist()
    for row, name in enumerate(names):
        if name not in PARTS:
            raise UserError(
                f"{place(table, row, SPLIT)}: the split must be one of {', '.join(PARTS)}. Received: {name!r}"
            )
    return np.array([PARTS.index(name) for name in names], "int8")
