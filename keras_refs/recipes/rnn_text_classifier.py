"""Tell which of forty languages a few words are written in with a simple recurrent network.

    python -m keras_refs.train rnn_text_classifier

is right about 87 of 100 pieces of forty characters of the Universal Declaration of Human Rights, from articles it was
not trained on (mean of three seeds). That is less than a linear model on character n-grams, which is right about 94.
"""

import dataclasses
import functools
import json
from pathlib import Path
from typing import Annotated

import lazy_loader
from annotated_types import Interval

from keras_refs import datasets, evaluation, export, models
from keras_refs.errors import UserError
from keras_refs.recipes import recipe, settings

# On first use: a tenth of a second, which `--help` need not wait for.
np = lazy_loader.load("numpy")

NGRAMS = "assets.extra/ngrams.json"
"""Where in an export the sequences of characters stand that it knows; servers leave the folder alone."""


@dataclasses.dataclass(frozen=True)
class Config(settings.DataSettings):
    """Settings of the recipe."""

    dataset: str = "udhr_languages"
    """TFDS name of a data set with one text and one class label."""
    train_split: str = "train"
    """TFDS split or slice to train on."""
    validation_split: str = "validation"
    """TFDS split or slice to choose the best epoch on."""
    test_split: str = "test"
    """TFDS split or slice to score on, once, at the end."""
    length: settings.Count = 40
    """Characters that are read of a text; it is scored on texts cut to pieces of at most as many."""
    ngram: Annotated[int, Interval(ge=1, lt=4)] = 3
    """Characters a token stands for: each one together with those before it."""
    vocabulary_size: Annotated[int, Interval(ge=3)] = 20_000
    """Most tokens to know, padding and the unknown one included."""
    token_dropout: settings.Rate = 0.2
    """Share of the tokens that are made unknown in training."""
    embedding_dim: settings.Count = 64
    """Width of the embedding."""
    units: tuple[settings.Count, ...] = (128,)
    """Width of each recurrent layer."""
    dropout: settings.Rate = 0.3
    """Share of every layer's inputs, but the first's, and of the head's dropped."""
    epochs: settings.Count = 12
    """Passes over the training split."""
    batch_size: settings.Count = 128
    """Examples a training step, over all devices together."""
    learning_rate: settings.Positive = 3e-3
    """Highest learning rate; it rises for an epoch and falls to zero along a cosine."""
    clip_norm: settings.NotNegative = 1.0
    """Longest gradient of a variable, longer ones are shortened to it; 0 for no limit."""


class Recipe(recipe.Recipe):
    """Train `models.rnn_text_classifier` on texts from every word on, cut at random lengths."""

    name = "rnn_text_classifier"
    family = "recurrent"
    loss = "sparse_categorical_crossentropy"
    metrics = ("accuracy",)
    monitor = "val_accuracy"
    explains_texts = True
    limits = (
        "It tells apart the languages it was trained on, and answers with one of them for any text, an empty one "
        "included. It\nlearned from one solemn text; names, slang and mixed languages lie outside what was measured."
    )

    @property
    def signatures(self):
        """What the export takes and returns, as Markdown."""
        classes = self.data.class_names
        return (
            f"- `serving_default`: `texts`, string `[batch]`, UTF-8; their first {self.config.length} characters are "
            f"read\n- `numeric`: `tokens`, int32 `[batch, {self.config.length}]`, for each character the place in "
            f"`{NGRAMS}`, counted from 2, of it and the {self.config.ngram - 1} before it, spaces before the\n  first; "
            "1 for what is not there, 0 after the end\n\n"
            f"Both return `label` (int64 `[batch]`) and `probabilities` (float32 `[batch, {len(classes)}]`), the first "
            f"also `class_name` (string `[batch]`).\n\nClasses: {', '.join(classes)}."
        )

    def load_data(self):
        """Return the `datasets.TextDataset` the settings name, validation and test cut to pieces."""
        config = self.config
        splits = config.train_split, config.validation_split, config.test_split
        whole = datasets.load_texts(config.dataset, config.data_dir, splits)
        cut = {name: getattr(whole, name).pieces(config.length) for name in ("validation", "test")}
        return dataclasses.replace(whole, train=_FromEveryWord(whole.train, config.length), **cut)

    @functools.cached_property
    def tokens(self):
        """The tokens of the training texts."""
        config = self.config
        return datasets.NgramTokens.of(self.data.train.texts.texts, config.ngram, config.vocabulary_size)

    def build_model(self):
        """Return the network for these tokens and classes."""
        return models.rnn_text_classifier(
            vocabulary_size=self.tokens.size,
            num_classes=len(self.data.class_names),
            embedding_dim=self.config.embedding_dim,
            units=self.config.units,
            dropout=self.config.dropout,
        )

    def training_batches(self, first_step, last_step):
        """Return shuffled `(tokens, classes)` of texts from some word on, cut at random."""
        import tensorflow as tf

        config, train = self.config, self.data.train
        shortest = max(1, config.length // 4)

        def prepare(seeds, tokens, labels):
            length_seed, dropout_seed = tf.unstack(tf.random.experimental.stateless_split(seeds, 2))
            shape = tf.shape(tokens)
            lengths = tf.random.stateless_uniform([shape[0], 1], length_seed, shortest, config.length + 1, tf.int32)
            dropped = tf.random.stateless_uniform(shape, dropout_seed) < config.token_dropout
            tokens = tf.where(dropped & (tokens > 0), datasets.texts.UNKNOWN, tokens)
            return tf.where(tf.range(config.length) < lengths, tokens, datasets.texts.PADDING), labels

        arrays = self._read(train.from_every_word, train.labels)
        return datasets.shuffled_batches(arrays, config.batch_size, config.seed, first_step, last_step, prepare)

    def validation_batches(self):
        """Return `(tokens, classes)` of the validation pieces."""
        pieces = self.data.validation
        return datasets.ordered_batches((list(pieces.texts), pieces.labels), 1000, lambda *batch: self._read(*batch))

    def _read(self, texts, labels):
        return self.tokens.tokens(self.tokens.characters(texts, self.config.length)), labels

    def write_export(self, model, folder):
        """Write the SavedModel, which takes strings, and beside it what a program needs that has none."""
        import tensorflow as tf

        def tell_language(tokens):
            return export.tell_class(model(tokens, training=False), self.data.class_names)

        def tell_label(tokens):
            answer = tell_language(tokens)
            return {name: answer[name] for name in ("label", "probabilities")}

        def read(texts):
            return self.tokens.tokens(self.tokens.characters(texts, self.config.length))

        answer, numeric = export.in_half_precision(model, lambda texts: tell_language(read(texts)), tell_label)
        numbers = {"tokens": (tf.int32, (self.config.length,))}
        export.write_function(answer, {"texts": (tf.string, ())}, folder, numeric=(numeric, numbers))
        path = Path(folder) / NGRAMS
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(self.tokens.ngrams(), ensure_ascii=False), encoding="utf-8")

    def examples(self):
        """Return the first test piece."""
        texts = self.data.test.texts[:1]
        tokens, _ = self._read(texts, None)
        return {"serving_default": {"texts": texts}, "numeric": {"tokens": tokens}}

    def score(self, folder):
        """Return the scores of the export on the test pieces, beside those of a linear model, and its probabilities."""
        test, class_names = self.data.test, self.data.class_names
        probabilities = export.SavedFunction(folder).predict(texts=test.texts)["probabilities"]
        scores = evaluation.classification_metrics(test.labels, probabilities, class_names)
        pieces = self.data.train.texts.pieces(self.config.length)
        answers = evaluation.fit_ngram_classifier(pieces.texts, pieces.labels).predict(test.texts)
        scores["references"] = {"character n-grams, linear": {"accuracy": float(np.mean(answers == test.labels))}}
        return scores, probabilities

    def format_scores(self, scores):
        """Return precision, recall and F1 by class, the reference's accuracy, then the model's accuracy and loss."""
        *lines, last = evaluation.format_classification_metrics(scores).splitlines()
        lines += [f"{name}: accuracy {row['accuracy']:.4f}" for name, row in scores["references"].items()]
        return "\n".join([*lines, last])

    def draw(self, history, scores, predictions, folder):
        """Draw learning curves and confusion matrix."""
        figures, class_names = evaluation.figures, self.data.class_names
        figures.save_learning_curves(history, folder / "learning_curves.png")
        figures.save_confusion_matrix(scores["confusion_matrix"], class_names, folder / "confusion_matrix.png")

    def explain(self, folder, figures, texts=()):
        """Draw which characters of texts the logit of the language they are taken for depends on.

        That is the norm of its gradient by the vector of the token that ends with the character. Without texts they are
        the first test pieces of eight languages.
        """
        test, class_names = self.data.test, self.data.class_names
        if "" in texts:
            raise UserError("Every text must hold a character. Received an empty one.")
        if not texts:
            languages = np.unique(np.linspace(0, len(class_names) - 1, 8).round())
            texts = [test.texts[place] for place in (np.argmax(test.labels == language) for language in languages)]
        texts = [text[: self.config.length] for text in texts]
        model = self.read_model(folder)
        evaluation.answer_with_logits(model)
        explained = [self._explain(model, text) for text in texts]
        titles = [f"{class_names[label]} {share:.0%}" for label, share, _ in explained]
        strengths = [strength for *_, strength in explained]
        evaluation.explanations.save_characters(texts, titles, strengths, figures / "characters.png")

    def _explain(self, model, text):
        """Return the class a text is taken for, its probability, and a gradient's norm for every character."""
        import keras
        import tensorflow as tf

        # Alone a text needs no padding, and so no mask, which the copy of the vectors does not have.
        tokens = self.tokens.tokens(self.tokens.characters([text], len(text)))
        _, embedding, *others = model.layers
        answer, vectors = keras.Sequential(others), tf.identity(embedding(tokens))
        probabilities = tf.nn.softmax(answer(vectors))[0].numpy()
        label = probabilities.argmax()
        gradient = evaluation.input_gradients(answer, vectors, [label])
        return label, probabilities[label], np.linalg.norm(gradient[0], axis=-1)


class _FromEveryWord:
    """Texts as training examples: what follows from each of their words on."""

    def __init__(self, texts, length):
        self.texts = texts
        self.from_every_word, labels = [], []
        for text, label in zip(texts.texts, texts.labels, strict=True):
            words = text.split()
            starts = np.cumsum([0, *(len(word) + 1 for word in words)])
            # From its last words on too little would be left to tell.
            kept = [start for start in starts[:-1] if start == 0 or len(text) - start >= length // 2]
            line = " ".join(words)
            self.from_every_word += [line[start : start + length] for start in kept]
            labels += [label] * len(kept)
        self.labels = np.array(labels, np.int64)

    def __len__(self):
        return len(self.labels)
