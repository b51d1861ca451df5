"""What the recipes that classify images share, beside the steps of a training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_refs import datasets, evaluation, export
from keras_refs.errors import UserError
from keras_refs.recipes import classification

if TYPE_CHECKING:
    import keras
    import numpy as np

CALIBRATION_IMAGES = 300
"""Training images by which the ranges of full-integer quantization are measured."""
LIMITS = (
    "It classifies images like those it was trained on. It always predicts one of its classes, also for an image that\n"
    "shows none of them, and its probabilities were not calibrated. Images with another background, framing or pose "
    "than\nthe training data's lie outside what was measured."
)


def on_pixels(
    network: keras.Model, image_shape: tuple[int, ...], input_shape: tuple[int, ...], name: str
) -> keras.Model:
    """Return a model from raw pixels to the output of a network that takes numbers of 0..1 in another shape."""
    import keras

    images = keras.Input(image_shape, name="images")
    x = keras.layers.Reshape(input_shape, name="reshape")(images)
    return keras.Model(images, network(keras.layers.Rescaling(1 / 255, name="rescaling")(x)), name=name)


def evaluate(folder: str | Path, config: Any) -> dict[str, Any]:
    """Return the classification metrics of an export on the test split, without reading the training split."""
    model, data = export.load_function(folder), config.data
    if "images" not in model.inputs:
        raise UserError(f"{folder} is no image classifier; its inputs are {', '.join(model.inputs)}.")
    test, class_names = _load_test(folder, data, tuple(model.inputs["images"].shape[1:]))
    probabilities = model.predict(500, images=test.images)["probabilities"]
    return classification.score(test.labels, probabilities, class_names, data.data or data.dataset)


def calibration_examples(folder: str | Path, config: Any) -> list[dict[str, np.ndarray]]:  # noqa: ARG001
    """Return the inputs by name of images of the training split, each a batch of one."""
    import numpy as np

    images = datasets.load_image_classification(**vars(config.data)).train.images
    return [{"images": np.asarray(images[row : row + 1])} for row in range(min(CALIBRATION_IMAGES, len(images)))]


def _load_test(folder, data, shape):
    """Return the test split in the shape of an export's images, a `datasets.Split`, and the class names."""
    image_size, class_names = shape[0] if data.image_size else 0, classification.class_names_of(folder)
    return datasets.load_image_split(
        data.dataset, data.data_dir, data.test_split, image_size, data.stream, data.data, shape, class_names
    )


def save_attributions(
    folder: str | Path, config: Any, maps: Callable[..., dict[str, np.ndarray]], path: str | Path
) -> None:
    """Draw for the first test image of each class, ten at most, which pixels the predicted class's logit depends on.

    Of the network alone: test-time augmentation is left out. `maps` is a function of the network, whose outputs are
    logits, of images and of their predicted classes that returns maps by name, as `evaluation.save_maps` takes them.
    """
    import numpy as np
    import tensorflow as tf

    network, data = export.load_model(folder), config.data
    test, class_names = _load_test(folder, data, network.input_shape[1:])
    evaluation.remove_final_activation(network)
    labels, first = (values[:10] for values in np.unique(test.labels, return_index=True))
    images = test.images[first]
    probabilities = tf.nn.softmax(network(images)).numpy()
    predicted = probabilities.argmax(axis=1)
    titles = [
        f"{class_names[index]} {probability:.0%}\nis {class_names[label]}"
        for index, probability, label in zip(predicted, probabilities.max(axis=1), labels, strict=True)
    ]
    evaluation.save_maps(images, titles, maps(network, images, predicted), path)
