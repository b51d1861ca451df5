"""What the recipes that forecast a series share, beside the steps of a training."""

import dataclasses

import numpy as np

from keras_refs import datasets, evaluation, export
from keras_refs.errors import UserError
from keras_refs.settings import Count, Fraction, Rate, Settings, SplitData

LIMITS = (
    "It forecasts from the past of the series and the calendar alone: it does not foresee events or a change of regime "
    "that\nthe training data do not have, and its forecasts have no intervals. Its scores are of the time right after "
    "the training split."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeriesData(SplitData):
    """A data set that is one series in time, and the windows that are cut from it."""

    target: str
    """Name of the column to forecast."""
    window: Count
    """Length of the window to forecast from, in steps."""
    horizon: Count
    """Steps to forecast."""
    season: Count
    """Seasonal period in steps; the network predicts the residual of the seasonal-naive forecast."""
    steps_per_reading: Count = 1
    """Steps of the series that the network reads at once; the window must be a multiple of them."""
    holidays: str
    """Holiday calendar: ISO code of a country or a market, such as PT or XNYS; empty for none."""
    validation_fraction: Fraction = 0.15
    """Fraction of the training split, its end, that is held out to choose the best epoch."""

    def __post_init__(self):
        super().__post_init__()
        if self.window % self.steps_per_reading:
            raise UserError(
                f"--window must be a multiple of --steps-per-reading, {self.steps_per_reading}. Received: {self.window}"
            )
        if self.season > self.window:
            raise UserError(f"--season must be at most --window, {self.window}. Received: {self.season}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network(Settings):
    """Arguments of the builder."""

    units: tuple[Count, ...]
    """Width of each recurrent layer."""
    dropout: Rate = 0.0
    """Dropout rate on the inputs of every recurrent layer except the first."""


def load(settings, hourly, longest_step):
    """Return the `datasets.SeriesDataset` and the `datasets.SeriesEncoder` of its training windows.

    `hourly` says whether the steps are hours, so that the hour of the day matters. More hours than `longest_step`
    between two steps are a gap.
    """
    options = dict(vars(settings))
    if options.pop("data") is not None:
        raise UserError("--data is not for a series, which is read from a TFDS data set.")
    season, steps_per_reading = options.pop("season"), options.pop("steps_per_reading")
    data = datasets.load_series(**options, hourly=hourly, longest_step=longest_step)
    return data, datasets.SeriesEncoder.fit(data, season, steps_per_reading)


def input_shape(settings, data):
    """Return the `(readings, features)` of what `datasets.SeriesEncoder.inputs` returns, without the batch."""
    steps = settings.steps_per_reading
    return settings.window // steps, len(data.value_names) * steps + data.calendar.width


def evaluate(folder, data, encoder):
    """Return the scores of an export on the test windows, beside those of the references."""
    test = data.test
    forecasts = export.SavedFunction(folder).predict(series=test.values, time=test.iso_times)["forecast"]
    return evaluation.regression_metrics(test.targets, forecasts, reference_forecasts(data, encoder))


def format_scores(scores):
    """Return the scores of the references, then the model's."""
    return evaluation.format_regression_metrics(scores)


def reference_forecasts(data, encoder):
    """Return the forecasts of the test windows that a model must beat, by name.

    Beside the naive ones these are ridge regressions of the same windows, alone, with the clock, and with the whole
    calendar.
    """
    import tensorflow as tf

    parts = data.train, data.validation, data.test
    seasonal = encoder.naive(data.test.values).numpy()
    last_value = data.test.values[:, -1:, data.target_column]
    references = {"persistence": np.repeat(last_value, seasonal.shape[1], axis=1)}
    if encoder.season > 1:
        references[f"{encoder.season} steps before"] = seasonal
    windows = [datasets.standardize(part.values, encoder.scaler).reshape(len(part), -1) for part in parts]
    clocks, calendars = (
        [np.hstack([window, features(tf.constant(part.times))]) for window, part in zip(windows, parts, strict=True)]
        for features in (data.calendar.clock, data.calendar.features)
    )
    for name, inputs in {"ridge": windows, "ridge, clock": clocks, "ridge, calendar": calendars}.items():
        train, validation = ((inputs[part], parts[part].targets) for part in range(2))
        references[name] = evaluation.ridge_predictions(train, validation, inputs[2])
    return references


def save_influence(folder, data, encoder, path):
    """Draw how strongly each step of the network's residual depends on each value of the window.

    That is the mean over test windows of the absolute derivative, times the standard deviation of the column. The
    seasonal-naive forecast depends on one step alone, and the calendar is no part of the window: both are left out.
    """
    network, test = export.load_model(folder), data.test
    sample = test.take(slice(None, None, 1 + len(test) // 300))

    def residuals(values):
        return encoder.forecast(network, values, sample.times) - encoder.naive(values)

    gradients = [
        evaluation.input_gradients(residuals, sample.values, np.full(len(sample), step))
        for step in range(test.targets.shape[1])
    ]
    influence = np.mean(np.abs(gradients), axis=1) * encoder.scaler.scale_
    label = f"{data.target}, change for\none standard deviation"
    evaluation.save_influence(influence.transpose(2, 0, 1), data.value_names, label, path)
