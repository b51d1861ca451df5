"""What the recipes that classify texts share, beside the steps of a training."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_refs import datasets, evaluation, export, preprocessing
from keras_refs.errors import UserError
from keras_refs.recipes import classification

if TYPE_CHECKING:
    import keras

SCORED_ON = "on the test split"
MAX_LINEAR = 100_000
"""Texts that a linear model is fitted to: each takes some kilobytes of memory."""
LANGUAGE_LIMITS = (
    "It distinguishes the languages it was trained on, and predicts one of them for any text, an empty one included. "
    "It\nlearned from one solemn text; names, slang and mixed languages lie outside what was measured."
)


def load_pieces(config: Any, choose_tokens: Callable[[Sequence[str]], Any]) -> datasets.TextDataset:
    """Return the texts of a recipe that learns from pieces of `config.tokens.length` characters.

    Training examples begin at every word, and so overlap; the pieces that are validated and scored do not.
    `choose_tokens` returns how a network reads texts, from the texts of the training split.
    """
    texts, length = datasets.load_texts(**vars(config.data)), config.tokens.length
    return dataclasses.replace(
        texts,
        tokens=choose_tokens(texts.train.texts),
        train=texts.train.from_every_word(length),
        validation=texts.validation.pieces(length),
        test=texts.test.pieces(length),
    )


def load_to_score(folder: str | Path, config: Any) -> datasets.TextDataset:
    """Return the `datasets.TextDataset` to score an export on; of a file, which may have a test split alone."""
    class_names = classification.class_names_of(folder)
    return datasets.load_texts(**vars(config.data), class_names=class_names, needed=("test",))


def evaluate_pieces(folder: str | Path, config: Any) -> dict[str, Any]:
    """Return the classification metrics of an export, beside the accuracy of a linear model, both on pieces of texts.

    The linear model is fitted to pieces of the training split, of more than `MAX_LINEAR` texts to some; the scores are
    of those of the test split.
    """
    data, length = load_to_score(folder, config), config.tokens.length
    some = data.train.take(slice(None, None, max(1, len(data.train) // MAX_LINEAR)))
    return evaluate(folder, some.pieces(length), data.test.pieces(length), data)


def evaluate(folder: str | Path, train: datasets.Texts, test: datasets.Texts, data: Any) -> dict[str, Any]:
    """Return the classification metrics of an export for the texts `test` of a data set.

    Beside them stands the accuracy of a linear model on character n-grams that is fitted to the texts `train`, if there
    are any; of more than `MAX_LINEAR`, to some.
    """

    def encode(texts):
        return {"tokens": preprocessing.read(export.version_folder(folder))(texts)}

    outputs = export.load_function(folder, encode).predict(outputs=("probabilities",), texts=test.texts)
    scores = classification.score(test.labels, outputs["probabilities"], data.class_names, data.name)
    if not len(train):
        return {**scores, "references": {}}
    some = datasets.one_in(-(-len(train) // MAX_LINEAR), len(train))
    linear = evaluation.fit_ngram_classifier([train.texts[index] for index in some], train.labels[some])
    parts = (slice(first, first + 10_000) for first in range(0, len(test), 10_000))
    accuracy = np.concatenate([linear.predict(test.texts[part]) == test.labels[part] for part in parts]).mean()
    return {**scores, "references": {"character n-grams, linear": {"accuracy": float(accuracy)}}}


def format_scores(scores: dict[str, Any]) -> str:
    """Return precision, recall and F1 by class, the reference's accuracy, then the model's accuracy and loss."""
    *lines, last = evaluation.format_classification_metrics(scores).splitlines()
    lines += [f"{name}: accuracy {row['accuracy']:.4f}" for name, row in scores["references"].items()]
    return "\n".join([*lines, last])


def write_text_classifier(
    network: keras.Model,
    data: datasets.TextDataset,
    length: int,
    folder: str | Path,
    numeric: Any,
    signatures: Mapping[str, Any] = types.MappingProxyType({}),
) -> str:
    """Write a SavedModel that classifies the first `length` characters of texts.

    Besides `serving_default`, which takes strings, there is `numeric`, which takes tokens: runtimes to which a
    SavedModel is converted may support no strings.

    Args:
        network: The network, from the tokens of `data.tokens`.
        data: A `datasets.TextDataset`.
        length: Characters that are read of a text.
        folder: An existing folder to write into.
        numeric: What `tokens` are, for the model card.
        signatures: By name further signatures that take texts: a function from tokens to outputs by name, and what it
            returns, for the model card.

    Returns:
        What the signatures take and return as Markdown, for the model card.
    """
    import tensorflow as tf

    tokens, class_names, example = data.tokens, data.class_names, data.test.texts[:1]

    def of_texts(function):
        return export.checked(lambda texts: function(tokens.encode(texts, length)), {"texts": (tf.string, ())})

    def classify(numbers):
        return export.class_outputs(network(numbers, training=False), class_names)

    def classify_tokens(numbers):
        outputs = classify(numbers)
        return {name: outputs[name] for name in ("label", "probabilities")}

    shape = network.input_shape[2:]
    written = {
        "serving_default": of_texts(classify),
        "numeric": (classify_tokens, export.specifications({"tokens": (tf.int32, (length, *shape))})),
    }
    examples = {"serving_default": {"texts": example}, "numeric": {"tokens": tokens.encode(example, length)}}
    for name, (function, _) in signatures.items():
        written[name], examples[name] = of_texts(function), {"texts": example}
    # Most weights are those of the embedding; rounded to float16, they take half of the space.
    export.write_saved_model(folder, network, written, examples, half_precision=True)
    channels = isinstance(tokens, datasets.NgramChannels)
    preprocessing.write(folder, preprocessing.Ngrams(tokens.n, tokens.vocabulary, length, channels))
    lines = [f"- `{name}`: the same `texts`; it returns {outputs}" for name, (_, outputs) in signatures.items()]
    numbers = ", ".join(map(str, ("batch", length, *shape)))
    return "\n".join(
        [
            f"- `serving_default`: `texts`, string `[batch]`, UTF-8; their first {length} characters are read",
            f"- `numeric`: `tokens`, int32 `[{numbers}]`, {numeric}",
            *lines,
            "\nThe first two return `label` (int64 `[batch]`) and `probabilities` (float32 "
            f"`[batch, {len(class_names)}]`), the first also\n`class_name` (string `[batch]`).",
            f"\nClasses: {', '.join(class_names)}.",
        ]
    )


def explain(
    folder: str | Path,
    config: Any,
    path: str | Path,
    texts: Sequence[str],
    attributions: Callable[..., Any],
    label: str,
) -> None:
    """Draw what an export attributes to each character of texts, with its prediction.

    By default the texts are pieces of the test split, one for each of eight classes. `attributions` returns, for texts
    cut to the characters that are read and the labels predicted for them, an array for each, which `label` names.

    Raises:
        UserError: If a text is empty.
    """
    texts = [text[: config.tokens.length] for text in texts or _test_pieces(folder, config, classes=8)]
    labels, titles = predict(folder, texts)
    evaluation.save_characters(texts, titles, attributions(texts, labels), label, path)


def predict(folder: str | Path, texts: Sequence[str]) -> Any:
    """Return the label that an export predicts for each text, and a title for it: the class and its probability.

    Raises:
        UserError: If a text is empty.
    """
    if "" in texts:
        raise UserError("Every text must hold a character. Received an empty one.")
    outputs = export.SavedFunction(folder).predict(texts=texts)
    predictions = zip(outputs["class_name"], outputs["probabilities"].max(axis=1), strict=True)
    return outputs["label"], [f"{class_name.decode()} {probability:.0%}" for class_name, probability in predictions]


def _test_pieces(folder, config, classes):
    """Return the first piece of the test split of some classes, from the first to the last of those that are in it."""
    test = load_to_score(folder, config).test.pieces(config.tokens.length)
    _, first = np.unique(test.labels, return_index=True)
    chosen = np.unique(np.linspace(0, len(first) - 1, classes).round().astype(int))
    return [test.texts[index] for index in first[chosen]]
