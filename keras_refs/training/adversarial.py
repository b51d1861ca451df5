"""The training step of a generative adversarial network (GAN): two networks, two optimizers, one compiled function."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import keras
import tensorflow as tf
from keras import ops

from keras_refs.datasets.pipelines import WHOLE
from keras_refs.models import arguments
from keras_refs.models.gan import latent_classes

if TYPE_CHECKING:
    import numpy as np

    from keras_refs.datasets.pipelines import Shard

_NETWORKS = ("generator", "discriminator")


def non_saturating_losses(
    real: tf.Tensor, generated: tf.Tensor, label_smoothing: float = 0.0
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the losses of discriminator and generator for the logits of real and of generated images.

    With H the cross-entropy of a logit's logistic function and a target, L_D = (H(real, 1 - label_smoothing) +
    H(generated, 0)) / 2 and L_G = H(generated, 1): log 2 each for logits of 0. Goodfellow et al. 2014.
    """

    def cross_entropy(logits, target):
        return ops.mean(ops.binary_crossentropy(ops.full_like(logits, target), logits, from_logits=True))

    discriminator_loss = (cross_entropy(real, 1 - label_smoothing) + cross_entropy(generated, 0)) / 2
    return discriminator_loss, cross_entropy(generated, 1)


def hinge_losses(real: tf.Tensor, generated: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return L_D = (E[max(0, 1 - real)] + E[max(0, 1 + generated)]) / 2 and L_G = -E[generated]. Lim & Ye 2017."""
    return ops.mean(ops.relu(1 - real) + ops.relu(1 + generated)) / 2, -ops.mean(generated)


def wasserstein_losses(real: tf.Tensor, generated: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return L_D = E[generated] - E[real], to penalise, and L_G = -E[generated]. Arjovsky et al. 2017."""
    return ops.mean(generated) - ops.mean(real), -ops.mean(generated)


LOSSES = {"non_saturating": non_saturating_losses, "hinge": hinge_losses, "wasserstein": wasserstein_losses}


def gradient_penalty(
    images: tf.Tensor, generated: tf.Tensor, discriminator: Callable[[tf.Tensor], tf.Tensor], places: Any
) -> tf.Tensor:
    """Return the mean of (|gradient of the logit with respect to the image| - 1)^2, float32. Gulrajani et al. 2017.

    It is taken at a random point on the line between each real image and a generated one.

    Args:
        images: Real images `(batch, height, width, channels)`.
        generated: As many generated images.
        discriminator: Function from images to logits `(batch, 1)`.
        places: Where on its line each point is, from 0 to 1, `(batch, 1, 1, 1)`.
    """
    points = images + places * (generated - images)
    with tf.GradientTape() as tape:
        tape.watch(points)
        logits = discriminator(points)
    gradients = tf.cast(tape.gradient(logits, points), tf.float32)
    # The gradient of the square root is infinite at 0.
    norms = tf.sqrt(tf.reduce_sum(tf.square(gradients), axis=[1, 2, 3]) + 1e-12)
    return tf.reduce_mean(tf.square(norms - 1))


@keras.saving.register_keras_serializable("keras_refs")
class AdversarialModel(keras.Model):
    """A generator and a discriminator, both of which every step of `fit` updates.

    A step draws latents, generates images from them, updates the discriminator on real and generated images, and then
    the generator by the logits of the updated discriminator for the same generated images. Real and generated images
    pass through the discriminator in separate batches. With `num_classes` a batch is a tuple of images and their
    classes; without, anything beside the images is ignored. Called with latents, it returns generated images. Its
    metrics are both losses, and the discriminator's accuracy on real and on generated images (positive for real).

    Args:
        generator: Model from `latents` `(batch, latent_dim)` to images.
        discriminator: Model from images to logits `(batch, 1)`.
        loss: `"non_saturating"`, `"hinge"`, or `"wasserstein"`, which adds a gradient penalty.
        label_smoothing: How far below 1 the target of real images is, in [0, 1); for the non-saturating loss only.
        gradient_penalty: Factor of `gradient_penalty`, for the Wasserstein loss only.
        num_classes: Number of classes, if both networks are class-conditional; latents have one, `latent_classes`.
        seed: Seed of the latents.
        **options: Arguments of `keras.Model`, such as `name`.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        loss: str = "non_saturating",
        label_smoothing: float = 0.0,
        gradient_penalty: float = 10.0,
        num_classes: int | None = None,
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        arguments.check_choice("loss", loss, LOSSES)
        if not 0 <= label_smoothing < 1 or (label_smoothing and loss != "non_saturating"):
            raise ValueError(
                "`label_smoothing` must be a number in [0, 1), and 0 for other losses than the non-saturating one. "
                f"Received: label_smoothing={label_smoothing!r}, loss={loss!r}"
            )
        if gradient_penalty < 0:
            raise ValueError(f"`gradient_penalty` must be at least 0. Received: gradient_penalty={gradient_penalty!r}")
        self.generator = generator
        self.discriminator = discriminator
        self._settings = {
            "loss": loss,
            "label_smoothing": label_smoothing,
            "gradient_penalty": gradient_penalty,
            "num_classes": num_classes,
            "seed": seed,
        }
        smoothing = {"label_smoothing": label_smoothing} if loss == "non_saturating" else {}
        self._adversarial_losses = functools.partial(LOSSES[loss], **smoothing)
        self._seeds = keras.random.SeedGenerator(seed)
        names = ("discriminator_loss", "generator_loss", "real_accuracy", "generated_accuracy")
        self._means = {name: keras.metrics.Mean(name=name) for name in names}
        self.built = True

    def compile(
        self,
        generator_optimizer: keras.optimizers.Optimizer,
        discriminator_optimizer: keras.optimizers.Optimizer,
        shard: Shard = WHOLE,
        **options: Any,
    ) -> None:
        """Take an optimizer for each network; for a network in mixed_float16 it is wrapped to scale the loss.

        Args:
            generator_optimizer: Keras optimizer; with `use_ema` it keeps a moving average of the generator's weights.
            discriminator_optimizer: Keras optimizer.
            shard: The `datasets.Shard` that the batches are of; latents are drawn for the whole batch.
            **options: Further arguments of `keras.Model.compile`, such as `jit_compile`.
        """
        optimizers = []
        pairs = (self.generator, generator_optimizer), (self.discriminator, discriminator_optimizer)
        for network, optimizer in pairs:
            optimizer = keras.optimizers.get(optimizer)
            half = any(layer.dtype_policy.name == "mixed_float16" for layer in network.layers)
            if half and not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
                optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
            optimizer.build(network.trainable_variables)
            optimizers.append(optimizer)
        self.generator_optimizer, self.discriminator_optimizer = optimizers
        self._shard = shard
        super().compile(optimizer=None, auto_scale_loss=False, **options)

    @property
    def optimized(self) -> Any:
        """Each optimizer with the variables that it trains, as `training.Checkpoints` saves them."""
        return [
            (self.generator_optimizer, self.generator.trainable_variables),
            (self.discriminator_optimizer, self.discriminator.trainable_variables),
        ]

    def averaged_generator_weights(self) -> list[np.ndarray]:
        """Return the generator's weights with the moving average of `generator_optimizer`, if it keeps one.

        They are in the order of `generator.get_weights()`; the generator itself stays as it is, and training can go on.
        """
        weights = self.generator.get_weights()
        # In the generator's own variables: Keras cannot write averages that are on several devices into others.
        self.generator_optimizer.finalize_variable_values(self.generator.trainable_variables)
        averaged = self.generator.get_weights()
        self.generator.set_weights(weights)
        return averaged

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Both losses and both accuracies, as means over an epoch."""
        return list(self._means.values())

    def call(self, latents: Any, training: bool = False) -> tf.Tensor:
        """Return the images that the generator outputs for latents."""
        return self.generator(latents, training=training)

    def train_step(self, batch: Any) -> dict[str, tf.Tensor]:
        """Update the discriminator on a batch of real images and as many generated ones, then the generator."""
        images, *classes = batch if isinstance(batch, tuple) else (batch,)
        images = tf.cast(images, self.generator.output.dtype)
        latents = self._draw(tf.random.stateless_normal, images, [self.generator.input.shape[1]])
        score_real, score_generated = self._discriminators(classes, latents)
        # One forward pass of the generator serves both updates.
        with tf.GradientTape() as generator_tape:
            generated = self.generator(latents, training=True)
            with tf.GradientTape() as discriminator_tape:
                constant = tf.stop_gradient(generated)
                real_logits, generated_logits = score_real(images), score_generated(constant)
                discriminator_loss, _ = self._adversarial_losses(real_logits, generated_logits)
                if self._settings["loss"] == "wasserstein":
                    # A point between two images is taken to be of the real one's class.
                    places = self._draw(tf.random.stateless_uniform, images, [1, 1, 1], images.dtype)
                    penalty = gradient_penalty(images, constant, score_real, places)
                    discriminator_loss += self._settings["gradient_penalty"] * penalty
                scaled = _scaled(self.discriminator_optimizer, discriminator_loss)
            with generator_tape.stop_recording():
                _update(self.discriminator, self.discriminator_optimizer, discriminator_tape, scaled)
            _, generator_loss = self._adversarial_losses(real_logits, score_generated(generated))
            scaled = _scaled(self.generator_optimizer, generator_loss)
        _update(self.generator, self.generator_optimizer, generator_tape, scaled)
        self._means["discriminator_loss"].update_state(discriminator_loss)
        self._means["generator_loss"].update_state(generator_loss)
        self._means["real_accuracy"].update_state(tf.cast(real_logits > 0, tf.float32))
        self._means["generated_accuracy"].update_state(tf.cast(generated_logits <= 0, tf.float32))
        return self.get_metrics_result()

    def _discriminators(self, classes, latents):
        """Return the discriminator as a function of real images, and as one of images generated from latents."""
        num_classes = self._settings["num_classes"]
        if num_classes is None:
            return [functools.partial(self.discriminator, training=True)] * 2
        if not classes:
            raise ValueError(f"Images must come with their classes, from 0 to {num_classes - 1}. Received: none")

        def conditional_on(image_classes):
            return lambda images: self.discriminator({"images": images, "classes": image_classes}, training=True)

        return conditional_on(classes[0]), conditional_on(latent_classes(latents, num_classes))

    def _draw(self, draw, images, shape, dtype=tf.float32):
        """Return what a function draws for each of the images, in the order of the whole batch."""
        examples = (images.shape[0] or tf.shape(images)[0]) * self._shard.count
        return self._shard.of(draw([examples, *shape], self._next_seed(), dtype=dtype))

    def _next_seed(self):
        """Return the seed of a draw: a different one for every draw, and on every replica."""
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return tf.random.experimental.stateless_fold_in(tf.cast(self._seeds.next(), tf.int64), replica)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, from which Keras builds the same model."""
        networks = {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in _NETWORKS}
        return {**networks, **self._settings, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build the model that `get_config` describes."""
        # A copy, because Keras removes the entries of a functional model's configuration as it reads them.
        config = copy.deepcopy(config)
        networks = {name: keras.saving.deserialize_keras_object(config[name]) for name in _NETWORKS}
        return cls(**{**config, **networks})

    def save_own_variables(self, store: Any) -> None:
        """Save the state of the latents' generator, which Keras would leave out."""
        store["latents"] = self._seeds.state.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Restore it."""
        self._seeds.state.assign(store["latents"])

    def get_compile_config(self) -> dict[str, Any]:
        """Return both optimizers, so that a loaded model goes on training."""
        names = [f"{name}_optimizer" for name in _NETWORKS]
        return {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in names}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile with the optimizers that `get_compile_config` describes."""
        self.compile(**{name: keras.saving.deserialize_keras_object(optimizer) for name, optimizer in config.items()})


def _scaled(optimizer, loss):
    """Return the loss to differentiate: the gradients of all replicas are summed."""
    return optimizer.scale_loss(loss / tf.distribute.get_strategy().num_replicas_in_sync)


def _update(network, optimizer, tape, loss):
    variables = network.trainable_variables
    optimizer.apply(tape.gradient(loss, variables), variables)
