"""What an answer depends on, told by gradients.

Written with `tf.GradientTape`, because no library fits. Those with both methods for Keras are tf-explain and
tf-keras-vis, without a release since November 2021 and March 2024, and xplique, whose release 2.0 wants a TensorFlow
before 2.21; captum is for PyTorch, and shap has neither method.
"""

import keras
import tensorflow as tf


def answer_with_logits(model):
    """Take the softmax, or sigmoid, off the end of a classifier, which from then on answers with logits.

    Probabilities sum to 1: the gradient of one is about all classes, and vanishes where the model is sure.

    Args:
        model: A model whose last layer, or that of its last part, is dense; it is changed.
    """
    last = model
    while isinstance(last, keras.Model):
        last = last.layers[-1]
    last.activation = keras.activations.linear


def input_gradients(answer, inputs, outputs):
    """Return the derivative of one number of each answer by the example's whole input.

    Args:
        answer: A model, or another function, from a batch to `(batch, numbers)`, each example's from its input alone.
        inputs: `(batch, ...)`; computed in float32.
        outputs: Which number of each answer, integers `(batch,)`.

    Returns:
        float32, of the shape of the inputs.
    """
    inputs = tf.cast(inputs, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        chosen = tf.gather(answer(inputs), outputs, batch_dims=1)
    return tape.gradient(chosen, inputs).numpy()


def saliency(model, images, classes):
    """Return how strongly the score of a class depends on each pixel.

    For the logit S_c of class c and the pixel at row i, column j with channels k it is max_k |dS_c / dI_ijk|.

    Args:
        model: A model from images to logits.
        images: `(batch, height, width, channels)`.
        classes: A class for each image, integers `(batch,)`.

    Returns:
        float32 `(batch, height, width)`.

    Source: Simonyan, Vedaldi & Zisserman 2014, "Deep inside convolutional networks: visualising image classification
    models and saliency maps", section 3.
    """
    return abs(input_gradients(model, images, classes)).max(axis=-1)


def grad_cam(model, images, classes, layer):
    """Return where a convolutional layer sees what speaks for a class.

    With A_k the maps of the layer, of Z positions, and S_c the logit of class c it is

        max(0, sum_k a_k max(0, A_k)),    a_k = 1/Z sum_ij dS_c / dA_ijk.

    The inner maximum is the ReLU of the layer. It changes nothing where that is part of the layer, as in the paper, and
    is needed where pooling comes first: without it, what the ReLU will take away would count as evidence.

    Args:
        model: A functional model from images to logits.
        images: `(batch, height, width, channels)`.
        classes: A class for each image, integers `(batch,)`.
        layer: Name of the layer, whose output has four axes.

    Returns:
        float32 `(batch, rows, columns)`, of the layer's resolution.

    Source: Selvaraju et al. 2017, "Grad-CAM: visual explanations from deep networks via gradient-based localization".
    """
    both = keras.Model(model.input, [model.get_layer(layer).output, model.output])
    images = tf.cast(images, tf.float32)
    with tf.GradientTape() as tape:
        # Whether or not a layer before has weights, which are watched anyway.
        tape.watch(images)
        maps, logits = both(images)
        chosen = tf.gather(logits, classes, batch_dims=1)
    weights = tf.reduce_mean(tape.gradient(chosen, maps), axis=(1, 2), keepdims=True)
    return tf.nn.relu(tf.reduce_sum(weights * tf.nn.relu(maps), axis=-1)).numpy()
