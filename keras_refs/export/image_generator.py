"""SavedModels that generate images."""

import os
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_refs import preprocessing
from keras_refs.export.saved_model import checked, predict_batch, write_saved_model

MAX_COUNT = 10_000
"""Most images that a call of `sample` draws: a large number is easily sent, and would take all memory."""


def write_image_generator(
    generator: keras.Model, folder: str | os.PathLike, class_names: Sequence[str] = (), half_precision: bool = False
) -> str:
    """Write a generator of images as a SavedModel with two signatures, which the card describes.

    `serving_default` takes latents and `sample` draws them. A batch may be empty.

    Args:
        generator: A model from latents to pixel values from -1 to 1, built in float32.
        folder: An existing folder to write into.
        class_names: A name for each class, if the generator is class-conditional.
        half_precision: Whether the weights are rounded to float16 and stored so, in half of the space.

    Returns:
        The signatures as Markdown, for the model card.
    """
    latent_dim = generator.input.shape[1]

    def generate(latents):
        return {"images": to_pixels(predict_batch(generator, latents))}

    def sample(seed, count):
        message = f"`count` must be from 0 to {MAX_COUNT}. Received:"
        with tf.control_dependencies([tf.debugging.Assert((count >= 0) & (count <= MAX_COUNT), [message, count])]):
            numbers = tf.range(tf.cast(count, tf.int64))
        latents = tf.map_fn(
            lambda number: tf.random.stateless_normal([latent_dim], [seed, number]),
            numbers,
            fn_output_signature=tf.TensorSpec([latent_dim], tf.float32),
        )
        return {**generate(latents), "latents": latents}

    scalars = [tf.TensorSpec([], tf.int64, name="seed"), tf.TensorSpec([], tf.int32, name="count")]
    default = checked(generate, {"latents": (tf.float32, (latent_dim,))})
    latents = np.random.default_rng(0).normal(size=(1, latent_dim)).astype("float32")
    examples: dict[str, dict[str, Any]] = {
        "serving_default": {"latents": latents},
        "sample": {"seed": np.int64(0), "count": np.int32(1)},
    }
    signatures = {"serving_default": default, "sample": (sample, scalars)}
    write_saved_model(folder, generator, signatures, examples, half_precision)
    preprocessing.write(folder, preprocessing.Unchanged())
    return _described(latent_dim, generator.output.shape[1:], class_names)


def to_pixels(images: tf.Tensor) -> tf.Tensor:
    """Return uint8 pixels, 0..255, of values from -1 to 1; those beyond are clipped."""
    return tf.saturate_cast(tf.round((images + 1) * 127.5), tf.uint8)


def _described(latent_dim, image_shape, class_names):
    shape = ", ".join(map(str, image_shape))
    described = (
        f"- `serving_default`: `latents`, float32 `[batch, {latent_dim}]`, standard normal numbers\n"
        f"- `sample`: two scalars, `seed`, int64, and `count`, int32, at most {MAX_COUNT:,}; returns its `latents`, "
        "too\n\n"
        f"Both return `images`, uint8 `[batch, {shape}]`, pixel values 0..255. The same latents give the same image, "
        "and so\ndo the same seed and number of the image."
    )
    if class_names:
        described += (
            f" The largest of the first {len(class_names)} latents determines the class, in\nthis order: "
            f"{', '.join(class_names)}. The generator does\nnot interpolate between classes: at the border between two "
            "the image changes abruptly."
        )
    return described
