"""Strings with their transcriptions."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import tensorflow_datasets as tfds

from keras_refs.datasets import alignment, files
from keras_refs.datasets.catalogue import one_of_each, open_builder, read_all, split_files
from keras_refs.datasets.pipelines import Dataset, Examples
from keras_refs.datasets.symbols import Symbols, normalised
from keras_refs.errors import UserError

if TYPE_CHECKING:
    import numpy as np


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
        splits = _of_pairs(_pairs(files.checksum(data), data, source, target, separator), simplify)
        _pairs.cache_clear()
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
    """Return the number of training sources of what `load_transcriptions` takes.

    A TFDS set is not read for it, and a table is not read again when it is loaded.
    """
    if data is not None:
        return len(_pairs(files.checksum(data), data, source, target, separator)[0])
    builder, _ = open_builder(dataset, data_dir, _keys)
    split_files(builder, train_split)
    return builder.info.splits[train_split].num_examples


@functools.lru_cache(maxsize=1)
def _pairs(checksum, data, source, target, separator):  # noqa: ARG001
    """Return what `files.read_pairs` does; once for each content, which the checksum is of."""
    return files.read_pairs(data, source, target, separator)


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


def _keys(builder):
    """Return the names of the text and of its transcriptions."""

    def is_text(feature):
        return type(feature) is tfds.features.Text

    complaint = "has not one text and one sequence of texts"
    return one_of_each(builder, complaint, is_text, lambda feature: is_text(getattr(feature, "feature", None)))
