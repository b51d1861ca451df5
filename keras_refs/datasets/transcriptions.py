"""Strings and what they are to be turned into, and the symbols a network reads and writes."""

import dataclasses

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_refs.datasets.opening import open_builder, open_split, wrong_kind

PADDING, BOUNDARY = 0, 1


@dataclasses.dataclass(frozen=True)
class Transcriptions:
    """Strings, and for each all targets that are right; the first is the most usual."""

    sources: tuple[str, ...]
    targets: tuple[tuple[str, ...], ...]

    def __len__(self):
        return len(self.sources)

    def pairs(self):
        """Return every source with every target of its, as two lists."""
        pairs = [(s, target) for s, targets in zip(self.sources, self.targets, strict=True) for target in targets]
        return [source for source, _ in pairs], [target for _, target in pairs]


@dataclasses.dataclass(frozen=True)
class TranscriptionDataset:
    """Transcriptions by split, and what their metadata say of them."""

    name: str
    train: Transcriptions
    validation: Transcriptions
    test: Transcriptions
    citation: str
    homepage: str


def load_transcriptions(name, data_dir=None, splits=("train", "validation", "test"), simplify=None):
    """Load strings with their transcriptions.

    Args:
        name: TFDS name of a data set with one text and one sequence of texts, its transcriptions.
        data_dir: TFDS data folder; the package's own for a bundled set, else TFDS's default, if `None`.
        splits: TFDS splits or slices to train on, to validate on and to score on.
        simplify: Function of a transcription that returns what is to be learned of it; those that become equal count
            once.

    Returns:
        A `TranscriptionDataset`.

    Raises:
        UserError: If there is no such data set or split, or it is of another kind.
    """
    builder = open_builder(name, data_dir, require=_keys)
    source_key, target_key = _keys(builder)
    parts = []
    for split in splits:
        dataset = open_split(builder, split)
        examples = dataset.ragged_batch(max(1, dataset.cardinality().numpy())).get_single_element()
        sources = tuple(source.decode("utf-8", "replace") for source in examples[source_key].numpy())
        several = [[target.decode("utf-8", "replace") for target in known] for known in examples[target_key].numpy()]
        targets = tuple(tuple(dict.fromkeys(map(simplify, known) if simplify else known)) for known in several)
        parts.append(Transcriptions(sources, targets))
    return TranscriptionDataset(name, *parts, builder.info.citation, builder.info.homepage)


def _keys(builder):
    """Return the names of the text and of its transcriptions."""
    features = builder.info.features
    kinds = {key: getattr(feature, "feature", feature) for key, feature in features.items()}
    texts = [key for key, kind in kinds.items() if type(kind) is tfds.features.Text]
    several = [key for key in texts if kinds[key] is not features[key]]
    single = [key for key in texts if kinds[key] is features[key]]
    if [len(single), len(several)] != [1, 1]:
        raise wrong_kind(builder, "has not one text and one sequence of texts")
    return single[0], several[0]


@dataclasses.dataclass(frozen=True)
class Symbols:
    """Turns strings into tokens and back. Token 0 is padding, 1 the boundary, the others are the symbols in order.

    Attributes:
        symbols: Each symbol once, sorted.
        separator: What stands between two symbols: nothing if each is one character, or a blank.
    """

    symbols: tuple[str, ...]
    separator: str = ""

    @classmethod
    def of(cls, strings, separator=""):
        """Take all symbols that occur in strings."""
        found = {symbol for string in strings for symbol in cls((), separator).split(string)}
        return cls(tuple(sorted(found)), separator)

    @property
    def size(self):
        """Number of different tokens."""
        return len(self.symbols) + 2

    def split(self, string):
        """Return the symbols of a Python string."""
        return string.split(self.separator) if self.separator else list(string)

    def tokens(self, strings, boundary=False):
        """Return the int32 tokens `(batch, steps)` of strings, padded at the end; what is no symbol is left out.

        Args:
            strings: A batch of UTF-8 strings.
            boundary: Whether the boundary follows on the last symbol.
        """
        split = (
            tf.strings.split(strings, self.separator)
            if self.separator
            else tf.strings.unicode_split(strings, "UTF-8", errors="replace")
        )
        flat = split.flat_values
        symbols = tf.constant(self.symbols)
        # Few symbols: comparing with all is simpler than a table, and converters to other formats know it.
        matches = flat[:, tf.newaxis] == symbols
        tokens = tf.argmax(matches, axis=1, output_type=tf.int32) + BOUNDARY + 1
        tokens = tf.ragged.boolean_mask(
            split.with_flat_values(tokens), split.with_flat_values(tf.reduce_any(matches, 1))
        )
        if boundary:
            tokens = tf.concat([tokens, tf.fill([tokens.nrows(), 1], BOUNDARY)], axis=1)
        tokens = tokens.to_tensor(PADDING)
        # A network needs a step to read, be it padding.
        return tf.pad(tokens, [[0, 0], [0, tf.cast(tf.shape(tokens)[1] == 0, tf.int32)]])

    def strings(self, tokens):
        """Return the strings of int32 tokens `(..., steps)`."""
        shown = tf.gather(tf.constant(["", "", *self.symbols]), tokens)
        return tf.strings.strip(tf.strings.reduce_join(shown, axis=-1, separator=self.separator))


def to_arrays(symbols, strings, boundary=False):
    """Return the tokens of many strings as an array, and how many of each are no padding."""
    tokens = symbols.tokens(tf.constant(strings), boundary).numpy()
    return tokens, np.count_nonzero(tokens, axis=1).astype(np.int32)
