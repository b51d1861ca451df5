"""The symbols of strings, and the tokens that a sequence-to-sequence network reads and predicts in their place."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Self

import tensorflow as tf

from keras_refs.datasets.alignment import BOUNDARY

if TYPE_CHECKING:
    import numpy as np

PADDING = 0


@dataclasses.dataclass(frozen=True)
class Symbols:
    """Converts strings to tokens and back. Token 0 is padding, 1 the boundary, the others are the symbols in order.

    Attributes:
        symbols: Each symbol once, sorted.
        separator: What separates two symbols of a string; empty if each is one character.
        lower_case: Whether strings are converted to lower case before they are read.
    """

    symbols: tuple[str, ...]
    separator: str = ""
    lower_case: bool = False

    @classmethod
    def of(cls, strings: Iterable[str], separator: str = "", lower_case: bool = False) -> Self:
        """Return the symbols that occur in Python strings."""
        split = cls((), separator, lower_case).split
        return cls(tuple(sorted({symbol for string in strings for symbol in split(string)})), separator, lower_case)

    @property
    def size(self) -> int:
        """Number of different tokens."""
        return len(self.symbols) + 2

    def split(self, string: str) -> list[str]:
        """Return the symbols of a Python string."""
        string = normalised(string.lower() if self.lower_case else string)
        return [symbol for symbol in string.split(self.separator) if symbol] if self.separator else list(string)

    def lookup(self, tokens: Iterable[int]) -> tuple[str, ...]:
        """Return the symbols of a sequence of tokens as a tuple, without padding and boundary."""
        return tuple(self.symbols[token - BOUNDARY - 1] for token in tokens if token > BOUNDARY)

    def tokens(self, strings: Sequence[str] | np.ndarray | tf.Tensor, boundary: bool = False) -> tf.Tensor:
        """Return the int32 tokens `(batch, steps)` of UTF-8 strings `(batch,)`, padded at the end.

        Other symbols are left out. With `boundary`, the boundary is appended to each.
        """
        strings = tf.strings.lower(strings, "utf-8") if self.lower_case else strings
        for decomposed, composed in _compositions(self.symbols):
            strings = tf.strings.regex_replace(strings, decomposed, composed)
        split = (
            tf.strings.split(strings, self.separator)
            if self.separator
            else tf.strings.unicode_split(strings, "UTF-8", errors="replace")
        )
        # Few symbols: comparing with all is simpler than a table, and converters to other formats know it.
        matches = split.flat_values[:, tf.newaxis] == tf.constant(self.symbols)
        tokens = tf.argmax(matches, axis=1, output_type=tf.int32) + BOUNDARY + 1
        is_symbol = split.with_flat_values(tf.reduce_any(matches, 1))
        tokens = tf.ragged.boolean_mask(split.with_flat_values(tokens), is_symbol)
        if boundary:
            tokens = tf.concat([tokens, tf.fill([tokens.nrows(), 1], BOUNDARY)], axis=1)
        tokens = tokens.to_tensor(PADDING)
        # A network needs a step to read, be it padding.
        return tf.pad(tokens, [[0, 0], [0, tf.cast(tf.shape(tokens)[1] == 0, tf.int32)]])

    def strings(self, tokens: tf.Tensor) -> tf.Tensor:
        """Return the strings of int32 tokens `(..., steps)`."""
        symbols = tf.gather(tf.constant(["", "", *self.symbols]), tokens)
        joined = tf.strings.strip(tf.strings.reduce_join(symbols, axis=-1, separator=self.separator))
        if "" in self.symbols and self.separator:
            joined = tf.strings.regex_replace(joined, f"({re.escape(self.separator)})+", self.separator)
        return joined


def normalised(string: str) -> str:
    """Return a string in Unicode's normal form NFC, so that what looks the same is the same, as all that is read is."""
    return unicodedata.normalize("NFC", string)


def _compositions(symbols):
    """Return pairs of characters and the one in their place in NFC, for those of symbols, parts of others first.

    TensorFlow has no NFC; strings from elsewhere may have an accent as a character of its own.
    """
    pairs = {}

    def add(character):
        decomposed = unicodedata.decomposition(character)
        if not decomposed or decomposed.startswith("<"):
            return
        parts = "".join(chr(int(code, 16)) for code in decomposed.split())
        if normalised(parts) == character:
            add(parts[0])
            pairs[parts] = character

    for symbol in symbols:
        for character in symbol:
            add(character)
    return pairs.items()
