"""One loaded version of a model: its signatures, called alone or in batches."""

import dataclasses
import itertools
import os
import threading
from pathlib import Path

import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import saved_model_pb2

from keras_refs import export
from keras_refs.serving.rest import RequestError


@dataclasses.dataclass(frozen=True)
class Batching:
    """How requests that come at the same time are joined into one call.

    Attributes:
        max_batch_size: Examples a call at most.
        timeout_seconds: How long the first request of a batch waits for others, though a thread could compute it. What
            comes while all are busy is joined without it.
        threads: Batches that are computed at the same time, of whichever models; half of the cores by default, as one
            batch occupies several. Each thread wakes a thousand times a second.
        max_enqueued_batches: Full batches that wait at most; further requests are refused.
    """

    max_batch_size: int = 32
    timeout_seconds: float = 0.0
    threads: int = max(1, (os.cpu_count() or 1) // 2)
    max_enqueued_batches: int = 100


class Servable:
    """A SavedModel that answers requests for its signatures, and has answered those it brings for warming up.

    Attributes:
        folder: Its version folder.
        metadata: The signatures as TensorFlow Serving's metadata have them.

    Args:
        folder: A version folder.
        batching: A `Batching`, or `None` to compute every request alone.

    Raises:
        OSError, ValueError, tf.errors.OpError: If it cannot be loaded.
    """

    def __init__(self, folder, batching=None):
        self.folder = Path(folder)
        self.metadata = _signature_definitions(folder)
        with _BUILDING_GRAPHS:
            self._loaded = tf.saved_model.load(str(folder))
            self._signatures = {name: _Signature(found, batching) for name, found in self._loaded.signatures.items()}
        for name, inputs in export.read_warm_up(folder):
            self.signature(name)(inputs)

    @property
    def names(self):
        """Names of the signatures."""
        return sorted(self._signatures)

    def signature(self, name="serving_default"):
        """Return a signature: `inputs`, a `tf.TensorSpec` by name, `outputs`, their names, and it answers when called.

        Raises:
            RequestError: If there is none of that name.
        """
        if name not in self._signatures:
            raise RequestError(f"There is no signature {name!r}. The model has: {', '.join(self.names)}.")
        return self._signatures[name]


# TensorFlow does not promise that several threads may do this at the same time. They may call, which takes longer.
_BUILDING_GRAPHS = threading.Lock()
_NUMBERS = itertools.count()


class _Signature:
    def __init__(self, function, batching):
        self._function = function
        self.inputs = function.structured_input_signature[1]
        self.outputs = list(function.structured_outputs)
        # Only what differs in nothing but the number of examples can be joined.
        joinable = all(
            spec.shape.rank and spec.shape[0] is None and spec.shape[1:].is_fully_defined()
            for spec in self.inputs.values()
        )
        self._batched = self._in_batches(batching) if batching and joinable else None
        self._largest = batching.max_batch_size if batching else 0

    def __call__(self, arrays):
        """Return the outputs for an array of each input, as arrays by name."""
        tensors = {name: tf.constant(array, self.inputs[name].dtype) for name, array in arrays.items()}
        if self._batched and {len(array) for array in arrays.values()} <= set(range(1, self._largest + 1)):
            try:
                found = self._batched(**tensors)
            except tf.errors.InvalidArgumentError:
                # One bad request fails its whole batch. Alone, each gets the answer or the blame that is its own.
                found = self._function(**tensors)
        else:
            found = self._function(**tensors)
        return {name: found[name].numpy() for name in self.outputs}

    def _in_batches(self, batching):
        names = list(self.inputs)

        @tf.function(input_signature=[self.inputs[name] for name in names])
        def joined(*tensors):
            found = self._function(**dict(zip(names, tensors, strict=True)))
            return [found[name] for name in self.outputs]

        function = joined.get_concrete_function()
        # All share the threads, which TensorFlow keeps. Queues are not shared: one function computes a whole batch.
        queue = f"signature_{next(_NUMBERS)}"

        def call(**tensors):
            found = tf.raw_ops.BatchFunction(
                in_tensors=[tensors[name] for name in names],
                captured_tensors=function.captured_inputs,
                f=function,
                Tout=[output.dtype for output in function.outputs],
                num_batch_threads=batching.threads,
                max_batch_size=batching.max_batch_size,
                batch_timeout_micros=round(1e6 * batching.timeout_seconds),
                max_enqueued_batches=batching.max_enqueued_batches,
                shared_name=str(batching),
                batching_queue=queue,
            )
            return dict(zip(self.outputs, found, strict=True))

        return call


def _signature_definitions(folder):
    """Return the signatures as TensorFlow Serving's metadata have them."""
    model = saved_model_pb2.SavedModel.FromString((Path(folder) / "saved_model.pb").read_bytes())
    (graph,) = [graph for graph in model.meta_graphs if "serve" in graph.meta_info_def.tags]
    return {
        name: json_format.MessageToDict(
            definition, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
        for name, definition in graph.signature_def.items()
    }
