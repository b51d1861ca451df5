"""The forecasts that a model must beat, of the same windows."""

from __future__ import annotations

import numpy as np

from keras_refs import datasets, evaluation

MAX_WINDOWS = 20_000
"""Windows that ridge regressions are fitted to: neighbours are nearly alike."""


def reference_forecasts(data: datasets.SeriesDataset, encoder: datasets.SeriesEncoder) -> dict[str, np.ndarray]:
    """Return the forecasts of the test windows that a model must beat, by name.

    Beside the naive ones these are ridge regressions of the same windows, alone, with the clock, and with the holidays.
    Of long windows of many columns they read what `datasets.WindowInputs` has, and of very many windows, which overlap,
    they are fitted to a part. With nothing to train or to validate on there are the naive ones alone.
    """
    test, column = data.test, data.target_column
    seasonal = np.concatenate([encoder.naive(part.values).numpy() for part in test.parts()])
    references = {"persistence": np.repeat(test.values[:, -1:, column], seasonal.shape[1], axis=1)}
    if encoder.season > 1:
        references[f"{encoder.season} steps before"] = seasonal
    if not (len(data.train) and len(data.validation)):
        return references
    inputs = datasets.WindowInputs.of_windows(*test.values.shape[1:], column)
    step = -(-(len(data.train) + len(data.validation)) // MAX_WINDOWS)

    def read(windows, features, step=1):
        parts = [
            inputs.read(datasets.standardize(part.values, encoder.scaler), features(part.times))
            for part in windows.parts(step)
        ]
        return np.concatenate(parts)

    def read_with_targets(windows, features):
        return read(windows, features, step), windows.targets[datasets.one_in(step, len(windows))]

    calendars = {"ridge": lambda times: np.zeros((len(times), 0)), "ridge, clock": data.calendar.clock}
    if data.calendar.holidays:
        calendars["ridge, calendar"] = data.calendar.features
    for name, features in calendars.items():
        fitted, validated = (read_with_targets(part, features) for part in (data.train, data.validation))
        references[name] = evaluation.ridge_predictions(fitted, validated, read(test, features))
    return references
