"""Images that stay on disk and are read when they are needed, in any order, for sets larger than memory."""

import dataclasses
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_refs.errors import UserError

# A record of a TFRecord file: its length and a checksum of it, the bytes, and a checksum of these.
_HEADER, _FOOTER = struct.Struct("<QI"), 4


@dataclasses.dataclass(frozen=True)
class StreamedImages:
    """Images on disk that are indexed like an array: `images[0]`, `images[5:9]` or `images[indices]` reads them.

    Attributes:
        read: Function from int64 indices `(batch,)` to strings `(batch,)`, what is stored of each image, in a graph.
        decode: Function from such a string to the image, uint8 `(height, width, channels)`, in a graph.
        shape: `(examples, height, width, channels)`.
        indices: Numbers of the images as `read` counts them, int64 `(examples,)`.
    """

    read: Callable
    decode: Callable
    shape: tuple[int, ...]
    indices: np.ndarray

    def __len__(self):
        return len(self.indices)

    def __getitem__(self, index):
        chosen = self.indices[index]
        return self._load(tf.constant(np.atleast_1d(chosen))).numpy()[0 if np.ndim(chosen) == 0 else slice(None)]

    def take(self, indices):
        """Return the images at a slice or an array of indices, still on disk."""
        chosen = self.indices[indices]
        return dataclasses.replace(self, indices=chosen, shape=(len(chosen), *self.shape[1:]))

    def gather(self, positions):
        """Return the images at positions, an int64 tensor `(batch,)`, as uint8 `(batch, ...)`, in a graph."""
        return self._load(tf.gather(tf.constant(self.indices), positions))

    def _load(self, indices):
        images = tf.map_fn(self.decode, self.read(indices), fn_output_signature=tf.uint8)
        return tf.ensure_shape(images, [None, *self.shape[1:]])


@dataclasses.dataclass(frozen=True)
class Records:
    """Records of TFRecord files, read in any order.

    Attributes:
        paths: The files.
        spans: Number of the file, first byte and length of every record, int64 `(records, 3)`.
    """

    paths: tuple[str, ...]
    spans: np.ndarray

    @classmethod
    def of(cls, files):
        """Return the records of a split, as TFDS's `SplitInfo.file_instructions` says which of which files these are.

        Raises:
            UserError: If a file is cut off.
        """
        parts = []
        for number, file in enumerate(files):
            spans = np.array(list(_spans(file.filename)), np.int64).reshape(-1, 2)
            spans = spans[file.skip : None if file.take == -1 else file.skip + file.take]
            parts.append(np.column_stack([np.full(len(spans), number), spans]))
        return cls(tuple(file.filename for file in files), np.concatenate(parts))

    def read(self, indices):
        """Return the bytes of the records at indices, an int64 tensor `(batch,)`, as strings, in a graph."""
        return tf.ensure_shape(tf.numpy_function(self._read, [indices], tf.string), indices.shape)

    def _read(self, indices):
        return np.array([self._record(*self.spans[index].tolist()) for index in indices], object)

    def _record(self, number, first, length):
        # Opened every time: it takes a hundredth of the time of decoding, and there may be more files than descriptors.
        with Path(self.paths[number]).open("rb", buffering=0) as file:
            return os.pread(file.fileno(), length, first)


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
