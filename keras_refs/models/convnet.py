"""Convolutional networks for images."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import layers

from keras_refs.models import arguments, heads
from keras_refs.models import weights as trained_weights


def conv_classifier(
    input_shape: Sequence[int] = (28, 28, 1),
    num_classes: int = 10,
    filters: int | Sequence[int] = (32, 64),
    convolutions_per_block: int = 1,
    kernel_size: int = 3,
    padding: str = "valid",
    hidden_units: int | Sequence[int] = 64,
    activation: str | Callable[[Any], Any] = "relu",
    batch_normalization: bool = False,
    block_dropout: float = 0.0,
    dropout: float = 0.0,
    l2: float = 0.0,
    classifier_activation: str | None = "auto",
    include_top: bool = True,
    weights: str | os.PathLike | None = None,
    dtype: str | keras.DTypePolicy | None = None,
    name: str = "conv_classifier",
) -> keras.Model:
    """Build a convolutional image classifier: convolution and max-pooling blocks, then dense layers.

    With `*` the cross-correlation and f the activation, block k computes

        h_k = f(max_pool_2x2(W_k * h_(k-1) + b_k)),    h_0 = pixels / 255,

    and the head p = softmax(V f(U flatten(h_K) + c) + d). For a non-decreasing f such as ReLU, max f(x) = f(max x): the
    activation after the pooling gives the textbook's result with a quarter of the activations to compute. With more
    than one convolution per block, those before the last have an activation of their own and no pooling.

    Batch normalisation, if enabled, comes directly before every activation, so after the pooling. That differs from the
    textbook: the statistics are those of the pooled values, and with a negative scale gamma the order matters.

    Input: `images`, `(batch, height, width, channels)`, float32 (integers are cast), pixel values 0..255, scaled to
    0..1 by a layer of the model. Output: `(batch, num_classes)`, class probabilities, in the dtype of the variables
    (float32 under a mixed-precision policy).

    Args:
        input_shape: `(height, width, channels)` of an image in pixels, channels last.
        num_classes: Number of classes. 1 builds a binary classifier, which outputs the probability of class 1.
        filters: Number of output channels of the convolutions of each block; an integer for one block.
        convolutions_per_block: Convolutions before each pooling.
        kernel_size: Height and width of every convolution kernel in pixels.
        padding: `"valid"`, or `"same"` for convolutions that keep the image size.
        hidden_units: Width of each dense layer before the head; an integer for one layer, 0 or `()` for none.
        activation: Name or function of the activation of blocks and hidden layers.
        batch_normalization: Whether to normalise after every convolution, which then has no bias.
        block_dropout: Dropout rate after every block, in [0, 1).
        dropout: Dropout rate before the head, in [0, 1).
        l2: Factor of the L2 penalty on every kernel; 0 for none.
        classifier_activation: `"auto"` for softmax (sigmoid if `num_classes` is 1), `"softmax"` for two classes or
            more, `"sigmoid"`, or `None` for logits.
        include_top: Whether there is a head. Without one the outputs are the features that it would read, before its
            dropout, as in Keras Applications: `(batch, features)`, in the dtype of the variables.
        weights: `None` for initial ones; the name of the data set of a trained model, such as `"fashion_mnist"`; or the
            path of an export's folder or of a `.keras` file. A head for another number of classes stays initial.
        dtype: Dtype or policy of this model, such as `"mixed_bfloat16"`; `None` for Keras's global policy.
        name: Name of the model.

    Returns:
        An uncompiled functional `keras.Model`; 121,930 parameters with the default arguments.

    Raises:
        ValueError: If an argument is out of its range, the image too small, the activation a softmax over one class, or
            the weights do not fit.

    Source: LeCun et al. 1998, "Gradient-based learning applied to document recognition"; several convolutions per
    block: Simonyan & Zisserman 2015; batch normalisation: Ioffe & Szegedy 2015; dropout: Srivastava et al. 2014.

    Differs from the listings (A3, C1, D4, E1) it repairs:

    - an image that is too small is refused before any layer is built; the binary head is one sigmoid unit (A3);
    - labels are class indices or one-hot vectors of real data, never random floats (D4);
    - the logits have no ReLU, which would set half of them to 0; images may have any size, not only 28 x 28 (E1);
    - pixels are scaled inside the model, once, in training and in serving alike (C1).

    >>> model = conv_classifier(input_shape=(32, 32, 3), num_classes=7, padding="same")
    >>> model.output_shape
    (None, 7)
    """
    filters = arguments.widths("filters", filters)
    hidden_units = arguments.widths("hidden_units", hidden_units, allow_none=True)
    arguments.check_head(num_classes, classifier_activation)
    _check_blocks(input_shape, filters, convolutions_per_block, kernel_size, padding)
    _check_penalties(block_dropout, dropout, l2)
    regularizer = keras.regularizers.L2(l2) if l2 else None
    convolution = {
        "kernel_size": kernel_size,
        "padding": padding,
        "use_bias": not batch_normalization,
        "kernel_regularizer": regularizer,
        "data_format": "channels_last",
    }
    with heads.precision(dtype):
        images = keras.Input(shape=tuple(input_shape), name="images")
        x = layers.Rescaling(1 / 255, name="rescaling")(images)
        for block, width in enumerate(filters, start=1):
            for number in range(1, convolutions_per_block):
                x = layers.Conv2D(width, **convolution, name=f"block{block}_inner{number}_convolution")(x)
                x = _activate(x, f"block{block}_inner{number}", batch_normalization, activation)
            x = layers.Conv2D(width, **convolution, name=f"block{block}_convolution")(x)
            x = layers.MaxPooling2D(2, data_format="channels_last", name=f"block{block}_pooling")(x)
            x = _activate(x, f"block{block}", batch_normalization, activation)
            if block_dropout:
                x = layers.Dropout(block_dropout, name=f"block{block}_dropout")(x)
        x = layers.Flatten(name="flatten")(x)
        for number, width in enumerate(hidden_units, start=1):
            hidden = f"hidden{number}" if number > 1 else "hidden"
            x = layers.Dense(width, activation, kernel_regularizer=regularizer, name=hidden)(x)
        outputs = heads.classify(
            x, num_classes, classifier_activation, include_top, dropout, kernel_regularizer=regularizer
        )
        model = keras.Model(images, outputs, name=name)
    return trained_weights.load(model, weights, "conv_classifier")


def _activate(x, prefix, batch_normalization, activation):
    if batch_normalization:
        # Momentum 0.9: the moving statistics converge within tens of steps, so short runs validate well too.
        x = layers.BatchNormalization(momentum=0.9, dtype=heads.full_precision(), name=f"{prefix}_normalization")(x)
    return layers.Activation(activation, name=f"{prefix}_activation")(x)


def _check_blocks(input_shape, filters, convolutions_per_block, kernel_size, padding):
    arguments.check_integers("input_shape", input_shape, minimum=1, length=3)
    arguments.check_integer("convolutions_per_block", convolutions_per_block, minimum=1)
    arguments.check_integer("kernel_size", kernel_size, minimum=1)
    arguments.check_choice("padding", padding, ("valid", "same"))
    height, width, _ = input_shape
    for block in range(1, len(filters) + 1):
        border = convolutions_per_block * (kernel_size - 1) if padding == "valid" else 0
        height, width = (height - border) // 2, (width - border) // 2
        if min(height, width) < 1:
            raise ValueError(
                f"`input_shape` is too small: no pixel is left after block {block} of {len(filters)} "
                f"(convolutions: {convolutions_per_block}, kernel: {kernel_size}x{kernel_size}, padding: "
                f"{padding!r}, pooling: 2x2). Use larger images, fewer `filters` or `convolutions_per_block`, a "
                f"smaller `kernel_size` or padding='same'. Received: input_shape={tuple(input_shape)}"
            )


def _check_penalties(block_dropout, dropout, l2):
    arguments.check_real("block_dropout", block_dropout, minimum=0, below=1)
    arguments.check_real("dropout", dropout, minimum=0, below=1)
    arguments.check_real("l2", l2, minimum=0)
