"""Tables in files: CSV, TSV and Parquet, read by pyarrow; what is wrong is said with its line, column and value."""

import csv
import io
import mmap
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from keras_refs.errors import UserError, first_line

SUFFIXES = (".csv", ".tsv", ".parquet", ".csv.gz", ".tsv.gz")
MISSING = ("", "NA", "N/A", "n/a", "#N/A", "NULL", "null", "NaN", "nan", "None")
"""How a missing number is written."""


def read_table(path: str | Path, text: Sequence[str] | None = None, on_disk: bool = False) -> pa.Table:
    """Read a table with a line of column names.

    Args:
        path: A file that ends in one of `SUFFIXES`. CSV and TSV are UTF-8, with or without a byte order mark; values
            that hold a separator or a line break stand in double quotes.
        text: Names of the columns of a CSV or TSV to keep as they are written, by default all. The others become
            numbers where every value is one, which takes a third of the memory. Parquet has types of its own.
        on_disk: Whether the values are not held in memory, but in a temporary file, which is deleted with the table.

    Returns:
        A `pyarrow.Table` with at least one row, the rows in the order of the file. Its metadata names the file, so
        that `numbers` and `place` can tell where a value stands: check the values before rows are sorted or dropped.

    Raises:
        UserError: If there is no such file, it is of another kind, has no rows, is not UTF-8, a line has another
            number of values than there are columns, or the names of the columns are not each there once.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path} is no file. Name a table: a file that ends in {', '.join(SUFFIXES)}.")
    if suffix_of(path) is None:
        raise UserError(f"{path} is no table that can be read: its name must end in {', '.join(SUFFIXES)}.")
    if path.stat().st_size == 0:
        raise UserError(f"{path} is empty.")
    table = _read_parquet(path, on_disk) if suffix_of(path) == ".parquet" else _read_lines(path, text, on_disk)
    _check_names(path, table.column_names)
    if not table.num_rows:
        raise UserError(f"{path} has a line of column names and no rows: {', '.join(table.column_names)}.")
    return table.replace_schema_metadata({"path": str(path)})


def suffix_of(path: str | Path) -> str | None:
    """Return which of `SUFFIXES` a path ends in, `None` if it ends in none."""
    return next((suffix for suffix in SUFFIXES if Path(path).name.lower().endswith(suffix)), None)


def strings(table: pa.Table, name: str) -> list[str]:
    """Return a column of a table that `read_table` returned as Python strings; it raises what `text_column` does."""
    return text_column(table, name).to_pylist()


def text_column(table: pa.Table, name: str) -> pa.ChunkedArray:
    """Return a column of a table that `read_table` returned, with the type of strings.

    Raises:
        UserError: If there is no such column, a value is missing or, of text, empty.
    """
    column = _column(table, name)
    if not pa.types.is_string(column.type) and not pa.types.is_large_string(column.type):
        try:
            column = column.cast(pa.string())
        except pa.ArrowException as error:
            raise UserError(
                f"{_path(table)}, column {name!r}, has values of the type {column.type}, no texts."
            ) from error
    if (row := pc.index(pc.fill_null(pc.equal(column, ""), True), True).as_py()) >= 0:
        raise UserError(f"{place(table, row, name)}: the value is missing.")
    return column


def numbers(table: pa.Table, name: str, missing: str = "refuse") -> np.ndarray:
    """Return a column of a table that `read_table` returned as a float64 array `(rows,)`.

    `missing="keep"` returns NaN where a value is missing, in place of an error.

    Raises:
        UserError: If there is no such column, or a value is missing, no number, or none that a float32 can be.
    """
    column = _column(table, name)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = pc.utf8_trim_whitespace(column)
        column = pc.if_else(pc.is_in(column, pa.array(MISSING, column.type)), pa.scalar(None, column.type), column)
    try:
        values = column.cast(pa.float64()).to_numpy()
    except pa.ArrowException as error:
        row = first_that_fails(column, pa.float64())
        value = _column(table, name)[row].as_py()
        raise UserError(f"{place(table, row, name)}: {str(value)!r} is not a number.") from error
    if len(infinite := np.flatnonzero(np.abs(values) > np.finfo("float32").max)):
        raise UserError(f"{place(table, infinite[0], name)}: {values[infinite[0]]} is not a finite number of 32 bits.")
    if missing == "refuse" and len(absent := np.flatnonzero(np.isnan(values))):
        raise UserError(f"{place(table, absent[0], name)}: the number is missing.")
    return values


def place(table: pa.Table, row: int, name: str | None = None) -> str:
    """Return where a value of a table that `read_table` returned stands, such as `x.csv, line 17, column 'price'`.

    `row` counts from 0. Lines count as editors count them: the first one is that of the names.
    """
    path = _path(table)
    where = f"row {row + 1:,}" if suffix_of(path) == ".parquet" else f"line {_line_of(path, int(row)):,}"
    return f"{path}, {where}" + (f", column {name!r}" if name is not None else "")


def require_column(table: pa.Table, name: str, option: str) -> str:
    """Return the name of a column that an option names.

    Raises:
        UserError: If the table has none of that name; those that it has are listed.
    """
    if name not in table.column_names:
        raise UserError(f"{option} must be a column of {_path(table)}: {_listed(table.column_names)}. Received: {name}")
    return name


def _path(table):
    return Path(table.schema.metadata[b"path"].decode())


def _listed(names):
    shown = [repr(name) for name in names[:20]]
    return ", ".join([*shown, f"and {len(names) - 20} others"] if len(names) > 20 else shown)


def _column(table, name):
    if name not in table.column_names:
        raise UserError(f"{_path(table)} has no column {name!r}. Its columns are: {_listed(table.column_names)}.")
    return table.column(name)


def _read_parquet(path, on_disk):
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
        return _on_disk(file.schema_arrow, file.iter_batches(1000)) if on_disk else file.read()
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} cannot be read as Parquet: {first_line(error)}") from error


def _on_disk(schema, batches):
    """Return a table of record batches whose values are in a temporary file, mapped into memory."""
    with tempfile.TemporaryFile() as file:
        with pa.ipc.new_stream(file, schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
        file.flush()
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return pa.ipc.open_stream(pa.py_buffer(mapped)).read_all()


def _read_lines(path, text, on_disk):
    import pyarrow.csv

    names = _read_header(path)
    columns = [name for name in names if text is None or name in text]
    try:
        options = {
            "parse_options": pyarrow.csv.ParseOptions(delimiter=_delimiter(path), newlines_in_values=True),
            "convert_options": pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()), null_values=MISSING, strings_can_be_null=False
            ),
        }
        if on_disk:
            reader = pyarrow.csv.open_csv(path, **options)
            table = _on_disk(reader.schema, reader)
        else:
            table = pyarrow.csv.read_csv(path, **options)
    except (pa.ArrowException, OSError) as error:
        _require_utf8(path)
        _require_rectangle(path, len(names))
        raise UserError(f"{path} cannot be read: {first_line(error)}") from error
    # What is not UTF-8 is inferred to be bytes.
    if any(pa.types.is_binary(column.type) for column in table.columns):
        _require_utf8(path)
    return table


def _delimiter(path):
    return "\t" if suffix_of(path).startswith(".tsv") else ","


def _open(path):
    """Open a file to read its bytes, decompressed."""
    return io.BufferedReader(pa.input_stream(path))


def _records(path):
    """Yield every line of a CSV or TSV that is not blank as its values, with the number of the line it begins on."""
    # A long text is no error.
    csv.field_size_limit(2**31 - 1)
    with io.TextIOWrapper(_open(path), "utf-8-sig", newline="") as file:
        reader, last = csv.reader(file, delimiter=_delimiter(path)), 0
        for values in reader:
            if values:
                yield last + 1, values
            last = reader.line_num


def _read_header(path):
    try:
        line, names = next(_records(path), (0, []))
    except UnicodeDecodeError:
        _require_utf8(path)
        raise
    except (OSError, csv.Error) as error:
        raise UserError(f"{path} cannot be read: {first_line(error)}") from error
    if not line:
        raise UserError(f"{path} is empty.")
    _check_names(path, names)
    if len(names) == 1 and (other := next((mark for mark in ";\t|" if mark in names[0]), None)):
        raise UserError(
            f"{path} has one column, {names[0]!r}: its values must be separated by commas, or, in a .tsv, by tabs. "
            f"Received: {other!r}"
        )
    return names


def _check_names(path, names):
    for number, name in enumerate(names, 1):
        if not name.strip():
            raise UserError(f"{path}, line 1: column {number} has no name. The first line must name every column.")
        if names.index(name) < number - 1:
            raise UserError(
                f"{path}, line 1: columns {names.index(name) + 1} and {number} are both called {name!r}. "
                "The first line must name every column once."
            )


def _require_utf8(path):
    """Refuse a file that is not UTF-8, with the line of the first byte that is not."""
    with _open(path) as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                readable = line[: error.start][-20:].decode("utf-8", "replace")
                after = f" after {readable!r}" if readable else ""
                raise UserError(
                    f"{path}, line {number:,}: the byte 0x{line[error.start]:02X}{after} is not UTF-8. "
                    "Save the file as UTF-8."
                ) from error


def _require_rectangle(path, columns):
    """Refuse a file with a line of another number of values than there are columns."""
    for line, values in _records(path):
        if len(values) != columns:
            raise UserError(
                f"{path}, line {line:,}: every line must have {columns} values, as the first has names. "
                f"Received: {len(values)}"
            )


def _line_of(path, row):
    """Return the line on which a row of a CSV or TSV begins; values may hold line breaks, and lines be blank."""
    for number, (line, _) in enumerate(_records(path)):
        if number == row + 1:
            return line
    raise IndexError(f"{path} has no row {row}.")


def first_that_fails(column: pa.ChunkedArray, kind: pa.DataType) -> int:
    """Return the index of the first value of a column that cannot be cast to a type, of a column that has one."""
    low, high = 0, len(column)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _can_be_cast(column[low:middle], kind) else (low, middle)
    return low


def _can_be_cast(column, kind):
    try:
        column.cast(kind)
    except pa.ArrowException:
        return False
    return True
