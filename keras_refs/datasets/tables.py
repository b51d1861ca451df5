"""Tables of numbers: every example is a row of features and a target or a class."""

import dataclasses

import numpy as np
import tensorflow_datasets as tfds
from sklearn.preprocessing import StandardScaler

from keras_refs.datasets.catalogue import one_of_each, open_builder, read_all, require_none
from keras_refs.datasets.pipelines import Dataset, Examples


@dataclasses.dataclass(frozen=True)
class Table(Examples):
    """Rows: `features` float32 `(examples, columns)`, `targets` float32 `(examples, 1)`, class numbers for classes."""

    features: np.ndarray
    targets: np.ndarray

    @property
    def labels(self):
        """Class numbers, int64 `(examples,)`."""
        return self.targets[:, 0].astype("int64")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableDataset(Dataset):
    """A `Table` and what its metadata say of it; `class_names` is empty if the target is a number.

    Every split is all of it: least squares is defined on the rows it is fitted to; who needs others cuts folds.
    """

    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]

    @property
    def rows(self):
        """All rows."""
        return self.train


def fit_scaler(values):
    """Return a `sklearn.preprocessing.StandardScaler`, fitted in float64 to the columns of `(..., columns)`."""
    return StandardScaler().fit(np.asarray(values, "float64").reshape(-1, values.shape[-1]))


def standardize(values, scaler):
    """Return values with mean 0 and standard deviation 1 in every column, in float32 arithmetic.

    Args:
        values: float32 `(..., columns)`, an array or, in a graph, a tensor.
        scaler: What `fit_scaler` returned for the training examples; a column that is constant there is only centred.
    """
    return (values - scaler.mean_.astype("float32")) / scaler.scale_.astype("float32")


def unstandardize(values, scaler):
    """Return the values that `standardize` maps to these, an array or a tensor alike."""
    return values * scaler.scale_.astype("float32") + scaler.mean_.astype("float32")


def load_table(name, data_dir=None, split="train", with_classes=False):
    """Load a `TableDataset`; what all loaders take and raise is in `keras_refs.datasets`.

    The TFDS set has a vector of finite numbers, and either a number to predict or, `with_classes`, a class label.
    """
    builder, keys = open_builder(name, data_dir, lambda opened: _keys(opened, with_classes))
    examples = read_all(builder, split)
    features, targets = (examples[key].numpy().astype("float32") for key in keys)
    targets = targets[:, np.newaxis]
    for column, array in zip(keys, (features, targets), strict=True):
        bad, complaint = np.argwhere(~np.isfinite(array)), f"values in {column!r} that are no finite numbers"
        require_none(name, bad, complaint, lambda at: f"number {at[1]} of example {at[0]}, both counted from 0")
    metadata = builder.info.metadata or {}
    return TableDataset.from_builder(
        name,
        builder,
        splits=[Table(features, targets)] * 3,
        feature_names=tuple(metadata.get("feature_names") or map(str, range(features.shape[1]))),
        class_names=tuple(builder.info.features[keys[1]].names) if with_classes else (),
    )


def _keys(builder, with_classes):
    """Return the names of the vector and of the target."""

    def is_target(feature):
        if with_classes:
            return isinstance(feature, tfds.features.ClassLabel)
        return feature.shape == () and np.issubdtype(feature.np_dtype, np.floating)

    wanted = "a class label" if with_classes else "a number to predict"
    complaint = f"is no table of one vector of numbers and {wanted}"
    return one_of_each(builder, complaint, lambda one: len(one.shape or ()) == 1 and one.shape[0], is_target)
