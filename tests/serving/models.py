"""Small SavedModels to serve."""

import numpy as np
import tensorflow as tf

from keras_refs import export


def write(folder, factor=2.0):
    """Write a version that multiplies vectors of two numbers, and says each word twice."""
    folder.mkdir(parents=True)

    def multiplied(numbers):
        return {"products": numbers * factor, "sum": tf.reduce_sum(numbers, axis=1)}

    def one_output(numbers):
        return {"products": numbers * factor}

    export.write_function(multiplied, {"numbers": (tf.float32, (2,))}, folder, one_output=one_output)
    return folder


def write_texts(folder):
    """Write a version of strings, bytes, a flag and an integer."""
    folder.mkdir(parents=True)

    def say(words, loud, times):
        said = tf.strings.join([words, words])
        return {"said": tf.where(loud, tf.strings.upper(said), said), "raw_bytes": words, "times": times}

    inputs = {"words": (tf.string, ()), "loud": (tf.bool, ()), "times": (tf.int32, ())}
    export.write_function(say, inputs, folder)
    return folder


NUMBERS = np.array([[1.0, 2.0], [3.0, 5.0]], "float32")
