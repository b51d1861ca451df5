"""Identify the language of a few words, one of forty, with a simple recurrent network.

    python -m keras_refs.train rnn_text_classifier

classifies 87 of 100 pieces of forty characters of the Universal Declaration of Human Rights correctly, from articles it
was not trained on (mean of three seeds). That is less than a linear model on character n-grams, which reaches 94.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Interval

from keras_refs import datasets, evaluation, export, models, settings, training
from keras_refs.recipes import text_classification

if TYPE_CHECKING:
    import keras

NGRAMS = Path("assets.extra") / "ngrams.json"
"""The vocabulary in an export, for programs without strings; servers leave the folder alone."""
SCORED_ON = text_classification.SCORED_ON
evaluate = text_classification.evaluate_pieces
format_scores = text_classification.format_scores


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tokens(settings.Settings):
    """How a network reads texts."""

    length: settings.Count = 40
    """Characters that are read of a text; it is scored on pieces of texts with at most as many."""
    ngram: Annotated[int, Interval(ge=1, lt=4)] = 3
    """Characters per token: each character together with those before it."""
    vocabulary_size: Annotated[int, Interval(ge=3)] = 20_000
    """Maximum number of different tokens, padding and the unknown token included."""
    token_dropout: settings.Rate = 0.2
    """Probability of replacing a token of a training text by the unknown token."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network(settings.Settings):
    """Arguments of `models.rnn_text_classifier`."""

    embedding_dim: settings.Count = 64
    """Width of the embedding."""
    units: tuple[settings.Count, ...] = (128,)
    """Width of each recurrent layer."""
    dropout: settings.Rate = 0.3
    """Dropout rate on the inputs of every recurrent layer except the first, and of the head."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the recipe."""

    data: settings.TextData = settings.TextData(dataset="udhr_languages")
    tokens: Tokens = Tokens()
    network: Network = Network()
    training: settings.Training = settings.Training(epochs=12, batch_size=128, learning_rate=3e-3, clip_norm=1.0)
    privacy: settings.Privacy = settings.Privacy()
    compute: settings.Compute = settings.Compute()


def build(config: Config, data: datasets.TextDataset) -> keras.Model:
    """Return the network for these tokens and classes."""
    size, classes = data.tokens.size, len(data.class_names)
    return models.rnn_text_classifier(vocabulary_size=size, num_classes=classes, **vars(config.network))


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
    run = training.Run("rnn_text_classifier", config, workdir, export_dir, resume, family="recurrent")
    ngram, size = config.tokens.ngram, config.tokens.vocabulary_size
    # The training texts decide which tokens there are.
    data = text_classification.load_pieces(config, lambda texts: datasets.NgramTokens.of(texts, ngram, size))
    length, batch_size, steps = config.tokens.length, config.training.batch_size, run.steps_per_epoch(len(data.train))
    examples, validation_examples = (split.encoded(data.tokens, length) for split in (data.train, data.validation))

    with run.scope():
        model = build(config, data)
        # Adam with linear warm-up, cosine decay and an average of the weights, which is validated and exported.
        optimizer = optimizer or training.adam(config.training, steps)
        loss = loss or "sparse_categorical_crossentropy"
        model.compile(optimizer, loss, metrics=["accuracy"], **run.compile_options(steps))
        # With --private the gradient of each example is clipped and noised, and nobody can tell who is in a batch.
        privacy = training.plan_privacy(config, model, len(data.train), steps)
        training.make_private(model, privacy)
    seed = training.batch_seed(privacy, config.compute.seed)

    def batches(first_step, last_step):
        # Users' texts have any length, and n-grams that no training text has: so lengths and unknown tokens are random.
        # A new order in every epoch; all of this follows from the seed and the step.
        varied = max(1, length // 4), config.tokens.token_dropout, run.shard, privacy is not None
        return datasets.text_batches(*examples, batch_size, seed, first_step, last_step, *varied)

    validation = datasets.ordered_batches(validation_examples, batch_size=1000)
    # Stops early after `patience` epochs without a better score, and leaves the model at the best epoch.
    history = run.fit(
        model, batches, steps, validation, monitor="val_accuracy", mode="max", callbacks=callbacks, privacy=privacy
    )

    with run.unfinished_export() as folder:
        # In float32, whatever the precision of the training was.
        network = build(config, data)
        network.set_weights(model.get_weights())
        numeric = (
            f"for each character the index in `{NGRAMS}`, counted from 2, of it\n  and the {ngram - 1} before it, "
            "spaces before the first; 1 for what is not there, 0 after the end"
        )
        signatures = text_classification.write_text_classifier(network, data, length, folder, numeric)
        # For programs without strings.
        (Path(folder) / NGRAMS).write_text(json.dumps(data.tokens.ngrams(), ensure_ascii=False), encoding="utf-8")
        scores = evaluate(folder, config)
        evaluation.save_learning_curves(history, run.figures / "learning_curves.png")
        path = run.figures / "confusion_matrix.png"
        evaluation.save_confusion_matrix(scores["confusion_matrix"], data.class_names, path)
        limits = training.limits_on(config, text_classification.LANGUAGE_LIMITS)
        card = {"summary": __doc__, "signatures": signatures, "limits": limits, "scored_on": SCORED_ON}
        card = training.with_privacy(card, privacy, history)
        return run.finish(folder, network, history, data, scores, format_scores, card)


def read_tokens(folder: str | Path) -> datasets.NgramTokens:
    """Return the `datasets.NgramTokens` of an export, without the texts that they were chosen by."""
    return datasets.NgramTokens.from_ngrams(json.loads((Path(folder) / NGRAMS).read_text(encoding="utf-8")))


def explain(folder: str | Path, config: Config, figures: Path, texts: Sequence[str] = ()) -> None:
    """Draw which characters of texts the logit of their predicted class depends on.

    That is the L2 norm of its gradient with respect to the vector of the token that ends with the character. By default
    the texts are pieces of the test split, one for each of eight classes.

    Raises:
        UserError: If a text is empty.
    """
    network, tokens = export.load_model(folder), read_tokens(folder)
    evaluation.remove_final_activation(network)

    def gradient_norms(pieces, labels):
        return [
            _gradient_norms(network, tokens.encode([piece], len(piece)), label)
            for piece, label in zip(pieces, labels, strict=True)
        ]

    path, label = figures / "characters.png", "gradient norm"
    text_classification.explain(folder, config, path, texts, gradient_norms, label)


def _gradient_norms(network, tokens, label):
    """Return the L2 norm of the gradient of a class's logit with respect to the vector of each token of one text."""
    import keras

    _, embedding, *others = network.layers
    # As an array, the vectors come without a mask: there is no padding in them.
    vectors = embedding(tokens).numpy()
    return np.linalg.norm(evaluation.input_gradients(keras.Sequential(others), vectors, [label])[0], axis=-1)
