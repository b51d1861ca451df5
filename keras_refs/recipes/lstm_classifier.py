"""Classify Fashion-MNIST's images of clothes with an LSTM that reads them row by row.

    python -m keras_refs.train lstm_classifier

reaches a test accuracy of 0.905 to 0.906 (three seeds) after about thirteen minutes on a CPU core that had other work,
too. The 28 rows of an image are the steps of a sequence, their 28 pixels its features.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_refs import datasets, evaluation, export, models, settings, training
from keras_refs.recipes import images

if TYPE_CHECKING:
    import keras

SCORED_ON = "on the test split"
evaluate = images.evaluate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network(settings.Settings):
    """Arguments of `models.lstm_classifier`."""

    units: tuple[settings.Count, ...] = (128,)
    """Width of each LSTM layer."""
    dropout: settings.Rate = 0.3
    """Dropout rate on the inputs of every LSTM layer except the first, and of the head."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the recipe."""

    data: settings.ImageData = settings.ImageData()
    augmentation: settings.Augmentation = settings.Augmentation()
    network: Network = Network()
    training: settings.Training = settings.Training(epochs=18, batch_size=128, learning_rate=8e-3, clip_norm=1.0)
    compute: settings.Compute = settings.Compute()


def build(config: Config, data: datasets.ImageDataset, for_export: bool = False) -> keras.Model:
    """Return the network for these images and classes, from raw pixels; an export has to run without a GPU, too."""
    height, width, channels = data.image_shape
    classes, use_cudnn = len(data.class_names), False if for_export else "auto"
    network = models.lstm_classifier(
        num_features=width * channels, num_classes=classes, steps=height, use_cudnn=use_cudnn, **vars(config.network)
    )
    network = images.on_pixels(network, data.image_shape, (height, width * channels), "lstm_classifier")
    # A step of layers so narrow is too small to be shared between cores.
    return network if for_export else training.side_by_side(network)


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
    run = training.Run("lstm_classifier", config, workdir, export_dir, resume, family="recurrent")
    data = datasets.load_image_classification(**vars(config.data))
    class_names, classes = data.class_names, len(data.class_names)
    batch_size, seed = config.training.batch_size, config.compute.seed
    steps = run.steps_per_epoch(len(data.train))

    def batches(first_step, last_step):
        # A new order in every epoch; order, flips and translations follow from the seed and the step.
        flip, shift = config.augmentation.horizontal_flip, config.augmentation.shift
        return datasets.training_batches(
            data.train, classes, batch_size, seed, first_step, last_step, flip, shift, run.shard
        )

    with run.scope():
        model = build(config, data)
        # Adam with linear warm-up, cosine decay and an average of the weights, which is validated and exported.
        optimizer = optimizer or training.adam(config.training, steps)
        model.compile(optimizer, loss or "categorical_crossentropy", metrics=["accuracy"], **run.compile_options(steps))
    validation = datasets.evaluation_batches(data.validation, classes, batch_size=500)
    # Stops early after `patience` epochs without a better score, and leaves the model at the best epoch.
    history = run.fit(model, batches, steps, validation, monitor="val_accuracy", mode="max", callbacks=callbacks)

    with run.unfinished_export() as folder:
        # In float32, whatever the precision of the training was.
        network = build(config, data, for_export=True)
        network.set_weights(model.get_weights())
        test = data.test
        average_mirrored = config.augmentation.average_mirrored and config.augmentation.horizontal_flip
        signatures = export.write_image_classifier(network, class_names, folder, test.images[0], average_mirrored)
        probabilities = export.SavedFunction(folder).predict(500, images=test.images)["probabilities"]
        scores = evaluation.classification_metrics(test.labels, probabilities, class_names)
        evaluation.save_learning_curves(history, run.figures / "learning_curves.png")
        evaluation.save_confusion_matrix(scores["confusion_matrix"], class_names, run.figures / "confusion_matrix.png")
        path = run.figures / "confident_mistakes.png"
        evaluation.save_confident_mistakes(test.images, test.labels, probabilities, class_names, path)
        card = {"summary": __doc__, "signatures": signatures, "limits": images.LIMITS, "scored_on": SCORED_ON}
        return run.finish(folder, network, history, data, scores, format_scores, card)


def format_scores(scores: dict[str, Any]) -> str:
    """Return precision, recall and F1 by class, then accuracy and loss."""
    return evaluation.format_classification_metrics(scores)


def explain(folder: str | Path, config: Config, figures: Path) -> None:
    """Draw saliency, and the L2 norm of the gradient by each row, a step."""

    def maps(network, batch, classes):
        gradients = evaluation.input_gradients(network, batch, classes)
        by_row = (gradients**2).sum(axis=(2, 3)) ** 0.5
        return {"saliency": evaluation.saliency(network, batch, classes), "gradient\nby row": by_row}

    images.save_attributions(folder, config, maps, figures / "attributions.png")
