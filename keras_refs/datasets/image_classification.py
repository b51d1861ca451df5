"""Image-classification data sets, held in memory."""

import dataclasses

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_refs.datasets.opening import open_builder, open_split, wrong_kind
from keras_refs.datasets.pipelines import without_autotune
from keras_refs.errors import UserError


@dataclasses.dataclass(frozen=True)
class Split:
    """Examples of one split: `images` uint8 `(examples, height, width, channels)`, `labels` int64 `(examples,)`."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self):
        return len(self.labels)

    def take(self, indices):
        """Return the split of the examples at these indices."""
        return Split(self.images[indices], self.labels[indices])


@dataclasses.dataclass(frozen=True)
class ImageDataset:
    """A data set's three splits and what its metadata say of it."""

    name: str
    train: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]
    citation: str
    homepage: str

    @property
    def image_shape(self):
        """`(height, width, channels)` of every image."""
        return self.test.images.shape[1:]


def load_image_classification(
    name, data_dir=None, train_split="train", test_split="test", validation_fraction=0.05, image_size=0
):
    """Load an image-classification data set.

    Args:
        name: TFDS name. Bundled sets are read from the package; others from `data_dir`, where TFDS downloads
            and prepares them first if they are not there.
        data_dir: TFDS data folder; TFDS's default if `None`.
        train_split: TFDS split or slice to train on, such as `"train[:80%]"`.
        test_split: TFDS split or slice to score on.
        validation_fraction: Share of the training split that is cut off for validation, in (0, 1). Which
            examples is fixed, so that runs with different seeds stay comparable.
        image_size: Height and width in pixels to resize to; 0 keeps the data set's own size.

    Returns:
        An `ImageDataset`.

    Raises:
        UserError: If there is no such data set or split, it has no image or class label, its images differ in
            size and no `image_size` is given, or it is too small to be split.
    """
    read, class_names, info = _open(name, data_dir, image_size)
    train, test = read(train_split), read(test_split)
    order = np.random.default_rng(0).permutation(len(train))
    held_out = round(len(train) * validation_fraction)
    if not 0 < held_out < len(train):
        raise UserError(
            f"The split {train_split!r} of {name!r} has {len(train)} examples, too few to cut off "
            f"{validation_fraction:.0%} for validation."
        )
    return ImageDataset(
        name=name,
        train=train.take(order[held_out:]),
        validation=train.take(order[:held_out]),
        test=test,
        class_names=class_names,
        citation=info.citation,
        homepage=info.homepage,
    )


def load_image_split(name, data_dir=None, split="test", image_size=0):
    """Load one split of an image-classification data set.

    Arguments and errors are those of `load_image_classification`.

    Returns:
        `(split, class_names)`, a `Split` and a tuple of strings.
    """
    read, class_names, _ = _open(name, data_dir, image_size)
    return read(split), class_names


def _open(name, data_dir, image_size):
    """Return a function that reads a split, the class names and TFDS's `DatasetInfo`."""
    builder = open_builder(name, data_dir, require=_image_and_label)
    image_key, label_key = _image_and_label(builder)
    height, width, channels = builder.info.features[image_key].shape
    if image_size:
        height = width = image_size
    if None in (height, width):
        raise UserError(f"The images of {name!r} differ in size: say with --image-size what to resize them to.")
    read = _reader(builder, image_key, label_key, (height, width, channels or 3))
    return read, tuple(builder.info.features[label_key].names), builder.info


def _image_and_label(builder):
    features = builder.info.features
    kinds = {"image": tfds.features.Image, "label": tfds.features.ClassLabel}
    found = []
    for usual_name, kind in kinds.items():
        keys = [key for key, feature in features.items() if type(feature) is kind]
        if not keys:
            needs = "image classification needs an Image and a ClassLabel feature"
            raise wrong_kind(builder, f"has no {usual_name}: {needs}")
        found.append(usual_name if usual_name in keys else keys[0])
    return found


def _reader(builder, image_key, label_key, shape):
    def example(features):
        image = features[image_key]
        if image.shape != shape:
            image = tf.cast(tf.round(tf.image.resize(image, shape[:2], antialias=True)), tf.uint8)
        return image, features[label_key]

    def read(split):
        dataset = open_split(builder, split)
        examples = dataset.map(example, num_parallel_calls=2).batch(dataset.cardinality().numpy())
        images, labels = next(iter(without_autotune(examples)))
        return Split(images.numpy(), labels.numpy())

    return read
