"""Generate images like Fashion-MNIST's with a generative adversarial network (GAN).

    python -m keras_refs.train gan

takes about forty minutes on a CPU core, 22 on two. Three seeds reach on the test split a classifier-FID from 4.9 to 5.5
(noise 233, training images 0.3), a precision from 0.80 to 0.81 and a recall from 0.62 to 0.63 (training images 0.84
both).

The scores compare images in the features of a frozen classifier of these data, not of the Inception network that
published Fréchet distances are measured with: hence "classifier-FID", which is not comparable with those.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from annotated_types import Ge

from keras_refs import datasets, evaluation, export, models, settings, training
from keras_refs.errors import UserError
from keras_refs.recipes import image_comparison

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

SCORED_ON, format_scores = "on the test split", image_comparison.format_scores
LIMITS = "It generates images at random. Some show no kind of clothes, and the rarer forms of a kind are missing."
GRID = 8, 5
"""Columns and rows of a grid of images."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network(settings.Settings):
    """Arguments of `models.gan_generator` and `models.gan_discriminator`."""

    latent_dim: settings.Count = 100
    """Width of a latent vector."""
    hidden_units: tuple[settings.Count, ...] = ()
    """Width of each dense layer of the generator before the one that outputs the feature map; none by default."""
    base_filters: settings.Count = 128
    """Channels of the small feature map that the generator upsamples."""
    generator_filters: tuple[settings.Count, ...] = (128, 64)
    """Output channels of each transposed convolution of the generator except the last."""
    discriminator_filters: tuple[settings.Count, ...] = (64, 128)
    """Output channels of each convolution of the discriminator."""
    kernel_size: settings.Count = 4
    """Height and width of every kernel in pixels."""
    dropout: settings.Rate = 0.0
    """Dropout rate after every convolution of the discriminator."""
    class_conditional: bool = True
    """Whether generator and discriminator are conditioned on the class of an image."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Objective(settings.Settings):
    """What generator and discriminator minimise: arguments of `training.AdversarialModel`."""

    loss: Literal["non_saturating", "hinge", "wasserstein"] = "hinge"
    """Loss of generator and discriminator; wasserstein has a gradient penalty."""
    label_smoothing: settings.Rate = 0.0
    """How far below 1 the target of real images is; non_saturating loss only."""
    gradient_penalty: settings.NotNegative = 10.0
    """Factor of the gradient penalty; wasserstein loss only."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training(settings.Training):
    """How long and how fast both networks learn; `learning_rate` and `average_epochs` are the generator's."""

    discriminator_learning_rate: settings.Positive = 4e-4
    """Peak learning rate of the discriminator; --learning-rate is the generator's."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scoring(settings.Settings):
    """What generated images are compared with, and how many."""

    classifier: str = "saved_models/conv_classifier/1"
    """Folder of an exported conv_classifier of these images, in whose features they are compared."""
    samples: Annotated[int, Ge(4)] = 10_000
    """Images to generate for the scores."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the recipe."""

    data: settings.ImageData = settings.ImageData()
    network: Network = Network()
    objective: Objective = Objective()
    training: Training = Training(epochs=12, batch_size=64, learning_rate=4e-4, patience=1000)
    scoring: Scoring = Scoring()
    compute: settings.Compute = settings.Compute()


def build(config: Config, data: datasets.ImageDataset) -> training.AdversarialModel:
    """Return the `training.AdversarialModel` of a generator and a discriminator for these images."""
    network, image_shape = config.network, data.image_shape
    num_classes = len(data.class_names) if network.class_conditional else None
    shared = {"kernel_size": network.kernel_size, "num_classes": num_classes}
    generator = models.gan_generator(
        network.latent_dim, image_shape, network.hidden_units, network.base_filters, network.generator_filters, **shared
    )
    discriminator = models.gan_discriminator(
        image_shape, network.discriminator_filters, dropout=network.dropout, **shared
    )
    options = {"num_classes": num_classes, "seed": config.compute.seed, **vars(config.objective)}
    return training.AdversarialModel(generator, discriminator, **options)


def train_and_evaluate(
    config: Config,
    workdir: str | Path,
    export_dir: str | Path = "saved_models",
    resume: bool = False,
    *,
    build: Callable[..., Any] = build,
    generator_optimizer: keras.optimizers.Optimizer | None = None,
    discriminator_optimizer: keras.optimizers.Optimizer | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, Any]:
    """Train both networks, export the generator of the best epoch and score the export once against the test split.

    Arguments and result are those of every recipe, see `keras_refs.recipes`, with these exceptions: `build` returns a
    `training.AdversarialModel`, which has the losses, so that there is no argument `loss`; there are two optimizers;
    and `workdir` also gets `samples/`, with a grid of generated images for every epoch.
    """
    run = training.Run("gan", config, workdir, export_dir, resume, family="convolutional")
    data = datasets.load_image_classification(**vars(config.data))
    classifier = image_comparison.FeatureClassifier(config.scoring.classifier, data)
    steps = run.steps_per_epoch(len(data.train))
    # A new order in every epoch, which follows from the seed and the step.
    batch_size, seed = config.training.batch_size, config.compute.seed
    batches = functools.partial(training_batches, data.train, batch_size, seed, shard=run.shard)

    with run.scope():
        model = build(config, data)
        # Half of Adam's usual momentum: the gradients of one network change with every step of the other.
        generator_optimizer = generator_optimizer or training.adam(config.training, steps, beta_1=0.5)
        rate = config.training.discriminator_learning_rate
        # The discriminator is not exported: no moving average of its weights.
        discriminator_training = settings.override(config.training, learning_rate=rate, average_epochs=0.0)
        discriminator_optimizer = discriminator_optimizer or training.adam(discriminator_training, steps, beta_1=0.5)
        # A step takes a tenth of a second: to do several in one call from Python would gain nothing.
        options = run.compile_options(steps, most_steps_per_execution=1)
        model.compile(generator_optimizer, discriminator_optimizer, shard=run.shard, **options)
    # In float32, whatever the precision of the training is.
    generator = build(config, data).generator
    callbacks = [validation(model, generator, classifier, data, Path(workdir)), *callbacks]
    # Stops early after `patience` epochs without a better score, and leaves the model at the best epoch.
    history = run.fit(model, batches, steps, None, monitor="val_classifier_fid", mode="min", callbacks=callbacks)

    with run.unfinished_export() as folder:
        generator.set_weights(model.generator.get_weights())
        class_names = data.class_names if config.network.class_conditional else ()
        # A million weights: float16 halves the space.
        signatures = export.write_image_generator(generator, folder, class_names, half_precision=True)
        # Of other latents than those that the best epoch was chosen by.
        images = generate(folder, draw_latents(config.scoring.samples, config.network.latent_dim, seed=1))
        scores = image_comparison.score(images, data, classifier)
        evaluation.save_gan_losses(history, run.figures / "losses.png")
        epochs = sorted((Path(workdir) / "samples").glob("epoch-*.png"))
        evaluation.save_animation(epochs, run.figures / "training.gif")
        columns, rows = GRID
        between = generate(folder, latents_between(rows, columns, config.network.latent_dim, len(class_names)))
        compared = data.train.images[: image_comparison.MOST_COMPARED]
        _, nearest = evaluation.nearest_examples(images[:columns], compared)
        pairs = np.concatenate([images[:columns], compared[nearest]])
        shown = {"samples": images[: columns * rows], "interpolation": between, "nearest": pairs}
        for name, grid in shown.items():
            evaluation.save_image(evaluation.image_grid(grid, columns), run.figures / f"{name}.png")
        limits = training.limits_on(config, LIMITS)
        card = {"summary": __doc__, "signatures": signatures, "limits": limits, "scored_on": SCORED_ON}
        return run.finish(folder, generator, history, data, scores, format_scores, card)


def training_batches(
    split: datasets.Split, batch_size: int, seed: int, first_step: int, last_step: int, **options: Any
) -> tf.data.Dataset:
    """Return `datasets.shuffled_batches` of images, float32 from -1 to 1, and their classes; `options` are its own."""
    import tensorflow as tf

    def scale(_, images, labels):
        return tf.cast(images, tf.float32) / 127.5 - 1, labels

    arrays = split.images, split.labels
    return datasets.shuffled_batches(arrays, batch_size, seed, first_step, last_step, scale, **options)


def validation(
    model: training.AdversarialModel,
    generator: keras.Model,
    classifier: image_comparison.FeatureClassifier,
    data: datasets.ImageDataset,
    workdir: str | Path,
) -> keras.callbacks.Callback:
    """Return the Keras callback that measures every epoch's images and saves a grid of them.

    It adds `val_classifier_fid`, their distance to the validation split, to the epoch's metrics. `generator` is a copy
    of the model's in float32, which gets the averaged weights. The grids go into `samples/` and, for TensorBoard,
    `logs/images/`.
    """
    import keras
    import tensorflow as tf

    columns, rows = GRID
    latents = draw_latents(max(columns * rows, len(data.validation)), generator.input.shape[1])
    expected = classifier.features(data.validation.images)

    def measure(epoch, logs):
        generator.set_weights(model.averaged_generator_weights())
        images = export.to_pixels(generator.predict(latents, batch_size=500, verbose=0)).numpy()
        logs["val_classifier_fid"] = evaluation.frechet_distance(expected, classifier.features(images))
        grid = evaluation.image_grid(images[: columns * rows], columns)
        (workdir / "samples").mkdir(exist_ok=True)
        evaluation.save_image(grid, workdir / "samples" / f"epoch-{epoch + 1:04d}.png")
        with tf.summary.create_file_writer(str(workdir / "logs" / "images")).as_default():
            tf.summary.image("generated", grid[tf.newaxis], step=epoch)

    return keras.callbacks.LambdaCallback(on_epoch_end=measure)


def draw_latents(count: int, latent_dim: int, seed: int = 0) -> np.ndarray:
    """Return standard normal latents, float32 `(count, latent_dim)`."""
    return np.random.default_rng(seed).normal(size=(count, latent_dim)).astype("float32")


def latents_between(rows: int, columns: int, latent_dim: int, num_classes: int | None) -> np.ndarray:
    """Return for each of `rows` pairs of latents those on the way, in `columns` steps, of one class each."""
    first, last = draw_latents(2 * rows, latent_dim).reshape(2, rows, 1, latent_dim)
    # Along a circle: in between, the straight line is nearer to the origin than any latents are.
    angles = np.linspace(0, np.pi / 2, columns).reshape(-1, 1)
    latents = first * np.cos(angles) + last * np.sin(angles)
    # The class stays: from one to another the image changes abruptly.
    latents[..., :num_classes] = first[..., :num_classes]
    return latents.reshape(-1, latent_dim)


def generate(folder: str | Path, latents: np.ndarray) -> np.ndarray:
    """Return the images, uint8, that an export generates."""
    return export.load_function(folder).predict(500, latents=latents)["images"]


def evaluate(folder: str | Path, config: Config) -> dict[str, Any]:
    """Return how an export's images compare with the test split, beside the training split and noise."""
    data = datasets.load_image_classification(**vars(config.data))
    classifier = image_comparison.FeatureClassifier(config.scoring.classifier, data)
    images = generate(folder, draw_latents(config.scoring.samples, config.network.latent_dim, seed=1))
    return image_comparison.score(images, data, classifier)


def explain(folder: str | Path, config: Config, figures: Path) -> None:  # noqa: ARG001
    """Raise `UserError`: a generator makes no predictions."""
    raise UserError("There is nothing to explain for a generator: its images depend on random latents alone.")
