"""TFDS data sets by name: which there are, answered without importing TensorFlow or TFDS, and opening one."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_refs.errors import UserError, first_line

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf
    import tensorflow_datasets as tfds

BUNDLED_DATA_DIR = Path(__file__).parent / "prepared"
"""A TFDS `data_dir`: the data sets that come with the package, prepared."""


def bundled_names() -> list[str]:
    """Return the names of the data sets that come with the package."""
    return sorted(folder.name for folder in BUNDLED_DATA_DIR.iterdir() if folder.is_dir())


def data_dir_of(name: str, data_dir: str | Path | None = None) -> str | None:
    """Return where TFDS shall look for a data set, a path or `None` for its default, if there is one of that name.

    `data_dir` is a TFDS data folder; by default it is the package's own for a bundled data set, else TFDS's default.

    Raises:
        UserError: If the folder is missing or no data set has that name; the nearest names are offered.
    """
    if data_dir is not None and not Path(data_dir).is_dir():
        raise UserError(f"--data-dir must be an existing folder of TFDS data sets. Received: {data_dir}")
    base_name = name.split("/")[0].split(":")[0]
    bundled = bundled_names()
    if data_dir is None and base_name in bundled:
        return str(BUNDLED_DATA_DIR)
    folder = Path(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()
    prepared = [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    names = {*bundled, *prepared, *_tfds_names()}
    if base_name not in names:
        near = get_close_matches(base_name, names, n=3) or bundled
        raise UserError(f"No data set is called {name!r}. The nearest names are: {', '.join(near)}.")
    return str(data_dir) if data_dir is not None else None


def open_builder(
    name: str, data_dir: str | Path | None, find_keys: Callable[[tfds.core.DatasetBuilder], Any]
) -> tuple[tfds.core.DatasetBuilder, Any]:
    """Return the prepared TFDS builder of a data set, and the names of its features that are needed.

    `find_keys` is a function of the builder that returns these names, or raises `UserError` for another kind of data
    set, before TFDS downloads anything.

    Raises:
        UserError: If there is no such data set, it is of another kind, or TFDS cannot prepare it.
    """
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name, data_dir=data_dir_of(name, data_dir))
    except (tfds.core.DatasetNotFoundError, ValueError, AssertionError) as error:
        raise UserError(f"TFDS cannot open the data set {name!r}: {first_line(error)}") from error
    keys = find_keys(builder)
    if not builder.is_prepared():
        try:
            builder.download_and_prepare()
        except Exception as error:
            raise UserError(
                f"The data set {name!r} is not prepared in {builder.data_dir}, and TFDS could not prepare it: "
                f"{first_line(error)}"
            ) from error
    return builder, keys


def one_of_each(builder: tfds.core.DatasetBuilder, complaint: str, *kinds: Callable[[Any], bool]) -> list[str]:
    """Return the names of a data set's features, one for each of some functions that are true for such a feature.

    Raises:
        UserError: With the complaint, if there is not exactly one for each.
    """
    features = builder.info.features.items()
    names = [[name for name, feature in features if is_of_kind(feature)] for is_of_kind in kinds]
    if any(len(names_of_kind) != 1 for names_of_kind in names):
        raise wrong_kind(builder, complaint)
    return [name for (name,) in names]


def wrong_kind(builder: tfds.core.DatasetBuilder, complaint: str) -> UserError:
    """Return the `UserError` for a data set of another kind: what it has not, and which features it has."""
    features = sorted(builder.info.features.items())
    listed = ", ".join(f"{key} ({type(feature).__name__})" for key, feature in features)
    return UserError(f"The data set {builder.name!r} {complaint}. It has: {listed}.")


def split_files(builder: tfds.core.DatasetBuilder, split: str) -> list[Any]:
    """Return which records of which files are in a split of a TFDS builder, its `SplitInfo.file_instructions`.

    Raises:
        UserError: If there is no such split.
    """
    try:
        files = builder.info.splits[split].file_instructions
    except ValueError:
        files = []
    if not files:
        has = ", ".join(builder.info.splits)
        raise UserError(
            f"The data set {builder.name!r} has no examples in {split!r}; its splits are: {has}. "
            "A slice of one of these, such as 'train[80%:]', can stand for a missing test split."
        )
    return files


def open_split(builder: tfds.core.DatasetBuilder, split: str) -> tf.data.Dataset:
    """Return a split of a TFDS builder as a `tf.data.Dataset`, in the order of its examples.

    Raises:
        UserError: If there is no such split.
    """
    import tensorflow as tf
    import tensorflow_datasets as tfds

    files = split_files(builder, split)
    if builder.info.file_format is tfds.core.FileFormat.PARQUET:
        # In a sixth of the time of TFDS's loop in Python.
        examples = tf.data.Dataset.from_tensor_slices(list(read_parquet(files)))
        return examples.map(builder.info.features.deserialize_example, num_parallel_calls=tf.data.AUTOTUNE)
    # One file after the other: else examples of several would be interleaved.
    return builder.as_dataset(split=split, read_config=tfds.ReadConfig(interleave_cycle_length=1))


def read_parquet(files: Iterable[Any]) -> Iterator[bytes]:
    """Yield the serialised examples of what `split_files` returned for a data set in Parquet files."""
    import pyarrow.parquet

    for part in files:
        column = pyarrow.parquet.read_table(part.filename).column("data")
        yield from column.slice(part.skip, None if part.take == -1 else part.take).to_pylist()


def read_all(builder: tfds.core.DatasetBuilder, split: str) -> dict[str, Any]:
    """Return all examples that `open_split` has, as tensors by the name of the feature; varying shapes are ragged."""
    dataset = open_split(builder, split)
    return dataset.ragged_batch(max(1, dataset.cardinality().numpy())).get_single_element()


def require_none(dataset: str, bad: Sequence[Any] | np.ndarray, complaint: str, describe: Callable[[Any], str]) -> None:
    """Refuse a data set that has anything in the sequence `bad`; the complaint is what all of these are.

    Raises:
        UserError: With their number and the description of the first.
    """
    if len(bad):
        raise UserError(f"The data set {dataset!r} has {len(bad)} {complaint}; the first is {describe(bad[0])}.")


def split_of(string: str, test: float, validation: float) -> str:
    """Return the name of the split that a string belongs to by its hash; `test` and `validation` are in percent."""
    remainder = int(hashlib.sha256(string.encode()).hexdigest(), 16) % 100
    if remainder < test:
        return "test"
    return "validation" if remainder < test + validation else "train"


def _tfds_names():
    """Return the names of the data sets that TFDS can download: file names, as its own list takes seconds to import."""
    package = Path(importlib.util.find_spec("tensorflow_datasets").origin).parent
    names = {path.stem for path in (package / "url_checksums").glob("*.txt")}
    names |= {path.name for path in (package / "datasets").iterdir() if path.is_dir()}
    names |= {path.stem for path in (package / "image_classification").glob("*.py")}
    return {name for name in names if not name.startswith("_") and not name.endswith("_test")}
