"""What the recipes that forecast a series share, beside the steps of a training."""

import dataclasses

import numpy as np

from keras_refs import datasets, evaluation, export
from keras_refs.errors import UserError
from keras_refs.settings import Count, CountOrZero, Fraction, Rate, Settings, SplitData, flatten

LIMITS = (
    "It forecasts from the past of the series and the calendar alone: it does not foresee events or a change of regime "
    "that\nthe training data do not have, and its forecasts have no intervals. Its scores are of the time right after "
    "the training split."
)


DAY, WEEK, YEAR = 24 * 60, 7 * 24 * 60, 366 * 24 * 60
READING = ("dataset", "data_dir", "target", "train_split", "test_split", "data", "time", "inputs", "fill_gaps")
CUTTING = ("target", "window", "horizon", "validation_fraction", "test_fraction", "holidays")
CHOSEN = ("window", "horizon", "season", "steps_per_reading")
OTHER_DATA = {"target": "", "window": 0, "horizon": 0, "season": 0, "steps_per_reading": 0, "holidays": ""}
"""Defaults for data that are not a recipe's own: what fits them follows from their step."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeriesData(SplitData):
    """A data set that is one series in time, and the windows that are cut from it."""

    target: str
    """Name of the column to forecast."""
    inputs: tuple[str, ...] = ()
    """Columns to forecast from, beside the target; by default all that have numbers."""
    time: str | None = None
    """Column of the times in a table given by --data; by default found."""
    fill_gaps: CountOrZero = 0
    """Fill up to so many missing steps or values in a row, on a line between their neighbours; 0 refuses any."""
    window: CountOrZero
    """Length of the window to forecast from, in steps; 0 chooses by the step of the data."""
    horizon: CountOrZero
    """Steps to forecast; 0 chooses by the step of the data."""
    season: CountOrZero
    """Seasonal period in steps; the network predicts the residual of the seasonal-naive forecast. 0 chooses by the step
    of the data."""
    steps_per_reading: CountOrZero = 1
    """Steps of the series that the network reads at once; the window must be a multiple. 0 chooses by the step."""
    holidays: str
    """Holiday calendar: ISO code of a country or a market, such as PT or XNYS; empty for none."""
    validation_fraction: Fraction = 0.15
    """Fraction of the training split, its end, that is held out to choose the best epoch."""
    test_fraction: Fraction = 0.15
    """Fraction of a table given by --data, its end, to score on once; not where it has a column split, or files."""

    def __post_init__(self):
        super().__post_init__()
        if self.data is None and self.time is not None:
            raise UserError("--time names a column of a file: name the file with --data.")
        if self.window and self.steps_per_reading and self.window % self.steps_per_reading:
            raise UserError(
                f"--window must be a multiple of --steps-per-reading, {self.steps_per_reading}. Received: {self.window}"
            )
        if self.window and self.season > self.window:
            raise UserError(f"--season must be at most --window, {self.window}. Received: {self.season}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network(Settings):
    """Arguments of the builder."""

    units: tuple[Count, ...]
    """Width of each recurrent layer."""
    dropout: Rate = 0.0
    """Dropout rate on the inputs of every recurrent layer except the first."""


def load(settings):
    """Return the `datasets.SeriesDataset` and the `datasets.SeriesEncoder` of its training windows."""
    reading = {name: getattr(settings, name) for name in READING}
    series = datasets.read_series(**reading)
    chosen = by_step(settings, series.step)
    for note in series.notes:
        print(note)
    if chosen != settings:
        print(f"By the step of {series.step}: {_described(settings, chosen)}.")
    cutting = {name: getattr(chosen, name) for name in CUTTING}
    data = datasets.cut_windows(series, **cutting)
    return data, datasets.SeriesEncoder.fit(data, chosen.season, chosen.steps_per_reading)


def by_step(settings, step):
    """Return a `SeriesData` in which what is 0 is chosen by the step of the data, a `datasets.steps.Step`."""
    window, horizon, season, steps_per_reading = _lengths(step)
    window = settings.window or window
    return dataclasses.replace(
        settings,
        window=window,
        horizon=settings.horizon or horizon,
        season=settings.season or (season if season <= window else 1),
        steps_per_reading=settings.steps_per_reading or (1 if window % steps_per_reading else steps_per_reading),
    )


def _lengths(step):
    """Return window, horizon, season and steps per reading: a week by days, or about two months or years by seasons."""
    if step.unit == "business day":
        week = step.days.count("1")
        return 8 * week, week, week, week
    if step.calendar_unit == "month":
        year = max(1, round(YEAR / step.minutes))
        if year > 12:
            month = max(1, round(year / 13))
            return year - year % month, month, year - year % month, month
        return max(3 * year, 10 if year == 1 else 0), year, year, year
    if step.calendar_unit == "day":
        week = max(1, round(WEEK / step.minutes))
        return 8 * week, week, week, week
    if step.minutes < 15:
        hour = round(60 / step.minutes)
        return 24 * hour, hour, 24 * hour, hour
    day = round(DAY / step.minutes)
    return 7 * day, day, day, day


def _described(settings, chosen):
    names = [name for name in CHOSEN if getattr(settings, name) != getattr(chosen, name)]
    return ", ".join(f"--{name.replace('_', '-')} {getattr(chosen, name)}" for name in names)


def on_card(config, data):
    """Return the settings for the model card by name, with what was chosen by the step of the data."""
    chosen = by_step(config.data, data.step)
    return {**flatten(config), **{name: getattr(chosen, name) for name in CHOSEN}}


def input_shape(settings, data):
    """Return the `(readings, features)` of what `datasets.SeriesEncoder.inputs` returns, without the batch."""
    chosen = by_step(settings, data.step)
    steps = chosen.steps_per_reading
    return chosen.window // steps, len(data.value_names) * steps + data.calendar.width


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
