"""Series of numbers in time: the windows to forecast from."""

import dataclasses

import numpy as np
import tensorflow_datasets as tfds

from keras_refs.datasets.calendars import Calendar, load_calendar
from keras_refs.datasets.catalogue import one_of_each, open_builder, read_all, require_none
from keras_refs.datasets.pipelines import Dataset, Examples
from keras_refs.errors import UserError


@dataclasses.dataclass(frozen=True)
class Windows(Examples):
    """Examples of a forecast, in order of time.

    Attributes:
        values: float32 `(examples, window, columns)`, the past.
        times: int64 `(examples,)`, the first step to forecast, in hours since 1970-01-01T00:00 of the local clock.
        targets: float32 `(examples, horizon)`, the steps to forecast of the target's column.
    """

    values: np.ndarray
    times: np.ndarray
    targets: np.ndarray

    @property
    def iso_times(self):
        """The times as ISO 8601 strings without seconds, `(examples,)`."""
        return _iso(self.times)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeriesDataset(Dataset):
    """The `Windows` of a series by split, what its metadata say of it, and the calendar of its times.

    A window belongs to the split that all steps to forecast lie in; it may begin in the split before.
    """

    value_names: tuple[str, ...]
    target: str
    calendar: Calendar

    @property
    def target_column(self):
        """Index of the target among the columns."""
        return self.value_names.index(self.target)


def load_series(
    dataset,
    data_dir,
    target,
    window,
    horizon,
    longest_step,
    validation_fraction,
    train_split="train",
    test_split="test",
    holidays="",
    hourly=False,
):
    """Load a `SeriesDataset`; what all loaders take and raise is in `keras_refs.datasets`.

    Args:
        dataset: A data set in order of time, with a text, the time in ISO 8601, and one feature of numbers.
        data_dir: TFDS data folder.
        target: Name of the column to forecast.
        window: Length of the window to forecast from, in steps.
        horizon: Steps to forecast.
        longest_step: Maximum number of hours between two examples; more are a gap.
        validation_fraction: Fraction of the training split, its end, that is held out.
        train_split: TFDS split or slice to train on.
        test_split: TFDS split or slice to score on; it must follow on the other.
        holidays: Whose holidays the calendar has, see `load_calendar`.
        hourly: Whether the calendar has the hour of the day.

    Raises:
        UserError: Also if column or calendar do not exist, or the series is too short, has gaps or invalid values.
    """
    calendar = load_calendar(holidays, hourly)
    builder, keys = open_builder(dataset, data_dir, _keys)
    names = _value_names(builder, keys[1])
    if target not in names:
        raise UserError(f"--target must be one of {', '.join(names)}. Received: {target}")
    parts = [_read(builder, keys, split) for split in (train_split, test_split)]
    times, values = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    _check(dataset, times, values, names, longest_step)
    first_of_test = len(parts[0][0])
    first_of_validation = round(first_of_test * (1 - validation_fraction))
    lengths = first_of_validation, first_of_test - first_of_validation, len(times) - first_of_test
    _require_long_enough(dataset, lengths, window, horizon)
    windows = _cut(times, values, names.index(target), window, horizon)
    # The first step that window number i forecasts is step i + window of the series.
    validation, test = (max(0, step - window) for step in (first_of_validation, first_of_test))
    slices = slice(0, validation - horizon + 1), slice(validation, test - horizon + 1), slice(test, None)
    return SeriesDataset.from_builder(
        dataset, builder, map(windows.take, slices), value_names=names, target=target, calendar=calendar
    )


def _require_long_enough(dataset, lengths, window, horizon):
    needed = {"training": window + horizon, "validation": horizon, "test": horizon}
    for (part, steps), length in zip(needed.items(), lengths, strict=True):
        if length < steps:
            raise UserError(
                f"The {part} part of the data set {dataset!r} has {length} steps; --window {window} and --horizon "
                f"{horizon} need {steps} there."
            )


def _cut(times, values, target, window, horizon):
    view = np.lib.stride_tricks.sliding_window_view
    count = len(times) - window - horizon + 1
    return Windows(
        values=np.moveaxis(view(values, window, axis=0)[:count], -1, 1),
        times=times[window : window + count],
        targets=view(values[window:, target], horizon),
    )


def _keys(builder):
    """Return the names of the time and of the numbers."""

    def has_values(feature):
        shape = feature.shape
        return shape is not None and len(shape) <= 1 and np.issubdtype(feature.np_dtype, np.floating)

    complaint = "is no series of one text, the time, and one number or vector of numbers"
    return one_of_each(builder, complaint, lambda feature: isinstance(feature, tfds.features.Text), has_values)


def _value_names(builder, key):
    shape = builder.info.features[key].shape
    return tuple((builder.info.metadata or {}).get("value_names") or map(str, range(shape[0]))) if shape else (key,)


def _read(builder, keys, split):
    """Return the times, int64 hours, and the values, float32 `(steps, columns)`, of a split."""
    examples = read_all(builder, split)
    strings, values = examples[keys[0]], examples[keys[1]].numpy().astype("float32")
    bad = strings.numpy()[~is_time(strings).numpy()]
    require_none(builder.name, bad, f"times that are not {TIME}", lambda time: repr(time.decode(errors="replace")))
    return parse_times(strings).numpy(), values.reshape(len(values), -1)


def _iso(times):
    return np.datetime_as_string(times.astype("datetime64[h]"), unit="m")


def _check(dataset, times, values, names, longest_step):
    """Refuse gaps between the times, and values that are not finite."""
    iso, steps = _iso(times), np.diff(times)
    gaps, bad = np.flatnonzero((steps <= 0) | (steps > longest_step)), np.argwhere(~np.isfinite(values))
    rule = f"Every step must be later than the one before, by at most {longest_step} hours"
    require_none(dataset, gaps, "gaps or steps back in time", lambda i: f"from {iso[i]} to {iso[i + 1]}. {rule}")
    require_none(dataset, bad, "values that are no finite numbers", lambda at: f"{names[at[1]]!r} at {iso[at[0]]}")
