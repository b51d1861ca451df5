"""Show what a simple recurrent network forgets, an LSTM remembers, and self-attention need not remember.

    python -m keras_refs.train adding_problem
    python -m keras_refs.train adding_problem --length 400

All three networks learn to add two numbers that are far apart, from the same sequences, each by itself. The gradient of
a recurrent network is a product over the steps, and that of the simple one vanishes: its error stays near 1/6, that of
a constant prediction. The LSTM's falls below 0.001 at a length of 100, and in twenty epochs seldom begins to fall at
400. Self-attention is as near to the first step as to the last, and reaches 0.001 at both; `benchmarks/results.py` has
the scores of three seeds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge

from keras_refs import datasets, evaluation, export, models, preprocessing, settings, training

if TYPE_CHECKING:
    import keras

NETWORKS = ("self_attention", "lstm", "simple_rnn")
"""Outputs of the model, one per network."""

SCORED_ON = "on the test split"
SIGNATURE = (
    "- `serving_default`: `sequence`, float32 `[batch, steps, 2]`, at each step a value in [0, 1] and a mark, 0 or "
    "1\n\nIt returns the sum of the marked values as `self_attention`, `lstm` and `simple_rnn` predict it, each "
    "float32\n`[batch, 1]`."
)
LIMITS = (
    "It demonstrates what three networks can learn. Other lengths than the one it was trained on, and other than two "
    "marks,\nlie outside what was measured."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Problem(settings.Settings):
    """The sequences to learn from."""

    length: Annotated[int, Ge(2)] = 100
    """Steps per sequence."""
    examples_per_epoch: settings.Count = 12_800
    """New sequences per epoch; none is seen twice."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network(settings.Settings):
    """Sizes of the networks."""

    units: settings.Count = 64
    """Width of the recurrent layer of the LSTM and of the simple RNN."""
    hidden_dim: settings.Count = 32
    """Width of the block of self-attention; its feed-forward layer is twice as wide."""
    num_heads: settings.Count = 4
    """Attention heads."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the recipe."""

    problem: Problem = Problem()
    network: Network = Network()
    training: settings.Training = settings.Training(
        epochs=20, batch_size=128, learning_rate=0.01, clip_norm=1.0, patience=100
    )
    compute: settings.Compute = settings.Compute()


def build(config: Config, data: datasets.AddingProblem, for_export: bool = False) -> keras.Model:
    """Return all networks as one model; they share the input alone. An export has to run without a GPU, too."""
    import keras

    sequence = keras.Input((None, data.test.sequences.shape[2]), name="sequence")
    num_series, units, width = sequence.shape[2], (config.network.units,), config.network.hidden_dim
    networks = [
        # The sum does not depend on where the marks are, so neither does the network: it has no positions.
        models.self_attention_regressor(
            num_series,
            hidden_dim=width,
            num_heads=config.network.num_heads,
            feed_forward_dim=2 * width,
            positions=None,
            name="self_attention",
        ),
        models.lstm_regressor(num_series, units=units, use_cudnn=False if for_export else "auto", name="lstm"),
        models.simple_rnn_regressor(num_series, units=units, name="simple_rnn"),
    ]
    return keras.Model(sequence, {network.name: network(sequence) for network in networks}, name="adding_problem")


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
    """Train all networks on new sequences in every step, export the best epoch and score the export once.

    The best epoch is that of the smallest sum of the networks' errors.

    Arguments and result are those of every recipe, see `keras_refs.recipes`.
    """
    import tensorflow as tf

    run = training.Run("adding_problem", config, workdir, export_dir, resume, family="recurrent")
    data = datasets.AddingProblem.of(**vars(config.problem))
    length, batch_size, seed = data.length, config.training.batch_size, config.compute.seed
    steps = run.steps_per_epoch(len(data.train))

    def for_all(sequences, sums):
        return sequences, dict.fromkeys(NETWORKS, sums)

    def batches(first_step, last_step):
        # The sequences follow from the seed and the step.
        batches = datasets.adding_problem_batches(length, batch_size, seed, first_step, last_step, run.shard)
        return batches.map(for_all)

    with run.scope():
        model = build(config, data)
        # Adam with linear warm-up, cosine decay and an average of the weights, which is validated and exported.
        optimizer = optimizer or training.adam(config.training, steps)
        # Keras adds the losses of the outputs. The sum has the gradients of each, because no weight is in both.
        model.compile(optimizer, loss or "mean_squared_error", **run.compile_options(steps))
    validation = datasets.ordered_batches((data.validation.sequences, data.validation.sums), 500, for_all)
    # Stops early after `patience` epochs without a better score, and leaves the model at the best epoch.
    history = run.fit(model, batches, steps, validation, monitor="val_loss", mode="min", callbacks=callbacks)

    with run.unfinished_export() as folder:
        # In float32, whatever the precision of the training was.
        network = build(config, data, for_export=True)
        network.set_weights(model.get_weights())
        inputs, example = {"sequence": (tf.float32, (None, 2))}, {"sequence": data.test.sequences[:1]}
        signature = export.checked(lambda sequence: network(sequence, training=False), inputs)
        export.write_saved_model(folder, network, {"serving_default": signature}, {"serving_default": example})
        preprocessing.write(folder, preprocessing.Unchanged())
        scores = evaluate(folder, config)
        # What the networks learned, and how far back their gradients reach before and after the training.
        curves = {name: [epoch[f"val_{name}_loss"] for epoch in history.epochs] for name in NETWORKS}
        stages = {"before training": build(config, data, for_export=True), "after training": network}
        sequences = data.test.sequences[:200]
        gradients = {stage: evaluation.gradient_norms(model, sequences) for stage, model in stages.items()}
        evaluation.save_memory(curves, scores["mse"]["always 1"], gradients, run.figures / "memory.png")
        card = {"summary": __doc__, "signatures": SIGNATURE, "limits": LIMITS, "scored_on": SCORED_ON}
        return run.finish(folder, network, history, data, scores, format_scores, card)


def evaluate(folder: str | Path, config: Config) -> dict[str, Any]:
    """Return the regression metrics of self-attention, beside a constant prediction and the others, and all MSEs."""
    import numpy as np

    test = datasets.AddingProblem.of(**vars(config.problem)).test
    predictions = export.load_function(folder).predict(sequence=test.sequences)
    first, *others = NETWORKS
    references = {"always 1": np.ones_like(test.sums), **{name: predictions[name] for name in others}}
    scores = evaluation.regression_metrics(test.sums, predictions[first], references)
    by_name = {first: scores, **scores["references"]}
    return {**scores, "mse": {name: metrics["rmse"] ** 2 for name, metrics in by_name.items()}}


def format_scores(scores: dict[str, Any]) -> str:
    """Return the mean squared errors, in one line."""
    return "Mean squared error: " + ", ".join(f"{name} {value:.6f}" for name, value in scores["mse"].items())


def explain(folder: str | Path, config: Config, figures: Path) -> None:
    """Draw how the sum that each network predicts for three test sequences changes with each value."""
    network = export.load_model(folder)
    sequences = datasets.AddingProblem.of(**vars(config.problem)).test.sequences[:3]
    gradients = {}
    for name in NETWORKS:
        by_input = evaluation.input_gradients(lambda inputs, name=name: network(inputs)[name], sequences, [0] * 3)
        gradients[name] = by_input[..., 0]
    values, marks = sequences[..., 0], sequences[..., 1]
    evaluation.save_marked_values(values, marks, gradients, figures / "marked_values.png")
