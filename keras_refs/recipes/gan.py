"""Make pictures like Fashion-MNIST's, with a generator and a discriminator that play against each other.

    python -m keras_refs.train gan

It takes 35 minutes on one CPU core. Three seeds reach on the test split a classifier-FID from 4.9 to 5.5 (noise 233,
training pictures 0.3), a precision from 0.80 to 0.81 and a recall from 0.62 to 0.63 (training pictures 0.84 both).
"""

import dataclasses
import functools
from typing import Literal

from keras_refs import datasets, evaluation, export, models, training
from keras_refs.errors import UserError
from keras_refs.recipes import image_classification, recipe, settings

SHEET = 8, 5
"""Columns and rows of a sheet of pictures."""


@dataclasses.dataclass(frozen=True)
class Config(image_classification.PictureSettings):
    """Settings of the recipe."""

    classifier: str = "saved_models/conv_classifier/1"
    """Folder of an exported conv_classifier of these pictures, in whose features they are compared."""
    latent_dim: settings.Count = 100
    """Random numbers a picture is made of."""
    hidden_units: tuple[settings.Count, ...] = ()
    """Width of each of the generator's dense layers before the small picture; none by default."""
    base_filters: settings.Count = 128
    """Channels of the small picture that the generator enlarges."""
    generator_filters: tuple[settings.Count, ...] = (128, 64)
    """Output channels of the generator's transposed convolutions but the last."""
    discriminator_filters: tuple[settings.Count, ...] = (64, 128)
    """Output channels of the discriminator's convolutions."""
    kernel_size: settings.Count = 4
    """Height and width of every kernel in pixels."""
    dropout: settings.Rate = 0.0
    """Share of the discriminator's activations dropped after every convolution."""
    class_conditional: bool = True
    """Whether both players are told which class a picture is of; every latents have one."""
    loss: Literal["non_saturating", "hinge", "wasserstein"] = "hinge"
    """What the players minimise; wasserstein has a gradient penalty."""
    label_smoothing: settings.Rate = 0.0
    """How far below 1 the target for real pictures is; non-saturating loss alone."""
    gradient_penalty: settings.NotNegative = 10.0
    """Factor of the gradient penalty; Wasserstein loss alone."""
    epochs: settings.Count = 12
    """Passes over the training split."""
    batch_size: settings.Count = 64
    """Real pictures a training step, over all devices together."""
    learning_rate: settings.Positive = 4e-4
    """The generator's highest learning rate; it rises for an epoch and falls to zero along a cosine."""
    discriminator_learning_rate: settings.Positive = 4e-4
    """The discriminator's."""
    patience: settings.Count = 1000
    """Epochs without a better validation score after which training stops."""
    samples: settings.Count = 10_000
    """Pictures to make for the scores."""


class Recipe(recipe.Recipe):
    """Train `training.AdversarialModel`, and compare what its generator makes with pictures it has not seen.

    Pictures are compared in the features of a frozen classifier of these data, not of the Inception network that
    published Fréchet distances are measured in: hence "classifier-FID", and no comparison with those.
    """

    name = "gan"
    family = "convolutional"
    monitor = "val_classifier_fid"
    # A step takes a tenth of a second, and each of several in a call is traced for itself.
    most_steps_per_execution = 1
    limits = "It makes pictures at random. Some are of no kind of clothes, and the rarer forms of a kind are missing."

    @property
    def signatures(self):
        """What the export takes and returns, as Markdown."""
        height, width, channels = self.data.image_shape
        dim = self.config.latent_dim
        return (
            f"- `serving_default`: `latents`, float32 `[batch, {dim}]`, standard normal numbers\n"
            "- `sample`: two scalars, `seed`, int64, and `count`, int32, at most 10,000; returns its `latents`, too\n\n"
            f"Both return `images`, uint8 `[batch, {height}, {width}, {channels}]`, pixel values 0..255. The same "
            "latents give the same picture, and so\ndo the same seed and number of the picture."
            f"{self._signature_of_classes}"
        )

    @property
    def _signature_of_classes(self):
        if self._num_classes is None:
            return ""
        names = ", ".join(self.data.class_names)
        return (
            f" The greatest of the first {self._num_classes} latents chooses the class, in\nthis order: {names}. "
            "Between two classes there is\nnothing: there the picture changes at once."
        )

    def load_data(self):
        """Return the `datasets.ImageDataset` the settings name, if the classifier takes its pictures."""
        data = self.config.load()
        taken = self._judge[1].image_shape
        if taken != data.image_shape:
            raise UserError(
                f"--classifier must take pictures of {data.image_shape}. "
                f"Received: {self.config.classifier}, which takes those of {taken}"
            )
        return data

    @functools.cached_property
    def _judge(self):
        """The classifier's features of pictures, and the classifier."""
        folder = self.config.classifier
        try:
            return export.SavedFunction(folder, "features"), export.SavedImageClassifier(folder)
        except UserError as error:
            raise UserError(
                f"--classifier must be a SavedModel of conv_classifier with the signature `features`. {error}"
            ) from error

    def _features(self, images):
        return self._judge[0].predict(500, images=images)["features"]

    def build_model(self):
        """Return both players in their training step."""
        config = self.config
        return training.AdversarialModel(
            self.build_export_model(),
            models.gan_discriminator(
                self.data.image_shape,
                config.discriminator_filters,
                config.kernel_size,
                config.dropout,
                num_classes=self._num_classes,
            ),
            config.loss,
            config.label_smoothing,
            config.gradient_penalty,
            self._num_classes,
            config.seed,
        )

    def build_export_model(self):
        """Return the generator."""
        config = self.config
        return models.gan_generator(
            config.latent_dim,
            self.data.image_shape,
            config.hidden_units,
            config.base_filters,
            config.generator_filters,
            config.kernel_size,
            num_classes=self._num_classes,
        )

    @property
    def _num_classes(self):
        return len(self.data.class_names) if self.config.class_conditional else None

    def exported_part(self, model):
        """Return the generator."""
        return model.generator

    def _compile(self, model, **options):
        # Half of Adam's usual momentum: what one player should do changes with every step of the other.
        generator = self._optimizer(beta_1=0.5)
        discriminator = self._optimizer(
            beta_1=0.5, learning_rate=self.config.discriminator_learning_rate, use_ema=False, ema_momentum=0.99
        )
        model.compile(generator, discriminator, **options)

    def training_batches(self, first_step, last_step):
        """Return shuffled pictures with values from -1 to 1, and their classes."""
        import tensorflow as tf

        def prepare(_, images, labels):
            return tf.cast(images, tf.float32) / 127.5 - 1, labels

        config, train = self.config, self.data.train
        return datasets.shuffled_batches(
            [train.images, train.labels], config.batch_size, config.seed, first_step, last_step, prepare
        )

    def validation_batches(self):
        """Return nothing: `after_epoch` validates."""
        return

    def after_epoch(self, model, run):
        """Return a function that draws a sheet of pictures and measures their distance to the validation's."""
        import tensorflow as tf

        # With the moving average of the weights, while training goes on with the others.
        generator = self.build_export_model()
        latents = self._latents(max(SHEET[0] * SHEET[1], len(self.data.validation)))
        expected = self._features(self.data.validation.images)
        logs = tf.summary.create_file_writer(str(run.logs / "pictures"))
        self._sheets(run.figures).mkdir(exist_ok=True)

        def measure(epoch):
            generator.set_weights(model.generator.get_weights())
            model.generator_optimizer.finalize_variable_values(generator.trainable_variables)
            made = export.to_pixels(generator.predict(latents, batch_size=500, verbose=0)).numpy()
            sheet = evaluation.pictures.sheet(made[: SHEET[0] * SHEET[1]], SHEET[0])
            evaluation.pictures.save(sheet, self._sheets(run.figures) / f"epoch-{epoch + 1:04d}.png")
            with logs.as_default():
                tf.summary.image("made", sheet[tf.newaxis], step=epoch)
            return {self.monitor: evaluation.frechet_distance(expected, self._features(made))}

        return measure

    @staticmethod
    def _sheets(figures):
        return figures.parent / "samples"

    def _latents(self, count, seed=0):
        import numpy as np

        return np.random.default_rng(seed).normal(size=(count, self.config.latent_dim)).astype("float32")

    def write_export(self, model, folder):
        """Write the SavedModel, with float16 weights."""
        export.write_image_generator(model, folder, half_precision=True)

    def examples(self):
        """Return one draw of latents."""
        import numpy as np

        sample = {"seed": np.int64(0), "count": np.int32(1)}
        return {"serving_default": {"latents": self._latents(1)}, "sample": sample}

    def _make(self, latents):
        return self._exported.predict(500, latents=latents)["images"]

    def score(self, folder):
        """Return how an export's pictures compare with the test split's, and the pictures."""
        import numpy as np

        self._exported, (_, classifier) = export.SavedFunction(folder), self._judge
        count = self.config.samples
        # Not the latents that chose the best epoch.
        made = self._make(self._latents(count, seed=1))
        real = self.data.test.images
        expected = self._features(real)
        shares = np.bincount(classifier.predict(made).argmax(axis=1), minlength=classifier.num_classes) / count
        scores = {
            **evaluation.generative_metrics(expected, self._features(made)),
            "class_shares": dict(zip(self.data.class_names, shares.round(4).tolist(), strict=True)),
            "class_evenness": evaluation.evenness(shares),
            "nearest_training_picture": {},
            "references": {},
        }
        noise = np.random.default_rng(0).integers(0, 256, made.shape, dtype=np.uint8)
        for name, images in (("training pictures", self.data.train.images[:count]), ("noise", noise)):
            scores["references"][name] = evaluation.generative_metrics(expected, self._features(images))
        for name, images in (("made", made), ("test", real)):
            distances, _ = evaluation.nearest_examples(images[:1000], self.data.train.images)
            scores["nearest_training_picture"][name] = round(float(np.median(distances)), 1)
        return scores, {"made": made}

    def format_scores(self, scores):
        """Return all scores beside those of training pictures and of noise; the distance comes last."""
        rows = {"made": scores, **scores["references"]}
        lines = [
            f"{name:<18} kernel distance {found['kernel_distance']:.4f}, precision {found['precision']:.3f}, "
            f"recall {found['recall']:.3f}, classifier-FID {found['frechet_distance']:.3f}"
            for name, found in rows.items()
        ]
        shares, nearest = scores["class_shares"], scores["nearest_training_picture"]
        return "\n".join(
            [
                *lines[1:],
                f"Classes: {min(shares.values()):.1%} ({min(shares, key=shares.get)}) to {max(shares.values()):.1%} "
                f"({max(shares, key=shares.get)}), evenness {scores['class_evenness']:.4f}",
                f"Median distance to the nearest training picture: made {nearest['made']:.0f}, "
                f"test {nearest['test']:.0f}",
                " ".join(lines[0].split()),
            ]
        )

    def draw(self, history, scores, predictions, folder):
        """Draw the players' losses, pictures, how they became so, ways between two, and their nearest neighbours."""
        import numpy as np

        pictures, made, (columns, rows) = evaluation.pictures, predictions["made"], SHEET
        pictures.save_players(history, folder / "players.png")
        pictures.save(pictures.sheet(made[: columns * rows], columns), folder / "samples.png")
        pictures.save_animation(sorted(self._sheets(folder).glob("epoch-*.png")), folder / "training.gif")
        ends = self._latents(2 * rows).reshape(2, rows, 1, -1)
        # Along a circle: in between, the straight line is nearer to the origin than any latents are.
        angle = np.linspace(0, np.pi / 2, columns).reshape(-1, 1)
        ways = ends[0] * np.cos(angle) + ends[1] * np.sin(angle)
        # The class stays: from one to another it is a jump.
        ways[..., : self._num_classes or 0] = ends[0, ..., : self._num_classes or 0]
        between = self._make(ways.reshape(-1, ways.shape[-1]))
        pictures.save(pictures.sheet(between, columns), folder / "interpolation.png")
        _, places = evaluation.nearest_examples(made[:columns], self.data.train.images)
        pairs = np.concatenate([made[:columns], self.data.train.images[places]])
        pictures.save(pictures.sheet(pairs, columns), folder / "nearest.png")
