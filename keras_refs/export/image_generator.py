"""SavedModels that make pictures."""

import tensorflow as tf

from keras_refs.export.function import answer_batch, checked, in_half_precision, write_signatures

MOST = 10_000
"""Pictures that one call of `sample` draws at most: a number is easily sent, and would take all memory."""


def write_image_generator(generator, folder, half_precision=False):
    """Write a generator of pictures as a SavedModel with two signatures.

    `serving_default` takes `latents`, float32 `(batch, latent_dim)`, standard normal numbers; `sample` takes two
    scalars, an int64 `seed` and an int32 `count`, draws as many latents and returns them, too, as `latents`. Both
    return `images`, uint8 `(batch, height, width, channels)`. Picture number n of a seed is the same whatever the
    count, which is 10,000 at most. A batch may be empty.

    Args:
        generator: A model from latents to pixel values from -1 to 1, built in float32.
        folder: An existing folder to write into.
        half_precision: Whether the weights are rounded to float16 and stored so, in half of the space.
    """
    latent_dim = generator.input.shape[1]
    inputs = {"latents": (tf.float32, (latent_dim,))}

    def make(latents):
        return {"images": to_pixels(answer_batch(generator, latents))}

    def sample(seed, count):
        message = f"`count` must be from 0 to {MOST}. Received:"
        with tf.control_dependencies([tf.debugging.Assert((count >= 0) & (count <= MOST), [message, count])]):
            numbers = tf.range(tf.cast(count, tf.int64))
        latents = tf.map_fn(
            lambda number: tf.random.stateless_normal([latent_dim], [seed, number]),
            numbers,
            fn_output_signature=tf.TensorSpec([latent_dim], tf.float32),
        )
        return {**make(latents), "latents": latents}

    functions = in_half_precision(generator, make, sample) if half_precision else (make, sample)
    latents = tf.TensorSpec([None, latent_dim], tf.float32, name="latents")
    scalars = [tf.TensorSpec([], tf.int64, name="seed"), tf.TensorSpec([], tf.int32, name="count")]
    signatures = {"serving_default": (checked(functions[0], inputs), [latents]), "sample": (functions[1], scalars)}
    write_signatures(signatures, folder)


def to_pixels(images):
    """Return uint8 pixels, 0..255, of values from -1 to 1."""
    return tf.saturate_cast(tf.round((images + 1) * 127.5), tf.uint8)
