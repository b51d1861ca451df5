"""SavedModels that make pictures."""

import tensorflow as tf

from keras_refs.export.function import checked, write_signatures

MOST = 10_000
"""Pictures that one call of `sample` draws at most: a number is easily sent, and would take all memory."""


def write_image_generator(generator, folder, prepare=lambda *functions: functions):
    """Write a generator of pictures as a SavedModel with two signatures.

    `serving_default` takes `latents`, float32 `(batch, latent_dim)`, standard normal numbers; `sample` takes two
    scalars, an int64 `seed` and an int32 `count`, draws as many latents and returns them, too, as `latents`. Both
    return `images`, uint8 `(batch, height, width, channels)`. Picture number n of a seed is the same whatever the
    count, which is 10,000 at most. A batch may be empty.

    Args:
        generator: A model from latents to pixel values from -1 to 1, built in float32.
        folder: An existing folder to write into.
        prepare: Function of both signatures' functions that returns those to write, such as `in_half_precision`.
    """
    latent_dim = generator.input.shape[1]
    inputs = {"latents": (tf.float32, (latent_dim,))}

    def make(latents):
        batch = tf.shape(latents)[0]
        # oneDNN's convolution refuses an empty batch.
        filled = tf.pad(latents, [[0, tf.cast(batch == 0, tf.int32)], [0, 0]])
        return {"images": to_pixels(generator(filled, training=False)[:batch])}

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

    make, sample = prepare(make, sample)
    signatures = {
        "serving_default": (checked(make, inputs), [tf.TensorSpec([None, latent_dim], tf.float32, name="latents")]),
        "sample": (sample, [tf.TensorSpec([], tf.int64, name="seed"), tf.TensorSpec([], tf.int32, name="count")]),
    }
    write_signatures(signatures, folder)


def to_pixels(images):
    """Return uint8 pixels, 0..255, of values from -1 to 1."""
    return tf.saturate_cast(tf.round((images + 1) * 127.5), tf.uint8)
