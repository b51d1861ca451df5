"""Texts and their classes, the tokens that a network reads, and batches of them to train on."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_refs.datasets import files
from keras_refs.datasets.catalogue import one_of_each, open_builder, read_all
from keras_refs.datasets.pipelines import WHOLE, Dataset, Examples, shuffled_batches
from keras_refs.errors import UserError
from keras_refs.preprocessing import BITS, MULTIPLIER, PADDING, SPACE, UNKNOWN

if TYPE_CHECKING:
    from keras_refs.datasets.pipelines import Shard


@dataclasses.dataclass(frozen=True)
class Texts(Examples):
    """Texts, and their classes int64 `(examples,)`."""

    texts: tuple[str, ...]
    labels: np.ndarray

    def pieces(self, length: int) -> Texts:
        """Return these texts cut between words into pieces of at most `length` characters, to score on.

        A word longer than that is a piece of its own; a last piece shorter than half of `length` is left out, unless it
        is the only one.
        """

        def cut(text):
            lines = textwrap.wrap(text, length, break_long_words=False, break_on_hyphens=False)
            return lines[:-1] if len(lines) > 1 and len(lines[-1]) < length / 2 else lines

        return self._cut(cut)

    def from_every_word(self, length: int) -> Texts:
        """Return what follows from each word of these texts on, at most `length` characters, to train on.

        They overlap. Except for the first word, one with fewer than `length // 2` characters from there on begins none.
        """

        def cut(text):
            starts = [word.start() for word in re.finditer(r"\S+", text)]
            return [text[start : start + length] for start in starts if start == 0 or len(text) - start >= length // 2]

        return self._cut(cut)

    def beginnings(self, length: int) -> Texts:
        """Return the first `length` characters of every text."""
        return Texts(tuple(text[:length] for text in self.texts), self.labels)

    def per_class(self, count: int, seed: int) -> Texts:
        """Return `count` texts of each class, or all that there are, chosen by the seed."""
        order = np.random.default_rng(seed).permutation(len(self))
        labels = self.labels[order]
        chosen = np.concatenate([order[labels == label][:count] for label in np.unique(labels)])
        return Texts(tuple(self.texts[index] for index in chosen), self.labels[chosen])

    def _cut(self, cut):
        """Return the parts of every text that a function of it returns, each with the class of its text."""
        parts = [cut(" ".join(text.split())) for text in self.texts]
        counts = np.array(list(map(len, parts)), np.int64)
        return Texts(tuple(itertools.chain.from_iterable(parts)), np.repeat(self.labels, counts))


@dataclasses.dataclass(frozen=True)
class NgramTokens:
    """Turns texts into tokens, one per character: the n-gram of that character and the `n - 1` before it.

    Before the first character there are spaces. Token 0 is padding, 1 any n-gram that is not in the vocabulary, the
    others are its entries.

    Attributes:
        n: Characters per token, 1 to 3.
        vocabulary: The n-grams, each as one int64, sorted.
    """

    n: int
    vocabulary: np.ndarray

    @classmethod
    def of(cls, texts: Sequence[str], n: int, size: int) -> Self:
        """Take the most frequent n-grams of texts, at most `size - 2`; padding and the unknown token count, too."""
        counts: collections.Counter[Any] = collections.Counter()
        for text in texts:
            codes = np.array([SPACE] * (n - 1) + list(map(ord, text)), np.int64)
            counts.update(_join(codes, n).tolist())
        frequent = sorted(counts, key=lambda ngram: (-counts[ngram], ngram))[: size - 2]
        return cls(n, np.array(sorted(frequent), np.int64))

    @classmethod
    def from_ngrams(cls, ngrams: Sequence[str]) -> Self:
        """Return the tokens whose `ngrams` these are."""
        codes = np.array([list(map(ord, ngram)) for ngram in ngrams], np.int64)
        return cls(codes.shape[1], _join(codes, codes.shape[1])[:, 0])

    @property
    def size(self) -> int:
        """Number of different tokens."""
        return len(self.vocabulary) + 2

    def ngrams(self) -> list[str]:
        """Return the strings that the tokens from 2 on stand for."""
        return [
            "".join(chr(joined >> BITS * back & 2**BITS - 1) for back in reversed(range(self.n)))
            for joined in self.vocabulary.tolist()
        ]

    def encode(self, texts: Sequence[str] | np.ndarray | tf.Tensor, length: int) -> tf.Tensor:
        """Return the int32 tokens `(batch, length)` of the first `length` characters of texts, also within a graph.

        The texts are UTF-8 strings `(batch,)`; other bytes become U+FFFD. After the last character there is padding.
        """
        codes = _code_points(texts, length)
        ngrams = _join(tf.pad(codes, [[0, 0], [self.n - 1, 0]], constant_values=SPACE), self.n)
        return tf.where(codes < 0, PADDING, _look_up(self.vocabulary, ngrams))


@dataclasses.dataclass(frozen=True)
class NgramChannels:
    """Turns texts into tokens, `n` per character: the n-grams of 1 to `n` characters that end with it.

    Before the first character there are spaces. Token 0 is padding, 1 stands for n-grams that are not in the
    vocabulary.

    Attributes:
        n: Tokens per character.
        vocabulary: int64 array of 64-bit hashes of n-grams, in ascending order; the first stands for token 2.
    """

    n: int
    vocabulary: np.ndarray

    @classmethod
    def of(cls, texts: Sequence[str], n: int, size: int) -> Self:
        """Return the tokens of `size` different kinds, the most frequent n-grams of these texts and the first two."""
        hashes = np.concatenate([cls._hashes(_code_points([text], len(text)), n).numpy().ravel() for text in texts])
        values, counts = np.unique(hashes, return_counts=True)
        # Of those that are equally frequent, the smallest hashes.
        kept = np.argsort(-counts, kind="stable")[: size - 2]
        return cls(n, np.sort(values[kept]))

    @property
    def size(self) -> int:
        """Number of different tokens, padding and the unknown token included."""
        return len(self.vocabulary) + 2

    def encode(self, texts: Sequence[str] | np.ndarray | tf.Tensor, length: int) -> tf.Tensor:
        """Return the int32 tokens `(batch, length, n)` of the first `length` characters of texts, also within a graph.

        The texts are UTF-8 strings `(batch,)`; other bytes become U+FFFD. After the last character there is padding.
        """
        codes = _code_points(texts, length)
        tokens = _look_up(self.vocabulary, self._hashes(codes, self.n))
        return tf.where(codes[..., tf.newaxis] < 0, PADDING, tokens)

    @staticmethod
    def _hashes(codes, n):
        """Return the int64 hashes `(batch, length, n)` of the n-grams that end with each of the code points."""
        length = codes.shape[1]
        padded = tf.pad(codes, [[0, 0], [n - 1, 0]], constant_values=SPACE)
        hashes, ngram = [], tf.zeros_like(codes)
        for first in range(n - 1, -1, -1):
            # A polynomial of the code points; what overflows an int64 is cut off, everywhere in the same way.
            ngram = ngram * MULTIPLIER + padded[:, first : first + length] + 1
            hashes.append(ngram)
        return tf.stack(hashes, axis=-1)


def _code_points(texts, length):
    """Return the int64 code points `(batch, length)` of the first characters of texts, -1 after the last one."""
    codes = tf.strings.unicode_decode(texts, "UTF-8", errors="replace").to_tensor(-1, shape=[None, length])
    return tf.cast(codes, tf.int64)


def _look_up(vocabulary, ngrams):
    """Return the int32 tokens of n-grams, int64 of any shape: 2 and up by their place in a sorted vocabulary, or 1."""
    known, flat = tf.constant(vocabulary), tf.reshape(ngrams, [-1])
    place = tf.minimum(tf.searchsorted(known, flat), len(vocabulary) - 1)
    tokens = tf.where(tf.gather(known, place) == flat, place + 2, UNKNOWN)
    return tf.reshape(tokens, tf.shape(ngrams))


def _join(codes, n):
    """Return for each code point but the first `n - 1` the integer that it and the `n - 1` before it make."""
    length = codes.shape[-1] - n + 1
    return sum(codes[..., n - 1 - back : n - 1 - back + length] * 2 ** (BITS * back) for back in range(n))


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
) -> TextDataset:
    """Load a `TextDataset` of whole texts from a data set with one text and one class label, as all loaders do.

    `data` is a table in place of the TFDS set, which `files.read_texts` reads with the arguments after it.

    Raises:
        UserError: If there is no such data set, it has other features, or fewer than two classes.
    """
    if data is not None:
        class_names, splits = files.read_texts(data, text, label, class_names, needed)
        return TextDataset.from_file(data, [Texts(*arrays) for arrays in splits], class_names=class_names)
    builder, (text_key, label_key) = open_builder(dataset, data_dir, _keys)
    class_names = tuple(builder.info.features[label_key].names)
    if len(class_names) < 2:
        raise UserError(f"{dataset!r} must have texts of at least two classes. Received: {', '.join(class_names)}")
    splits = []
    for split in (train_split, validation_split, test_split):
        examples = read_all(builder, split)
        texts = tuple(text.decode("utf-8", "replace") for text in examples[text_key].numpy())
        splits.append(Texts(texts, examples[label_key].numpy().astype("int64")))
    return TextDataset.from_builder(dataset, builder, splits, class_names=class_names)


def _keys(builder):
    """Return the names of the text and of its class."""
    kinds = (lambda one, kind=kind: isinstance(one, kind) for kind in (tfds.features.Text, tfds.features.ClassLabel))
    return one_of_each(builder, "has not one text and one class label", *kinds)


def text_batches(
    tokens: np.ndarray,
    labels: np.ndarray,
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
