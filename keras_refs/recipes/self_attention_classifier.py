"""Identify the language of a few words, one of forty, with multi-head self-attention.

    python -m keras_refs.train self_attention_classifier

takes seven to eight minutes on two CPU cores and classifies 94 of 100 pieces of forty characters correctly, from
articles it was not trained on (mean of three seeds): as many as a linear model on character n-grams, and more than
`rnn_text_classifier`. Most mistakes are between languages whose declarations are nearly the same, such as Bosnian and
Croatian.

At each character the network reads the n-grams that end with it. They know most of what there is to know: without
attention, by the mean of the same embeddings, `--blocks 0` is about as good.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Interval

from keras_refs import datasets, evaluation, export, models, settings, training
from keras_refs.errors import UserError
from keras_refs.recipes import text_classification

if TYPE_CHECKING:
    import keras

SCORED_ON = text_classification.SCORED_ON
evaluate = text_classification.evaluate_pieces
format_scores = text_classification.format_scores


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tokens(settings.Settings):
    """How a network reads texts."""

    length: settings.Count = 40
    """Characters that are read of a text; it is scored on pieces of texts with at most as many."""
    ngram: Annotated[int, Interval(ge=1, le=8)] = 5
    """Tokens per character: the n-grams of 1 to so many characters that end with it."""
    vocabulary_size: Annotated[int, Interval(ge=3)] = 65_536
    """Maximum number of different tokens, padding and the unknown token included."""
    token_dropout: settings.Rate = 0.3
    """Probability of replacing a token of a training text by the unknown token."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network(settings.Settings):
    """Arguments of `models.self_attention_classifier`."""

    embedding_dim: settings.Count = 32
    """Width of the embedding."""
    hidden_dim: settings.Count = 96
    """Width of a block."""
    num_heads: settings.Count = 4
    """Attention heads of each block."""
    feed_forward_dim: settings.Count = 192
    """Width of the hidden layer after the attention of each block."""
    blocks: settings.CountOrZero = 1
    """Blocks of attention and feed-forward layers; 0 averages the embeddings."""
    positions: Literal["sinusoidal", "none"] = "none"
    """What tells the steps of a text apart, besides the n-grams."""
    pooling: Literal["mean", "class_token"] = "mean"
    """What the head reads: the mean over the steps, or a class token that attends to them."""
    dropout: settings.Rate = 0.1
    """Dropout rate on the inputs and on the outputs of attention and feed-forward layers."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the recipe."""

    data: settings.TextData = settings.TextData(dataset="udhr_languages")
    tokens: Tokens = Tokens()
    network: Network = Network()
    training: settings.Training = settings.Training(
        epochs=4, batch_size=128, learning_rate=3e-3, clip_norm=1.0, average_epochs=0.5
    )
    compute: settings.Compute = settings.Compute()


def build(config: Config, data: datasets.TextDataset) -> keras.Model:
    """Return the network for these tokens and classes."""
    positions = config.network.positions
    arguments = {**vars(config.network), "positions": None if positions == "none" else positions}
    return models.self_attention_classifier(
        vocabulary_size=data.tokens.size, num_channels=data.tokens.n, num_classes=len(data.class_names), **arguments
    )


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
    """Train on texts from every word on, export the best epoch and score the export once on pieces of the test split.

    Arguments and result are those of every recipe, see `keras_refs.recipes`.
    """
    run = training.Run("self_attention_classifier", config, workdir, export_dir, resume, family="dense")
    ngram, size = config.tokens.ngram, config.tokens.vocabulary_size
    # The training texts decide which tokens there are.
    data = text_classification.load_pieces(config, lambda texts: datasets.NgramChannels.of(texts, ngram, size))
    tokens = data.tokens
    length, batch_size, seed = config.tokens.length, config.training.batch_size, config.compute.seed
    steps = run.steps_per_epoch(len(data.train))
    examples, validation_examples = (split.encoded(tokens, length) for split in (data.train, data.validation))

    def batches(first_step, last_step):
        # Users' texts have any length, and n-grams that no training text has: so lengths and unknown tokens are random.
        # A new order in every epoch; all of this follows from the seed and the step.
        shortest, dropout = max(1, length // 4), config.tokens.token_dropout
        return datasets.text_batches(*examples, batch_size, seed, first_step, last_step, shortest, dropout, run.shard)

    with run.scope():
        model = build(config, data)
        # Adam with linear warm-up, cosine decay and an average of the weights, which is validated and exported.
        optimizer = optimizer or training.adam(config.training, steps)
        loss = loss or "sparse_categorical_crossentropy"
        model.compile(optimizer, loss, metrics=["accuracy"], **run.compile_options(steps))
    validation = datasets.ordered_batches(validation_examples, batch_size=1000)
    # Stops early after `patience` epochs without a better score, and leaves the model at the best epoch.
    history = run.fit(model, batches, steps, validation, monitor="val_accuracy", mode="max", callbacks=callbacks)

    with run.unfinished_export() as folder:
        # In float32, whatever the precision of the training was.
        network = build(config, data)
        network.set_weights(model.get_weights())
        signatures = write_text_classifier(network, data, length, folder)
        scores = evaluate(folder, config)
        evaluation.save_learning_curves(history, run.figures / "learning_curves.png")
        path = run.figures / "confusion_matrix.png"
        evaluation.save_confusion_matrix(scores["confusion_matrix"], data.class_names, path)
        limits = training.limits_on(config, text_classification.LANGUAGE_LIMITS)
        card = {"summary": __doc__, "signatures": signatures, "limits": limits, "scored_on": SCORED_ON}
        return run.finish(folder, network, history, data, scores, format_scores, card)


def write_text_classifier(network: keras.Model, data: datasets.TextDataset, length: int, folder: str | Path) -> str:
    """Write a SavedModel that classifies texts, and says what it attends to; return its signatures as Markdown."""
    import keras

    tokens, attention = data.tokens, _attention_layers(network)
    numeric = (
        f"for each character the 1- to {tokens.n}-grams that end\n  with it, as `keras_refs.datasets.NgramChannels` "
        "counts them; 1 for one that is not in the vocabulary, 0 after the end"
    )
    further = {}
    if attention:
        weights = keras.Model(network.input, attention[-1].output[1])

        def attend(numbers):
            # The class token, if there is one, stands before the characters.
            by_step = keras.ops.mean(weights(numbers, training=False), axis=(1, 2))
            return {"attention": by_step[:, -length:]}

        described = (
            f"`attention`, float32 `[batch, {length}]`, the weight\n  that each character has in the last block, the "
            "mean over its heads and queries"
        )
        further["attention"] = attend, described
    return text_classification.write_text_classifier(network, data, length, folder, numeric, further)


def _attention_layers(network):
    import keras

    return [layer for layer in network.layers if isinstance(layer, keras.layers.MultiHeadAttention)]


def explain(folder: str | Path, config: Config, figures: Path, texts: Sequence[str] = ()) -> None:
    """Draw which characters of texts an export attends to.

    By default the texts are pieces of the test split, one for each of eight classes.

    Raises:
        UserError: If a text is empty, or the network has no attention.
    """
    if not config.network.blocks:
        raise UserError("There is no attention to explain in a network with --blocks 0.")

    def attention(pieces, _):
        weights = export.SavedFunction(folder, "attention").predict(texts=pieces)["attention"]
        return [row[: len(piece)] for row, piece in zip(weights, pieces, strict=True)]

    text_classification.explain(folder, config, figures / "characters.png", texts, attention, "attention weight")
