"""Examples from tables: texts and their classes, rows of numbers, and strings with their transcriptions.

Each function returns the examples of every split, in the order of `SPLITS`, and prints how many they are. Their common
arguments are `path`, a table or a folder of tables as `read_tables` takes it; the names of columns, `None` to find
them; `class_names`, of the model that is to be scored, `None` for those of the training split; and `needed`, the names
of the splits that must not be empty. They raise `UserError` if a table cannot be read, a column cannot be found, a
value is missing, a split is empty or has a class that the training split or the model has not, or there is one class.
"""

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from keras_refs.datasets.files.classes import number_classes
from keras_refs.datasets.files.reading import numbers, require_column, strings, text_column
from keras_refs.datasets.files.splits import COLUMN, SPLITS, assign_splits, place_in, read_tables
from keras_refs.errors import UserError


def read_texts(
    path: str | Path,
    text: str | None = None,
    label: str | None = None,
    class_names: Sequence[str] | None = None,
    needed: Sequence[str] = SPLITS,
    on_disk: bool = False,
) -> Any:
    """Read a column of texts and a column of their classes, which have these names, or are the only two.

    With `on_disk` the texts are in a temporary file, and read when they are asked for.

    Returns:
        The tuple of class names, and for each split an iterator of texts and an int64 array of labels.
    """
    tables, codes = read_tables(path, on_disk=on_disk)
    text, label = _text_and_label(path, tables, text, label)
    print(f"{Path(path).name}: column {text!r} has the texts, column {label!r} their classes.")
    labels, columns = _concatenated(tables, label, strings), [text_column(table, text) for table in tables]
    texts = pa.chunked_array([chunk for column in columns for chunk in column.chunks])

    def text_of(row):
        return texts[int(row)].as_py()

    codes = assign_splits(path, codes, text_of, lambda row: place_in(tables, row, text), needed=needed)
    class_names, labels = number_classes(path, labels, codes, lambda row: place_in(tables, row, label), class_names)
    return class_names, [(map(text_of, rows), labels[rows]) for rows in _rows_by_split(codes)]


def read_numbers(
    path: str | Path,
    target: str | None = None,
    inputs: Sequence[str] = (),
    with_classes: bool = False,
    class_names: Sequence[str] | None = None,
    needed: Sequence[str] = SPLITS,
) -> Any:
    """Read columns of numbers and a column to predict: of numbers or, `with_classes`, of classes.

    `target` is the column's name, by default target; `inputs` are those of the columns to predict from, by default all
    others.

    Returns:
        The tuples of the inputs' and the classes' names, and for each split float32 features `(rows, inputs)` and
        float32 targets `(rows, 1)`, which are the numbers of classes for classes.
    """
    tables, codes = read_tables(path, text=(target or "target",) if with_classes else ())
    target, inputs = _target_and_inputs(path, tables[0], target, inputs)
    as_input = _numbers_or("Name the columns to predict from with --inputs, to leave others out.")
    as_target = _numbers_or("To predict a class, train logistic_regression.")
    # A sum with 0 has no negative zero; the bytes of a row are the same on every machine.
    features = np.stack([_concatenated(tables, name, as_input) + 0.0 for name in inputs], axis=1).astype("<f8")
    targets = _concatenated(tables, target, strings if with_classes else as_target)

    def key(row):
        return features[row].tobytes().hex() + str(targets[row])

    codes = assign_splits(path, codes, key, lambda row: place_in(tables, row), needed=needed)
    if with_classes:
        class_names, targets = number_classes(
            path, targets, codes, lambda row: place_in(tables, row, target), class_names
        )
    features, targets = features.astype("float32"), np.array(targets, "float32")[:, np.newaxis]
    return inputs, class_names or (), [(features[rows], targets[rows]) for rows in _rows_by_split(codes)]


def _target_and_inputs(path, table, target, inputs):
    names = table.column_names
    if target is None and "target" not in names:
        raise UserError(
            f"{path} has no column 'target' to predict: call it so, or train with --target NAME. "
            f"Its columns are: {', '.join(names)}."
        )
    target = target or "target"
    for name, option in ((target, "--target"), *((name, "--inputs") for name in inputs)):
        require_column(table, name, option)
    inputs = inputs or tuple(name for name in names if name not in (target, COLUMN))
    if not inputs:
        raise UserError(f"{path} has no column beside {target!r} to predict it from.")
    return target, inputs


def read_pairs(
    path: str | Path,
    source: str | None = None,
    target: str | None = None,
    separator: str = "",
    needed: Sequence[str] = SPLITS,
) -> list[dict[str, list[str]]]:
    """Read a column of strings and a column of their transcriptions, by default the first and the second.

    Several rows with one string have all its transcriptions, the most usual first. `separator` separates the symbols
    of a transcription, if it is not empty.

    Returns:
        For each split a dictionary from strings to the lists of their transcriptions, in the order of the rows.
    """
    tables, codes = read_tables(path)
    names = [name for name in tables[0].column_names if name != COLUMN]
    if len(names) < 2:
        raise UserError(f"{path} must have two columns, of strings and of their transcriptions. Received: {names[0]}")
    source = require_column(tables[0], source or names[0], "--source")
    target = require_column(tables[0], target or next(name for name in names if name != source), "--target")
    print(f"{Path(path).name}: column {source!r} is transcribed to column {target!r}.")
    sources, targets = (_concatenated(tables, name, strings) for name in (source, target))
    if separator and not any(separator in value for value in targets):
        raise UserError(
            f"{place_in(tables, 0, target)}: the symbols of a transcription must be separated by {separator!r}, as in "
            f"{separator.join('ABC')!r}. Received: {targets[0]!r}"
        )

    def key(row):
        # To a network that reads lower case, these are the same.
        return unicodedata.normalize("NFC", sources[row].lower())

    codes = assign_splits(path, codes, key, lambda row: place_in(tables, row, source), needed=needed)
    splits = []
    for rows in _rows_by_split(codes):
        pairs: dict[str, list[str]] = {}
        for row in rows:
            pairs.setdefault(sources[row], []).append(targets[row])
        splits.append(pairs)
    return splits


def _rows_by_split(codes):
    return [np.flatnonzero(codes == split) for split in range(len(SPLITS))]


def _concatenated(tables, name, read):
    """Return what `read`, `strings` or `numbers`, makes of a column, of one table after the other."""
    values = [read(table, name) for table in tables]
    return np.concatenate(values) if isinstance(values[0], np.ndarray) else [one for part in values for one in part]


def _numbers_or(advice):
    """Return the function `numbers` with advice for columns of texts."""

    def read(table, name):
        try:
            return numbers(table, name)
        except UserError as error:
            is_text = pa.types.is_string(table.column(name).type)
            raise UserError(f"{error} {advice}" if is_text else str(error)) from error

    return read


def _text_and_label(path, tables, text, label):
    names = [name for name in tables[0].column_names if name != COLUMN]
    text, label = (
        require_column(tables[0], chosen, f"--{usual}") if chosen else _called(usual, names)
        for chosen, usual in ((text, "text"), (label, "label"))
    )
    others = [name for name in names if name not in (text, label)]
    if not text and not label and len(others) == 2:
        # All texts may be more than fit into memory.
        different = [pc.count_distinct(tables[0][name].slice(0, 100_000)).as_py() for name in others]
        # Few classes have many texts.
        if different[0] != different[1]:
            return others if different[0] > different[1] else others[::-1]
    elif len(others) == 1:
        text, label = text or others[0], label or others[0]
    if text and label and text != label:
        return text, label
    missing = "text" if not text else "label"
    raise UserError(f"Name with --{missing} the column of {path} that has the {missing}: {', '.join(names)}.")


def _called(usual, names):
    return next((name for name in names if name.lower() == usual), None)
