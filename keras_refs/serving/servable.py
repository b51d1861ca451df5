"""One loaded version of a model: its signatures, called with single requests or with batches."""

import contextlib
import functools
import itertools
import threading
from pathlib import Path

import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import get_model_metadata_pb2

from keras_refs import export
from keras_refs.serving.options import HALF_OF_CORES, ServerOptions
from keras_refs.serving.rest import RequestError

BATCH_THREADS = HALF_OF_CORES
"""Batches of all models that are computed at the same time. One occupies several cores; idle threads keep polling."""
MAX_ENQUEUED_BATCHES = 100
"""Maximum number of batches of a signature that wait for a thread; more requests are refused."""


class Servable:
    """A SavedModel whose signatures can be called, after its warm-up requests.

    Attributes:
        folder: Its version folder.
        names: Names of the signatures.
        metadata: The signatures in the format of TensorFlow Serving's metadata.

    Args:
        folder: A version folder.
        options: `ServerOptions`, for the size and the timeout of batches; the defaults if not given.

    Raises:
        OSError, ValueError, tf.errors.OpError: If it cannot be loaded.
    """

    def __init__(self, folder, options=None):
        options = options or ServerOptions()
        self.folder = Path(folder)
        self.metadata = _signature_definitions(folder)
        with _BUILDING_GRAPHS:
            self._loaded = tf.saved_model.load(str(folder))
            self._signatures = {name: _Signature(call, options) for name, call in self._loaded.signatures.items()}
        self.names = sorted(self._signatures)
        for name, inputs in export.read_warm_up(folder):
            self.signature(name)(inputs)

    def signature(self, name="serving_default"):
        """Return a signature, a function of arrays by name; `inputs` has a `tf.TensorSpec` by name, `outputs` names.

        Raises:
            RequestError: If there is no signature of that name.
        """
        if name not in self._signatures:
            raise RequestError(f"There is no signature {name!r}. The model has: {', '.join(self.names)}.")
        return self._signatures[name]


# TensorFlow does not promise that several threads may do this at the same time; they may call functions.
_BUILDING_GRAPHS = threading.Lock()
_NUMBERS = itertools.count()


class _Signature:
    def __init__(self, function, options):
        self._function = function
        self.inputs = function.structured_input_signature[1]
        self.outputs = list(function.structured_outputs)
        # Only requests that differ in nothing but the number of examples can share a batch.
        shapes = [specification.shape for specification in self.inputs.values()]
        batchable = all(shape.rank and shape[0] is None and shape[1:].is_fully_defined() for shape in shapes)
        self._batch_size = options.batch_size
        self._batched = self._in_batches(options) if options.batch_size > 1 and batchable else None

    def __call__(self, arrays):
        """Return the outputs for an array of each input, as arrays by name."""
        tensors = {name: tf.constant(array, self.inputs[name].dtype) for name, array in arrays.items()}
        outputs = None
        if self._batched and all(1 <= len(array) <= self._batch_size for array in arrays.values()):
            # One invalid request fails its whole batch; computed alone, each gets its own outputs or error.
            with contextlib.suppress(tf.errors.InvalidArgumentError):
                flat = self._batched(in_tensors=tf.nest.flatten(tensors))
                outputs = tf.nest.pack_sequence_as(self._function.structured_outputs, flat)
        outputs = outputs or self._function(**tensors)
        return {name: outputs[name].numpy() for name in self.outputs}

    def _in_batches(self, options):
        @tf.function(input_signature=[self.inputs])
        def batched(tensors):
            return self._function(**tensors)

        function = batched.get_concrete_function()
        return functools.partial(
            tf.raw_ops.BatchFunction,
            captured_tensors=function.captured_inputs,
            f=function,
            Tout=[output.dtype for output in function.outputs],
            num_batch_threads=BATCH_THREADS,
            max_batch_size=options.batch_size,
            batch_timeout_micros=round(1000 * options.batch_milliseconds),
            max_enqueued_batches=MAX_ENQUEUED_BATCHES,
            # Signatures with the same settings share threads, but no queue: one function computes a whole batch.
            shared_name=f"{BATCH_THREADS} threads, {options.batch_size} examples, {options.batch_milliseconds} ms",
            batching_queue=f"signature_{next(_NUMBERS)}",
        )


def _signature_definitions(folder):
    """Return the signatures in the format of TensorFlow Serving's metadata."""
    model = saved_model_pb2.SavedModel.FromString((Path(folder) / "saved_model.pb").read_bytes())
    (graph,) = [graph for graph in model.meta_graphs if "serve" in graph.meta_info_def.tags]
    signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=graph.signature_def)
    options = {"preserving_proto_field_name": True, "always_print_fields_with_no_presence": True}
    return json_format.MessageToDict(signatures, **options)["signature_def"]
