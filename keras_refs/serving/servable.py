"""One loaded version of a model: its signatures, called with single requests or with batches."""

import math
import threading
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import get_model_metadata_pb2

from keras_refs import export
from keras_refs.serving.batches import Arrays, Batches
from keras_refs.serving.limits import decodes_images
from keras_refs.serving.options import HALF_OF_CORES, ServerOptions
from keras_refs.serving.rest import RequestError

BATCH_THREADS = HALF_OF_CORES
"""Computations of a signature at the same time. One occupies several cores."""
PIECE = 32
"""Examples of one request that are computed at once where requests share no batches."""


class Servable:
    """A SavedModel whose signatures can be called, after its warm-up requests.

    Attributes:
        folder: Its version folder.
        names: Names of the signatures.
        metadata: The signatures in the format of TensorFlow Serving's metadata.

    Args:
        folder: A version folder.
        options: `ServerOptions`, for the size of batches; the defaults if not given.

    Raises:
        OSError, ValueError, tf.errors.OpError: If it cannot be loaded.
    """

    def __init__(self, folder: str | Path, options: ServerOptions | None = None):
        options = options or ServerOptions()
        self.folder = Path(folder)
        self.metadata = _signature_definitions(folder)
        padded = export.read_padded_outputs(folder)
        # One that takes longer than this must not keep all others from being loaded.
        is_alone = _BUILDING_GRAPHS.acquire(timeout=options.load_seconds)
        try:
            self._loaded = tf.saved_model.load(str(folder))
        finally:
            if is_alone:
                _BUILDING_GRAPHS.release()
        self._signatures = {name: _Signature(call, options, padded) for name, call in self._loaded.signatures.items()}
        self.names = sorted(self._signatures)
        for name, inputs in export.read_warm_up(folder):
            self.signature(name)(inputs)

    def signature(self, name: str = "serving_default") -> "_Signature":
        """Return a signature, a function of arrays by name; `inputs` has a `tf.TensorSpec` by name, `outputs` names.

        Raises:
            RequestError: If there is no signature of that name.
        """
        if name not in self._signatures:
            raise RequestError(f"There is no signature {name!r}. The model has: {', '.join(self.names)}.")
        return self._signatures[name]


# TensorFlow does not promise that several threads may do this at the same time; they may call functions.
_BUILDING_GRAPHS = threading.Lock()


class _Signature:
    def __init__(self, function, options, padded):
        self._function = function
        self.inputs = function.structured_input_signature[1]
        self.outputs = list(function.structured_outputs)
        self.decodes_images = decodes_images(function)
        shapes = [spec.shape for spec in self.inputs.values()]
        outputs = {name: spec.shape for name, spec in function.structured_outputs.items()}
        have_rows = all(shape.rank and shape[0] is None for shape in [*shapes, *outputs.values()])
        # Their length may be that of the longest example in a batch.
        is_open = {name for name, shape in outputs.items() if have_rows and not shape[1:].is_fully_defined()}
        self._padded = is_open & set(padded)
        self._has_pieces = have_rows and is_open == self._padded
        # Only requests that differ in nothing but the number of examples can share a batch.
        are_alike = self._has_pieces and all(shape[1:].is_fully_defined() for shape in shapes)
        is_shared = options.batch_size > 1 and are_alike
        self._size = options.batch_size if is_shared else PIECE
        self._batches = Batches(self._call, options.batch_size if is_shared else 1, BATCH_THREADS, is_mistake)

    def __call__(self, arrays: Arrays, deadline: float | None = None) -> Arrays:
        """Return the outputs for an array of each input, as arrays by name.

        Args:
            arrays: By name.
            deadline: Time of `time.monotonic` at which the computation ends; without end by default.

        Raises:
            RequestError: If the deadline has passed, with status 504.
            tf.errors.OpError: If the inputs are invalid, or it fails.
        """
        rows = {len(array) if np.ndim(array) else 0 for array in arrays.values()}
        if not self._has_pieces or len(rows) != 1 or rows == {0}:
            return self._batches(arrays, math.inf, deadline)
        parts = [
            self._batches({name: array[start:end] for name, array in arrays.items()}, end - start, deadline)
            for start, end in self._pieces(*rows)
        ]
        return {name: _joined([part[name] for part in parts], name in self._padded) for name in self.outputs}

    def _pieces(self, rows):
        return [(start, min(rows, start + self._size)) for start in range(0, rows, self._size)]

    def _call(self, arrays):
        tensors = {name: tf.constant(array, self.inputs[name].dtype) for name, array in arrays.items()}
        outputs = self._function(**tensors)
        return {name: outputs[name].numpy() for name in self.outputs}


def is_mistake(error: Exception) -> bool:
    """Return whether an exception is the request's fault."""
    return isinstance(error, (tf.errors.InvalidArgumentError, tf.errors.OutOfRangeError))


def _joined(parts, are_padded):
    """Return the outputs of a request's parts as one array, without the padding that the longest of others needed."""
    if are_padded:
        parts = list(map(_cut, parts))
        lengths = np.max([part.shape[1:] for part in parts], axis=0)
        parts = [_fill(part, lengths) for part in parts]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _cut(array):
    used = np.argwhere(array != _PADDING.get(array.dtype.kind, 0))
    ends = used.max(axis=0) + 1 if len(used) else np.zeros(array.ndim, int)
    return array[(slice(None), *map(slice, ends[1:]))]


def _fill(array, lengths):
    widths = [(0, 0), *((0, length - size) for length, size in zip(lengths, array.shape[1:], strict=True))]
    return np.pad(array, widths, constant_values=_PADDING.get(array.dtype.kind, 0))


_PADDING = {"O": b""}


def _signature_definitions(folder):
    """Return the signatures in the format of TensorFlow Serving's metadata."""
    model = saved_model_pb2.SavedModel.FromString((Path(folder) / "saved_model.pb").read_bytes())
    (graph,) = [graph for graph in model.meta_graphs if "serve" in graph.meta_info_def.tags]
    signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=graph.signature_def)
    options = {"preserving_proto_field_name": True, "always_print_fields_with_no_presence": True}
    return json_format.MessageToDict(signatures, **options)["signature_def"]
