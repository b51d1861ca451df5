"""Series of numbers in time, and the windows that forecasts are learned from."""

import dataclasses

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_refs.datasets.calendars import parse_times
from keras_refs.datasets.opening import open_builder, open_split, wrong_kind
from keras_refs.errors import UserError


@dataclasses.dataclass(frozen=True)
class Windows:
    """Examples of a forecast, in order of time.

    Attributes:
        values: float32 `(examples, window, columns)`, what was measured.
        times: int64 `(examples,)`, the first step to forecast, in hours since 1970-01-01T00:00 of the local clock.
        targets: float32 `(examples, horizon)`, what came next of the column to forecast.
    """

    values: np.ndarray
    times: np.ndarray
    targets: np.ndarray

    def __len__(self):
        return len(self.targets)

    def take(self, positions):
        """Return the windows at a slice of positions."""
        return Windows(self.values[positions], self.times[positions], self.targets[positions])


@dataclasses.dataclass(frozen=True)
class SeriesDataset:
    """The windows of a series by split, and what its metadata say of it.

    A window belongs to the split that all it forecasts lies in; it may begin in the split before.
    """

    name: str
    train: Windows
    validation: Windows
    test: Windows
    value_names: tuple[str, ...]
    citation: str
    homepage: str


def load_series(
    name, data_dir, target, window, horizon, longest_step, validation_fraction, train_split="train", test_split="test"
):
    """Load a series and cut it into windows.

    Args:
        name: TFDS name of a data set with a text, the time of an example in ISO 8601, and numbers: one feature, a
            scalar or a vector. The examples must be in order of time.
        data_dir: TFDS data folder; the package's own for a bundled set, else TFDS's default, if `None`.
        target: Name of the number to forecast.
        window: Steps to forecast from.
        horizon: Steps to forecast.
        longest_step: Hours that may lie between two examples; more are a gap.
        validation_fraction: Share of the training split, its end, that is held out.
        train_split: TFDS split or slice to train on.
        test_split: TFDS split or slice to score on; it must follow on the other.

    Returns:
        A `SeriesDataset`.

    Raises:
        UserError: If there is no such data set, split or number, it is of another kind or too short, or it has gaps
            or values that are no numbers.
    """
    builder = open_builder(name, data_dir, require=_keys)
    names = _value_names(builder)
    if target not in names:
        raise UserError(f"--target must be one of {', '.join(names)}. Received: {target}")
    parts = [_read(builder, split) for split in (train_split, test_split)]
    times, values = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    _require_no_gap(name, times, longest_step)
    _require_finite(name, times, values, names)
    first_of_test = len(parts[0][0])
    first_of_validation = round(first_of_test * (1 - validation_fraction))
    for part, length in (("training", first_of_validation), ("validation", first_of_test - first_of_validation)):
        needed = horizon + window * (part == "training")
        if length < needed:
            raise UserError(
                f"The {part} part of the data set {name!r} has {length} steps; --window {window} and --horizon "
                f"{horizon} need {needed} there."
            )
    if len(times) - first_of_test < horizon:
        raise UserError(f"The split {test_split!r} of the data set {name!r} has fewer than --horizon {horizon} steps.")
    windows = _cut(times, values, names.index(target), window, horizon)
    # The first step that window number i forecasts is step i + window of the series.
    validation, test = (max(0, step - window) for step in (first_of_validation, first_of_test))
    return SeriesDataset(
        name=name,
        train=windows.take(slice(0, validation - horizon + 1)),
        validation=windows.take(slice(validation, test - horizon + 1)),
        test=windows.take(slice(test, None)),
        value_names=names,
        citation=builder.info.citation,
        homepage=builder.info.homepage,
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
    features = builder.info.features
    times = [key for key, feature in features.items() if isinstance(feature, tfds.features.Text)]
    values = [
        key
        for key, feature in features.items()
        if feature.shape is not None and len(feature.shape) <= 1 and np.issubdtype(feature.np_dtype, np.floating)
    ]
    if len(times) != 1 or len(values) != 1:
        raise wrong_kind(builder, "is no series of one text, the time, and one number or vector of numbers")
    return times[0], values[0]


def _value_names(builder):
    _, key = _keys(builder)
    shape = builder.info.features[key].shape
    return tuple((builder.info.metadata or {}).get("value_names") or map(str, range(shape[0]))) if shape else (key,)


def _read(builder, split):
    """Return the times, int64 hours, and the values, float32 `(steps, columns)`, of a split."""
    time_key, value_key = _keys(builder)
    dataset = open_split(builder, split)
    examples = dataset.batch(max(1, dataset.cardinality().numpy())).get_single_element()
    try:
        times = parse_times(examples[time_key]).numpy()
    except tf.errors.InvalidArgumentError as error:
        raise UserError(f"In the data set {builder.name!r} {error.message.splitlines()[-1]}") from error
    return times, examples[value_key].numpy().astype("float32").reshape(len(times), -1)


def _require_no_gap(name, times, longest_step):
    steps = np.diff(times)
    bad = np.flatnonzero((steps <= 0) | (steps > longest_step))
    if len(bad):
        raise UserError(
            f"The data set {name!r} has {len(bad)} gaps or steps back in time; the first is from "
            f"{_written(times[bad[0]])} to {_written(times[bad[0] + 1])}. Every step must be later than the one "
            f"before, by at most {longest_step} hours."
        )


def _require_finite(name, times, values, names):
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        step, column = bad[0]
        raise UserError(
            f"The data set {name!r} has {len(bad)} values that are no finite numbers; the first is {names[column]!r} "
            f"at {_written(times[step])}."
        )


def _written(hours):
    return str(np.datetime64(int(hours), "h")) + ":00"
