"""What the recipes that forecast a series share, beside the steps of a training."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_refs import datasets, evaluation, export
from keras_refs.errors import UserError
from keras_refs.recipes.series_references import reference_forecasts
from keras_refs.settings import Count, CountOrZero, Fraction, Rate, Settings, SplitData, Training, require_file

if TYPE_CHECKING:
    import keras

LIMITS = (
    "It forecasts from the past of the series and the calendar alone: it does not foresee events or a change of regime "
    "that\nthe training data do not have. Its intervals are as wide as errors in the later half of the training split "
    "were;\nlater still they may hold more or fewer of the true values than 80 %. Its scores are of the time right "
    "after the\ntraining split."
)


DAY, WEEK, YEAR = 24 * 60, 7 * 24 * 60, 366 * 24 * 60
READING = ("dataset", "data_dir", "target", "train_split", "test_split", "data", "time", "inputs", "fill_gaps")
CUTTING = ("target", "window", "horizon", "validation_fraction", "test_fraction", "holidays")
CHOSEN = ("window", "horizon", "season", "steps_per_reading")
OTHER_DATA = {"target": "", "window": 0, "horizon": 0, "season": 0, "steps_per_reading": 0, "holidays": ""}
OTHER_DATA |= {"batch_size": 0}
"""Defaults for data that are not a recipe's own: what fits them follows from their step and their number."""


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
    """Seasonal period in steps, of the forecast that repeats the last season; 0 chooses by the step of the data."""
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
        require_file(self, "time")
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeriesTraining(Training):
    """How long and how fast a network learns."""

    batch_size: CountOrZero
    """Examples per training step, over all devices together; 0 chooses by the number of training windows."""


def load(
    settings: SeriesData, needed: Sequence[str] = ("train", "validation", "test")
) -> tuple[datasets.SeriesDataset, datasets.SeriesEncoder]:
    """Return the `datasets.SeriesDataset` and the `datasets.SeriesEncoder` of its training windows.

    `needed` has the names of the splits that must not be empty: to score an export, test alone.
    """
    reading = {name: getattr(settings, name) for name in READING}
    series = datasets.read_series(**reading)
    chosen = by_step(settings, series.step)
    for note in series.notes:
        print(note)
    if chosen != settings:
        print(f"By the step of {series.step}: {_described(settings, chosen)}.")
    cutting = {name: getattr(chosen, name) for name in CUTTING}
    data = datasets.cut_windows(series, **cutting, needed=needed)
    if settings.data is not None:
        uses = {"examples to train on": data.train, "to validate on": data.validation, "to score on": data.test}
        print(f"{data.name}: {', '.join(f'{len(part):,} {use}' for use, part in uses.items())}, by time.")
    if data.every > 1:
        print(f"There are so many windows that one is cut every {data.every} steps.")
    return data, datasets.SeriesEncoder.fit(data, chosen.season, chosen.steps_per_reading)


def by_step(settings: SeriesData, step: Any) -> SeriesData:
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


def chosen_settings(config: Any, data: datasets.SeriesDataset) -> dict[str, Any]:
    """Return by name the settings for the model card that the data decided: columns, lengths and the batch size."""
    chosen = by_step(config.data, data.step)
    by_data = {"inputs": list(data.value_names), "batch_size": batch_size(config, data)}
    return {**by_data, **{name: getattr(chosen, name) for name in CHOSEN}}


def batch_size(config: Any, data: datasets.SeriesDataset) -> int:
    """Return the examples per training step; chosen, it is at most 128, for at least 16 steps an epoch."""
    return config.training.batch_size or min(128, max(1, len(data.train) // 16))


def input_shape(settings: SeriesData, data: datasets.SeriesDataset) -> tuple[int, int]:
    """Return the `(readings, features)` of what `datasets.SeriesEncoder.inputs` returns, without the batch."""
    chosen = by_step(settings, data.step)
    steps = chosen.steps_per_reading
    return chosen.window // steps, len(data.value_names) * steps + data.calendar.width


def calibrate(
    network: keras.Model,
    encoder: datasets.SeriesEncoder,
    exported: datasets.SeriesEncoder,
    data: datasets.SeriesDataset,
) -> tuple[datasets.SeriesEncoder, np.ndarray, dict[str, Any]]:
    """Return the encoder and the interval's margins for an export, and what the model card says of them.

    The validation split says how far to trust the network: where it does not reliably help, the export is the linear
    forecast alone. The margins are `evaluation.interval_margins` of the residuals there, and in earlier folds.

    Args:
        network: The trained network.
        encoder: The `datasets.SeriesEncoder` that it was trained with.
        exported: The one whose linear forecast knows the validation split, too.
        data: The `datasets.SeriesDataset`.
    """
    outputs, wanted = _outputs(network, encoder, data.validation)
    weight = evaluation.reliable_weight(outputs, wanted)
    mixed = {name: round(part, 2) for name, part in encoder.linear.weights.items() if part >= 0.005}
    print(f"The linear forecast is {', '.join(f'{part:.0%} {name}' for name, part in mixed.items())}.")
    before, after = (_rms(wanted - factor * outputs) for factor in (0, weight))
    left = after / before if weight else 1.0
    helps = f"The network reduces its RMSE on the validation split by {1 - left:.1%}; weight {weight:.2f}."
    alone = "The network adds nothing to it on the validation split: the export is the linear forecast alone."
    print(helps if weight else alone)
    # The earlier folds have other seasons; what the network would have saved there is as much as it does here.
    earlier = encoder.linear.residuals * encoder.scaler.scale_[encoder.target_column] * left
    residuals = np.concatenate([earlier, encoder.residual_scale * (wanted - weight * outputs)])
    margins = evaluation.interval_margins(residuals)
    exported = dataclasses.replace(exported, residual_scale=np.float32(weight * encoder.residual_scale))
    return exported, margins, {"linear_forecast": mixed, "network_weight": round(weight, 4)}


def _outputs(network, encoder, windows):
    """Return what a network outputs and what it should, both `(examples, horizon)`."""
    outputs = [network(encoder.inputs(part.values, part.times), training=False).numpy() for part in windows.parts()]
    wanted = [encoder.targets(*part.arrays).numpy() for part in windows.parts()]
    return np.concatenate(outputs), np.concatenate(wanted)


def _rms(values):
    return float(np.sqrt(np.mean(np.square(values, dtype="float64"))))


def predict(folder: str | Path, windows: datasets.Windows) -> tuple[np.ndarray, Any]:
    """Return the forecasts of an export, and the bounds of its intervals; `None` for an export without them."""
    function = export.load_function(folder, _encode)
    parts = [function.predict(series=part.values, time=part.iso_times) for part in windows.parts()]
    outputs = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return outputs["forecast"], (outputs["lower"], outputs["upper"]) if "lower" in outputs else None


def _encode(series, time):
    """Return the inputs of the signature `numeric`."""
    return {"series": series, "minutes": datasets.parse_times(time).numpy()}


def evaluate(folder: str | Path, data: datasets.SeriesDataset, encoder: datasets.SeriesEncoder) -> dict[str, Any]:
    """Return the scores of an export on the test windows, beside those of the references.

    Raises:
        UserError: If the model was trained on steps of another length.
    """
    trained_on = export.read_model_card(folder).get("step", str(data.step))
    if trained_on != str(data.step):
        raise UserError(f"The model forecasts steps of {trained_on}. Those of {data.name} are of {data.step}.")
    forecasts, interval = predict(folder, data.test)
    return evaluation.regression_metrics(data.test.targets, forecasts, reference_forecasts(data, encoder), interval)


def format_scores(scores: dict[str, Any]) -> str:
    """Return the scores of the references, then the model's."""
    return evaluation.format_regression_metrics(scores)


def save_influence(
    folder: str | Path, data: datasets.SeriesDataset, encoder: datasets.SeriesEncoder, path: str | Path
) -> None:
    """Draw how strongly each step of the forecast depends on each value of the window.

    That is the mean over test windows of the absolute derivative, times the standard deviation of the column. The
    calendar is no part of the window.
    """
    import tensorflow as tf

    test = data.test
    sample = test.take(slice(None, None, 1 + len(test) // 300))
    saved, time = export.SavedFunction(folder), tf.constant(sample.iso_times)
    gradients = [
        evaluation.input_gradients(
            lambda values: saved.signature(series=values, time=time)["forecast"],
            sample.values,
            np.full(len(sample), step),
        )
        for step in range(test.targets.shape[1])
    ]
    influence = np.mean(np.abs(gradients), axis=1) * encoder.scaler.scale_
    label = f"{data.target}, change for\none standard deviation"
    evaluation.save_influence(influence.transpose(2, 0, 1), data.value_names, label, path)
