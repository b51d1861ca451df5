"""Tables of numbers: every example is a row of features and a target or a class."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from sklearn.preprocessing import StandardScaler

from keras_refs.datasets import files
from keras_refs.datasets.catalogue import open_builder, read_all, require_none, wrong_kind
from keras_refs.datasets.pipelines import Dataset, Examples


@dataclasses.dataclass(frozen=True)
class Table(Examples):
    """Rows: `features` float32 `(examples, columns)`, `targets` float32 `(examples, 1)`, class numbers for classes."""

    features: np.ndarray
    targets: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """Class numbers, int64 `(examples,)`."""
        return self.targets[:, 0].astype("int64")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableDataset(Dataset):
    """A `Table` and what its metadata say of it; `class_names` is empty if the target is a number.

    Every split of a TFDS set is all of it: least squares is defined on the rows it is fitted to; who needs others cuts
    folds. A file has a test split.
    """

    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]

    @property
    def rows(self) -> Table:
        """The rows to fit to."""
        return self.train

    @property
    def scored_on(self) -> str:
        """What scores of the test split are: of the rows that a model was fitted to, or of others."""
        return "in sample" if self.test is self.train else "on the test split"


def fit_scaler(values: np.ndarray) -> StandardScaler:
    """Return a `sklearn.preprocessing.StandardScaler`, fitted in float64 to the columns of `(..., columns)`."""
    scaler = StandardScaler()
    # All at once, if there are not too many to copy.
    rows = max(1, 2**22 // max(1, values[:1].size))
    for first in range(0, len(values), rows):
        scaler.partial_fit(np.asarray(values[first : first + rows], "float64").reshape(-1, values.shape[-1]))
    return scaler


def standardize(values: Any, scaler: StandardScaler) -> Any:
    """Return values with mean 0 and standard deviation 1 in every column, in float32 arithmetic.

    Args:
        values: float32 `(..., columns)`, an array or, in a graph, a tensor.
        scaler: What `fit_scaler` returned for the training examples; a column that is constant there is only centred.
    """
    return (values - scaler.mean_.astype("float32")) / scaler.scale_.astype("float32")


def unstandardize(values: Any, scaler: StandardScaler) -> Any:
    """Return the values that `standardize` maps to these, an array or a tensor alike."""
    return values * scaler.scale_.astype("float32") + scaler.mean_.astype("float32")


def load_table(
    dataset: str,
    data_dir: str | Path | None = None,
    split: str = "train",
    with_classes: bool = False,
    data: str | Path | None = None,
    target: str | None = None,
    inputs: Sequence[str] = (),
    class_names: Sequence[str] | None = None,
    needed: Sequence[str] = files.SPLITS,
) -> TableDataset:
    """Load a `TableDataset`; what all loaders take and raise is in `keras_refs.datasets`.

    The TFDS set has finite numbers, one vector of them or one in each of several features, and either a number to
    predict or, `with_classes`, a class label. `target` names that feature, by default the only one or the one called
    target, and `inputs` those to predict from, by default the vector or all other numbers. `data` is a table in place
    of the TFDS set, which `files.read_numbers` reads with the arguments after it.
    """
    if data is not None:
        names, classes, splits = files.read_numbers(data, target, inputs, with_classes, class_names, needed)
        splits = [Table(*arrays) for arrays in splits]
        return TableDataset.from_file(data, splits, feature_names=names, class_names=classes)
    builder, (inputs, target) = open_builder(
        dataset, data_dir, lambda opened: _keys(opened, with_classes, target, inputs)
    )
    examples = read_all(builder, split)
    columns = {key: examples[key].numpy().astype("float32") for key in (*inputs, target)}
    for key, array in columns.items():
        bad, complaint = np.argwhere(~np.isfinite(array)), f"values in {key!r} that are no finite numbers"
        require_none(dataset, bad, complaint, _place)
    vectors = [array if array.ndim == 2 else array[:, np.newaxis] for array in columns.values()]
    features, targets = np.concatenate(vectors[:-1], axis=1), vectors[-1]
    return TableDataset.from_builder(
        dataset,
        builder,
        splits=[Table(features, targets)] * 3,
        feature_names=_feature_names(builder, inputs, features.shape[1]),
        class_names=tuple(builder.info.features[target].names) if with_classes else (),
    )


def _place(at):
    number = f"number {at[1]} of " if len(at) == 2 else ""
    return f"{number}example {at[0]}, {'both ' * (len(at) == 2)}counted from 0"


def _feature_names(builder, inputs, count):
    """Return the names of the columns, one for each number of a vector."""
    if builder.info.features[inputs[0]].shape == ():
        return tuple(inputs)
    return tuple((builder.info.metadata or {}).get("feature_names") or map(str, range(count)))


def _keys(builder, with_classes, target, inputs):
    """Return the names of the vector or of the numbers to predict from, a list, and of the target."""
    features = builder.info.features

    def is_target(feature):
        if with_classes:
            return isinstance(feature, tfds.features.ClassLabel)
        return _is_number(feature) and np.issubdtype(feature.np_dtype, np.floating)

    targets = [name for name, feature in features.items() if is_target(feature)]
    target = target or ("target" if "target" in targets or len(targets) != 1 else targets[0])
    vectors = [name for name, feature in features.items() if len(feature.shape or ()) == 1 and feature.shape[0]]
    # The order of TFDS's features is not that of the columns, nor always the same.
    numbers = sorted(name for name, feature in features.items() if _is_number(feature) and name != target)
    unknown = [name for name in inputs if name not in (*vectors, *numbers)]
    if unknown:
        raise wrong_kind(builder, f"has no feature {unknown[0]!r} of numbers to predict from, which --inputs names")
    found = list(inputs) or vectors or numbers
    is_one_vector = len(found) == 1 and found[0] in vectors
    if target not in targets or not found or not (is_one_vector or set(found) <= set(numbers)):
        wanted = "a class label" if with_classes else "a number to predict"
        complaint = f"is no table of numbers, one vector or several features, and {wanted}"
        raise wrong_kind(builder, complaint + (", or --target must name which" if len(targets) > 1 else ""))
    return found, target


def _is_number(feature):
    is_class = isinstance(feature, tfds.features.ClassLabel)
    return feature.shape == () and not is_class and np.issubdtype(feature.np_dtype, np.number)
