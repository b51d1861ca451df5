"""SavedModels whose signatures go from what a client has to what a client wants."""

import keras
import numpy as np
import tensorflow as tf

from keras_refs.errors import UserError, first_line


def write_function(answer, inputs, folder, numeric=None, **others):
    """Write a SavedModel with a signature `serving_default`, and others, from named inputs to named outputs.

    A number that is not finite, an input of another rank, or a sequence of length 0 is refused by the signature itself,
    which says where such numbers stand. A batch may be empty.

    Args:
        answer: Function from the checked inputs, in the order of `inputs`, to a dictionary of outputs by name.
        inputs: For each input its name, the dtype, and its shape without the batch; `None` for an axis of any length.
        folder: An existing folder to write into.
        numeric: A function and its inputs, for a signature `numeric` without strings. It refuses nothing, so that
            programs to which a SavedModel is converted, and which know neither strings nor checks, can have it.
        **others: By the name of the signature, what other functions answer to the same inputs.
    """
    functions = {"serving_default": answer, **others}
    signatures = {name: (checked(function, inputs), _specifications(inputs)) for name, function in functions.items()}
    if numeric:
        function, numbers = numeric
        signatures["numeric"] = function, _specifications(numbers)
    write_signatures(signatures, folder)


def _specifications(inputs):
    return [tf.TensorSpec([None, *shape], dtype, name=name) for name, (dtype, shape) in inputs.items()]


def write_signatures(signatures, folder):
    """Write a SavedModel of functions, each with the specifications of its inputs, by the name of the signature."""
    # Not `archive.track`: the archive finds the variables an endpoint uses, and would save tracked ones twice.
    archive = keras.export.ExportArchive()
    for name, (function, specifications) in signatures.items():
        archive.add_endpoint(name, function, specifications)
    archive.write_out(str(folder), verbose=False)


def in_half_precision(model, *answers):
    """Return functions that answer from weights which a SavedModel stores in half of the space, as float16.

    They compute in float32, from weights rounded to eleven bits; the model's own are rounded with them, so that both
    give the same answers.

    Args:
        model: The Keras model, or the one whose parts the functions call.
        *answers: Functions for `write_function`.
    """
    halves = [tf.Variable(tf.cast(variable.value, tf.float16)) for variable in model.variables]
    for variable, half in zip(model.variables, halves, strict=True):
        variable.assign(tf.cast(half, variable.dtype))

    def of(answer):
        def from_halves(*inputs):
            values = [tf.cast(half, variable.dtype) for variable, half in zip(model.variables, halves, strict=True)]
            with keras.StatelessScope(state_mapping=list(zip(model.variables, values, strict=True))):
                return answer(*inputs)

        return from_halves

    return tuple(map(of, answers))


def checked(answer, inputs):
    """Return a function that first refuses inputs of another rank, without steps, or with numbers that are not finite.

    Args:
        answer: Function from the checked inputs, in the order of `inputs`.
        inputs: For each input its name, the dtype, and its shape without the batch; `None` for an axis of any length.
    """

    def check_and_answer(*values):
        checks = []
        for value, (name, (dtype, shape)) in zip(values, inputs.items(), strict=True):
            value = tf.ensure_shape(value, [None, *shape])
            if shape:
                message = f"`{name}` must have at least one step. Received the shape:"
                checks.append(tf.debugging.Assert(tf.reduce_all(tf.shape(value)[1:] > 0), [message, tf.shape(value)]))
            if dtype.is_floating:
                position = tf.where(~tf.math.is_finite(value))
                message = f"`{name}` must hold finite numbers; those that are none stand, counted from 0, at:"
                checks.append(tf.debugging.Assert(tf.size(position) == 0, [message, position]))
        with tf.control_dependencies(checks):
            return answer(*map(tf.identity, values))

    return check_and_answer


def answer_batch(network, batch):
    """Return a network's outputs for a batch, also for an empty one, which oneDNN's convolution refuses."""
    size = tf.shape(batch)[0]
    filled = tf.pad(batch, [[0, tf.cast(size == 0, tf.int32)]] + [[0, 0]] * (len(batch.shape) - 1))
    return network(filled, training=False)[:size]


def tell_class(probabilities, class_names):
    """Return what the signature of a classifier answers: `label`, `class_name` and `probabilities`.

    Args:
        probabilities: float32 tensor `(batch, classes)`.
        class_names: A name for each class.
    """
    label = tf.argmax(probabilities, axis=-1)
    return {"label": label, "class_name": tf.gather(tf.constant(class_names), label), "probabilities": probabilities}


class SavedFunction:
    """A SavedModel, used through one of its signatures alone.

    Args:
        folder: The version folder.
        signature: Name of the signature.

    Raises:
        UserError: If it cannot be loaded or has no such signature.
    """

    def __init__(self, folder, signature="serving_default"):
        try:
            self._loaded = tf.saved_model.load(str(folder))
            self._signature = self._loaded.signatures[signature]
        except (OSError, KeyError, ValueError, tf.errors.OpError) as error:
            raise UserError(f"{folder} does not hold an exported model: {first_line(error)}") from error
        self.inputs = self._signature.structured_input_signature[1]

    @property
    def variables(self):
        """The weights, in the order in which the signature uses them."""
        return self._signature.variables

    def predict(self, batch_size=1000, outputs=None, **inputs):
        """Return the outputs by name, as arrays.

        Args:
            batch_size: Examples a call of the signature.
            outputs: Names of those to return; all by default. Whose length differs between calls cannot be joined.
            **inputs: An array for each of the signature's inputs, `(examples, ...)`.

        Raises:
            UserError: If an input is missing or has another shape, or some numbers are not finite.
        """
        if set(inputs) != set(self.inputs):
            raise UserError(f"The model's inputs are {', '.join(self.inputs)}. Received: {', '.join(inputs)}")
        arrays = {name: self._checked(name, values) for name, values in inputs.items()}
        examples = {len(array) for array in arrays.values()}
        if len(examples) != 1:
            raise UserError(f"All inputs must have the same number of examples. Received: {sorted(examples)}")
        answers = [
            self._signature(**{name: tf.constant(array[start : start + batch_size]) for name, array in arrays.items()})
            for start in range(0, max(1, *examples), batch_size)
        ]
        return {name: np.concatenate([answer[name].numpy() for answer in answers]) for name in outputs or answers[0]}

    def _checked(self, name, values):
        specification = self.inputs[name]
        if specification.dtype == tf.string:
            array = np.asarray(values, dtype=object)
        else:
            array = np.asarray(values).astype(specification.dtype.as_numpy_dtype)
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
