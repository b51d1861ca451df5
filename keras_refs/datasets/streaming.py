"""Images that stay on disk and are read when they are needed, in any order, for sets larger than memory."""

import dataclasses
import functools
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Self

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_refs.datasets.catalogue import read_parquet, split_files
from keras_refs.datasets.pipelines import without_autotune
from keras_refs.errors import UserError

# A record of a TFRecord file: its length and a checksum of it, the bytes, and a checksum of these.
_HEADER, _FOOTER = struct.Struct("<QI"), 4
_BATCH = 500
MEMORY_FRACTION = 1 / 8
"""Data that take a greater fraction of the machine's memory stay on disk; images are in memory twice."""


@dataclasses.dataclass(frozen=True)
class StreamedImages:
    """Images on disk that are indexed like an array: `images[0]`, `images[5:9]` or `images[indices]` reads them.

    Attributes:
        load: Function from int64 indices `(batch,)` to images, uint8 `(batch, height, width, channels)`, in a graph.
        shape: `(examples, height, width, channels)`.
        indices: Numbers of the images as `load` counts them, int64 `(examples,)`.
    """

    load: Callable
    shape: tuple[int, ...]
    indices: np.ndarray

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int | slice | np.ndarray) -> np.ndarray:
        chosen = self.indices[index]
        images, parts = np.empty((np.size(chosen), *self.shape[1:]), np.uint8), np.atleast_1d(chosen)
        batches = tf.data.Dataset.from_tensor_slices(parts).batch(_BATCH).map(self.load, num_parallel_calls=2)
        for number, batch in enumerate(without_autotune(batches)):
            images[number * _BATCH : (number + 1) * _BATCH] = batch
        return images[0] if np.ndim(chosen) == 0 else images

    def take(self, indices: slice | np.ndarray) -> Self:
        """Return the images at a slice or an array of indices, still on disk."""
        chosen = self.indices[indices]
        return dataclasses.replace(self, indices=chosen, shape=(len(chosen), *self.shape[1:]))

    def gather(self, positions: tf.Tensor) -> tf.Tensor:
        """Return the images at positions, an int64 tensor `(batch,)`, as uint8 `(batch, ...)`, in a graph."""
        images = self.load(tf.gather(tf.constant(self.indices), positions))
        return tf.ensure_shape(images, [None, *self.shape[1:]])


def is_streamed(stream: str, size: int) -> bool:
    """Return whether data that take so many bytes of memory stay on disk by the setting `--stream`."""
    if stream != "auto":
        return stream == "on"
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return size > memory * MEMORY_FRACTION


def open_examples(builder: tfds.core.DatasetBuilder, split: str) -> tuple[Callable[[tf.Tensor], tf.Tensor], int]:
    """Return what reads the examples of a split of a TFDS builder in any order, and their number.

    The first is a function from int64 indices `(batch,)` to the serialised examples, strings `(batch,)`, in a graph.
    Those of Parquet files are held in memory, as they are stored.

    Raises:
        UserError: If there is no such split, a file is cut off, or of another format.
    """
    files, file_format = split_files(builder, split), builder.info.file_format
    if file_format is tfds.core.FileFormat.PARQUET:
        examples = tf.constant(list(read_parquet(files)))
        return functools.partial(tf.gather, examples), len(examples)
    if file_format is not tfds.core.FileFormat.TFRECORD:
        raise UserError(
            f"Data sets of images must be in the format tfrecord or parquet. Received: {builder.name!r}, in "
            f"{file_format.value}"
        )
    parts = []
    for number, file in enumerate(files):
        spans = np.array(list(_spans(file.filename)), np.int64).reshape(-1, 2)
        spans = spans[file.skip : None if file.take == -1 else file.skip + file.take]
        parts.append(np.column_stack([np.full(len(spans), number), spans]))
    spans = np.concatenate(parts)

    def read(indices):
        return np.array([record(*spans[index].tolist()) for index in indices], object)

    def record(number, first, length):
        # Opened every time: it takes a hundredth of the time of decoding, and there may be more files than descriptors.
        with Path(files[number].filename).open("rb", buffering=0) as file:
            return os.pread(file.fileno(), length, first)

    def read_in_graph(indices):
        # Stateful functions run one after the other where operations are deterministic.
        return tf.ensure_shape(tf.numpy_function(read, [indices], tf.string, stateful=False), indices.shape)

    return read_in_graph, len(spans)


def _spans(path):
    """Yield first byte and length of every record of a file; only their headers are read."""
    size, position = Path(path).stat().st_size, 0
    with Path(path).open("rb") as file:
        while position < size:
            file.seek(position)
            header = file.read(_HEADER.size)
            length = _HEADER.unpack(header)[0] if len(header) == _HEADER.size else size
            first = position + _HEADER.size
            if first + length + _FOOTER > size:
                raise UserError(f"{path} is cut off: the record at byte {position} has no end. Prepare the set again.")
            yield first, length
            position = first + length + _FOOTER
