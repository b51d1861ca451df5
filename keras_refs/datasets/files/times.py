"""The times in a table: which column has them, and what they are by the clock they were written by."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from keras_refs.datasets.files.reading import first_that_fails, require_column
from keras_refs.datasets.iso8601 import FORM, TIME, ZONE
from keras_refs.errors import UserError

LONGEST_CHANGE = 60
"""Most minutes that a change of the clock moves it by."""


def find_times(table: pa.Table, name: str | None = None) -> str:
    """Return the name of the column of times of a table that `files.read_table` returned.

    It is the one whose first value is a time. `name` is that of `--time`, if it is given.

    Raises:
        UserError: If it is not a column, or not exactly one column has times.
    """
    if name is not None:
        return require_column(table, name, "--time")
    names = [name for name in table.column_names if _begins_with_time(table.column(name))]
    if len(names) == 1:
        return names[0]
    if names:
        raise UserError(f"{len(names)} columns have times: {', '.join(names)}. Name the one to use with --time.")
    texts = [
        f"{name!r} {table.column(name)[0].as_py()!r}" for name in table.column_names if _is_text(table.column(name))
    ]
    first_row = f" The texts of the first row are: {', '.join(texts[:5])}." if texts else ""
    raise UserError(
        f"No column has times.{first_row} A time is {TIME}; --time names their column. Where date and time of day "
        "are two columns, join them into one."
    )


def read_times(column: pa.ChunkedArray, place: Callable[[int], str]) -> np.ndarray:
    """Return times, int64 minutes since 1970-01-01T00:00 of the clock they are written by.

    `column` is a `pyarrow.ChunkedArray` of strings or of a type of times, and `place` a function of the number of a row
    that returns where it stands, for messages.

    Raises:
        UserError: If a value is missing or no time, their zones differ by more than a change of the clock explains, or
            they are no whole minutes apart.
    """
    if column.null_count:
        raise UserError(f"{place(pc.index(pc.is_null(column), True).as_py())}: the time is missing.")
    if pa.types.is_timestamp(column.type) and column.type.tz:
        column = pc.local_timestamp(column)
    if pa.types.is_integer(column.type):
        column = column.cast(pa.string())
    written, offsets = column, None
    if _is_text(column):
        column, offsets = _parse(pc.utf8_trim_whitespace(column), place)
    elif not _is_date(column):
        raise UserError(f"{place(0)}: {str(column[0].as_py())!r} is no time. A time is {TIME}.")
    seconds = column.cast(pa.timestamp("s"), safe=False).cast(pa.int64()).to_numpy()
    if offsets is not None:
        _require_one_clock(written, seconds, offsets, place)
    if len(uneven := np.flatnonzero(seconds % 60 != seconds[0] % 60)):
        raise UserError(
            f"{place(uneven[0])}: all times must have the same seconds, as the shortest step is a minute. "
            f"Received: {seconds[uneven[0]] % 60:02}, and {seconds[0] % 60:02} in the first row."
        )
    return seconds // 60


def _is_text(column):
    return pa.types.is_string(column.type) or pa.types.is_large_string(column.type)


def _is_date(column):
    return pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)


def _begins_with_time(column):
    if not _is_text(column):
        return _is_date(column)
    first = pc.utf8_trim_whitespace(column.slice(0, 1))
    return bool(pc.match_substring_regex(first, f"^{FORM}$")[0].as_py())


def _parse(strings, place):
    """Return strings as timestamps, and the offsets of their zones in minutes, NaN for none: float64 `(rows,)`."""
    has_form = pc.match_substring_regex(strings, f"^{FORM}$")
    if (bad := pc.index(has_form, False).as_py()) >= 0:
        raise _no_time(strings, bad, place)
    # No date has a colon before its end.
    zones = pc.if_else(pc.match_substring_regex(strings, f":.*{ZONE}$"), strings, "")
    zones = pc.replace_substring_regex(zones, rf"^.*?({ZONE})?$", r"\1").combine_chunks().dictionary_encode()
    plain = pc.replace_substring_regex(strings, rf"(:\d\d)(\.\d+)?{ZONE}?$", r"\1")
    plain = pc.replace_substring_regex(plain, r"^(\d{4})$", r"\1-01")
    plain = pc.replace_substring_regex(plain, r"^(\d{4}-\d\d)$", r"\1-01")
    try:
        times = plain.cast(pa.timestamp("s"))
    except pa.ArrowException as error:
        raise _no_time(strings, first_that_fails(plain, pa.timestamp("s")), place) from error
    minutes = np.array([_minutes(zone) for zone in zones.dictionary.to_pylist()])
    return times, minutes[zones.indices.to_numpy()]


def _no_time(strings, row, place):
    return UserError(f"{place(row)}: {strings[row].as_py()!r} is no time. A time is {TIME}.")


def _minutes(zone):
    """Return the minutes that a zone such as `+01:00`, `Z` or an empty one is east of Greenwich."""
    if zone in ("", "Z"):
        return np.nan if not zone else 0.0
    return float(zone[0] + "1") * (60 * int(zone[1:3]) + int(zone[-2:]))


def _require_one_clock(written, seconds, offsets, place):
    """Refuse zones that are not those of one clock, which changes at most twice a year and by an hour at most."""
    known = ~np.isnan(offsets)
    if not known.any():
        return
    first, other = 0, np.flatnonzero((known != known[0]) | (np.abs(offsets - offsets[0]) > LONGEST_CHANGE))
    if not len(other):
        order = np.argsort(seconds - 60 * offsets, kind="stable")
        changes = np.flatnonzero(np.diff(offsets[order]))
        if len(changes) <= 2 + 2 * (seconds.max() - seconds.min()) / (366 * 86400):
            return
        first, *other = order[changes[1]], order[changes[1] + 1]
    values = [written[int(row)].as_py() for row in (first, other[0])]
    raise UserError(
        f"{place(other[0])}: all times must be by one clock, whose zone changes twice a year at most. "
        f"Received: {str(values[1])!r}, and {str(values[0])!r} in {place(first)}"
    )
