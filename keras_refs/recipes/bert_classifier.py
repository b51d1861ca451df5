"""Classify texts with a trained BERT, fine-tuned as a whole, in its last blocks, or by low-rank adapters.

    python -m keras_refs.fetch
    python -m keras_refs.train bert_classifier

fetches all-MiniLM-L6-v2, 91 MB, and fine-tunes it on the mails of SpamAssassin: which of them are spam. With
`--examples-per-class 64` it learns from so few; the README has the learning curve, beside a linear model on character
n-grams.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from annotated_types import Interval

from keras_refs import datasets, evaluation, export, models, pretrained, settings, training
from keras_refs.errors import UserError
from keras_refs.recipes import text_classification

if TYPE_CHECKING:
    import keras

SCORED_ON = text_classification.SCORED_ON
ADAPTERS = Path("assets.extra") / "adapters.npz"
"""Adapters and head in an export, from which and the checkpoint the export can be made again."""
DRAWN_TOKENS = 14
LIMITS = (
    "It distinguishes the classes it was trained on, and predicts one of them for any text, an empty one included. "
    "The\nvocabulary of all-MiniLM-L6-v2 is English, without upper case and accents. The mails are of 2002."
)
format_scores = text_classification.format_scores


@dataclasses.dataclass(frozen=True, kw_only=True)
class Texts(settings.Settings):
    """Which texts a network learns from, and how it reads them."""

    examples_per_class: settings.CountOrZero = 0
    """Labelled texts of each class to learn from, chosen by the seed, without a validation split; 0 takes all."""
    characters: settings.Count = 280
    """Characters that are read of a text, by the network and by the linear model beside it."""
    length: Annotated[int, Interval(ge=2, le=512)] = 80
    """Tokens that the network reads at most of these characters, [CLS] and [SEP] included."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FineTuning(settings.Settings):
    """What is trained, from which weights."""

    weights: str = str(pretrained.FOLDER)
    """Folder of a BERT in Hugging Face's naming, with model.safetensors, config.json and vocab.txt."""
    trained: Literal["head", "last_two", "all", "adapters"] = "adapters"
    """The head on frozen embeddings; it and the last two blocks; all; or it and low-rank adapters (LoRA)."""
    rank: settings.Count = 4
    """Rank of the adapters."""
    dropout: settings.Rate = 0.1
    """Dropout rate."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the recipe."""

    data: settings.TextData = settings.TextData(dataset="spam_assassin")
    texts: Texts = Texts()
    fine_tuning: FineTuning = FineTuning()
    training: settings.Training = settings.Training(
        epochs=2, batch_size=16, learning_rate=2e-3, clip_norm=1.0, average_epochs=0.0
    )
    compute: settings.Compute = settings.Compute()


def load(config: Config, data: datasets.TextDataset | None = None) -> datasets.TextDataset:
    """Return the data set, with as many texts and as much of each as are learned from; of `data`, if it was loaded."""
    data, count = data or datasets.load_texts(**vars(config.data)), config.texts.examples_per_class
    splits = {name: getattr(data, name).beginnings(config.texts.characters) for name in ("train", "validation", "test")}
    data = dataclasses.replace(data, **splits)
    if not count or not len(data.train):
        return data
    # Few labelled texts leave none to validate on: the best epoch is that of the smallest error on themselves.
    train = data.train.per_class(count, config.compute.seed)
    return dataclasses.replace(data, train=train, validation=train)


def build(config: Config, data: datasets.TextDataset) -> keras.Model:
    """Return the network for these classes, with the weights of the checkpoint."""
    return _build(config.fine_tuning, len(data.class_names))


def _build(fine_tuning, num_classes):
    sizes = pretrained.bert_sizes(fine_tuning.weights)
    network = models.bert_classifier(num_classes, **sizes, pooling="mean", dropout=fine_tuning.dropout)
    pretrained.load_bert_weights(network, fine_tuning.weights)
    return network


def _read_tokens(weights, network):
    return pretrained.read_wordpiece(weights, network.get_layer("word_embedding").input_dim)


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
    """Fine-tune on the training texts, export the best epoch and score the export once on the test split.

    Arguments and result are those of every recipe, see `keras_refs.recipes`.
    """
    run = training.Run("bert_classifier", config, workdir, export_dir, resume, family="dense")
    data = load(config)
    batch_size, seed, trained = config.training.batch_size, config.compute.seed, config.fine_tuning.trained
    steps = run.steps_per_epoch(len(data.train))
    splits = {"train": data.train, "validation": data.validation}

    with run.scope():
        model = fitted = build(config, data)
        tokens = _read_tokens(config.fine_tuning.weights, model)
        inputs = {name: tokens.encode(split.texts, config.texts.length).numpy() for name, split in splits.items()}
        if trained == "adapters":
            pretrained.add_adapters(model, config.fine_tuning.rank)
        elif trained == "last_two":
            pretrained.freeze(model, but_last=2)
        elif trained == "head":
            # What does not change is computed once.
            embed, fitted = pretrained.split_before_head(model)
            inputs = {name: _predict(embed, numbers) for name, numbers in inputs.items()}
        # Adam with linear warm-up, cosine decay and an average of the weights, which is validated and exported.
        optimizer = optimizer or training.adam(config.training, steps)
        loss = loss or "sparse_categorical_crossentropy"
        # Batches of different lengths cannot share an execution.
        fitted.compile(optimizer, loss, metrics=["accuracy"], **run.compile_options(steps, 1))

    def batches(first_step, last_step):
        arrays = inputs["train"], data.train.labels
        if trained == "head":
            return datasets.shuffled_batches(arrays, batch_size, seed, first_step, last_step, shard=run.shard)
        return datasets.bucketed_batches(arrays, batch_size, seed, first_step, last_step, _with_segments, run.shard)

    arrays = inputs["validation"], data.validation.labels
    if trained == "head":
        validation = datasets.ordered_batches(arrays, 1000)
    else:
        order = _by_length(arrays[0])
        validation = datasets.ordered_batches([array[order] for array in arrays], 64, _with_segments)
    # Stops early after `patience` epochs without a better score, and leaves the model at the best epoch.
    history = run.fit(fitted, batches, steps, validation, monitor="val_loss", mode="min", callbacks=callbacks)

    with run.unfinished_export() as folder:
        # In float32, whatever the precision of the training was, and without adapters.
        network = build(config, data)
        pretrained.merge_adapters(model, network)
        example = data.test.texts[:1]
        signatures = write_text_classifier(network, tokens, data.class_names, config.texts, example, folder)
        if trained == "adapters":
            pretrained.save_adapters(model, folder / ADAPTERS)
        scores = evaluate(folder, config)
        evaluation.save_learning_curves(history, run.figures / "learning_curves.png")
        path = run.figures / "confusion_matrix.png"
        evaluation.save_confusion_matrix(scores["confusion_matrix"], data.class_names, path)
        limits = training.limits_on(config, LIMITS)
        card = {"summary": __doc__, "signatures": signatures, "limits": limits, "scored_on": SCORED_ON}
        return run.finish(folder, network, history, data, scores, format_scores, card)


def _predict(model, tokens):
    """Return the outputs of a model for tokens."""
    order = _by_length(tokens)
    batches = datasets.ordered_batches((tokens[order], order), 64, _with_segments)
    return model.predict(batches, verbose=0)[np.argsort(order)]


def _by_length(tokens):
    return np.argsort(np.count_nonzero(tokens, axis=1), kind="stable")


def _with_segments(tokens, labels):
    import tensorflow as tf

    tokens = datasets.without_padding(tokens)
    return {"tokens": tokens, "segments": tf.zeros_like(tokens)}, labels


def write_text_classifier(
    network: keras.Model,
    tokens: datasets.WordPiece,
    class_names: Sequence[str],
    read: Texts,
    example: Any,
    folder: str | Path,
) -> str:
    """Write a SavedModel that classifies texts, of which it reads as much as `read` says, a `Texts`.

    Returns what it takes and returns as Markdown, for the model card.
    """
    import tensorflow as tf

    def classify(texts):
        # A character has at most four bytes; those that are no UTF-8 become characters, as Python decodes them.
        texts = tf.strings.substr(texts, 0, 4 * read.characters)
        texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
        numbers = tokens.encode(tf.strings.substr(texts, 0, read.characters, unit="UTF8_CHAR"), read.length)
        probabilities = network({"tokens": numbers, "segments": tf.zeros_like(numbers)}, training=False)
        return export.class_outputs(probabilities, class_names)

    signature = export.checked(classify, {"texts": (tf.string, ())})
    examples = {"serving_default": {"texts": example}}
    export.write_saved_model(folder, network, {"serving_default": signature}, examples, half_precision=True)
    return (
        f"- `serving_default`: `texts`, string `[batch]`, UTF-8; of its first {read.characters} characters at most "
        f"{read.length} tokens are\n  read, which are words and pieces of words\n\n"
        "It returns `label` (int64 `[batch]`), `class_name` (string `[batch]`) and `probabilities` (float32 "
        f"`[batch, {len(class_names)}]`).\n\nClasses: {', '.join(class_names)}."
    )


def apply_adapters(adapters: str | Path, weights: str | Path, export_dir: str | Path = "saved_models") -> Path:
    """Export a checkpoint with adapters as the next version of `bert_classifier`.

    Args:
        adapters: Folder with `adapters.npz`, and the model card of the export that they are from.
        weights: Folder of the checkpoint.
        export_dir: Folder to export into.

    Returns:
        The version folder.

    Raises:
        UserError: If the adapters do not fit the checkpoint, or a folder cannot be read or written to.
    """
    card = export.read_model_card(adapters)
    if card.get("name") != "bert_classifier":
        raise UserError(f"{adapters} must be a folder with adapters.npz and the model_card.json of a bert_classifier.")
    config = settings.override(Config(), **{**card["settings"], "weights": str(weights)})
    class_names = tuple(card["test"]["per_class"])
    network = _build(config.fine_tuning, len(class_names))
    pretrained.load_adapters(network, Path(adapters) / ADAPTERS.name)
    with export.unfinished_version(Path(export_dir) / "bert_classifier") as folder:
        example = [f"{class_names[0]}?"]
        write_text_classifier(network, _read_tokens(weights, network), class_names, config.texts, example, folder)
        shutil.copytree(adapters, folder, dirs_exist_ok=True)
        return export.publish(folder)


def evaluate(folder: str | Path, config: Config) -> dict[str, Any]:
    """Return an export's classification metrics, and the accuracy of a linear model fitted to the same texts."""
    data = load(config, text_classification.load_to_score(folder, config))
    return text_classification.evaluate(folder, data.train, data.test, data)


def explain(folder: str | Path, config: Config, figures: Path, texts: Sequence[str] = ()) -> None:
    """Draw which words of texts the logit of their predicted class depends on.

    That is the L2 norm of its gradient with respect to the sum of the embeddings of a token. By default the texts are
    of the test split, four of each class.

    Raises:
        UserError: If a text is empty.
    """
    texts = list(texts) or text_classification.load_to_score(folder, config).test.per_class(4, seed=0).texts
    labels, titles = text_classification.predict(folder, texts)
    network = export.load_model(folder)
    tokens = _read_tokens(config.fine_tuning.weights, network)
    evaluation.remove_final_activation(network)
    rows, strengths = [], []
    for text, label in zip(texts, labels, strict=True):
        numbers = tokens.encode([text], DRAWN_TOKENS)
        words = [tokens.vocabulary[number] for number in numbers.numpy()[0]]
        # A character of a word has the word's gradient, a space between words none.
        norms = zip(words, _gradient_norms(network, numbers, label), strict=True)
        rows.append(" ".join(words))
        strengths.append(np.concatenate([[norm] * len(word) + [0] for word, norm in norms])[:-1])
    evaluation.save_characters(rows, titles, strengths, "gradient norm", figures / "characters.png")


def _gradient_norms(network, tokens, label):
    """Return the L2 norm of the gradient of a class's logit with respect to the embedding of each token of one text."""
    import keras

    embedding = network.get_layer("embedding_dropout").output
    inputs = [network.input["tokens"], network.input["segments"]]
    classify = keras.Model([embedding, *inputs], network.output)
    numbers = [tokens, tokens * 0]
    vectors = keras.Model(inputs, embedding)(numbers).numpy()
    gradients = evaluation.input_gradients(lambda vectors: classify([vectors, *numbers]), vectors, [label])
    return np.linalg.norm(gradients[0], axis=-1)
