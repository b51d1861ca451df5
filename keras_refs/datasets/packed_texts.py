"""Texts as one array of bytes, in memory or on disk, and parts of them, which are cut and read when they are needed."""

from __future__ import annotations

import dataclasses
import io
import tempfile
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import numpy as np
import tensorflow as tf


@dataclasses.dataclass(frozen=True, eq=False)
class PackedTexts(Sequence):
    """Texts that are read from one array when they are asked for: `texts[0]`, `texts[5:9]` or `texts[indices]`.

    Parts of texts may overlap: they have no bytes of their own.

    Attributes:
        data: The texts in UTF-8, uint8 `(bytes,)`, in memory or mapped from a file.
        starts: int64 `(texts,)`, the first byte of each.
        sizes: int32 `(texts,)`, its number of bytes.
        on_disk: Whether `data` and what is cut from it are in temporary files, which are deleted with the object.
    """

    data: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray
    on_disk: bool

    @classmethod
    def of(cls, texts: Iterable[str], on_disk: bool) -> Self:
        """Return texts, in memory or on disk."""
        encoded = (text.encode("utf-8", "replace") for text in texts)
        parts = ((np.frombuffer(each, np.uint8), np.array([len(each)], np.int32)) for each in encoded)
        data, sizes = stored(parts, (np.uint8, np.int32), on_disk)
        return cls(data, np.cumsum(sizes, dtype=np.int64) - sizes, sizes, on_disk)

    def cut(self, spans: Callable[[str], Iterable[tuple[int, int]]], labels: np.ndarray) -> tuple[Self, np.ndarray]:
        """Return parts of all texts, and for each the label of its text, int64 `(parts,)`.

        `spans` is a function of a text that returns for each part its first character and the one after its last.
        """

        def parts():
            for text, start, label in zip(self, self.starts, labels, strict=True):
                first, end = _first_bytes(text)[np.array(spans(text), np.int64).reshape(-1, 2)].T
                yield start + first, (end - first).astype(np.int32), np.full(len(first), label, np.int64)

        starts, sizes, labels = stored(parts(), (np.int64, np.int32, np.int64), self.on_disk)
        return dataclasses.replace(self, starts=starts, sizes=sizes), labels

    @property
    def shape(self) -> tuple[int]:
        """`(texts,)`."""
        return self.starts.shape

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: Any) -> Any:
        if np.ndim(index) == 0 and not isinstance(index, slice):
            return self._read(index).decode()
        return [text.decode() for text in self._read_all(index)]

    def take(self, indices: slice | np.ndarray) -> Self:
        """Return the texts at a slice or an array of indices, still where they are."""
        return dataclasses.replace(self, starts=self.starts[indices], sizes=self.sizes[indices])

    def gather(self, positions: tf.Tensor) -> tf.Tensor:
        """Return the texts at positions, an int64 tensor `(batch,)`, as strings `(batch,)`, in a graph."""

        def read(positions):
            return np.array(self._read_all(positions), object)

        return tf.ensure_shape(tf.numpy_function(read, [positions], tf.string, stateful=False), positions.shape)

    def _read(self, index):
        start = int(self.starts[index])
        return bytes(memoryview(self.data)[start : start + int(self.sizes[index])])

    def _read_all(self, indices):
        data, starts = memoryview(self.data), self.starts[indices]
        ends = starts + self.sizes[indices]
        return [bytes(data[start:end]) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]


def stored(parts: Iterable[Sequence[np.ndarray]], dtypes: Sequence[Any], on_disk: bool) -> list[np.ndarray]:
    """Return arrays whose parts come one after the other, in memory or mapped from temporary files.

    Args:
        parts: The next part of every array, one axis each.
        dtypes: The types of the arrays.
        on_disk: Whether they are written to files, which have no names and are deleted with the arrays.
    """
    files: list[Any] = [tempfile.TemporaryFile() if on_disk else io.BytesIO() for _ in dtypes]  # noqa: SIM115
    for arrays in parts:
        for file, array in zip(files, arrays, strict=True):
            file.write(np.ascontiguousarray(array))
    return [_mapped(file, dtype) for file, dtype in zip(files, dtypes, strict=True)]


def _mapped(file, dtype):
    if not file.tell():
        return np.empty(0, dtype)
    if isinstance(file, io.BytesIO):
        return np.frombuffer(file.getbuffer(), dtype)
    with file:
        file.flush()
        # NumPy's class for them is slow to slice.
        return np.asarray(np.memmap(file, dtype, "r"))


def _first_bytes(text):
    """Return the first byte of each character in UTF-8, and the number of all bytes, int64 `(characters + 1,)`."""
    if text.isascii():
        return np.arange(len(text) + 1)
    codes = np.frombuffer(text.encode("utf-32-le"), "<u4")
    sizes = 1 + (codes >= 0x80) + (codes >= 0x800) + (codes >= 0x10000).astype(np.int64)
    return np.concatenate([[0], np.cumsum(sizes)])
