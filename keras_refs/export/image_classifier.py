"""SavedModels that classify images."""

import os
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_refs import preprocessing
from keras_refs.export.saved_model import class_outputs, predict_batch, write_saved_model


def write_image_classifier(
    network: keras.Model,
    class_names: Sequence[str],
    folder: str | os.PathLike,
    example: np.ndarray,
    average_mirrored: bool = False,
    half_precision: bool = False,
    features: keras.Model | None = None,
) -> str:
    """Write an image classifier as a SavedModel with the signatures that the model card describes.

    They are `serving_default`, `encoded_images` and, with such a model, `features`. A batch may be empty.

    Args:
        network: A model from raw pixels to class probabilities, built in float32.
        class_names: A name for each class.
        folder: An existing folder to write into.
        example: An image, uint8 `(height, width, channels)`, for the warm-up requests.
        average_mirrored: Test-time augmentation: predict the mean over an image and its flip, at twice the cost.
        half_precision: Whether the weights are rounded to float16 and stored so, in half of the space.
        features: A model from raw pixels to what the classifier compares images by, of the same layers.

    Returns:
        The signatures as Markdown, for the model card.
    """
    image_shape = network.input.shape[1:]

    def run(model, images):
        # Without the check an image of another rank aborts the whole process inside the convolution.
        return predict_batch(model, tf.ensure_shape(images, [None, *image_shape]))

    def classify(images):
        probabilities = run(network, images)
        if average_mirrored:
            probabilities = (probabilities + run(network, tf.reverse(images, axis=[2]))) / 2
        return class_outputs(probabilities, class_names)

    def decode(encoded):
        image = tf.io.decode_image(encoded, channels=image_shape[-1], expand_animations=False)
        resized = tf.image.resize(image, image_shape[:2], antialias=True)
        return tf.saturate_cast(tf.round(resized), tf.uint8)

    def classify_encoded(encoded_images):
        return classify(tf.map_fn(decode, encoded_images, fn_output_signature=tf.TensorSpec(image_shape, tf.uint8)))

    pixels = [tf.TensorSpec([None, *image_shape], tf.uint8, name="images")]
    signatures = {
        "serving_default": (classify, pixels),
        "encoded_images": (classify_encoded, [tf.TensorSpec([None], tf.string, name="encoded_images")]),
    }
    examples: dict[str, dict[str, Any]] = {
        "serving_default": {"images": example[np.newaxis]},
        "encoded_images": {"encoded_images": [tf.io.encode_png(example).numpy()]},
    }
    if features:
        signatures["features"] = (lambda images: {"features": run(features, images)}), pixels
        examples["features"] = examples["serving_default"]
    write_saved_model(folder, network, signatures, examples, half_precision)
    preprocessing.write(folder, preprocessing.Unchanged())
    return _described(image_shape, class_names, features)


def _described(image_shape, class_names, features):
    shape = ", ".join(map(str, image_shape))
    described = (
        f"- `serving_default`: `images`, uint8 `[batch, {shape}]`, pixel values 0..255\n"
        "- `encoded_images`: `encoded_images`, string `[batch]`, the bytes of PNG or JPEG files of any size, which are "
        "resized\n\n"
        "Both return `label` (int64 `[batch]`), `class_name` (string `[batch]`) and `probabilities` (float32 "
        f"`[batch, {len(class_names)}]`).\n\n"
        f"Classes: {', '.join(class_names)}."
    )
    if features:
        described += (
            "\n\n`features` takes `images`, too, and returns `features`, float32 "
            f"`[batch, {features.output.shape[-1]}]`: the input of the last layer, in which\nimages can be compared."
        )
    return described
