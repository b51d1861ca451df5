"""Generator and discriminator of a generative adversarial network (GAN) for images."""

import math
import os
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from keras_refs.models import arguments, heads
from keras_refs.models import weights as trained_weights


def gan_generator(
    latent_dim: int = 100,
    image_shape: Sequence[int] = (28, 28, 1),
    hidden_units: int | Sequence[int] = (256, 512, 1024),
    base_filters: int = 256,
    filters: int | Sequence[int] = (128, 64),
    kernel_size: int = 5,
    batch_normalization: bool = True,
    negative_slope: float = 0.2,
    num_classes: int | None = None,
    weights: str | os.PathLike | None = None,
    dtype: str | keras.DTypePolicy | None = None,
    name: str = "gan_generator",
) -> keras.Model:
    """Build the generator, which maps latent vectors to images.

    Dense layers map the latent vector to a feature map of 1 / 2**len(filters) of the image's height and width.
    Transposed convolutions upsample it: the first has stride 1, all others, the output layer included, stride 2. Batch
    normalisation and one leaky ReLU, f(x) = max(x, a x), follow every layer but the last, which has a tanh.

    Input: `latents`, `(batch, latent_dim)`, float32, standard normal. Output: `(batch, *image_shape)`, pixel values
    from -1 (black) to 1, in the dtype of the variables (float32 under a mixed-precision policy).

    Args:
        latent_dim: Width of a latent vector.
        image_shape: `(height, width, channels)` of an image in pixels; height and width divisible by 2**len(filters).
        hidden_units: Width of each dense layer before the one that outputs the feature map; an integer for one layer, 0
            or `()` for none.
        base_filters: Number of channels of the feature map.
        filters: Number of output channels of each transposed convolution except the last; an integer for one.
        kernel_size: Height and width of every kernel in pixels.
        batch_normalization: Whether to normalise after every layer except the last; these then have no bias.
        negative_slope: Slope a of the leaky ReLU for negative inputs, in [0, 1).
        num_classes: Number of classes, at most `latent_dim`, for a class-conditional generator; `None` for another. The
            class of a latent vector is a function of it, `latent_classes`, and enters the first layer as a one-hot
            vector. So the generator need not interpolate between classes.
        weights: `None` for initial ones; the name of the data set of a trained model, such as `"fashion_mnist"`; or the
            path of an export's folder or of a `.keras` file.
        dtype: Dtype or policy of this model, such as `"mixed_bfloat16"`; `None` for Keras's global policy.
        name: Name of the model.

    Returns:
        An uncompiled functional `keras.Model`; 14,609,729 parameters with the default arguments.

    Raises:
        ValueError: If an argument is out of its range, the height or width cannot be halved once per
            convolution, or the weights do not fit.

    Source: Goodfellow et al. 2014, "Generative adversarial nets"; convolutional: Radford, Metz & Chintala 2016;
    class-conditional: Mirza & Osindero 2014.

    Differs from the listing (C4) it repairs: one activation per layer, as a ReLU would leave the leaky one no negative
    inputs; normalisation before it; no tanh on the widest dense layer; and images with the channels of the data.

    >>> gan_generator(latent_dim=64, hidden_units=(), base_filters=64, filters=(32, 16)).output_shape
    (None, 28, 28, 1)
    """
    arguments.check_integer("latent_dim", latent_dim, minimum=1)
    filters = _check(image_shape, filters, kernel_size, negative_slope)
    hidden_units = arguments.widths("hidden_units", hidden_units, allow_none=True)
    arguments.check_integer("base_filters", base_filters, minimum=1)
    height, width, channels = image_shape
    scale = 2 ** len(filters)
    if height % scale or width % scale:
        raise ValueError(
            f"`image_shape` must have a height and a width divisible by {scale}, for {len(filters)} `filters`. "
            f"Received: image_shape={image_shape!r}"
        )

    def activate(x, number):
        if batch_normalization:
            x = layers.BatchNormalization(dtype=heads.full_precision(), name=f"normalization{number}")(x)
        return layers.LeakyReLU(negative_slope, name=f"activation{number}")(x)

    with heads.precision(dtype):
        latents = keras.Input((latent_dim,), name="latents")
        base_shape = height // scale, width // scale, base_filters
        x = latents if num_classes is None else _append_class(latents, num_classes)
        for number, units in enumerate((*hidden_units, math.prod(base_shape)), start=1):
            x = layers.Dense(units, use_bias=not batch_normalization, name=f"dense{number}")(x)
            x = activate(x, number)
        x = layers.Reshape(base_shape, name="small_picture")(x)
        first = len(hidden_units) + 2
        for number, width in enumerate(filters, start=first):
            strides = 1 if number == first else 2
            x = layers.Conv2DTranspose(
                width,
                kernel_size,
                strides,
                padding="same",
                use_bias=not batch_normalization,
                name=f"convolution{number}",
            )(x)
            x = activate(x, number)
        images = layers.Conv2DTranspose(
            channels, kernel_size, 2, padding="same", activation="tanh", dtype=heads.full_precision(), name="images"
        )(x)
        model = keras.Model(latents, images, name=name)
    return trained_weights.load(model, weights, "gan_generator")


def gan_discriminator(
    image_shape: Sequence[int] = (28, 28, 1),
    filters: int | Sequence[int] = (64, 128, 256),
    kernel_size: int = 5,
    dropout: float = 0.0,
    negative_slope: float = 0.2,
    num_classes: int | None = None,
    weights: str | os.PathLike | None = None,
    dtype: str | keras.DTypePolicy | None = None,
    name: str = "gan_discriminator",
) -> keras.Model:
    """Build the discriminator, which classifies images as real or generated.

    Convolutions of stride 2, each followed by a leaky ReLU, f(x) = max(x, a x), and one dense unit, w x + b. If it is
    class-conditional, w is the sum of a vector shared by all classes and one of the image's class.

    Input: `images`, `(batch, *image_shape)`, float32, pixel values from -1 (black) to 1; with `num_classes` a
    dictionary of these and `classes`, `(batch,)`, int32, from 0 to num_classes - 1. Output: `(batch, 1)`, a logit,
    positive for real, whose logistic function is the probability, in the dtype of the variables (float32 under a
    mixed-precision policy). Without batch normalisation, real and generated images may be in one batch or in two.

    Args:
        image_shape: `(height, width, channels)` of an image in pixels.
        filters: Number of output channels of each convolution; an integer for one.
        kernel_size: Height and width of every kernel in pixels.
        dropout: Dropout rate after every convolution, in [0, 1).
        negative_slope: Slope a of the leaky ReLU for negative inputs, in [0, 1).
        num_classes: Number of classes, for a class-conditional discriminator; `None` for an unconditional one.
        weights: `None` for initial ones, or the path of an export's folder or of a `.keras` file.
        dtype: Dtype or policy of this model, such as `"mixed_bfloat16"`; `None` for Keras's global policy.
        name: Name of the model.

    Returns:
        An uncompiled functional `keras.Model`; 1,030,145 parameters with the default arguments.

    Raises:
        ValueError: If an argument is out of its range, or the weights do not fit.

    Source: Goodfellow et al. 2014, "Generative adversarial nets"; convolutional: Radford, Metz & Chintala 2016;
    class-conditional: Miyato & Koyama 2018, "cGANs with projection discriminator".

    Differs from the listing (C4) it repairs: it reads as many channels as the generator outputs, and its output is a
    logit: the gradient of a loss on sigmoid probabilities vanishes where these are close to 0 or 1.

    >>> gan_discriminator(image_shape=(64, 64, 3)).output_shape
    (None, 1)
    """
    filters = _check(image_shape, filters, kernel_size, negative_slope)
    arguments.check_real("dropout", dropout, minimum=0, below=1)
    if num_classes is not None:
        arguments.check_integer("num_classes", num_classes, minimum=1)
    with heads.precision(dtype):
        images = keras.Input(tuple(image_shape), name="images")
        x = images
        for number, width in enumerate(filters, start=1):
            x = layers.Conv2D(width, kernel_size, 2, padding="same", name=f"convolution{number}")(x)
            x = layers.LeakyReLU(negative_slope, name=f"activation{number}")(x)
            x = layers.Dropout(dropout, name=f"dropout{number}")(x) if dropout else x
        x = layers.Flatten(name="flatten")(x)
        full_precision = heads.full_precision()
        logit = layers.Dense(1, dtype=full_precision, name="logit")(x)
        inputs = images
        if num_classes is not None:
            classes = keras.Input((), dtype="int32", name="classes")
            class_weights = layers.Embedding(num_classes, x.shape[-1], name="class_weights")(classes)
            class_logit = layers.Dot(axes=-1, dtype=full_precision, name="class_logit")([x, class_weights])
            logit = layers.Add(dtype=full_precision, name="logits")([logit, class_logit])
            inputs = {"images": images, "classes": classes}
        model = keras.Model(inputs, logit, name=name)
    return trained_weights.load(model, weights, "gan_discriminator")


def latent_classes(latents: Any, num_classes: int) -> Any:
    """Return the class of each latent vector, int32 `(batch,)`.

    It is the index of the largest of the first `num_classes` elements: classes of normal latents are equally frequent.
    """
    # Keras's argmax reads the sign of zero, for which converters to other formats have no operation.
    return ops.top_k(latents[:, :num_classes], 1)[1][:, 0]


def _append_class(latents, num_classes):
    arguments.check_integer("num_classes", num_classes, minimum=1)
    if num_classes > latents.shape[1]:
        raise ValueError(
            f"`num_classes` must be at most `latent_dim`, {latents.shape[1]}. Received: num_classes={num_classes!r}"
        )
    one_hot = ops.one_hot(latent_classes(latents, num_classes), num_classes)
    return layers.Concatenate(name="latents_and_class")([latents, one_hot])


def _check(image_shape, filters, kernel_size, negative_slope) -> tuple[int, ...]:
    arguments.check_integers("image_shape", image_shape, minimum=1, length=3)
    arguments.check_integer("kernel_size", kernel_size, minimum=1)
    arguments.check_real("negative_slope", negative_slope, minimum=0, below=1)
    return arguments.widths("filters", filters)
