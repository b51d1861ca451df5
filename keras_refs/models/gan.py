"""The two players of a generative adversarial network for pictures."""

import math

import keras
from keras import layers, ops

from keras_refs.models import arguments, heads


def gan_generator(
    latent_dim=100,
    image_shape=(28, 28, 1),
    hidden_units=(256, 512, 1024),
    base_filters=256,
    filters=(128, 64),
    kernel_size=5,
    batch_normalization=True,
    negative_slope=0.2,
    num_classes=None,
    name="gan_generator",
):
    """Build the network that makes pictures of random numbers.

    Dense layers turn the latents into a picture of many channels, a 2**k-th as high and wide, k being the number of
    `filters`; transposed convolutions enlarge it, the first keeping its size and every other one, the last among them,
    doubling it. Each layer is followed by batch normalisation, then by one leaky ReLU, f(x) = max(x, a x); the last
    one by tanh alone.

    Input: `latents`, `(batch, latent_dim)`, float32, standard normal numbers. Output: `(batch, *image_shape)`, pixel
    values from -1 (black) to 1, in the dtype of the variables (float32 under a mixed-precision policy).

    Args:
        latent_dim: Random numbers a picture is made of.
        image_shape: `(height, width, channels)` of a picture in pixels; height and width divisible by 2**len(filters).
        hidden_units: Width of each dense layer before the one that makes the small picture; may be empty.
        base_filters: Channels of the small picture.
        filters: Output channels of each transposed convolution but the last.
        kernel_size: Height and width of every kernel in pixels.
        batch_normalization: Whether to normalise after every layer but the last, which then has no bias.
        negative_slope: The slope a of the leaky ReLU for negative numbers, in [0, 1).
        num_classes: Classes of pictures, at most `latent_dim`. The latents' class, as `latent_classes` reads it, is one
            more input of the first layer then: no picture has to lie between a shoe and a shirt because its latents do.
            `None` to leave the classes to the generator.
        name: Name of the model.

    Returns:
        An uncompiled functional `keras.Model`; 14,609,729 parameters with the default arguments.

    Raises:
        ValueError: If an argument is out of its range, or the picture's sides cannot be halved so often.

    Source: Goodfellow et al. 2014, "Generative adversarial nets"; with convolutions: Radford, Metz & Chintala 2016;
    with classes: Mirza & Osindero 2014.

    Differs from the listing (C4) it repairs:

    - one activation a layer: no ReLU before the leaky one, which would find nothing negative to leak;
    - normalisation before the activation, and no tanh on the widest dense layer;
    - as many channels as the data have, which are those that the discriminator reads.

    >>> gan_generator(latent_dim=64, hidden_units=(), base_filters=64, filters=(32, 16)).output_shape
    (None, 28, 28, 1)
    """
    arguments.check_integer("latent_dim", latent_dim, minimum=1)
    _check(image_shape, filters, kernel_size, negative_slope)
    if len(hidden_units):
        arguments.check_integers("hidden_units", hidden_units, minimum=1)
    arguments.check_integer("base_filters", base_filters, minimum=1)
    height, width, channels = image_shape
    enlarged = 2 ** len(filters)
    if height % enlarged or width % enlarged:
        raise ValueError(
            f"`image_shape` must have a height and a width divisible by {enlarged}, for {len(filters)} `filters`. "
            f"Received: image_shape={image_shape!r}"
        )

    def finished(x, place):
        if batch_normalization:
            x = layers.BatchNormalization(dtype=heads.full_precision(), name=f"normalization{place}")(x)
        return layers.LeakyReLU(negative_slope, name=f"activation{place}")(x)

    latents = keras.Input((latent_dim,), name="latents")
    small = height // enlarged, width // enlarged, base_filters
    x = latents if num_classes is None else _with_class(latents, num_classes)
    for place, units in enumerate((*hidden_units, math.prod(small)), start=1):
        x = finished(layers.Dense(units, use_bias=not batch_normalization, name=f"dense{place}")(x), place)
    x = layers.Reshape(small, name="small_picture")(x)
    first = len(hidden_units) + 2
    for place, count in enumerate(filters, start=first):
        strides = 1 if place == first else 2
        x = layers.Conv2DTranspose(
            count, kernel_size, strides, padding="same", use_bias=not batch_normalization, name=f"convolution{place}"
        )(x)
        x = finished(x, place)
    images = layers.Conv2DTranspose(
        channels, kernel_size, 2, padding="same", activation="tanh", dtype=heads.full_precision(), name="images"
    )(x)
    return keras.Model(latents, images, name=name)


def gan_discriminator(
    image_shape=(28, 28, 1),
    filters=(64, 128, 256),
    kernel_size=5,
    dropout=0.0,
    negative_slope=0.2,
    num_classes=None,
    name="gan_discriminator",
):
    """Build the network that tells real pictures from made ones.

    Convolutions of stride 2, each followed by a leaky ReLU, f(x) = max(x, a x), and one dense unit, w x + b. With
    classes the weights w are the sum of some that all share and some of the picture's class.

    Input: `images`, `(batch, *image_shape)`, float32, pixel values from -1 (black) to 1; with `num_classes` a
    dictionary of these and `classes`, `(batch,)`, int32, from 0 to num_classes - 1. Output: `(batch, 1)`, a logit,
    positive for real; its logistic function is the probability. In the dtype of the variables (float32 under a
    mixed-precision policy).

    Nothing here depends on the other pictures of a batch: without batch normalisation real and made ones may share a
    batch, or not.

    Args:
        image_shape: `(height, width, channels)` of a picture in pixels.
        filters: Output channels of each convolution.
        kernel_size: Height and width of every kernel in pixels.
        dropout: Share of activations dropped after every convolution while training, in [0, 1).
        negative_slope: The slope a of the leaky ReLU for negative numbers, in [0, 1).
        num_classes: Classes of pictures, if it is told them; `None` if it is not.
        name: Name of the model.

    Returns:
        An uncompiled functional `keras.Model`; 1,030,145 parameters with the default arguments.

    Raises:
        ValueError: If an argument is out of its range.

    Source: Goodfellow et al. 2014, "Generative adversarial nets"; with convolutions: Radford, Metz & Chintala 2016;
    with classes: Miyato & Koyama 2018, "cGANs with projection discriminator".

    Differs from the listing (C4) it repairs: it reads as many channels as the generator makes, and its output is a
    logit: the logarithm of a sigmoid loses its gradient where the player is sure.

    >>> gan_discriminator(image_shape=(64, 64, 3)).output_shape
    (None, 1)
    """
    _check(image_shape, filters, kernel_size, negative_slope)
    arguments.check_real("dropout", dropout, minimum=0, below=1)
    images = keras.Input(tuple(image_shape), name="images")
    x = images
    for place, count in enumerate(filters, start=1):
        x = layers.Conv2D(count, kernel_size, 2, padding="same", name=f"convolution{place}")(x)
        x = layers.LeakyReLU(negative_slope, name=f"activation{place}")(x)
        x = layers.Dropout(dropout, name=f"dropout{place}")(x) if dropout else x
    x = layers.Flatten(name="flatten")(x)
    full_precision = heads.full_precision()
    logit = layers.Dense(1, dtype=full_precision, name="logit")(x)
    if num_classes is None:
        return keras.Model(images, logit, name=name)
    arguments.check_integer("num_classes", num_classes, minimum=1)
    classes = keras.Input((), dtype="int32", name="classes")
    weights = layers.Embedding(num_classes, x.shape[-1], name="class_weights")(classes)
    of_class = layers.Dot(axes=-1, dtype=full_precision, name="class_logit")([x, weights])
    logits = layers.Add(dtype=full_precision, name="logits")([logit, of_class])
    return keras.Model({"images": images, "classes": classes}, logits, name=name)


def latent_classes(latents, num_classes):
    """Return the class of the picture that latents stand for, int32 `(batch,)`.

    It is the place of the greatest of their first `num_classes` numbers: of standard normal latents, all classes are
    equally frequent.
    """
    # Keras's argmax asks for the sign of zero, which programs that models are converted to cannot.
    return ops.top_k(latents[:, :num_classes], 1)[1][:, 0]


def _with_class(latents, num_classes):
    arguments.check_integer("num_classes", num_classes, minimum=1)
    if num_classes > latents.shape[1]:
        raise ValueError(
            f"`num_classes` must be at most `latent_dim`, {latents.shape[1]}. Received: num_classes={num_classes!r}"
        )
    chosen = ops.one_hot(latent_classes(latents, num_classes), num_classes)
    return layers.Concatenate(name="latents_and_class")([latents, chosen])


def _check(image_shape, filters, kernel_size, negative_slope):
    arguments.check_integers("image_shape", image_shape, minimum=1, length=3)
    arguments.check_integers("filters", filters, minimum=1)
    arguments.check_integer("kernel_size", kernel_size, minimum=1)
    arguments.check_real("negative_slope", negative_slope, minimum=0, below=1)
