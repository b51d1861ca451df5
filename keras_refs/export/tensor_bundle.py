"""The variables of a SavedModel as NumPy arrays, without TensorFlow.

TensorFlow stores them as a "tensor bundle": an index, which is a table as LevelDB writes it, of where in the data file
each tensor lies, and the data file. Formats: `tensorflow/core/util/tensor_bundle` and `table_format.md` of LevelDB.
"""

import os
import struct
from pathlib import Path

import numpy as np

_MAGIC = 0xDB4775248B80FB57
_FOOTER_BYTES = 48
# A block ends with its type of compression and a checksum, of which the length does not count.
_UNCOMPRESSED = 0
# Numbers of `DataType` in TensorFlow's types.proto.
_DTYPES = {
    **{1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 9: "int64", 10: "bool"},
    **{17: "uint16", 19: "float16", 22: "uint32", 23: "uint64"},
}
# Numbers of the fields of `BundleEntryProto`, `TensorShapeProto` and its `Dim`.
_DTYPE, _SHAPE, _OFFSET, _SIZE = 1, 2, 4, 5
_DIMENSION, _DIMENSION_SIZE = 2, 1


def read_bundle(prefix: str | os.PathLike) -> dict[str, np.ndarray]:
    """Return the tensors of a bundle in one data file as arrays by name.

    Names are those of objects, such as `weights/kernel/.ATTRIBUTES/VARIABLE_VALUE`; texts are left out.

    Args:
        prefix: Path of the files without `.index` and `.data-00000-of-00001`.

    Raises:
        ValueError: If a file is cut off or of another format.
        OSError: If a file cannot be read.
    """
    index = Path(f"{prefix}.index").read_bytes()
    data = Path(f"{prefix}.data-00000-of-00001").read_bytes()
    try:
        entries = {key.decode(): dict(_fields(value)) for key, value in _table(index) if key}
        if max(entry.get(_OFFSET, 0) + entry.get(_SIZE, 0) for entry in entries.values()) > len(data):
            raise ValueError(f"{prefix}.data-00000-of-00001 is cut off")
        known = {name: entry for name, entry in entries.items() if entry.get(_DTYPE) in _DTYPES}
        return {name: _array(entry, data) for name, entry in known.items()}
    except (IndexError, struct.error, TypeError) as error:
        raise ValueError(f"{prefix}.index is cut off or of another format") from error


def _array(entry, data):
    dtype = np.dtype(_DTYPES[entry[_DTYPE]]).newbyteorder("<")
    dimensions = [value for number, value in _fields(entry.get(_SHAPE, b"")) if number == _DIMENSION]
    shape = [dict(_fields(dimension)).get(_DIMENSION_SIZE, 0) for dimension in dimensions]
    values = np.frombuffer(data, dtype, int(np.prod(shape, dtype=np.int64)), entry.get(_OFFSET, 0))
    return values.astype(dtype.newbyteorder("=")).reshape(shape)


def _table(index):
    """Yield keys and values of a table, bytes each."""
    if len(index) < _FOOTER_BYTES or struct.unpack("<Q", index[-8:])[0] != _MAGIC:
        raise ValueError("the index of the variables is cut off or of another format")
    footer = index[-_FOOTER_BYTES:]
    # The first two numbers are the place of a block that is not needed.
    position = 0
    for _ in range(2):
        _, position = _varint(footer, position)
    for _, handle in _block(index, footer[position:]):
        yield from _block(index, handle)


def _block(index, handle):
    """Yield keys and values of the block at a place, two varints: first byte and length."""
    first, position = _varint(handle, 0)
    length, _ = _varint(handle, position)
    block = index[first : first + length]
    if index[first + length] != _UNCOMPRESSED:
        raise ValueError("the index of the variables is compressed")
    (restarts,) = struct.unpack("<I", block[-4:])
    key, position, end = b"", 0, len(block) - 4 * (restarts + 1)
    while position < end:
        # A key is stored without what it has in common with the one before.
        shared, position = _varint(block, position)
        own, position = _varint(block, position)
        size, position = _varint(block, position)
        key = key[:shared] + block[position : position + own]
        position += own
        yield key, block[position : position + size]
        position += size


def _fields(message):
    """Yield number and value of every field of a protocol-buffer message, integers, or bytes of nested messages."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, position = _varint(message, position)
        else:
            length, position = _varint(message, position) if kind == 2 else ({1: 8, 5: 4}[kind], position)
            value, position = message[position : position + length], position + length
        yield number, value


def _varint(data, position):
    """Return an integer of seven bits a byte, the lowest first, and the position after it."""
    value = shift = 0
    while True:
        byte = data[position]
        position, value, shift = position + 1, value | (byte & 127) << shift, shift + 7
        if byte < 128:
            return value, position
