"""What goes around a trained network, in NumPy: from texts, tables and series to its inputs, as its export does it.

Each object is called with what the export's signature takes, and returns what the network takes. `restore`, where there
is one, turns the network's outputs into what the signature returns.
"""

import dataclasses
import math
import os
import typing
import unicodedata
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_refs.errors import UserError, first_line

PREPROCESSING = Path("assets.extra") / "preprocessing.npz"
"""In a version folder; servers leave it alone."""
PADDING, UNKNOWN = 0, 1
BITS = 21
"""Bits of a Unicode code point: three fit into an int64."""
SPACE, MULTIPLIER = ord(" "), 0x9E3779B97F4A7C15 - 2**64
"""What stands before a text, and the factor of the hashes of n-grams."""
NEAR_DAYS = range(-7, 4)
"""Days around the one in question whose holidays matter: a week back, and the next three, over a weekend."""


@dataclasses.dataclass(frozen=True)
class Unchanged:
    """For networks that take what the signature takes: raw pixels, latents, sequences."""

    def __call__(self, inputs: Any) -> np.ndarray:
        """Return the inputs, float32."""
        return np.asarray(inputs, "float32")


@dataclasses.dataclass(frozen=True)
class Table:
    """Standardises the columns of a table.

    Attributes:
        mean: Of each column, float32 `(columns,)`.
        scale: Standard deviation of each column.
        target_mean: Of the target, float32 `(1,)`; `None` for classes.
        target_scale: Its standard deviation.
    """

    mean: np.ndarray
    scale: np.ndarray
    target_mean: np.ndarray | None = None
    target_scale: np.ndarray | None = None

    def __call__(self, features: Any) -> np.ndarray:
        """Return standardised features, float32, of raw ones `(batch, columns)`."""
        return (np.asarray(features, "float32") - self.mean) / self.scale

    def restore(self, outputs: Any) -> np.ndarray:
        """Return predictions in units of the data, of outputs `(batch, 1)`; those of classes unchanged."""
        outputs = np.asarray(outputs)
        return outputs if self.target_mean is None else outputs * self.target_scale + self.target_mean


@dataclasses.dataclass(frozen=True)
class Ngrams:
    """Turns texts into the tokens of `datasets.NgramTokens` or, with `channels`, of `datasets.NgramChannels`.

    Attributes:
        n: Characters of the longest n-gram.
        vocabulary: int64, sorted: the n-grams, or with `channels` their hashes. The first stands for token 2.
        length: Characters that are read of a text.
        channels: Whether a character has a token for each n-gram from 1 to `n` that ends with it.
    """

    n: int
    vocabulary: np.ndarray
    length: int
    channels: bool = False

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Return the tokens, int32 `(batch, length)` or `(batch, length, n)`, 0 after the end of a text."""
        codes = np.full((len(texts), self.length), -1, "int64")
        for row, text in zip(codes, texts, strict=True):
            characters = text[: self.length]
            row[: len(characters)] = list(map(ord, characters))
        before = np.full((len(texts), self.n - 1), SPACE, "int64")
        padded = np.concatenate([before, codes], axis=1)
        ngrams = self._hashes(padded) if self.channels else self._joined(padded)
        place = np.minimum(np.searchsorted(self.vocabulary, ngrams), len(self.vocabulary) - 1)
        tokens = np.where(self.vocabulary[place] == ngrams, place + 2, UNKNOWN)
        is_text = codes >= 0
        return np.where(is_text[..., np.newaxis] if self.channels else is_text, tokens, PADDING).astype("int32")

    def _joined(self, padded):
        parts = (padded[:, at : at + self.length] * 2 ** (BITS * (self.n - 1 - at)) for at in range(self.n))
        return sum(parts)

    def _hashes(self, padded):
        hashes, ngram = [], np.zeros((len(padded), self.length), "int64")
        for first in range(self.n - 1, -1, -1):
            # What overflows an int64 is cut off.
            ngram = ngram * np.int64(MULTIPLIER) + padded[:, first : first + self.length] + 1
            hashes.append(ngram)
        return np.stack(hashes, axis=-1)


@dataclasses.dataclass(frozen=True)
class Symbols:
    """Turns strings into the tokens of `datasets.Symbols`, and tokens of the target into strings.

    Attributes:
        symbols: The characters that are read, each once; the first is token 2.
        lower_case: Whether strings are converted to lower case.
        length: Characters that are read of a string.
        target_symbols: What the network's target tokens from 2 on stand for; 1 is the boundary.
        separator: What stands between two of them in a string.
    """

    symbols: tuple[str, ...]
    lower_case: bool
    length: int
    target_symbols: tuple[str, ...]
    separator: str = ""

    def __call__(self, strings: Sequence[str]) -> np.ndarray:
        """Return the tokens of the source, int32 `(batch, steps)`, padded with 0 to the longest, at least one step."""
        numbers = {symbol: number for number, symbol in enumerate(self.symbols, start=2)}
        rows = []
        for string in strings:
            string = unicodedata.normalize("NFC", string.lower() if self.lower_case else string)
            rows.append([numbers[character] for character in string if character in numbers][: self.length])
        tokens = np.zeros((len(rows), max([1, *map(len, rows)])), "int32")
        for row, of_row in zip(tokens, rows, strict=True):
            row[: len(of_row)] = of_row
        return tokens

    def restore(self, tokens: Any) -> list[str]:
        """Return the strings of target tokens, integers `(batch, steps)`, up to the first boundary of each."""
        strings = []
        for row in np.asarray(tokens):
            symbols = [self.target_symbols[token - 2] for token in row[: _end(row)] if token >= 2]
            strings.append(self.separator.join(symbol for symbol in symbols if symbol))
        return strings


def _end(row):
    ends = np.flatnonzero(row == 1)
    return ends[0] if len(ends) else len(row)


@dataclasses.dataclass(frozen=True)
class Windows:
    """What a network reads of a window of a series, and what its outputs mean: see `datasets.SeriesEncoder`.

    Attributes:
        mean: Of each column, float32 `(columns,)`.
        scale: Standard deviation of each column.
        steps_per_reading: Steps of the series that the network reads at once.
        centred: Whether it reads differences from the mean of the window.
        unit: Which parts of a time it reads: `"minute"`, `"hour"`, `"day"` or `"month"`.
        holidays: Days since 1970-01-01, sorted, of each kind of holiday.
        target_column: Index of the target among the columns.
        kernel: Of the linear forecast, float32 `(window * columns + calendar + 1, horizon)`.
        residual_scale: What the network's outputs are multiplied by, before they are added to the linear forecast.
        margins: What is added to a forecast for the bounds of its interval, float32 `(2, horizon)`.
    """

    mean: np.ndarray
    scale: np.ndarray
    steps_per_reading: int
    centred: bool
    unit: str
    holidays: tuple[np.ndarray, ...]
    target_column: int
    kernel: np.ndarray
    residual_scale: np.ndarray | np.floating
    margins: np.ndarray

    def __call__(self, series: Any, time: Any) -> np.ndarray:
        """Return the network's inputs, float32 `(batch, readings, features)`.

        Args:
            series: Raw windows, `(batch, window, columns)`.
            time: The first step to forecast, `(batch,)`: `numpy.datetime64`, or strings such as `2014-12-25T18:00`.
        """
        window = self._standardized(series)
        if self.centred:
            window = window - window.mean(axis=1, keepdims=True)
        readings = window.shape[1] // self.steps_per_reading
        window = window.reshape(len(window), readings, -1)
        calendar = np.repeat(self.calendar(time)[:, np.newaxis], readings, axis=1)
        return np.concatenate([window, calendar], axis=2)

    def restore(self, outputs: Any, series: Any, time: Any) -> dict[str, np.ndarray]:
        """Return `forecast`, `lower` and `upper` in units of the data, each float32 `(batch, horizon)`.

        `outputs` are the network's, `(batch, horizon)`; the other arguments are those of the call.
        """
        window = self._standardized(series)
        ones = np.ones((len(window), 1), "float32")
        linear = np.concatenate([window.reshape(len(window), -1), self.calendar(time), ones], axis=1) @ self.kernel
        column = self.target_column
        forecast = self.mean[column] + self.scale[column] * linear + self.residual_scale * np.asarray(outputs)
        return {"forecast": forecast, "lower": forecast + self.margins[0], "upper": forecast + self.margins[1]}

    def calendar(self, time: Any) -> np.ndarray:
        """Return the features of times, float32 `(batch, width)`; those of `datasets.Calendar`."""
        times = np.asarray(time, "datetime64[m]")
        days, minutes = times.astype("datetime64[D]").astype("int64"), times.astype("int64")
        if self.unit == "month":
            parts = [np.eye(12)[times.astype("datetime64[M]").astype("int64") % 12]]
        else:
            # 1970-01-01 was a Thursday.
            parts = [np.eye(7)[(days + 3) % 7]]
        if self.unit in ("minute", "hour"):
            parts.append(np.eye(24)[minutes // 60 % 24])
        if self.unit == "minute":
            angle = (minutes % 1440)[:, np.newaxis] * (2 * math.pi / 1440)
            parts += [np.sin(angle), np.cos(angle)]
        parts += [np.isin(days[:, np.newaxis] + NEAR_DAYS, holidays) for holidays in self.holidays]
        return np.concatenate(parts, axis=1).astype("float32")

    def _standardized(self, series):
        return (np.asarray(series, "float32") - self.mean) / self.scale


Preprocessor = Unchanged | Table | Ngrams | Symbols | Windows
_KINDS = {kind.__name__: kind for kind in typing.get_args(Preprocessor)}


def write(folder: str | os.PathLike, preprocess: Preprocessor) -> None:
    """Write an object into a version folder, for `read`."""
    values = {field.name: getattr(preprocess, field.name) for field in dataclasses.fields(preprocess)}
    # Arrays of different lengths.
    values |= {f"holidays{number}": days for number, days in enumerate(values.pop("holidays", ()))}
    path = Path(folder) / PREPROCESSING
    path.parent.mkdir(exist_ok=True)
    arrays = {name: value for name, value in values.items() if value is not None}
    np.savez_compressed(path, kind=type(preprocess).__name__, **arrays)


def read(folder: str | os.PathLike) -> Preprocessor:
    """Return what `write` wrote.

    Raises:
        UserError: If there is none, or it cannot be read.
    """
    path = Path(folder) / PREPROCESSING
    if not path.exists():
        raise UserError(f"{folder} does not say how its inputs are made: it has no {PREPROCESSING}.")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        kind = _KINDS[str(arrays.pop("kind"))]
        if kind is Windows:
            arrays["holidays"] = tuple(arrays.pop(name) for name in sorted(arrays) if name.startswith("holidays"))
        return kind(**{name: _plain(value) for name, value in arrays.items()})
    except (EOFError, KeyError, OSError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} cannot be read: {first_line(error)}") from error


def _plain(value):
    """Return numbers and texts as Python has them, arrays of texts as tuples, and others as they are."""
    if isinstance(value, tuple) or (value.ndim and value.dtype.kind != "U"):
        return value
    return tuple(value.tolist()) if value.ndim else value.item()
