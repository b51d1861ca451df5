"""See why a simple recurrent network forgets and an LSTM does not: both learn to add two numbers far apart.

    python -m keras_refs.train adding_problem
    python -m keras_refs.train adding_problem --length 400

At a length of 100 the LSTM's mean squared error falls to 0.0008 (mean of three seeds). The simple network's stayed at
1/6, that of a constant answer, from two seeds, and came down to half of it from one. Twenty epochs of length 400 are
too few: the simple network stayed at 1/6, and so did the LSTM but for one seed, from which it began to fall (0.132).
Both see the same sequences and are trained independently.
"""

import dataclasses
from typing import Annotated

from annotated_types import Ge

from keras_refs import datasets, evaluation, export, models
from keras_refs.recipes import recipe, settings

NETWORKS = ("lstm", "simple_rnn")


@dataclasses.dataclass(frozen=True)
class Config(settings.Settings):
    """Settings of the recipe."""

    length: Annotated[int, Ge(2)] = 100
    """Steps of a sequence."""
    units: settings.Count = 64
    """Width of the recurrent layer of each network."""
    epochs: settings.Count = 20
    """Times to validate and save."""
    examples_per_epoch: settings.Count = 12_800
    """New sequences in an epoch; none comes twice."""
    batch_size: settings.Count = 128
    """Examples a training step, over all devices together."""
    learning_rate: settings.Positive = 0.01
    """Highest learning rate; it rises for an epoch and falls to zero along a cosine."""
    clip_norm: settings.NotNegative = 1.0
    """Longest gradient of a variable, longer ones are shortened to it; 0 for no limit."""
    patience: settings.Count = 100
    """Epochs without a better validation score after which training stops."""


class Recipe(recipe.Recipe):
    """Train `models.lstm_regressor` and `models.simple_rnn_regressor` side by side."""

    name = "adding_problem"
    family = "recurrent"
    monitor = "val_lstm_loss"
    signatures = (
        "- `serving_default`: `sequence`, float32 `[batch, steps, 2]`, at each step a value in [0, 1] and a mark, 0 or "
        "1\n\nIt returns the sum of the marked values as `lstm` and `simple_rnn` tell it, each float32 `[batch, 1]`."
    )
    limits = (
        "It demonstrates what two networks can learn. Other lengths than the one it was trained on, and other than "
        "two marks,\nlie outside what was measured."
    )

    @property
    def loss(self):
        """The mean squared error of each network; the sum of both has the gradients of each."""
        return dict.fromkeys(NETWORKS, "mean_squared_error")

    def load_data(self):
        """Return the `datasets.AddingProblem` of the settings' length."""
        return datasets.AddingProblem.of(self.config.length, self.config.examples_per_epoch)

    def build_model(self):
        """Return both networks as one model."""
        return self._build("auto")

    def build_export_model(self):
        """Return both networks without cuDNN's kernel, which would tie the export to GPUs."""
        return self._build(False)

    def _build(self, use_cudnn):
        import keras

        units = (self.config.units,)
        sequence = keras.Input((None, 2), name="sequence")
        networks = {
            "lstm": models.lstm_regressor(num_series=2, units=units, use_cudnn=use_cudnn, name="lstm"),
            "simple_rnn": models.simple_rnn_regressor(num_series=2, units=units, name="simple_rnn"),
        }
        return keras.Model(sequence, {name: network(sequence) for name, network in networks.items()}, name=self.name)

    def training_batches(self, first_step, last_step):
        """Return new `(sequences, sums for each network)`."""
        config = self.config
        batches = datasets.adding_problem_batches(config.length, config.batch_size, config.seed, first_step, last_step)
        return batches.map(_for_each_network)

    def validation_batches(self):
        """Return `(sequences, sums for each network)` of the validation."""
        held_out = self.data.validation
        return datasets.ordered_batches((held_out.sequences, held_out.sums), 500, _for_each_network)

    def write_export(self, model, folder):
        """Write the SavedModel, which takes sequences of any length."""
        import tensorflow as tf

        self._exported = model
        inputs = {"sequence": (tf.float32, (None, 2))}
        export.write_function(lambda sequence: model(sequence, training=False), inputs, folder)

    def examples(self):
        """Return the first test sequence."""
        return {"serving_default": {"sequence": self.data.test.sequences[:1]}}

    def score(self, folder):
        """Return the scores of both networks, and what they answer."""
        test = self.data.test
        answers = export.SavedFunction(folder).predict(sequence=test.sequences)
        always_one = test.sums * 0 + 1
        references = {"always 1": always_one, "simple_rnn": answers["simple_rnn"]}
        scores = evaluation.regression_metrics(test.sums, answers["lstm"], references)
        squares = {"lstm": scores, **scores["references"]}
        return {**scores, "mse": {name: row["rmse"] ** 2 for name, row in squares.items()}}, answers

    def format_scores(self, scores):
        """Return the mean squared errors."""
        return "Mean squared error: " + ", ".join(f"{name} {value:.6f}" for name, value in scores["mse"].items())

    def draw(self, history, scores, predictions, folder):
        """Draw what both learned, and how far back in time their gradients reach."""
        curves = {name: [epoch[f"val_{name}_loss"] for epoch in history.epochs] for name in NETWORKS}
        sequences = self.data.test.sequences[:200]
        gradients = {
            "before training": evaluation.gradient_norms(self.build_export_model(), sequences),
            "after training": evaluation.gradient_norms(self._exported, sequences),
        }
        evaluation.figures.save_memory(curves, scores["mse"]["always 1"], gradients, folder / "memory.png")

    def explain(self, folder, figures, texts=()):
        """Draw by which values of three test sequences the answer of each network changes."""
        model, sequences = self.read_model(folder), self.data.test.sequences[:3]
        gradients = {
            name: evaluation.input_gradients(lambda given, name=name: model(given)[name], sequences, [0] * 3)[..., 0]
            for name in NETWORKS
        }
        values, marks = sequences[..., 0], sequences[..., 1]
        evaluation.explanations.save_marked_values(values, marks, gradients, figures / "marked_values.png")


def _for_each_network(sequences, sums):
    return sequences, dict.fromkeys(NETWORKS, sums)
