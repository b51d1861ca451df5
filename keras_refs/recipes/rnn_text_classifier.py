"""Identify the language of a few words, one of forty, with a simple recurrent network.

    python -m keras_refs.train rnn_text_classifier

classifies 87 of 100 pieces of forty characters of the Universal Declaration of Human Rights correctly, from articles it
was not trained on (mean of three seeds). That is less than a linear model on character n-grams, which reaches 94.
"""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Interval

from keras_refs import datasets, evaluation, export, models, settings, training
from keras_refs.errors import UserError
from keras_refs.recipes import classification

NGRAMS = Path("assets.extra") / "ngrams.json"
"""The vocabulary in an export, for programs without strings; servers leave the folder alone."""
SCORED_ON = "on the test split"
LIMITS = (
    "It distinguishes the languages it was trained on, and predicts one of them for any text, an empty one included. "
    "It\nlearned from one solemn text; names, slang and mixed languages lie outside what was measured."
)


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

    data: settings.SequenceData = settings.SequenceData(dataset="udhr_languages")
    tokens: Tokens = Tokens()
    network: Network = Network()
    training: settings.Training = settings.Training(epochs=12, batch_size=128, learning_rate=3e-3, clip_norm=1.0)
    compute: settings.Compute = settings.Compute()


def build(config, data):
    """Return the network for these tokens and classes."""
    size, classes = data.tokens.size, len(data.class_names)
    return models.rnn_text_classifier(vocabulary_size=size, num_classes=classes, **vars(config.network))


def train_and_evaluate(
    config, workdir, export_dir="saved_models", resume=False, *, build=build, optimizer=None, loss=None, callbacks=()
):
    """Train on texts from every word on, export the best epoch and score the export once on pieces of the test split.

    Arguments and result are those of every recipe, see `keras_refs.recipes`.
    """
    run = training.Run("rnn_text_classifier", config, workdir, export_dir, resume, family="recurrent")
    texts, length = datasets.load_texts(**vars(config.data)), config.tokens.length
    # The training texts decide which tokens there are. Training examples begin at every word, and so overlap; the
    # pieces that are validated and scored do not.
    data = dataclasses.replace(
        texts,
        tokens=datasets.NgramTokens.of(texts.train.texts, config.tokens.ngram, config.tokens.vocabulary_size),
        train=texts.train.from_every_word(length),
        validation=texts.validation.pieces(length),
        test=texts.test.pieces(length),
    )
    batch_size, seed = config.training.batch_size, config.compute.seed
    steps = run.steps_per_epoch(len(data.train))
    examples = data.tokens.encode(data.train.texts, length), data.train.labels
    validation_examples = data.tokens.encode(data.validation.texts, length), data.validation.labels

    def batches(first_step, last_step):
        # Users' texts have any length, and n-grams that no training text has: so lengths and unknown tokens are random.
        # A new order in every epoch; all of this follows from the seed and the step.
        shortest, dropout = max(1, length // 4), config.tokens.token_dropout
        return datasets.text_batches(*examples, batch_size, seed, first_step, last_step, shortest, dropout)

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
        card = {"summary": __doc__, "signatures": signatures, "limits": LIMITS, "scored_on": SCORED_ON}
        return run.finish(folder, network, history, data, scores, format_scores, card)


def write_text_classifier(network, data, length, folder):
    """Write a SavedModel that classifies the first `length` characters of texts, and the vocabulary beside it.

    Besides `serving_default`, which takes strings, there is `numeric`, which takes tokens: runtimes to which a
    SavedModel is converted may support no strings. Returns what both take and return as Markdown, for the model card.
    """
    import tensorflow as tf

    tokens, class_names, example = data.tokens, data.class_names, data.test.texts[:1]

    def classify(texts):
        return export.class_outputs(network(tokens.encode(texts, length), training=False), class_names)

    def classify_tokens(numbers):
        outputs = export.class_outputs(network(numbers, training=False), class_names)
        return {name: outputs[name] for name in ("label", "probabilities")}

    signatures = {
        "serving_default": export.checked(classify, {"texts": (tf.string, ())}),
        "numeric": (classify_tokens, export.specifications({"tokens": (tf.int32, (length,))})),
    }
    examples = {"serving_default": {"texts": example}, "numeric": {"tokens": tokens.encode(example, length)}}
    # Most weights are those of the embedding; rounded to float16, they take half of the space.
    export.write_saved_model(folder, network, signatures, examples, half_precision=True)
    (Path(folder) / NGRAMS).write_text(json.dumps(tokens.ngrams(), ensure_ascii=False), encoding="utf-8")
    return (
        f"- `serving_default`: `texts`, string `[batch]`, UTF-8; their first {length} characters are read\n"
        f"- `numeric`: `tokens`, int32 `[batch, {length}]`, for each character the index in `{NGRAMS}`, counted from "
        f"2, of it and the {tokens.n - 1} before it, spaces before the\n  first; 1 for what is not there, 0 after the "
        "end\n\n"
        f"Both return `label` (int64 `[batch]`) and `probabilities` (float32 `[batch, {len(class_names)}]`), the first "
        f"also `class_name` (string `[batch]`).\n\nClasses: {', '.join(class_names)}."
    )


def read_tokens(folder):
    """Return the `datasets.NgramTokens` of an export, without the texts that they were chosen by."""
    return datasets.NgramTokens.from_ngrams(json.loads((Path(folder) / NGRAMS).read_text(encoding="utf-8")))


def evaluate(folder, config):
    """Return the classification metrics of an export, beside the accuracy of a linear model, both on pieces of texts.

    The linear model is fitted to pieces of the training split; the scores are of those of the test split.
    """
    data, length = datasets.load_texts(**vars(config.data)), config.tokens.length
    train, test, class_names = data.train.pieces(length), data.test.pieces(length), data.class_names
    probabilities = export.SavedFunction(folder).predict(texts=test.texts)["probabilities"]
    scores = classification.score(test.labels, probabilities, class_names, data.name)
    linear = evaluation.fit_ngram_classifier(train.texts, train.labels).predict(test.texts)
    return {**scores, "references": {"character n-grams, linear": {"accuracy": float((linear == test.labels).mean())}}}


def format_scores(scores):
    """Return precision, recall and F1 by class, the reference's accuracy, then the model's accuracy and loss."""
    *lines, last = evaluation.format_classification_metrics(scores).splitlines()
    lines += [f"{name}: accuracy {row['accuracy']:.4f}" for name, row in scores["references"].items()]
    return "\n".join([*lines, last])


def explain(folder, config, figures, texts=()):
    """Draw which characters of texts the logit of their predicted class depends on.

    That is the L2 norm of its gradient with respect to the vector of the token that ends with the character. By default
    the texts are pieces of the test split, one for each of eight classes.

    Raises:
        UserError: If a text is empty.
    """
    if "" in texts:
        raise UserError("Every text must hold a character. Received an empty one.")
    texts = [text[: config.tokens.length] for text in texts or _test_pieces(config, classes=8)]
    outputs = export.SavedFunction(folder).predict(texts=texts)
    predictions = zip(outputs["class_name"], outputs["probabilities"].max(axis=1), strict=True)
    titles = [f"{class_name.decode()} {probability:.0%}" for class_name, probability in predictions]
    network, tokens = export.load_model(folder), read_tokens(folder)
    evaluation.remove_final_activation(network)
    strengths = [
        _gradient_norms(network, tokens.encode([text], len(text)), label)
        for text, label in zip(texts, outputs["label"], strict=True)
    ]
    evaluation.save_characters(texts, titles, strengths, figures / "characters.png")


def _test_pieces(config, classes):
    """Return the first piece of the test split of some classes, from the first to the last of those that are in it."""
    test = datasets.load_texts(**vars(config.data)).test.pieces(config.tokens.length)
    _, first = np.unique(test.labels, return_index=True)
    chosen = np.unique(np.linspace(0, len(first) - 1, classes).round().astype(int))
    return [test.texts[index] for index in first[chosen]]


def _gradient_norms(network, tokens, label):
    """Return the L2 norm of the gradient of a class's logit with respect to the vector of each token of one text."""
    import keras

    _, embedding, *others = network.layers
    # As an array, the vectors come without a mask: there is no padding in them.
    vectors = embedding(tokens).numpy()
    return np.linalg.norm(evaluation.input_gradients(keras.Sequential(others), vectors, [label])[0], axis=-1)
