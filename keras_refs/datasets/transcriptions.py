"""Strings with their transcriptions, and the tokens that a sequence-to-sequence network reads and predicts."""

from __future__ import annotations

import dataclasses
import functools
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import tensorflow as tf
import tensorflow_datasets as tfds

from keras_refs.datasets import alignment, files
from keras_refs.datasets.alignment import BOUNDARY
from keras_refs.datasets.catalogue import one_of_each, open_builder, read_all, split_files
from keras_refs.datasets.pipelines import WHOLE, Dataset, Examples, shuffled_range, without_autotune
from keras_refs.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from keras_refs.datasets.pipelines import Shard

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


@dataclasses.dataclass(frozen=True)
class Transcriptions(Examples):
    """Strings, and for each all correct targets; the first is the most usual."""

    sources: tuple[str, ...]
    targets: tuple[tuple[str, ...], ...]

    def pairs(self) -> tuple[list[str], list[str]]:
        """Return every source with each of its targets, as two lists."""
        pairs = [(s, target) for s, targets in zip(self.sources, self.targets, strict=True) for target in targets]
        return [source for source, _ in pairs], [target for _, target in pairs]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TranscriptionDataset(Dataset):
    """`Transcriptions` by split; sources are read in lower case, by character, `separator` separates target symbols.

    If they are `aligned`, for hard attention, the last target symbol is the empty string: it stands in the tokens of
    targets wherever the next character is read, which `alignment.fit_alignment` finds in the training pairs.

    Raises:
        UserError: If there is a separator, but in no training target, though some have more than three characters.
    """

    separator: str = ""
    aligned: bool = False

    def __post_init__(self):
        all_targets = [target for targets in self.train.targets for target in targets]
        longest = max(all_targets, key=len, default="")
        if self.separator and len(longest) > 3 and not any(self.separator in target for target in all_targets):
            raise UserError(
                f"The symbols of a target of {self.name!r} must be separated by {self.separator!r}, as in 'K AE T'. "
                f"Received: {longest!r}"
            )

    @functools.cached_property
    def source_symbols(self) -> Symbols:
        """The `Symbols` of the training sources."""
        return Symbols.of(self.train.sources, lower_case=True)

    @functools.cached_property
    def target_symbols(self) -> Symbols:
        """The `Symbols` of the training targets."""
        symbols = self._written_symbols
        return dataclasses.replace(symbols, symbols=(*symbols.symbols, "")) if self.aligned else symbols

    @functools.cached_property
    def _written_symbols(self):
        return Symbols.of((target for targets in self.train.targets for target in targets), self.separator)

    @functools.cached_property
    def _alignment(self):
        sizes = self.source_symbols.size, self._written_symbols.size
        return alignment.fit_alignment(*self._tokens(self.train), *sizes)

    def token_pairs(self, split: Transcriptions) -> tuple[np.ndarray, np.ndarray]:
        """Return the tokens of every source of a `Transcriptions` with each of its targets, two int32 `(pairs, steps)`.

        They are padded at the end; targets end with the boundary.
        """
        sources, targets = self._tokens(split)
        if self.aligned:
            targets = alignment.align(sources, targets, self._alignment, move=self.target_symbols.size - 1)
        return sources, targets

    def _tokens(self, split):
        sources, targets = split.pairs()
        return self.source_symbols.tokens(sources).numpy(), self._written_symbols.tokens(targets, boundary=True).numpy()


def load_transcriptions(
    dataset: str,
    data_dir: str | Path | None = None,
    train_split: str = "train",
    validation_split: str = "validation",
    test_split: str = "test",
    separator: str = "",
    simplify: Callable[[str], str] | None = None,
    data: str | Path | None = None,
    source: str | None = None,
    target: str | None = None,
) -> TranscriptionDataset:
    """Load a `TranscriptionDataset`; what all loaders take and raise is in `keras_refs.datasets`.

    The TFDS set has one text and one sequence of texts, its transcriptions; `separator` separates two symbols of one.
    `simplify` is a function of a transcription that returns what to learn of it; those that become equal count once.
    `data` is a table that `files.read_pairs` reads, with the columns `source` and `target`, in place of the TFDS set.
    """
    if data is not None:
        splits = _of_pairs(files.read_pairs(data, source, target, separator), simplify)
        return TranscriptionDataset.from_file(data, splits, separator=separator)
    builder, keys = open_builder(dataset, data_dir, _keys)
    splits = [_read(builder, keys, split, simplify) for split in (train_split, validation_split, test_split)]
    return TranscriptionDataset.from_builder(dataset, builder, splits, separator=separator)


def count_sources(
    dataset: str,
    data_dir: str | Path | None = None,
    train_split: str = "train",
    data: str | Path | None = None,
    source: str | None = None,
    target: str | None = None,
    separator: str = "",
) -> int:
    """Return the number of training sources of what `load_transcriptions` takes; a TFDS set is not read for it."""
    if data is not None:
        return len(files.read_pairs(data, source, target, separator)[0])
    builder, _ = open_builder(dataset, data_dir, _keys)
    split_files(builder, train_split)
    return builder.info.splits[train_split].num_examples


def load_transcription_split(
    dataset: str,
    data_dir: str | Path | None = None,
    split: str = "test",
    separator: str = "",
    simplify: Callable[[str], str] | None = None,
    data: str | Path | None = None,
    source: str | None = None,
    target: str | None = None,
) -> Transcriptions:
    """Load one split with what `load_transcriptions` takes; return a `Transcriptions`."""
    if data is not None:
        splits = files.read_pairs(data, source, target, separator, needed=(split,))
        return _of_pairs(splits, simplify)[files.SPLITS.index(split)]
    builder, keys = open_builder(dataset, data_dir, _keys)
    return _read(builder, keys, split, simplify)


def normalised(string: str) -> str:
    """Return a string in Unicode's normal form NFC, so that what looks the same is the same, as all that is read is."""
    return unicodedata.normalize("NFC", string)


def teacher_forcing(
    sources: tf.Tensor, targets: tf.Tensor, num_target_symbols: int
) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """Return what `models.attention_seq2seq` is trained on; runs in a graph.

    At each step the decoder reads the target up to the step before; first it reads the boundary.

    Args:
        sources: int32 tokens `(batch, source steps)`, padded at the end.
        targets: int32 tokens `(batch, target steps)`, each ending with the boundary, padded at the end.
        num_target_symbols: Number of different target tokens.

    Returns:
        The inputs, a dictionary of int32 `source` and `target`, and the one-hot targets, float32
        `(batch, target steps, num_target_symbols)`, all 0 where there is padding.
    """
    previous = tf.pad(targets[:, :-1], [[0, 0], [1, 0]], constant_values=BOUNDARY)
    is_token = targets != PADDING
    one_hot = tf.one_hot(targets, num_target_symbols) * tf.cast(is_token[:, :, tf.newaxis], tf.float32)
    return {"source": sources, "target": tf.where(is_token, previous, PADDING)}, one_hot


def bucketed_batches(
    arrays: Sequence[Any],
    batch_size: int,
    seed: int,
    first_step: int,
    last_step: int,
    prepare: Callable[..., Any] | None = None,
    shard: Shard = WHOLE,
) -> tf.data.Dataset:
    """Return shuffled batches of sequences of about the same length, truncated to the longest of the batch.

    As with `shuffled_batches`, whose arguments these are, an epoch leaves out what does not fill a batch. Examples are
    sorted by length, those of equal length in random order, and the batches shuffled. The arrays are tokens `(examples,
    steps)`, padded at the end, of which the length in the last one counts first; or they have one axis, as labels do.
    `prepare` is a function of the batches alone. A shard has as many steps as the whole batch. If its targets are
    sequences, weights come with what `prepare` returns, float32 `(examples, steps)`: a loss is the mean over the tokens
    of a shard, and shards have different numbers of them. With the weights, the mean of their losses is the whole's.
    """
    tensors = tuple(map(tf.constant, arrays))
    sequences = [tensor for tensor in tensors if tensor.shape.rank > 1]
    lengths = [tf.math.count_nonzero(tokens, axis=1, dtype=tf.int32) for tokens in sequences]
    examples = len(arrays[0])
    steps_per_epoch = examples // batch_size

    def batches_of(epoch):
        order = shuffled_range(examples, steps_per_epoch * batch_size, seed, epoch)
        for length in lengths:
            order = tf.gather(order, tf.argsort(tf.gather(length, order), stable=True))
        batches = tf.reshape(order, [steps_per_epoch, batch_size])
        order_of_batches = shuffled_range(steps_per_epoch, steps_per_epoch, seed + 1, epoch)
        return tf.data.Dataset.from_tensor_slices(tf.gather(batches, order_of_batches))

    def batch(order):
        longest = iter([tf.reduce_max(tf.gather(length, order)) for length in lengths])
        batches = [tf.gather(tensor, shard.of(order)) for tensor in tensors]
        batches = [batch[:, : next(longest)] if batch.shape.rank > 1 else batch for batch in batches]
        prepared = prepare(*batches) if prepare else batches
        if shard.count == 1 or batches[-1].shape.rank == 1:
            return prepared
        tokens = tf.cast(tf.gather(lengths[-1], order), tf.float32)
        weight = shard.count * tf.reduce_sum(shard.of(tokens)) / tf.reduce_sum(tokens)
        return *prepared, tf.fill(tf.shape(batches[-1]), weight)

    epochs = tf.data.Dataset.range(first_step // steps_per_epoch, -(-last_step // steps_per_epoch))
    batches = epochs.flat_map(batches_of).skip(first_step % steps_per_epoch).take(last_step - first_step)
    return without_autotune(batches.map(batch).prefetch(4))


def without_padding(tokens: Any) -> Any:
    """Return tokens `(batch, steps)` up to the end of the longest sequence, without the padding that none needs."""
    return tokens[:, : tf.reduce_max(tf.math.count_nonzero(tokens, axis=1))]


def _read(builder, keys, split, simplify):
    """Return the `Transcriptions` of a split."""
    examples = read_all(builder, split)
    sources, targets = (examples[key].numpy() for key in keys)
    strings = [[target.decode("utf-8", "replace") for target in of_source] for of_source in targets]
    return _simplified([source.decode("utf-8", "replace") for source in sources], strings, simplify)


def _of_pairs(splits, simplify):
    return [_simplified(pairs.keys(), pairs.values(), simplify) for pairs in splits]


def _simplified(sources, targets, simplify):
    """Return `Transcriptions` of strings and of the lists of their targets, in NFC; each target is there once."""

    def learned(target):
        return simplify(normalised(target)) if simplify else normalised(target)

    return Transcriptions(
        tuple(map(normalised, sources)),
        tuple(tuple(dict.fromkeys(map(learned, of_source))) for of_source in targets),
    )


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


def _keys(builder):
    """Return the names of the text and of its transcriptions."""

    def is_text(feature):
        return type(feature) is tfds.features.Text

    complaint = "has not one text and one sequence of texts"
    return one_of_each(builder, complaint, is_text, lambda feature: is_text(getattr(feature, "feature", None)))
