"""Image-classification data sets, in memory or on disk."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_refs.datasets import files
from keras_refs.datasets.catalogue import open_builder, wrong_kind
from keras_refs.datasets.pipelines import WHOLE, Dataset, Examples, ordered_batches, shuffled_batches, without_autotune
from keras_refs.datasets.streaming import StreamedImages, is_streamed, open_examples
from keras_refs.errors import UserError

if TYPE_CHECKING:
    from keras_refs.datasets.pipelines import Shard


@dataclasses.dataclass(frozen=True)
class Split(Examples):
    """Examples of one split: `images` uint8 `(examples, height, width, channels)`, `labels` int64 `(examples,)`."""

    images: np.ndarray | StreamedImages
    labels: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageDataset(Dataset):
    """A data set's images, a `Split` each for training, validation and test, and what its metadata say of it."""

    class_names: tuple[str, ...]

    @property
    def image_shape(self) -> tuple[int, ...]:
        """`(height, width, channels)` of every image."""
        return self.test.images.shape[1:]


def load_image_classification(
    dataset: str,
    data_dir: str | Path | None = None,
    train_split: str = "train",
    test_split: str = "test",
    validation_fraction: float = 0.05,
    image_size: int = 0,
    stream: str = "auto",
    data: str | Path | None = None,
) -> ImageDataset:
    """Load an `ImageDataset`; what all loaders take and raise is in `keras_refs.datasets`.

    The TFDS set has an image and a class label. `validation_fraction`, in (0, 1), of the training split is held out for
    validation; which examples is fixed, so that runs with different seeds stay comparable. Images are resized to the
    height and width `image_size`, in pixels; 0 keeps the data set's own size. With `stream` `"on"` they stay on disk,
    as `StreamedImages`, with `"off"` they are read into memory, `"auto"` goes by their size; batches are the same.
    `data` is a folder that `files.find_images` reads, in place of the TFDS set.

    Raises:
        UserError: Also if the images of a TFDS set differ in size and no `image_size` is given, or there are too few to
            be split.
    """
    if data is not None:
        percent = max(1, round(100 * validation_fraction))
        class_names, shape, splits = files.find_images(data, image_size, validation=percent)
        splits = [_read_files(*split, shape, stream) for split in splits]
        return ImageDataset.from_file(data, splits, class_names=class_names)
    builder, read, class_names = _open(dataset, data_dir, image_size, stream)
    train, test = read(train_split), read(test_split)
    order = np.random.default_rng(0).permutation(len(train))
    held_out = round(len(train) * validation_fraction)
    if not 0 < held_out < len(train):
        raise UserError(
            f"The split {train_split!r} of {dataset!r} has {len(train)} examples, too few to cut off "
            f"{validation_fraction:.0%} for validation."
        )
    splits = train.take(order[held_out:]), train.take(order[:held_out]), test
    return ImageDataset.from_builder(dataset, builder, splits, class_names=class_names)


def load_image_split(
    dataset: str,
    data_dir: str | Path | None = None,
    split: str = "test",
    image_size: int = 0,
    stream: str = "auto",
    data: str | Path | None = None,
    shape: tuple[int, ...] | None = None,
    class_names: Sequence[str] | None = None,
) -> tuple[Split, tuple[str, ...]]:
    """Load one split with what `load_image_classification` takes; return a `Split` and the tuple of class names.

    `data` is read with the `shape` and the `class_names` of a model, where `files.find_images` takes any.
    """
    if data is not None:
        known: dict[str, Any] = {"class_names": class_names, "needed": (split,)}
        names, shape, splits = files.find_images(data, image_size, shape, **known)
        return _read_files(*splits[files.SPLITS.index(split)], shape, stream), names
    _, read, names = _open(dataset, data_dir, image_size, stream)
    return read(split), names


def training_batches(
    split: Split,
    num_classes: int,
    batch_size: int,
    seed: int,
    first_step: int,
    last_step: int,
    horizontal_flip: bool = False,
    shift: int = 0,
    shard: Shard = WHOLE,
    sampled: bool = False,
) -> tf.data.Dataset:
    """Return the shuffled, augmented batches of a `Split`, with the other arguments of `shuffled_batches`.

    With `horizontal_flip` an image is flipped with p = 0.5; `shift` is the maximum random translation in pixels along
    each axis, and what comes in at the border is black.

    Returns:
        A `tf.data.Dataset` of `(images, targets)`: uint8 `(batch_size, height, width, channels)` and float32
        one-hot `(batch_size, num_classes)`; of a shard, its part of them.
    """

    def augment(seeds, images, labels):
        if horizontal_flip or shift:
            number = tf.shape(labels)[0] if sampled else batch_size
            images = _transformed(images, *map(shard.of, _draw(number, seeds, horizontal_flip, shift)))
        return images, tf.one_hot(labels, num_classes)

    arrays = split.images, split.labels
    return shuffled_batches(arrays, batch_size, seed, first_step, last_step, augment, shard, sampled)


def evaluation_batches(split: Split, num_classes: int, batch_size: int) -> tf.data.Dataset:
    """Return the `tf.data.Dataset` of every example of a `Split` once, in order; the last batch may be smaller.

    Its elements are those of `training_batches`: images uint8 and one-hot targets float32.
    """
    return ordered_batches(
        (split.images, split.labels), batch_size, lambda images, labels: (images, tf.one_hot(labels, num_classes))
    )


def _open(name, data_dir, image_size, stream):
    """Return the builder, a function that reads a split, and the class names."""
    builder, (image_key, label_key) = open_builder(name, data_dir, _image_and_label)
    height, width, channels = builder.info.features[image_key].shape
    if image_size:
        height = width = image_size
    if None in (height, width):
        raise UserError(f"The images of {name!r} differ in size: say with --image-size what to resize them to.")
    shape = height, width, channels or 3
    deserialize = builder.info.features.deserialize_example

    def only(key):
        skipped = {name: tfds.decode.SkipDecoding() for name in builder.info.features if name != key}
        return lambda example: deserialize(example, decoders=skipped)[key]

    def image(example):
        pixels = only(image_key)(example)
        if pixels.shape == shape:
            return pixels
        return tf.cast(tf.round(tf.image.resize(pixels, shape[:2], antialias=True)), tf.uint8)

    def read(split):
        examples, count = open_examples(builder, split)

        def load(indices):
            return tf.map_fn(image, examples(indices), fn_output_signature=tf.uint8)

        images = StreamedImages(load, (count, *shape), np.arange(count))
        labels = tf.data.Dataset.range(count).batch(1000).map(examples).unbatch().map(only(label_key)).batch(count)
        return _split(images, without_autotune(labels).get_single_element().numpy(), stream)

    return builder, read, tuple(builder.info.features[label_key].names)


def _read_files(paths, labels, shape, stream):
    """Return the `Split` of files of images."""

    def load(rows):
        return files.load_images([paths[row] for row in rows], shape)

    def load_in_graph(rows):
        return tf.numpy_function(load, [rows], tf.uint8, stateful=False)

    return _split(StreamedImages(load_in_graph, (len(paths), *shape), np.arange(len(paths))), labels, stream)


def _split(images, labels, stream):
    """Return the `Split` of `StreamedImages`, which are read into memory unless they are to stay on disk."""
    return Split(images if is_streamed(stream, math.prod(images.shape)) else images[:], labels)


def _image_and_label(builder):
    """Return the names of the image and of its class; of several the usual one, or else the first."""
    keys = []
    for usual_name, kind in (("image", tfds.features.Image), ("label", tfds.features.ClassLabel)):
        names = [key for key, feature in builder.info.features.items() if type(feature) is kind]
        if not names:
            needs = "image classification needs an Image and a ClassLabel feature"
            raise wrong_kind(builder, f"has no {usual_name}: {needs}")
        keys.append(usual_name if usual_name in names else names[0])
    return keys


def _draw(batch_size, seed, horizontal_flip, shift):
    """Return for every image of a batch whether it is mirrored, 1 or 0, and by how much its rows and columns move."""
    flip_seed, row_seed, column_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 3))
    is_mirrored = tf.random.stateless_uniform([batch_size], flip_seed) < (0.5 if horizontal_flip else 0.0)
    mirrored = tf.cast(is_mirrored, tf.float32)
    rows, columns = (
        tf.cast(tf.random.stateless_uniform([batch_size], key, -shift, shift + 1, tf.int32), tf.float32)
        for key in (row_seed, column_seed)
    )
    return mirrored, rows, columns


def _transformed(images, mirrored, rows, columns):
    """Mirror and move every image, in one projective transform for the whole batch."""
    height, width = images.shape[1:3]
    zeros, ones = tf.zeros_like(mirrored), tf.ones_like(mirrored)
    # The transform maps output to input coordinates: column -> scale * column + offset.
    scale, offset = 1 - 2 * mirrored, mirrored * (width - 1) + columns
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([scale, zeros, offset, zeros, ones, rows, zeros, zeros], axis=1),
        output_shape=[height, width],
        fill_value=0.0,
        interpolation="NEAREST",
        fill_mode="CONSTANT",
    )
