"""Texts and their classes, the tokens that a network reads, and batches of them to train on."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_refs.datasets import files
from keras_refs.datasets.catalogue import one_of_each, open_builder, open_split
from keras_refs.datasets.packed_texts import PackedTexts
from keras_refs.datasets.pipelines import WHOLE, Computed, Dataset, Examples, shuffled_batches
from keras_refs.datasets.streaming import is_streamed
from keras_refs.errors import UserError
from keras_refs.preprocessing import PADDING, UNKNOWN

if TYPE_CHECKING:
    from keras_refs.datasets.ngrams import NgramChannels, NgramTokens
    from keras_refs.datasets.pipelines import Shard

MEMORY_PER_BYTE = 8
"""Bytes of memory that a byte of the data set takes: of the text, of its parts' places, and while it is read."""


@dataclasses.dataclass(frozen=True)
class Texts(Examples):
    """Texts, and their classes int64 `(examples,)`; the parts of texts that methods return are `PackedTexts`."""

    texts: Sequence[str]
    labels: np.ndarray

    def pieces(self, length: int) -> Texts:
        """Return these texts cut between words into pieces of at most `length` characters, to score on.

        A word longer than that is a piece of its own; a last piece shorter than half of `length` is left out, unless it
        is the only one.
        """

        def spans(text):
            lines = textwrap.wrap(text, length, break_long_words=False, break_on_hyphens=False)
            sizes = [len(line) for line in lines]
            # Between two lines is a blank.
            starts = list(itertools.accumulate((size + 1 for size in sizes), initial=0))
            kept = len(lines) - (len(lines) > 1 and sizes[-1] < length / 2)
            return [(start, start + size) for start, size in zip(starts, sizes[:kept], strict=False)]

        return self._cut(spans)

    def from_every_word(self, length: int) -> Texts:
        """Return what follows from each word of these texts on, at most `length` characters, to train on.

        They overlap. Except for the first word, one with fewer than `length // 2` characters from there on begins none.
        """

        def spans(text):
            starts, end = (word.start() for word in re.finditer(r"\S+", text)), len(text)
            kept = (start for start in starts if start == 0 or end - start >= length // 2)
            return [(start, min(end, start + length)) for start in kept]

        return self._cut(spans)

    def beginnings(self, length: int) -> Texts:
        """Return the first `length` characters of every text."""
        return Texts(tuple(text[:length] for text in self.texts), self.labels)

    def per_class(self, count: int, seed: int) -> Texts:
        """Return `count` texts of each class, or all that there are, chosen by the seed."""
        order = np.random.default_rng(seed).permutation(len(self))
        labels = self.labels[order]
        chosen = np.concatenate([order[labels == label][:count] for label in np.unique(labels)])
        return Texts(tuple(self.texts[index] for index in chosen), self.labels[chosen])

    def encoded(self, tokens: NgramTokens | NgramChannels, length: int) -> tuple[Any, Any]:
        """Return the tokens and the labels of the first `length` characters of `PackedTexts`, for `text_batches`.

        The tokens take many times the memory of the texts: those of texts on disk, and those that would take an eighth
        of the memory, are computed batch by batch.
        """
        shape = len(self), *tokens.encode([""], length).shape[1:]
        if not self._on_disk and not is_streamed("auto", 4 * math.prod(shape)):
            parts = [tokens.encode(self.texts[first : first + 10_000], length) for first in range(0, len(self), 10_000)]
            return np.concatenate(parts), self.labels

        def labels(positions):
            chosen = tf.numpy_function(self.labels.__getitem__, [positions], tf.int64, stateful=False)
            return tf.ensure_shape(chosen, positions.shape)

        def encode(positions):
            encoded = tokens.encode(self.texts.gather(positions), length)
            return tf.ensure_shape(encoded, [*positions.shape, *shape[1:]])

        return Computed(encode, shape), Computed(labels, shape[:1])

    @property
    def _on_disk(self):
        return isinstance(self.texts, PackedTexts) and self.texts.on_disk

    def _cut(self, spans):
        """Return the parts of every text, with single blanks between words, that `spans` says of it."""
        texts = PackedTexts.of((" ".join(text.split()) for text in self.texts), self._on_disk)
        return Texts(*texts.cut(spans, self.labels))


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextDataset(Dataset):
    """`Texts` by split, and what their metadata say of them; `tokens` is what a network reads them as, once chosen."""

    class_names: tuple[str, ...]
    tokens: NgramTokens | NgramChannels | None = None


def load_texts(
    dataset: str,
    data_dir: str | Path | None = None,
    train_split: str = "train",
    validation_split: str = "validation",
    test_split: str = "test",
    data: str | Path | None = None,
    text: str | None = None,
    label: str | None = None,
    class_names: Sequence[str] | None = None,
    needed: Sequence[str] = files.SPLITS,
    stream: str = "off",
) -> TextDataset:
    """Load a `TextDataset` of whole texts from a data set with one text and one class label, as all loaders do.

    `data` is a table in place of the TFDS set, which `files.read_texts` reads with the arguments after it. With
    `stream` `"on"` the texts and what is cut from them are in temporary files, as `PackedTexts`, with `"off"` in
    memory, `"auto"` goes by their size.

    Raises:
        UserError: If there is no such data set, it has other features, or fewer than two classes.
    """
    if data is not None:
        on_disk = is_streamed(stream, MEMORY_PER_BYTE * files.size(data))
        class_names, splits = files.read_texts(data, text, label, class_names, needed, on_disk)
        splits = [Texts(_held(texts, on_disk), labels) for texts, labels in splits]
        return TextDataset.from_file(data, splits, class_names=class_names)
    builder, (text_key, label_key) = open_builder(dataset, data_dir, _keys)
    class_names = tuple(builder.info.features[label_key].names)
    if len(class_names) < 2:
        raise UserError(f"{dataset!r} must have texts of at least two classes. Received: {', '.join(class_names)}")
    on_disk = is_streamed(stream, MEMORY_PER_BYTE * builder.info.dataset_size)
    splits = []
    for split in (train_split, validation_split, test_split):
        labels: list[int] = []
        texts = _held(_read(builder, split, text_key, label_key, labels), on_disk)
        splits.append(Texts(texts, np.array(labels, np.int64)))
    return TextDataset.from_builder(dataset, builder, splits, class_names=class_names)


def _read(builder, split, text_key, label_key, labels):
    """Yield the texts of a split, and append their labels to a list."""
    for batch in open_split(builder, split).batch(1000):
        labels += batch[label_key].numpy().tolist()
        for text in batch[text_key].numpy():
            yield text.decode("utf-8", "replace")


def _held(texts, on_disk):
    return PackedTexts.of(texts, on_disk) if on_disk else tuple(texts)


def _keys(builder):
    """Return the names of the text and of its class."""
    kinds = (lambda one, kind=kind: isinstance(one, kind) for kind in (tfds.features.Text, tfds.features.ClassLabel))
    return one_of_each(builder, "has not one text and one class label", *kinds)


def text_batches(
    tokens: np.ndarray | Computed,
    labels: np.ndarray | Computed,
    batch_size: int,
    seed: int,
    first_step: int,
    last_step: int,
    shortest: int = 1,
    token_dropout: float = 0.0,
    shard: Shard = WHOLE,
    sampled: bool = False,
) -> tf.data.Dataset:
    """Return shuffled batches of texts of random lengths, with random tokens replaced by the unknown one.

    So a network meets during training what users' texts have. A text keeps a number of tokens that is drawn uniformly
    from `shortest` to all of them, and each becomes the unknown one with the probability `token_dropout`, in [0, 1).
    Other arguments are those of `shuffled_batches`. `tokens` are int32 `(examples, length)` or, with several at each
    step, `(examples, length, channels)`, 0 for padding, `labels` integers `(examples,)`; a batch has the same of
    `batch_size` examples.
    """
    length = tokens.shape[1]

    def vary(seeds, tokens, labels):
        length_seed, dropout_seed = tf.unstack(tf.random.experimental.stateless_split(seeds, 2))
        number = tf.shape(labels)[0] if sampled else batch_size
        shape = [number, *tokens.shape[1:]]
        lengths = tf.random.stateless_uniform([number, 1], length_seed, shortest, length + 1, tf.int32)
        dropped = shard.of(tf.random.stateless_uniform(shape, dropout_seed)) < token_dropout
        tokens = tf.where(dropped & (tokens != PADDING), UNKNOWN, tokens)
        kept = tf.reshape(tf.range(length) < shard.of(lengths), [-1, length] + [1] * (tokens.shape.rank - 2))
        return tf.where(kept, tokens, PADDING), labels

    return shuffled_batches((tokens, labels), batch_size, seed, first_step, last_step, vary, shard, sampled)
