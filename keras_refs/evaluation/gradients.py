"""How far back in time a network looks."""

import keras
import numpy as np
import tensorflow as tf


def gradient_norms(model, sequences):
    """Return how strongly each output of a model depends on each step of its input.

    By back-propagation through time the derivative of an answer by an early step is a product with a factor for each
    step between: where these are below 1, it vanishes with the distance.

    Args:
        model: A model from sequences to a dictionary of outputs `(batch, 1)`.
        sequences: float32 `(examples, length, features)`.

    Returns:
        For each output by name the Euclidean norm of its derivative by each step, the mean over the examples, float32
        `(length,)`; the last is that of the last step.
    """
    sequences = tf.constant(sequences)
    norms = {}
    for name in model.output:
        with tf.GradientTape() as tape:
            tape.watch(sequences)
            output = model(sequences, training=False)[name]
        by_step = keras.ops.norm(tape.gradient(output, sequences), axis=-1)
        norms[name] = np.mean(by_step, axis=0)
    return norms
