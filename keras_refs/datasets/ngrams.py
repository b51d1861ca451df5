"""The tokens that networks read texts as: the n-grams that end with each character."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
import tensorflow as tf

from keras_refs.preprocessing import BITS, MULTIPLIER, PADDING, SPACE, UNKNOWN

MOST_AT_ONCE = 2**22
"""N-grams of as many texts are counted at once as have so many: those of all take too much memory."""


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
    def of(cls, texts: Iterable[str], n: int, size: int) -> Self:
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
    def of(cls, texts: Iterable[str], n: int, size: int) -> Self:
        """Return the tokens of `size` different kinds, the most frequent n-grams of these texts and the first two."""
        values, counts = _counted(cls._hashes(_code_points([text], len(text)), n).numpy().ravel() for text in texts)
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


def _counted(arrays):
    """Return the different numbers in int64 arrays, sorted, and how often each is there."""
    values, counts = np.empty(0, np.int64), np.empty(0, np.int64)
    for numbers in _joined(arrays):
        new, counts_of_new = np.unique(numbers, return_counts=True)
        values, places = np.unique(np.concatenate([values, new]), return_inverse=True)
        counts = np.bincount(places, np.concatenate([counts, counts_of_new])).astype(np.int64)
    return values, counts


def _joined(arrays):
    """Yield arrays as fewer of at least `MOST_AT_ONCE` numbers."""
    waiting, numbers = [], 0
    for array in arrays:
        waiting.append(array)
        numbers += len(array)
        if numbers >= MOST_AT_ONCE:
            yield np.concatenate(waiting)
            waiting, numbers = [], 0
    if waiting:
        yield np.concatenate(waiting)


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
