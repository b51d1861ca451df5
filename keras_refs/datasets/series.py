"""Series of numbers in time: the windows to forecast from."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import tensorflow as tf

from keras_refs.datasets import files
from keras_refs.datasets.calendars import Calendar, load_calendar
from keras_refs.datasets.iso8601 import iso_times
from keras_refs.datasets.pipelines import WHOLE, Dataset, Examples, one_in, ordered_batches, shuffled_batches
from keras_refs.datasets.regular import regular_series
from keras_refs.datasets.series_sets import read_splits
from keras_refs.datasets.steps import Step
from keras_refs.errors import UserError

if TYPE_CHECKING:
    from keras_refs.datasets.pipelines import Shard
    from keras_refs.datasets.regular import RegularSeries

MAX_WINDOWS = 200_000
"""Of more windows not all are cut: neighbours are nearly alike."""


@dataclasses.dataclass(frozen=True)
class Windows(Examples):
    """Examples of a forecast, in order of time.

    Attributes:
        values: float32 `(examples, window, columns)`, the past.
        times: int64 `(examples,)`, the first step to forecast, in minutes since 1970-01-01T00:00 of the local
            clock.
        targets: float32 `(examples, horizon)`, the steps to forecast of the target's column.
    """

    values: np.ndarray
    times: np.ndarray
    targets: np.ndarray

    @property
    def iso_times(self) -> np.ndarray:
        """The times as ISO 8601 strings without seconds, `(examples,)`."""
        return iso_times(self.times)

    def parts(self, step: int = 1) -> Iterator[Self]:
        """Yield one in `step` of the windows, as `one_in` chooses them, a thousand at a time, in order.

        Windows of a series are views of it, which together may take thousands of times its memory.
        """
        chosen = one_in(step, len(self))
        for first in range(0, len(chosen), 1000):
            yield self.take(chosen[first : first + 1000])

    def gather(self, indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return tensors of the values, times and targets at indices, int64 `(batch,)`; runs in a graph.

        Windows of a series are views of it: only those at the indices are copied.
        """

        def select(indices):
            return [np.ascontiguousarray(array[indices]) for array in self.arrays]

        types = [array.dtype for array in self.arrays]
        tensors = tf.numpy_function(select, [indices], types, stateful=False)
        return tuple(
            tf.ensure_shape(one, [None, *array.shape[1:]]) for one, array in zip(tensors, self.arrays, strict=True)
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeriesDataset(Dataset):
    """The `Windows` of a series by split, what its metadata say of it, its step and its calendar.

    A window belongs to the split that all steps to forecast lie in; it may begin in the split before. A window begins
    `every` so many steps.
    """

    value_names: tuple[str, ...]
    target: str
    calendar: Calendar
    step: Step
    every: int = 1

    @property
    def target_column(self) -> int:
        """Index of the target among the columns."""
        return self.value_names.index(self.target)

    @property
    def horizon(self) -> int:
        """Steps to forecast."""
        return self.train.targets.shape[1]


def read_series(
    dataset: str,
    data_dir: str | Path | None,
    target: str,
    *,
    train_split: str = "train",
    test_split: str = "test",
    data: str | Path | None = None,
    time: str | None = None,
    inputs: Sequence[str] = (),
    fill_gaps: int = 0,
) -> RegularSeries:
    """Read a `RegularSeries`; what all loaders take and raise is in `keras_refs.datasets`.

    Args:
        dataset: A data set with a text, the time, and a vector of numbers or several numbers.
        data_dir: TFDS data folder.
        target: Name of the column to forecast.
        train_split: TFDS split or slice to train on.
        test_split: TFDS split or slice to score on; it must follow on the other.
        data: A table, or a folder of tables for the splits, to read in place of the data set.
        time: Name of a table's column of times; by default it is found.
        inputs: Names of the columns to forecast from, beside the target; by default all that have numbers.
        fill_gaps: How many steps or values in a row may be missing; they are filled, see `regular_series`.

    Raises:
        UserError: Also if columns do not exist, or the series has gaps or invalid values.
    """
    if data is not None:
        rows, notes = files.read_series(data, target, time, inputs)
    else:
        rows, notes = read_splits(dataset, data_dir, (train_split, test_split), target, inputs), []
    series = regular_series(rows, fill_gaps)
    return dataclasses.replace(series, notes=(*notes, *series.notes))


def cut_windows(
    series: RegularSeries,
    target: str,
    window: int,
    horizon: int,
    *,
    validation_fraction: float,
    test_fraction: float,
    holidays: str = "",
    needed: Sequence[str] = files.SPLITS,
) -> SeriesDataset:
    """Return the `SeriesDataset` of a `RegularSeries`.

    Args:
        series: The series.
        target: Name of the column to forecast.
        window: Length of the window to forecast from, in steps.
        horizon: Steps to forecast.
        validation_fraction: Fraction of the training split, its end, that is held out, if there is no validation split.
        test_fraction: Fraction of the series, its end, to score on, if there are no splits.
        holidays: Whose holidays the calendar has, see `load_calendar`.
        needed: Names of the splits that must not be empty.

    Raises:
        UserError: If the calendar does not exist, the series is too short, or the target never changes.
    """
    calendar = load_calendar(holidays, series.step.calendar_unit)
    first_of_validation, first_of_test = _starts(series, validation_fraction, test_fraction)
    lengths = first_of_validation, first_of_test - first_of_validation, len(series.times) - first_of_test
    _require_long_enough(series.name, lengths, window, horizon, needed)
    column = series.names.index(target)
    if "train" in needed:
        _require_change(series, column, first_of_validation)
    windows = _cut(series.times, series.values, column, window, horizon)
    # The first step that window number i forecasts is step i + window of the series.
    validation, test = (max(0, step - window) for step in (first_of_validation, first_of_test))
    every = _distance(len(windows))
    # A part that nothing is needed of may be shorter than the horizon.
    ends = (max(0, end - horizon + 1) for end in (validation, test, len(windows) + horizon - 1))
    limits = zip(files.SPLITS, (0, validation, test), ends, strict=True)
    splits = {name: windows.take(slice(first, end, every)) for name, first, end in limits}
    fields: dict[str, Any] = {"target": target, "calendar": calendar, "step": series.step, "every": every}
    return SeriesDataset(value_names=series.names, **series.about, **splits, **fields)


def window_batches(
    windows: Windows,
    batch_size: int,
    seed: int,
    first_step: int,
    last_step: int,
    prepare: Callable[..., Any],
    shard: Shard = WHOLE,
) -> tf.data.Dataset:
    """Return what `shuffled_batches` does of `Windows`, without a copy of them all.

    `prepare` is a function of values, times and targets of a batch that returns what to train on, in a graph.
    """
    numbers = (np.arange(len(windows)),)

    def gather(_, indices):
        return prepare(*windows.gather(indices))

    return shuffled_batches(numbers, batch_size, seed, first_step, last_step, gather, shard)


def ordered_window_batches(windows: Windows, batch_size: int, prepare: Callable[..., Any]) -> tf.data.Dataset:
    """Return batches of all `Windows` in order, as `ordered_batches` does; `prepare` is as for `window_batches`."""
    return ordered_batches((np.arange(len(windows)),), batch_size, lambda indices: prepare(*windows.gather(indices)))


def _starts(series, validation_fraction, test_fraction):
    """Return the numbers of the first step of validation and of the first step of the test."""
    if series.parts is None:
        test = len(series.times) - round(len(series.times) * test_fraction)
    else:
        validation, test = np.searchsorted(series.parts, [1, 2])
        if validation < test:
            return int(validation), int(test)
    return round(int(test) * (1 - validation_fraction)), int(test)


def _distance(windows):
    """Return how many steps apart windows begin, so that they are not too many; 1 for up to `MAX_WINDOWS`."""
    distance = -(-windows // MAX_WINDOWS)
    # Days and weeks are multiples of these numbers: windows are to begin at all times of them.
    while math.gcd(distance, 2 * 3 * 5 * 7) > 1:
        distance += 1
    return distance


def _require_long_enough(name, lengths, window, horizon, needed):
    # A window may begin in the part before, if there is one.
    of_test = horizon + max(0, window - sum(lengths[:2]))
    least = {"training": window + horizon, "validation": horizon, "test": of_test}
    for split, (part, steps), length in zip(files.SPLITS, least.items(), lengths, strict=True):
        if length < steps and split in needed:
            raise UserError(
                f"The {part} part of {name} has {length} steps; --window {window} and --horizon {horizon} need {steps} "
                "there."
            )


def _require_change(series, column, steps):
    values = series.values[:steps, column]
    if (values == values[0]).all():
        raise UserError(
            f"The target {series.names[column]!r} of {series.name} is {values[0]:g} at all {steps:,} steps of the "
            "training part: there is nothing to forecast."
        )


def _cut(times, values, target, window, horizon):
    view = np.lib.stride_tricks.sliding_window_view
    count = len(times) - window - horizon + 1
    return Windows(
        values=np.moveaxis(view(values, window, axis=0)[:count], -1, 1),
        times=times[window : window + count],
        targets=view(values[window:, target], horizon),
    )
