"""Classify Fashion-MNIST's images of clothes with a multilayer perceptron.

    python -m keras_refs.train mlp

reaches a test accuracy of 0.905 (mean of three seeds) in five to eight minutes on a CPU core that had other work, too.
It sees an image as 784 numbers without neighbours.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from keras_refs import datasets, evaluation, export, models, settings, training
from keras_refs.recipes import images

if TYPE_CHECKING:
    import keras

SCORED_ON = "on the test split"
evaluate, calibration_examples = images.evaluate, images.calibration_examples


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network(settings.Settings):
    """Arguments of `models.mlp`."""

    hidden_units: tuple[settings.Count, ...] = (1024, 512)
    """Width of each hidden layer."""
    activation: Literal["relu", "tanh", "gelu"] = "relu"
    """Activation of the hidden layers."""
    batch_normalization: bool = True
    """Batch normalization of every hidden layer."""
    dropout: settings.Rate = 0.1
    """Dropout rate after every hidden layer."""
    l2: settings.NotNegative = 0.0
    """Factor of the L2 penalty on every kernel."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the recipe."""

    data: settings.ImageData = settings.ImageData()
    augmentation: settings.Augmentation = settings.Augmentation()
    network: Network = Network()
    training: settings.Training = settings.Training(epochs=25, batch_size=256, learning_rate=2e-3, patience=25)
    privacy: settings.Privacy = settings.Privacy()
    compute: settings.Compute = settings.Compute()


def build(config: Config, data: datasets.ImageDataset) -> keras.Model:
    """Return the network for these images and classes, from raw pixels."""
    pixels, classes = math.prod(data.image_shape), len(data.class_names)
    network = models.mlp(
        num_features=pixels, num_classes=classes, classifier_activation="softmax", **vars(config.network)
    )
    return images.on_pixels(network, data.image_shape, (pixels,), "mlp")


def train_and_evaluate(
    config: Config,
    workdir: str | Path,
    export_dir: str | Path = "saved_models",
    resume: bool = False,
    *,
    build: Callable[..., Any] = build,
    optimizer: keras.optimizers.Optimizer | None = None,
    loss: str | Callable[..., Any] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, Any]:
    """Train on augmented images, export the best epoch and score the export once on the test split.

    Arguments and result are those of every recipe, see `keras_refs.recipes`.
    """
    run = training.Run("mlp", config, workdir, export_dir, resume, family="dense")
    data = datasets.load_image_classification(**vars(config.data))
    class_names, classes = data.class_names, len(data.class_names)
    batch_size, steps = config.training.batch_size, run.steps_per_epoch(len(data.train))

    with run.scope():
        model = build(config, data)
        # Adam with linear warm-up, cosine decay and an average of the weights, which is validated and exported.
        optimizer = optimizer or training.adam(config.training, steps)
        model.compile(optimizer, loss or "categorical_crossentropy", metrics=["accuracy"], **run.compile_options(steps))
        # With --private the gradient of each example is clipped and noised, and nobody can tell who is in a batch.
        privacy = training.plan_privacy(config, model, len(data.train), steps)
        training.make_private(model, privacy)
    seed = training.batch_seed(privacy, config.compute.seed)

    def batches(first_step, last_step):
        # A new order in every epoch; order, flips and translations follow from the seed and the step.
        flip, shift, sampled = config.augmentation.horizontal_flip, config.augmentation.shift, privacy is not None
        return datasets.training_batches(
            data.train, classes, batch_size, seed, first_step, last_step, flip, shift, run.shard, sampled
        )

    validation = datasets.evaluation_batches(data.validation, classes, batch_size=500)
    # Stops early after `patience` epochs without a better score, and leaves the model at the best epoch.
    history = run.fit(
        model, batches, steps, validation, monitor="val_accuracy", mode="max", callbacks=callbacks, privacy=privacy
    )

    with run.unfinished_export() as folder:
        # In float32, whatever the precision of the training was.
        network = build(config, data)
        network.set_weights(model.get_weights())
        test = data.test
        average_mirrored = config.augmentation.average_mirrored and config.augmentation.horizontal_flip
        # A million weights: float16 halves the space, and changes the accuracy in the fourth decimal place at most.
        signatures = export.write_image_classifier(
            network, class_names, folder, test.images[0], average_mirrored, half_precision=True
        )
        probabilities = export.SavedFunction(folder).predict(500, images=test.images)["probabilities"]
        scores = evaluation.classification_metrics(test.labels, probabilities, class_names)
        evaluation.save_learning_curves(history, run.figures / "learning_curves.png")
        evaluation.save_confusion_matrix(scores["confusion_matrix"], class_names, run.figures / "confusion_matrix.png")
        path = run.figures / "confident_mistakes.png"
        evaluation.save_confident_mistakes(test.images, test.labels, probabilities, class_names, path)
        card = {"summary": __doc__, "signatures": signatures, "limits": images.LIMITS, "scored_on": SCORED_ON}
        card = training.with_privacy(card, privacy, history)
        return run.finish(folder, network, history, data, scores, format_scores, card)


def format_scores(scores: dict[str, Any]) -> str:
    """Return precision, recall and F1 by class, then accuracy and loss."""
    return evaluation.format_classification_metrics(scores)


def explain(folder: str | Path, config: Config, figures: Path) -> None:
    """Draw saliency."""

    def maps(network, batch, classes):
        return {"saliency": evaluation.saliency(network, batch, classes)}

    images.save_attributions(folder, config, maps, figures / "attributions.png")
