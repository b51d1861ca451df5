"""SavedModels that take raw numbers and answer in the user's units."""

import keras
import numpy as np
import tensorflow as tf

from keras_refs.errors import UserError, first_line


def write_number_model(answer, models, input_name, input_shape, folder):
    """Write a SavedModel with one signature, `serving_default`, from finite float32 numbers to named outputs.

    A number that is not finite, or an input of another rank, is refused by the signature itself, which says where the
    first such number stands. A batch may be empty.

    Args:
        answer: Function from the checked input to a dictionary of outputs by name.
        models: The Keras models that it uses.
        input_name: Name of the input.
        input_shape: Its shape without the batch; `None` for an axis of any length.
        folder: An existing folder to write into.
    """

    def checked(numbers):
        numbers = tf.ensure_shape(numbers, [None, *input_shape])
        position = tf.where(~tf.math.is_finite(numbers))
        message = f"`{input_name}` must hold finite numbers; those that are none stand, counted from 0, at:"
        with tf.control_dependencies([tf.debugging.Assert(tf.size(position) == 0, [message, position])]):
            return answer(tf.identity(numbers))

    archive = keras.export.ExportArchive()
    for model in models:
        archive.track(model)
    specification = tf.TensorSpec([None, *input_shape], tf.float32, name=input_name)
    archive.add_endpoint("serving_default", checked, [specification])
    archive.write_out(str(folder), verbose=False)


class SavedNumberModel:
    """An export of `write_number_model`, used through its signature alone.

    Args:
        folder: The version folder.

    Raises:
        UserError: If it cannot be loaded or has no signature with one input.
    """

    def __init__(self, folder):
        try:
            self._loaded = tf.saved_model.load(str(folder))
            self._signature = self._loaded.signatures["serving_default"]
            ((self.input_name, self._specification),) = self._signature.structured_input_signature[1].items()
        except (OSError, KeyError, ValueError, tf.errors.OpError) as error:
            raise UserError(f"{folder} does not hold an exported model for numbers: {first_line(error)}") from error

    def predict(self, numbers):
        """Return the outputs by name, as arrays.

        Args:
            numbers: float `(examples, ...)` of the signature's shape.

        Raises:
            UserError: If the numbers have another shape, or some are not finite.
        """
        numbers = np.asarray(numbers, np.float32)
        if not self._specification.shape.is_compatible_with(numbers.shape):
            raise UserError(
                f"`{self.input_name}` must have the shape {tuple(self._specification.shape)}, None being any length. "
                f"Received: {numbers.shape}"
            )
        bad = np.argwhere(~np.isfinite(numbers))
        if len(bad):
            raise UserError(
                f"`{self.input_name}` must hold finite numbers. Received: {numbers[tuple(bad[0])]} at "
                f"{tuple(bad[0].tolist())}, counted from 0, and {len(bad) - 1} more"
            )
        outputs = self._signature(**{self.input_name: tf.constant(numbers)})
        return {name: value.numpy() for name, value in outputs.items()}
