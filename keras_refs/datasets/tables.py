"""Tables of numbers: every example is a row of features and a target or a class."""

import dataclasses

import numpy as np
import tensorflow_datasets as tfds

from keras_refs.datasets.opening import open_builder, open_split, wrong_kind
from keras_refs.errors import UserError


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows: `features` float32 `(examples, columns)`, `targets` float32 `(examples, 1)`, class numbers for classes."""

    features: np.ndarray
    targets: np.ndarray

    def __len__(self):
        return len(self.targets)

    @property
    def labels(self):
        """Class numbers, int64 `(examples,)`."""
        return self.targets[:, 0].astype("int64")

    def take(self, indices):
        """Return the table of the rows at these indices."""
        return Table(self.features[indices], self.targets[indices])


@dataclasses.dataclass(frozen=True)
class TableDataset:
    """A table and what its metadata say of it; `class_names` is empty if the target is a number."""

    name: str
    rows: Table
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    citation: str
    homepage: str

    # A linear model's least squares is defined on the rows it is fitted to; who needs others cuts folds.
    @property
    def train(self):
        """All rows."""
        return self.rows

    validation = test = train


@dataclasses.dataclass(frozen=True)
class Standardization:
    """Mean and standard deviation by column, from the training rows alone, float32 `(columns,)`."""

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def of(cls, values):
        """Measure `(..., columns)`; a column that never changes keeps its size."""
        values = np.asarray(values, np.float64).reshape(-1, values.shape[-1])
        deviation = values.std(axis=0)
        return cls(values.mean(axis=0).astype("float32"), np.where(deviation == 0, 1, deviation).astype("float32"))

    def apply(self, values):
        """Return values of mean 0 and deviation 1; NumPy arrays and tensors alike."""
        return (values - self.mean) / self.deviation

    def invert(self, values):
        """Return the values that `apply` made these from."""
        return values * self.deviation + self.mean


def load_table(name, data_dir=None, split="train", with_classes=False):
    """Load a table.

    Args:
        name: TFDS name of a data set with a vector of numbers and a number or a class label.
        data_dir: TFDS data folder; the package's own for a bundled set, else TFDS's default, if `None`.
        split: TFDS split or slice.
        with_classes: Whether the target is to be a class label, or a number.

    Returns:
        A `TableDataset`.

    Raises:
        UserError: If there is no such data set or split, it is of another kind, or it has values that are no numbers.
    """
    builder = open_builder(name, data_dir, require=lambda opened: _keys(opened, with_classes))
    features_key, target_key = _keys(builder, with_classes)
    dataset = open_split(builder, split)
    values = dataset.batch(max(1, dataset.cardinality().numpy())).get_single_element()
    features = values[features_key].numpy().astype("float32")
    targets = values[target_key].numpy().astype("float32")[:, np.newaxis]
    for column, array in ((features_key, features), (target_key, targets)):
        bad = np.argwhere(~np.isfinite(array))
        if len(bad):
            row, position = bad[0]
            raise UserError(
                f"The data set {name!r} has {len(bad)} values in {column!r} that are no finite numbers; the first is "
                f"number {position} of example {row}, both counted from 0."
            )
    names = (builder.info.metadata or {}).get("feature_names") or map(str, range(features.shape[1]))
    return TableDataset(
        name=name,
        rows=Table(features, targets),
        feature_names=tuple(names),
        class_names=tuple(builder.info.features[target_key].names) if with_classes else (),
        citation=builder.info.citation,
        homepage=builder.info.homepage,
    )


def _keys(builder, with_classes):
    """Return the names of the vector and of the target."""
    features = builder.info.features
    vectors = [key for key, feature in features.items() if len(feature.shape or ()) == 1 and feature.shape[0]]
    if with_classes:
        targets = [key for key, feature in features.items() if isinstance(feature, tfds.features.ClassLabel)]
    else:
        targets = [
            key
            for key, feature in features.items()
            if feature.shape == () and np.issubdtype(feature.np_dtype, np.floating)
        ]
    if len(vectors) != 1 or len(targets) != 1:
        wanted = "a class label" if with_classes else "a number to predict"
        raise wrong_kind(builder, f"is no table of one vector of numbers and {wanted}")
    return vectors[0], targets[0]
