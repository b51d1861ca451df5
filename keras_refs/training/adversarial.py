"""The training step of a generative adversarial network: two players, two optimizers, one compiled function."""

import functools

import keras
import tensorflow as tf
from keras import ops

from keras_refs.models import arguments
from keras_refs.models.gan import latent_classes


def non_saturating_losses(real, made, label_smoothing=0.0):
    """Return the losses of discriminator and generator for logits of real and of made pictures.

    With H the cross-entropy of a logit's logistic function and a target, L_D = (H(real, 1 - label_smoothing) +
    H(made, 0)) / 2 and L_G = H(made, 1): log 2 each while the discriminator is undecided. Goodfellow et al. 2014.
    """

    def cross_entropy(logits, target):
        return ops.mean(ops.binary_crossentropy(ops.full_like(logits, target), logits, from_logits=True))

    return (cross_entropy(real, 1 - label_smoothing) + cross_entropy(made, 0)) / 2, cross_entropy(made, 1)


def hinge_losses(real, made):
    """Return L_D = (E[max(0, 1 - real)] + E[max(0, 1 + made)]) / 2 and L_G = -E[made]. Lim & Ye 2017."""
    return ops.mean(ops.relu(1 - real) + ops.relu(1 + made)) / 2, -ops.mean(made)


def wasserstein_losses(real, made):
    """Return L_D = E[made] - E[real], to which a gradient penalty belongs, and L_G = -E[made]. Arjovsky et al. 2017."""
    return ops.mean(made) - ops.mean(real), -ops.mean(made)


LOSSES = {"non_saturating": non_saturating_losses, "hinge": hinge_losses, "wasserstein": wasserstein_losses}


@keras.saving.register_keras_serializable("keras_refs")
class AdversarialModel(keras.Model):
    """A generator and a discriminator that play against each other in every step of `fit`.

    A step draws latents, makes pictures of them, updates the discriminator on real and made pictures, and then the
    generator by what the updated discriminator says of the same made pictures. Real and made pictures pass through the
    discriminator in batches of their own; a generator's batch normalisation sees made pictures alone.

    With `num_classes` a batch is a tuple of pictures and their classes; without, what comes with the pictures is passed
    over.

    Called, it makes pictures of latents. Its metrics are both losses, and the shares of real and of made pictures that
    the discriminator tells right (its logit is positive for real).

    Args:
        generator: Model from `latents` `(batch, latent_dim)` to pictures.
        discriminator: Model from pictures to logits `(batch, 1)`.
        loss: `"non_saturating"`, `"hinge"`, or `"wasserstein"`, which adds a gradient penalty.
        label_smoothing: How far below 1 the target for real pictures is, in [0, 1); non-saturating loss alone.
        gradient_penalty: Factor of (|gradient of the logit in the picture| - 1)^2 between real and made pictures, for
            the Wasserstein loss. Gulrajani et al. 2017.
        num_classes: Classes of pictures, if both players were built for them; the discriminator is told the class of a
            real picture, and of the latents of a made one.
        seed: Seed of the latents.
        **options: Keras's, such as `name`.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        generator,
        discriminator,
        loss="non_saturating",
        label_smoothing=0.0,
        gradient_penalty=10.0,
        num_classes=None,
        seed=0,
        **options,
    ):
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
        self._seeds = keras.random.SeedGenerator(seed)
        names = ("discriminator_loss", "generator_loss", "real_accuracy", "made_accuracy")
        self._means = {name: keras.metrics.Mean(name=name) for name in names}
        self.built = True

    def compile(self, generator_optimizer, discriminator_optimizer, **options):
        """Take an optimizer for each player; under mixed_float16 both have their losses scaled.

        Args:
            generator_optimizer: Keras optimizer; with `use_ema` it keeps a moving average of the generator.
            discriminator_optimizer: Keras optimizer.
            **options: Keras's, such as `jit_compile`.
        """
        optimizers = []
        for player, optimizer in ((self.generator, generator_optimizer), (self.discriminator, discriminator_optimizer)):
            optimizer = keras.optimizers.get(optimizer)
            half = any(layer.dtype_policy.name == "mixed_float16" for layer in player.layers)
            if half and not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
                optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
            optimizer.build(player.trainable_variables)
            optimizers.append(optimizer)
        self.generator_optimizer, self.discriminator_optimizer = optimizers
        super().compile(optimizer=None, auto_scale_loss=False, **options)

    @property
    def optimized(self):
        """Each optimizer with the variables it trains; the first counts the steps."""
        return [
            (self.generator_optimizer, self.generator.trainable_variables),
            (self.discriminator_optimizer, self.discriminator.trainable_variables),
        ]

    @property
    def metrics(self):
        """Both losses and accuracies, as means over an epoch."""
        return list(self._means.values())

    def call(self, latents, training=False):
        """Return pictures made of latents."""
        return self.generator(latents, training=training)

    def train_step(self, batch):
        """Update the discriminator on a batch of real pictures and as many made ones, then the generator."""
        images, *classes = batch if isinstance(batch, tuple) else (batch,)
        images = tf.cast(images, self.generator.output.dtype)
        latents = tf.random.stateless_normal([tf.shape(images)[0], self.generator.input.shape[1]], self._seed())
        judge_real, judge_made = self._judges(classes, latents)
        # One pass of the generator serves both players.
        with tf.GradientTape() as generator_tape:
            made = self.generator(latents, training=True)
            with tf.GradientTape() as tape:
                given = tf.stop_gradient(made)
                real_logits = judge_real(images)
                made_logits = judge_made(given)
                loss, _ = self._loss_of_each(real_logits, made_logits)
                loss += self._penalty(images, given, judge_real)
                scaled = _scaled(self.discriminator_optimizer, loss)
            with generator_tape.stop_recording():
                self._update(self.discriminator, self.discriminator_optimizer, tape, scaled)
            _, generator_loss = self._loss_of_each(real_logits, judge_made(made))
            scaled = _scaled(self.generator_optimizer, generator_loss)
        self._update(self.generator, self.generator_optimizer, generator_tape, scaled)
        self._means["discriminator_loss"].update_state(loss)
        self._means["generator_loss"].update_state(generator_loss)
        self._means["real_accuracy"].update_state(tf.cast(real_logits > 0, tf.float32))
        self._means["made_accuracy"].update_state(tf.cast(made_logits <= 0, tf.float32))
        return self.get_metrics_result()

    def _judges(self, classes, latents):
        """Return the discriminator as it is told the classes of real pictures, and of made ones."""
        num_classes = self._settings["num_classes"]
        if num_classes is None:
            return [functools.partial(self.discriminator, training=True)] * 2
        if not classes:
            raise ValueError(f"Pictures must come with their classes, from 0 to {num_classes - 1}. Received: none")

        def told(of):
            return lambda images: self.discriminator({"images": images, "classes": of}, training=True)

        return told(classes[0]), told(latent_classes(latents, num_classes))

    def _seed(self):
        """Return the seed of a draw: another one for every draw, and on every replica."""
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return tf.random.experimental.stateless_fold_in(tf.cast(self._seeds.next(), tf.int64), replica)

    def _loss_of_each(self, real, made):
        options = {}
        if self._settings["loss"] == "non_saturating":
            options["label_smoothing"] = self._settings["label_smoothing"]
        return LOSSES[self._settings["loss"]](real, made, **options)

    def _penalty(self, images, made, judge):
        """Return the gradient penalty between real and made pictures, pair by pair; 0 for the other losses.

        What lies between is judged as being of the real picture's class.
        """
        if self._settings["loss"] != "wasserstein":
            return 0.0
        shares = tf.random.stateless_uniform([tf.shape(images)[0], 1, 1, 1], self._seed(), dtype=made.dtype)
        between = images + shares * (made - images)
        with tf.GradientTape() as tape:
            tape.watch(between)
            logits = judge(between)
        gradients = tf.cast(tape.gradient(logits, between), tf.float32)
        # The root's own gradient is infinite at 0.
        norms = tf.sqrt(tf.reduce_sum(tf.square(gradients), axis=[1, 2, 3]) + 1e-12)
        return self._settings["gradient_penalty"] * tf.reduce_mean(tf.square(norms - 1))

    @staticmethod
    def _update(player, optimizer, tape, loss):
        variables = player.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)

    def get_config(self):
        """Return the arguments, from which Keras builds the same model."""
        players = {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in _PLAYERS}
        return {**players, **self._settings, "name": self.name}

    @classmethod
    def from_config(cls, config):
        """Build the model that `get_config` describes."""
        players = {name: keras.saving.deserialize_keras_object(config.pop(name)) for name in _PLAYERS}
        return cls(**players, **config)

    def save_own_variables(self, store):
        """Save what Keras would forget: how far the latents' generator has come."""
        store["latents"] = self._seeds.state.numpy()

    def load_own_variables(self, store):
        """Restore it."""
        self._seeds.state.assign(store["latents"])

    def get_compile_config(self):
        """Return both optimizers, so that a loaded model goes on training."""
        names = [f"{name}_optimizer" for name in _PLAYERS]
        return {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in names}

    def compile_from_config(self, config):
        """Compile with the optimizers that `get_compile_config` describes."""
        self.compile(**{name: keras.saving.deserialize_keras_object(given) for name, given in config.items()})


def _scaled(optimizer, loss):
    """Return the loss to differentiate: the gradients of all replicas are summed."""
    return optimizer.scale_loss(loss / tf.distribute.get_strategy().num_replicas_in_sync)


_PLAYERS = ("generator", "discriminator")
