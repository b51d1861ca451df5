"""How generated images compare with real ones, in the features of a frozen classifier."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_refs import evaluation, export, trained
from keras_refs.errors import UserError

if TYPE_CHECKING:
    from keras_refs import datasets

MOST_COMPARED = 60_000
"""Training images among which the nearest ones are looked for."""


class FeatureClassifier:
    """The frozen classifier in whose features images are compared.

    Args:
        folder: An export of conv_classifier, a path or a name as `trained.find` takes it.
        data: The `datasets.ImageDataset`.

    Raises:
        UserError: If there is no such export, or it is for other images or classes.
    """

    def __init__(self, folder: str | Path, data: datasets.ImageDataset) -> None:
        try:
            path = trained.find(folder)
            self._classifier, self._features = export.SavedFunction(path), export.SavedFunction(path, "features")
        except UserError as error:
            raise UserError(
                f"--classifier must be a SavedModel of conv_classifier with the signature `features`. {error}"
            ) from error
        image_shape = tuple(self._features.inputs["images"].shape[1:])
        if image_shape != data.image_shape:
            raise UserError(
                f"--classifier must take images of {data.image_shape}. Received: {folder}, which takes {image_shape}"
            )
        num_classes = self._probabilities(data.test.images[:1]).shape[1]
        if num_classes != len(data.class_names):
            raise UserError(
                f"--classifier must have the {len(data.class_names)} classes of {data.name}. Received: {folder}, which "
                f"has {num_classes}"
            )

    def features(self, images: Any) -> np.ndarray:
        """Return the features, float32 `(examples, dimensions)`, of images, uint8."""
        return self._features.predict(500, images=images)["features"]

    def class_fractions(self, images: Any) -> np.ndarray:
        """Return the fraction of images that is classified as each class, `(classes,)`."""
        probabilities = self._probabilities(images)
        return np.bincount(probabilities.argmax(axis=1), minlength=probabilities.shape[1]) / len(images)

    def _probabilities(self, images):
        return self._classifier.predict(500, images=images)["probabilities"]


def score(images: np.ndarray, data: datasets.ImageDataset, classifier: FeatureClassifier) -> dict[str, Any]:
    """Return how generated images, uint8, compare with the test split, beside training images and noise.

    Returns:
        The generative metrics by name, those of as many training images and of noise in `references`, `class_shares`
        (fractions by name of the class), `class_evenness`, and `nearest_training_picture`, median distances in pixel
        values. These are the names on published model cards.
    """
    train, test = data.train.images, data.test.images
    noise = np.random.default_rng(0).integers(0, 256, images.shape, dtype=np.uint8)
    expected = classifier.features(test)

    def compare(others):
        return evaluation.generative_metrics(expected, classifier.features(others))

    def distance(others):
        distances, _ = evaluation.nearest_examples(others[:1000], train[:MOST_COMPARED])
        return round(float(np.median(distances)), 1)

    fractions = classifier.class_fractions(images)
    return {
        **compare(images),
        "class_shares": dict(zip(data.class_names, fractions.round(4).tolist(), strict=True)),
        "class_evenness": evaluation.evenness(fractions),
        "nearest_training_picture": {"made": distance(images), "test": distance(test)},
        "references": {"training pictures": compare(train[: len(images)]), "noise": compare(noise)},
    }


def format_scores(scores: dict[str, Any]) -> str:
    """Return the scores as text; the last line compares generated images with the test split."""
    references, nearest, fractions = scores["references"], scores["nearest_training_picture"], scores["class_shares"]
    rarest, commonest = min(fractions, key=fractions.get), max(fractions, key=fractions.get)
    return (
        f"Training images: {_format_metrics(references['training pictures'])}\n"
        f"Noise: {_format_metrics(references['noise'])}\n"
        f"Classes: {fractions[rarest]:.1%} ({rarest}) to {fractions[commonest]:.1%} ({commonest}), evenness "
        f"{scores['class_evenness']:.4f}\n"
        f"Median distance to the nearest training image: generated {nearest['made']:.0f}, test {nearest['test']:.0f}\n"
        f"{_format_metrics(scores)}"
    )


def _format_metrics(metrics):
    return (
        f"kernel distance {metrics['kernel_distance']:.4f}, precision {metrics['precision']:.3f}, recall "
        f"{metrics['recall']:.3f}, classifier-FID {metrics['frechet_distance']:.3f}"
    )
