"""Which inputs an output depends on, by its gradients.

No library fits: tf-explain and tf-keras-vis had their last releases in 2021 and 2024, xplique 2.0 wants a TensorFlow
before 2.21, captum is for PyTorch, and shap has neither saliency nor Grad-CAM.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def remove_final_activation(model: keras.Model) -> None:
    """Remove the softmax, or sigmoid, from the last layer of a classifier, in place, which then outputs logits.

    The gradient of a probability, unlike that of a logit, depends on all classes and vanishes where the model is sure.
    The last layer of the model, or of its last submodel, must be dense.
    """
    last = model
    while isinstance(last, keras.Model):
        last = last.layers[-1]
    last.activation = keras.activations.linear


def input_gradients(function: Callable[..., Any], inputs: np.ndarray | tf.Tensor, output_indices: Any) -> np.ndarray:
    """Return the gradient of one output of each example with respect to its whole input, float32 `(batch, ...)`.

    Args:
        function: A model, or another function, from a batch to `(batch, outputs)` that treats examples independently.
        inputs: `(batch, ...)`; cast to float32.
        output_indices: Index of the output to differentiate for each example, integers `(batch,)`.
    """
    inputs = tf.cast(inputs, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        selected = tf.gather(function(inputs), output_indices, batch_dims=1)
    return tape.gradient(selected, inputs).numpy()


def saliency(model: keras.Model, images: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return how strongly the score of a class depends on each pixel, float32 `(batch, height, width)`.

    For the logit S_c of class c and the pixel at row i, column j with channels k it is max_k |dS_c / dI_ijk|: Simonyan,
    Vedaldi & Zisserman 2014, "Deep inside convolutional networks", section 3.

    Args:
        model: A model from images to logits.
        images: `(batch, height, width, channels)`.
        classes: A class for each image, integers `(batch,)`.
    """
    return abs(input_gradients(model, images, classes)).max(axis=-1)


def grad_cam(model: keras.Model, images: np.ndarray, classes: np.ndarray, layer: str) -> np.ndarray:
    """Return where a convolutional layer's feature maps support a class, float32 `(batch, rows, columns)` as these.

    With A_k the maps of the layer, of Z positions, and S_c the logit of class c it is

        max(0, sum_k a_k max(0, A_k)),    a_k = 1/Z sum_ij dS_c / dA_ijk

    of Selvaraju et al. 2017, "Grad-CAM: visual explanations from deep networks". The inner maximum is the ReLU of the
    layer. It changes nothing where that is part of the layer, as in the paper; where the ReLU follows after pooling,
    what it will remove must not count as evidence.

    Args:
        model: A functional model from images to logits.
        images: `(batch, height, width, channels)`.
        classes: A class for each image, integers `(batch,)`.
        layer: Name of the layer, whose output has four axes.
    """
    maps_and_logits = keras.Model(model.input, [model.get_layer(layer).output, model.output])
    images = tf.cast(images, tf.float32)
    with tf.GradientTape() as tape:
        # Needed where no earlier layer has weights, which are watched anyway.
        tape.watch(images)
        maps, logits = maps_and_logits(images)
        selected = tf.gather(logits, classes, batch_dims=1)
    weights = tf.reduce_mean(tape.gradient(selected, maps), axis=(1, 2), keepdims=True)
    return tf.nn.relu(tf.reduce_sum(weights * tf.nn.relu(maps), axis=-1)).numpy()


def gradient_norms(model: keras.Model, sequences: np.ndarray) -> Any:
    """Return how strongly each output of a model depends on each step of its input, float32 `(length,)` by output.

    It is the L2 norm of the gradient with respect to the step, averaged over the examples. By back-propagation through
    time, the gradient is a product with a factor for each later step: where these are below 1, it vanishes with the
    distance.

    Args:
        model: A model from sequences to a dictionary of outputs `(batch, 1)`.
        sequences: float32 `(examples, length, features)`.
    """
    norms, only_output = {}, np.zeros(len(sequences), "int32")
    for name in model.output:
        gradients = input_gradients(lambda batch, name=name: model(batch)[name], sequences, only_output)
        norms[name] = np.linalg.norm(gradients, axis=-1).mean(axis=0)
    return norms
