"""SavedModels whose signatures go from what a client has to what a client wants, with their weights by name."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_refs import datasets
from keras_refs.errors import UserError, first_line
from keras_refs.export import quantization
from keras_refs.export.keras_model import ARCHITECTURE, named_weights
from keras_refs.export.version import write_warm_up

Inputs = Mapping[str, tuple[tf.DType, Sequence[int | None]]]
Signature = tuple[Callable[..., Mapping[str, tf.Tensor]], list[tf.TensorSpec]]


def write_saved_model(
    folder: str | os.PathLike,
    network: keras.Model,
    signatures: Mapping[str, Signature],
    examples: Mapping[str, Mapping[str, Any]],
    half_precision: bool = False,
    int8: bool = False,
) -> None:
    """Write a SavedModel, from which `load_model` reads the network back.

    Args:
        folder: An existing folder to write into.
        network: The Keras model whose weights the signatures use; they are stored by name, with its architecture.
        signatures: By name a function that returns a dictionary, and its inputs, a list of named `tf.TensorSpec`.
        examples: By the name of the signature inputs by name, for the warm-up requests.
        half_precision: Whether the weights are stored as float16; the signatures compute in float32 all the same.
        int8: Whether matrices are stored as int8, with scales for rows and columns, and other weights as they are; the
            signatures compute in float32 all the same.
    """
    weights = dict(named_weights(network))
    store = _quantized if int8 else _halved if half_precision else _unchanged
    stored = {name: store(weight) for name, weight in weights.items()}

    def with_stored_weights(function):
        def call(*inputs):
            values = [_value(stored[name], weight.dtype) for name, weight in weights.items()]
            with keras.StatelessScope(state_mapping=list(zip(weights.values(), values, strict=True))):
                return function(*inputs)

        return function if store is _unchanged else call

    # Plain TensorFlow: the weights are stored under the names that they have in this dictionary.
    module = tf.Module()
    module.weights = stored
    functions = {
        name: tf.function(with_stored_weights(function), input_signature=specifications, autograph=False)
        for name, (function, specifications) in signatures.items()
    }
    concrete = {name: function.get_concrete_function() for name, function in functions.items()}
    tf.saved_model.save(module, str(folder), signatures=concrete)
    path = Path(folder) / ARCHITECTURE
    path.parent.mkdir(exist_ok=True)
    path.write_text(network.to_json(), encoding="utf-8")
    write_warm_up(folder, network.name, examples)


def _unchanged(weight):
    return weight.value


def _halved(weight):
    is_real = weight.dtype.startswith("float")
    return tf.Variable(tf.cast(weight.value, tf.float16) if is_real else weight.value)


def _quantized(weight):
    if len(weight.shape) < 2 or not weight.dtype.startswith("float"):
        return weight.value
    return {name: tf.Variable(part) for name, part in quantization.quantize(weight.numpy()).items()}


def _value(stored, dtype):
    return tf.cast(quantization.dequantize(**stored) if isinstance(stored, dict) else stored, dtype)


def specifications(inputs: Inputs) -> list[tf.TensorSpec]:
    """Return a list of `tf.TensorSpec`, one for each input.

    Args:
        inputs: For each input its name, the dtype, and its shape without the batch; `None` for an axis of any length.
    """
    return [tf.TensorSpec([None, *shape], dtype, name=name) for name, (dtype, shape) in inputs.items()]


def checked(function: Callable[..., Mapping[str, tf.Tensor]], inputs: Inputs) -> Signature:
    """Return a signature that first validates rank, non-empty axes and finiteness; a batch may be empty.

    Args:
        function: Function from the validated inputs, in the order of `inputs`.
        inputs: As `specifications` takes them.

    Returns:
        A function and its specifications, as `write_saved_model` takes them.
    """

    def validate_and_call(*values):
        checks = []
        for value, (name, (dtype, shape)) in zip(values, inputs.items(), strict=True):
            value = tf.ensure_shape(value, [None, *shape])
            if shape:
                message = f"`{name}` must have at least one step. Received the shape:"
                checks.append(tf.debugging.Assert(tf.reduce_all(tf.shape(value)[1:] > 0), [message, tf.shape(value)]))
            if dtype.is_floating:
                position = tf.where(~tf.math.is_finite(value))
                message = f"`{name}` must hold finite numbers; those that are not are at, counted from 0:"
                checks.append(tf.debugging.Assert(tf.size(position) == 0, [message, position]))
        with tf.control_dependencies(checks):
            return function(*map(tf.identity, values))

    return validate_and_call, specifications(inputs)


def predict_batch(network: keras.Model, batch: tf.Tensor) -> tf.Tensor:
    """Return a network's outputs for a batch, also for an empty one, which oneDNN's convolution refuses."""
    size = tf.shape(batch)[0]
    filled = tf.pad(batch, [[0, tf.cast(size == 0, tf.int32)]] + [[0, 0]] * (len(batch.shape) - 1))
    return network(filled, training=False)[:size]


def class_outputs(probabilities: tf.Tensor, class_names: Sequence[str]) -> dict[str, tf.Tensor]:
    """Return the outputs of a classifier's signature: `label`, `class_name` and `probabilities`.

    Args:
        probabilities: float32 tensor `(batch, classes)`.
        class_names: A name for each class.
    """
    label = tf.argmax(probabilities, axis=-1)
    return {"label": label, "class_name": tf.gather(tf.constant(class_names), label), "probabilities": probabilities}


class SavedFunction:
    """One signature of a SavedModel.

    Args:
        folder: The version folder.
        signature: Name of the signature.

    Raises:
        UserError: If it cannot be loaded or has no such signature.
    """

    def __init__(self, folder: str | os.PathLike, signature: str = "serving_default") -> None:
        try:
            self._loaded = tf.saved_model.load(str(folder))
            self.signature = self._loaded.signatures[signature]
        except (OSError, KeyError, ValueError, tf.errors.OpError) as error:
            raise UserError(f"{folder} does not hold an exported model: {first_line(error)}") from error
        self.inputs = self.signature.structured_input_signature[1]

    def predict(
        self, batch_size: int = 1000, outputs: Sequence[str] | None = None, **inputs: Any
    ) -> dict[str, np.ndarray]:
        """Return the outputs by name, as arrays.

        Args:
            batch_size: Examples a call of the signature.
            outputs: Names of those to return; all by default. Whose length differs between calls cannot be joined.
            **inputs: An array for each of the signature's inputs, `(examples, ...)`; images and texts may be on disk.

        Raises:
            UserError: If an input is missing or has another type or shape, or some numbers are not finite.
        """
        if set(inputs) != set(self.inputs):
            raise UserError(f"The model's inputs are {', '.join(self.inputs)}. Received: {', '.join(inputs)}")
        arrays = {name: self._checked(name, values) for name, values in inputs.items()}
        examples = {len(array) for array in arrays.values()}
        if len(examples) != 1:
            raise UserError(f"All inputs must have the same number of examples. Received: {sorted(examples)}")
        batches = [
            self.signature(
                **{
                    name: tf.constant(array[start : start + batch_size], self.inputs[name].dtype)
                    for name, array in arrays.items()
                }
            )
            for start in range(0, max(1, *examples), batch_size)
        ]
        return {name: np.concatenate([np.asarray(batch[name]) for batch in batches]) for name in outputs or batches[0]}

    def _checked(self, name, values):
        specification = self.inputs[name]
        if datasets.gathers(values):
            array = values
        elif specification.dtype == tf.string:
            array = np.asarray(values, dtype=object)
        else:
            array = _cast(name, np.asarray(values), specification.dtype.as_numpy_dtype)
        if not specification.shape.is_compatible_with(array.shape) or 0 in array.shape[1:]:
            raise UserError(
                f"`{name}` must have the shape {tuple(specification.shape)}, None being any length of at least 1. "
                f"Received: {array.shape}"
            )
        bad = np.argwhere(~np.isfinite(array)) if specification.dtype.is_floating else ()
        if len(bad):
            raise UserError(
                f"`{name}` must hold finite numbers. Received: {array[tuple(bad[0])]} at "
                f"{tuple(bad[0].tolist())}, counted from 0, and {len(bad) - 1} more"
            )
        return array


def _cast(name, values, dtype):
    """Return numbers in another type, if it holds all of them: floats may lose digits, everything else nothing."""
    is_number = np.issubdtype(values.dtype, np.number)
    if is_number and np.issubdtype(dtype, np.floating):
        return values.astype(dtype)
    if np.issubdtype(values.dtype, np.integer) and np.array_equal(cast := values.astype(dtype), values):
        return cast
    limits = np.iinfo(dtype)
    extent = f" from {values.min()} to {values.max()}" if is_number and values.size else ""
    raise UserError(f"`{name}` must hold integers from {limits.min} to {limits.max}. Received: {values.dtype}{extent}")
