"""Series from TFDS data sets: a text, the time, and a vector of numbers or several numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import tensorflow_datasets as tfds

from keras_refs.datasets import files
from keras_refs.datasets.catalogue import open_builder, read_all, wrong_kind
from keras_refs.datasets.regular import Rows
from keras_refs.errors import UserError


def read_splits(
    dataset: str, data_dir: str | Path | None, splits: Sequence[str], target: str, inputs: Sequence[str]
) -> Rows:
    """Return the `Rows` of the training and the test split of a TFDS data set, whose names `splits` has.

    `target` is the column to forecast, and `inputs` are those to forecast from, if not all.

    Raises:
        UserError: If there is no such data set, split or column, it is no series, or a time is none.
    """
    builder, (time, *keys) = open_builder(dataset, data_dir, _keys)
    all_names = _value_names(builder, keys)
    names = tuple(dict.fromkeys((*inputs, target))) if inputs else all_names
    for option, name in (("--target", target), *(("--inputs", name) for name in inputs)):
        if name not in all_names:
            received = f" Received: {name}" if name else ""
            raise UserError(f"{option} must be one of {', '.join(all_names)}.{received}")
    parts = [read_all(builder, split) for split in splits]
    lengths = [len(part[time]) for part in parts]

    def place(row, name=None):
        number = int(row >= lengths[0])
        column = f", {name!r}" if name is not None else ""
        return f"the data set {dataset!r}, example {row - number * lengths[0]:,} of {splits[number]!r}{column}"

    strings = [string.decode(errors="replace") for part in parts for string in part[time].numpy()]
    values = np.concatenate([_values(part, keys) for part in parts])[:, [all_names.index(name) for name in names]]
    about = {"name": dataset, "citation": builder.info.citation, "homepage": builder.info.homepage}
    return Rows(
        name=f"the data set {dataset!r}",
        about=about,
        times=files.read_times(pa.chunked_array([strings], pa.string()), place),
        values=values,
        names=names,
        parts=np.repeat(np.array([files.SPLITS.index("train"), files.SPLITS.index("test")], "int8"), lengths),
        place=place,
    )


def _keys(builder):
    """Return the names of the time and of the numbers: a vector, or single ones."""
    # In the order of their names: that of the builder differs from process to process.
    features = sorted(builder.info.features.items())
    texts = [name for name, feature in features if isinstance(feature, tfds.features.Text)]
    numbers = [name for name, feature in features if _is_numeric(feature)]
    vectors = [name for name in numbers if builder.info.features[name].shape]
    if len(texts) != 1 or not numbers or (vectors and len(numbers) > 1):
        raise wrong_kind(builder, "is no series of one text, the time, and a vector of numbers or single numbers")
    return texts + numbers


def _is_numeric(feature):
    if isinstance(feature, tfds.features.Text | tfds.features.ClassLabel) or feature.shape is None:
        return False
    return len(feature.shape) <= 1 and np.issubdtype(feature.np_dtype, np.number)


def _value_names(builder, keys):
    shape = builder.info.features[keys[0]].shape
    if not shape:
        return tuple(keys)
    return tuple((builder.info.metadata or {}).get("value_names") or map(str, range(shape[0])))


def _values(examples, keys):
    """Return the numbers of examples as float32 `(examples, columns)`."""
    columns = [examples[key].numpy().astype("float32") for key in keys]
    return np.column_stack(columns)
