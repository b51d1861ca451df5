"""Small SavedModels to serve."""

import numpy as np
import tensorflow as tf

NUMBERS = np.array([[1.0, 2.0], [3.0, 5.0]], "float32")


def save(folder, inputs, **signatures):
    """Write a version.

    Args:
        folder: The version folder to create.
        inputs: For each input its name, the dtype, and its shape without the batch.
        **signatures: By name a function of tensors, in the order of `inputs`, that returns a dictionary of outputs.
    """
    specifications = [tf.TensorSpec([None, *shape], dtype, name) for name, (dtype, shape) in inputs.items()]
    functions = {
        name: tf.function(function, input_signature=specifications, autograph=False)
        for name, function in signatures.items()
    }
    concrete = {name: function.get_concrete_function() for name, function in functions.items()}
    tf.saved_model.save(tf.Module(), str(folder), signatures=concrete)
    return folder


def write(folder, factor=2.0):
    """Write a version that multiplies vectors of two finite numbers."""

    def finite(numbers):
        is_finite = tf.reduce_all(tf.math.is_finite(numbers))
        with tf.control_dependencies([tf.debugging.Assert(is_finite, ["`numbers` must hold finite numbers"])]):
            return tf.identity(numbers)

    def multiply(numbers):
        return {"products": finite(numbers) * factor, "sum": tf.reduce_sum(numbers, axis=1)}

    def one_output(numbers):
        return {"products": finite(numbers) * factor}

    inputs = {"numbers": (tf.float32, (2,))}
    return save(folder, inputs, serving_default=multiply, one_output=one_output)


def write_texts(folder):
    """Write a version of strings, bytes, a flag and an integer: it repeats each word."""

    def repeat(words, loud, times):
        repeated = tf.strings.join([words, words])
        return {"repeated": tf.where(loud, tf.strings.upper(repeated), repeated), "raw_bytes": words, "times": times}

    inputs = {"words": (tf.string, ()), "loud": (tf.bool, ()), "times": (tf.int32, ())}
    return save(folder, inputs, serving_default=repeat)
