"""Texts and their classes, and the tokens a network reads."""

import collections
import dataclasses

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_refs.datasets.opening import open_builder, open_split, wrong_kind

PADDING, UNKNOWN = 0, 1
# Of a character in Unicode, so that three fit into 63.
_BITS = 21
_SPACE = ord(" ")


@dataclasses.dataclass(frozen=True)
class Texts:
    """Texts, and their classes int64 `(examples,)`."""

    texts: tuple[str, ...]
    labels: np.ndarray

    def __len__(self):
        return len(self.labels)

    def pieces(self, length):
        """Return these texts cut between words into pieces of at most `length` characters.

        A longer word makes a piece of its own, and what remains of a text is left out if it is under half as long.
        """
        cut, labels = [], []
        for text, label in zip(self.texts, self.labels, strict=True):
            lines = []
            for word in text.split():
                if lines and len(lines[-1]) + 1 + len(word) <= length:
                    lines[-1] += " " + word
                else:
                    lines.append(word)
            kept = [line for line in lines if line is not lines[-1] or len(line) >= length / 2]
            cut += kept
            labels += [label] * len(kept)
        return Texts(tuple(cut), np.array(labels, np.int64))


@dataclasses.dataclass(frozen=True)
class TextDataset:
    """Texts by split, and what their metadata say of them."""

    name: str
    train: Texts
    validation: Texts
    test: Texts
    class_names: tuple[str, ...]
    citation: str
    homepage: str


def load_texts(name, data_dir=None, splits=("train", "validation", "test")):
    """Load texts with classes.

    Args:
        name: TFDS name of a data set with one text and one class label.
        data_dir: TFDS data folder; the package's own for a bundled set, else TFDS's default, if `None`.
        splits: TFDS splits or slices to train on, to validate on and to score on.

    Returns:
        A `TextDataset`.

    Raises:
        UserError: If there is no such data set or split, or it is of another kind.
    """
    builder = open_builder(name, data_dir, require=_keys)
    text_key, label_key = _keys(builder)
    parts = []
    for split in splits:
        dataset = open_split(builder, split)
        examples = dataset.batch(max(1, dataset.cardinality().numpy())).get_single_element()
        texts = tuple(text.decode("utf-8", "replace") for text in examples[text_key].numpy())
        parts.append(Texts(texts, examples[label_key].numpy().astype("int64")))
    return TextDataset(
        name, *parts, tuple(builder.info.features[label_key].names), builder.info.citation, builder.info.homepage
    )


def _keys(builder):
    """Return the names of the text and of its class."""
    features = builder.info.features
    keys = [
        [key for key, feature in features.items() if isinstance(feature, kind)]
        for kind in (tfds.features.Text, tfds.features.ClassLabel)
    ]
    # A class label is no text to TFDS, but a subclass of the same.
    keys[0] = [key for key in keys[0] if key not in keys[1]]
    if [len(found) for found in keys] != [1, 1]:
        raise wrong_kind(builder, "has not one text and one class label")
    return keys[0][0], keys[1][0]


@dataclasses.dataclass(frozen=True)
class NgramTokens:
    """Turns texts into tokens, one a character: that character with the `n - 1` before it, which may be spaces.

    Token 0 is padding, 1 any sequence that is not in the vocabulary, the others are its entries.

    Attributes:
        n: Characters a token stands for, 1 to 3.
        vocabulary: The sequences, each as one int64, sorted.
    """

    n: int
    vocabulary: np.ndarray

    @classmethod
    def of(cls, texts, n, size):
        """Take the most frequent sequences of texts, as many as leave room for padding and the unknown in `size`."""
        counts = collections.Counter()
        for text in texts:
            counts.update(_joined(np.array([_SPACE] * (n - 1) + [ord(character) for character in text]), n).tolist())
        frequent = sorted(counts, key=lambda sequence: (-counts[sequence], sequence))[: size - 2]
        return cls(n, np.array(sorted(frequent), np.int64))

    @property
    def size(self):
        """Number of different tokens."""
        return len(self.vocabulary) + 2

    def ngrams(self):
        """Return the strings that the tokens from 2 on stand for."""
        return [
            "".join(chr(joined >> _BITS * back & 2**_BITS - 1) for back in reversed(range(self.n)))
            for joined in self.vocabulary.tolist()
        ]

    def characters(self, texts, length):
        """Return the first `length` characters of strings, after `n - 1` spaces: int64 `(batch, n - 1 + length)`.

        Bytes that are no UTF-8 become U+FFFD. What is missing at the end is -1.
        """
        codes = tf.strings.unicode_decode(texts, "UTF-8", errors="replace").to_tensor(-1, shape=[None, length])
        return tf.pad(tf.cast(codes, tf.int64), [[0, 0], [self.n - 1, 0]], constant_values=_SPACE)

    def tokens(self, characters):
        """Return the int32 tokens `(batch, length)` of what `characters` returns."""
        sequences = _joined(characters, self.n)
        vocabulary = tf.constant(self.vocabulary)
        flat = tf.reshape(sequences, [-1])
        place = tf.minimum(tf.searchsorted(vocabulary, flat), len(self.vocabulary) - 1)
        tokens = tf.where(tf.gather(vocabulary, place) == flat, place + 2, UNKNOWN)
        return tf.where(characters[:, self.n - 1 :] < 0, PADDING, tf.reshape(tokens, tf.shape(sequences)))


def _joined(characters, n):
    """Return for each character the number that it and the `n - 1` before it make."""
    length = characters.shape[-1] - n + 1
    return sum(characters[..., n - 1 - back : n - 1 - back + length] * 2 ** (_BITS * back) for back in range(n))
