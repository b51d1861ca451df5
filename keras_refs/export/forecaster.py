"""SavedModels that forecast a series."""

import os
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_refs import preprocessing
from keras_refs.datasets import SeriesDataset, SeriesEncoder, parse_times
from keras_refs.export.saved_model import checked, specifications, write_saved_model


def write_forecaster(
    network: keras.Model,
    encoder: SeriesEncoder,
    data: SeriesDataset,
    folder: str | os.PathLike,
    margins: Sequence[np.ndarray] | np.ndarray,
) -> str:
    """Write a forecaster of a series as a SavedModel with two signatures, which the model card describes.

    `serving_default` takes series and time, and refuses invalid ones; `numeric` takes minutes and checks nothing.

    Args:
        network: A model that was trained on the encoder's inputs and targets, built in float32.
        encoder: The `datasets.SeriesEncoder`.
        data: The `datasets.SeriesDataset`, whose first test window becomes the warm-up requests.
        folder: An existing folder to write into.
        margins: What to add to a forecast for the bounds of its interval, see `evaluation.interval_margins`.

    Returns:
        The signatures as Markdown, for the model card.
    """
    example = data.test.take(slice(1))

    def forecast(series, minutes):
        forecasts = encoder.forecast(network, series, minutes)
        return {"forecast": forecasts, "lower": forecasts + margins[0], "upper": forecasts + margins[1]}

    def forecast_at(series, time):
        return forecast(series, parse_times(time))

    series = {"series": (tf.float32, example.values.shape[1:])}
    signatures = {
        "serving_default": checked(forecast_at, {**series, "time": (tf.string, ())}),
        "numeric": (forecast, specifications({**series, "minutes": (tf.int64, ())})),
    }
    examples = {
        "serving_default": {"series": example.values, "time": example.iso_times},
        "numeric": {"series": example.values, "minutes": example.times},
    }
    write_saved_model(folder, network, signatures, examples)
    preprocessing.write(folder, encoder.plain(margins))
    return _described(example, data)


def _described(example, data):
    window, columns, horizon = *example.values.shape[1:], example.targets.shape[1]
    return (
        f"- `serving_default`: `series`, float32 `[batch, {window}, {columns}]`, the last {window} steps of "
        f"{', '.join(data.value_names)}, raw; and\n  `time`, string `[batch]`, the first step to forecast, as "
        "`2014-12-25T18:00` or `2014-12-25`, by the clock of the data\n"
        "- `numeric`: without strings; `series` and, instead of the time, `minutes`, int64 `[batch]`, those since "
        "1970-01-01T00:00 by the local clock\n\n"
        f"Both return `forecast`, float32 `[batch, {horizon}]`, the next {horizon} of `{data.target}`, in the units of "
        "the data,\nand `lower` and `upper`, of the same shape, between which 80 % of the true values were in "
        "the later half of the training split."
    )
