"""What the recipes for tables of numbers share: their data, and training on all rows at once."""

import dataclasses
import functools
from typing import Literal

from keras_refs import datasets, evaluation, export
from keras_refs.recipes import settings
from keras_refs.recipes.recipe import Recipe


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableSettings(settings.DataSettings):
    """Settings of every recipe for a table of numbers."""

    epochs: settings.Count = 20
    """Times to validate and save."""
    passes_per_epoch: settings.Count = 200
    """Passes over the rows in an epoch."""
    learning_rate: settings.Positive = 0.05
    """Highest learning rate; it rises for an epoch and falls to zero along a cosine."""
    average_epochs: settings.NotNegative = 0.0
    """Epochs that the moving average of the weights reaches back; 0 for none, which a convex problem needs."""
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    """Keras dtype policy; auto chooses by the device."""
    l1: settings.NotNegative = 0.0
    """Factor of the penalty on the sum of the absolute weights."""
    l2: settings.NotNegative = 0.0
    """Factor of the penalty on the sum of the squared weights."""


class TableRecipe(Recipe):
    """A linear model of a table, fitted to standardised features of all rows.

    There is no test split: what is reported of the fit is in sample, as the closed form's is.
    """

    family = "dense"
    scored_on = "in sample"
    with_classes: bool

    def load_data(self):
        """Return the `datasets.TableDataset` the settings name."""
        return datasets.load_table(self.config.dataset, self.config.data_dir, with_classes=self.with_classes)

    @functools.cached_property
    def steps_per_epoch(self):
        """Training steps an epoch."""
        return super().steps_per_epoch * self.config.passes_per_epoch

    @functools.cached_property
    def feature_scale(self):
        """Mean and deviation of every feature over the training rows."""
        return datasets.Standardization.of(self.data.train.features)

    def training_targets(self, targets):
        """Return the targets as the network is to learn them."""
        return targets

    def training_batches(self, first_step, last_step):
        """Return shuffled `(features, targets)`, standardised."""
        rows, config = self.data.train, self.config
        return datasets.shuffled_batches(
            (self.feature_scale.apply(rows.features), self.training_targets(rows.targets)),
            config.batch_size,
            config.seed,
            first_step,
            last_step,
        )

    def validation_batches(self):
        """Return all rows in one batch."""
        import tensorflow as tf

        rows = self.data.validation
        batch = self.feature_scale.apply(rows.features), self.training_targets(rows.targets)
        return tf.data.Dataset.from_tensors(batch)

    def answer(self, outputs):
        """Return what the export answers, by name, from the network's outputs."""
        raise NotImplementedError

    def write_export(self, model, folder):
        """Write the SavedModel, which takes raw features."""
        import tensorflow as tf

        export.write_function(
            lambda features: self.answer(model(self.feature_scale.apply(features), training=False)),
            {"features": (tf.float32, (len(self.data.feature_names),))},
            folder,
        )

    def examples(self):
        """Return the first row."""
        return {"serving_default": {"features": self.data.test.features[:1]}}

    def explain(self, folder, figures, texts=()):
        """Draw the weights."""
        weights = self.read_model(folder).layers[-1].kernel.numpy().T
        coefficients, label = self.name_weights(weights)
        evaluation.explanations.save_coefficients(
            self.data.feature_names, coefficients, label, figures / "coefficients.png"
        )

    def name_weights(self, weights):
        """Return the weights of each output `(outputs, features)` by its name, and what they say."""
        raise NotImplementedError
