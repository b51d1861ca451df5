"""Which examples of a file or a folder are to train on, to validate on and to score on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keras_refs.datasets.catalogue import split_of
from keras_refs.datasets.files.checksums import files_in
from keras_refs.datasets.files.reading import SUFFIXES, place, read_table, suffix_of
from keras_refs.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

SPLITS = ("train", "validation", "test")
COLUMN = "split"
"""Name of the column that tells the split of each row."""
UNKNOWN, LEFT_OUT = -1, -2


def read_tables(
    path: str | Path, text: Sequence[str] | None = None, on_disk: bool = False
) -> tuple[list[pa.Table], np.ndarray]:
    """Read a table, or a folder with `train`, `validation` and `test` as tables of the same columns.

    Args:
        path: A file that `read_table` reads, or a folder with such files of these names.
        text: As `read_table` takes it.
        on_disk: As `read_table` takes it.

    Returns:
        The tables, and for each row of all of them, in order, its split: an int8 array with an index of `SPLITS`, or
        `UNKNOWN` if neither the name of the file nor a column `split` tells it.

    Raises:
        UserError: As `read_table` does; if the folder has not one table of each name, or the columns differ.
    """
    if not Path(path).is_dir():
        table = read_table(path, text if text is None else (*text, COLUMN), on_disk)
        return [table], _splits_in_column(table)
    files = _files_by_split(Path(path))
    tables = [read_table(file, text, on_disk) for file in files.values()]
    for table, file in zip(tables, files.values(), strict=True):
        if set(table.column_names) != set(tables[0].column_names):
            first = next(iter(files.values()))
            raise UserError(
                f"{first} and {file} must have the same columns. Received: {', '.join(tables[0].column_names)} and "
                f"{', '.join(table.column_names)}"
            )
    codes = [np.full(len(table), SPLITS.index(split), np.int8) for split, table in zip(files, tables, strict=True)]
    return tables, np.concatenate(codes)


def place_in(tables: Sequence[pa.Table], row: int, name: str | None = None) -> str:
    """Return what `place` does, of the row of several tables that are counted as one."""
    for table in tables:
        if row < len(table):
            return place(table, row, name)
        row -= len(table)
    raise IndexError("There is no such row.")


def assign_splits(
    path: str | Path,
    codes: np.ndarray,
    key_of: Callable[[int], str],
    place_of: Callable[[int], str],
    validation: float = 10,
    test: float = 10,
    needed: Sequence[str] = SPLITS,
) -> np.ndarray:
    """Return for each example the index of its split in `SPLITS`, or `LEFT_OUT`, and print how many there are of each.

    A split that is missing is cut off training, by a hash of the example, so that it is the same wherever and in
    whatever order it is read. An example that is in several splits stays in the last one alone.

    Args:
        path: What was read, for messages.
        codes: int8 array, for each example an index of `SPLITS` or `UNKNOWN`.
        key_of: Function of the index of an example that returns a string: equal ones must not be in two splits.
        place_of: Function of the index of an example that returns where it is, for messages.
        validation: Percentage of all examples to validate on, if that split is not given.
        test: The same to score on.
        needed: Names of the splits that must not be empty.

    Raises:
        UserError: If one of these is empty.
    """
    codes = codes.copy()
    given = {split for number, split in enumerate(SPLITS) if (codes == number).any()}
    made = [split for split in ("validation", "test") if split not in given]
    _leave_out_repeated(codes, key_of, place_of)
    percent = {"validation": validation * ("validation" in made), "test": test * ("test" in made)}
    for index in np.flatnonzero((codes == UNKNOWN) | (codes == 0)).tolist() if made else ():
        # Another hash than that of the bundled data: a part of their training splits would have nothing to score.
        codes[index] = SPLITS.index(split_of(f"file {key_of(index)}", **percent))
    counts = {split: int((codes == number).sum()) for number, split in enumerate(SPLITS)}
    name = Path(path).name
    for split in needed:
        if not counts[split]:
            raise UserError(_empty(name, split, made, len(codes)))
    how = f" ({' and '.join(made)} by a hash of each example)" if made and counts["train"] else ""
    listed = ", ".join(f"{counts[split]:,} {words}" for split, words in _USES.items())
    print(f"{name}: {listed}{how}.")
    return codes


_USES = {"train": "examples to train on", "validation": "to validate on", "test": "to score on"}


def _empty(name, split, made, examples):
    if split in made:
        return (
            f"{name} has {examples} examples, too few: none of them falls into the {split} split, which is made by a "
            f"hash of each. Add examples, or say which they are with a column {COLUMN!r}, or files or folders of these "
            f"names: {', '.join(SPLITS)}."
        )
    return f"{name} has no examples in its {split} split."


def _leave_out_repeated(codes, key_of, place_of):
    """Mark examples that are in a later split, too: what is scored must not have been trained on."""

    def digest_of(index):
        # A key may be a long text.
        return hashlib.blake2b(key_of(index).encode("utf-8", "surrogatepass"), digest_size=16).digest()

    seen, repeated = set(), []
    for number in (2, 1, 0):
        indices = np.flatnonzero(codes == number)
        # Without a later split there is nothing to compare with.
        if seen:
            repeated += [index for index in indices if digest_of(index) in seen]
        if number:
            seen |= {digest_of(index) for index in indices}
    if repeated:
        codes[repeated] = LEFT_OUT
        print(
            "Examples that are left out because the split to score or to validate on has them, too: "
            f"{len(repeated):,}, the first is {place_of(min(repeated))}."
        )


def _splits_in_column(table):
    if COLUMN not in table.column_names:
        return np.full(len(table), UNKNOWN, np.int8)
    values = table.column(COLUMN).to_pylist()
    for row, value in enumerate(values):
        if value not in SPLITS:
            raise UserError(f"{place(table, row, COLUMN)}: {value!r} is not one of {', '.join(SPLITS)}.")
    return np.array([SPLITS.index(value) for value in values], np.int8)


def _files_by_split(folder):
    """Return the table of each split in a folder, in the order of the splits."""
    files = [path for path in files_in(folder) if path.parent == folder and suffix_of(path)]
    found = {}
    for split in SPLITS:
        named = [path for path in files if path.name[: -len(suffix_of(path))] == split]
        if len(named) > 1:
            raise UserError(
                f"{folder} must have one table for each split. Received: {named[0].name} and {named[1].name}"
            )
        if named:
            found[split] = named[0]
    if not found:
        listed = ", ".join(path.name for path in files) or "no table"
        raise UserError(
            f"{folder} must have a table called train, validation or test, such as train.csv; a table may end in "
            f"{', '.join(SUFFIXES)}. Received: {listed}"
        )
    return found
