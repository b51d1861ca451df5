"""What a network reads of the windows of a series, and what its outputs mean."""

import dataclasses

import numpy as np
import tensorflow as tf
from sklearn.preprocessing import StandardScaler

from keras_refs.datasets.calendars import Calendar
from keras_refs.datasets.tables import fit_scaler, standardize


@dataclasses.dataclass(frozen=True)
class SeriesEncoder:
    """What a network reads of a window, and what its outputs mean, as measured in the training windows.

    It reads the standardised window, and at every reading the calendar of the first step to forecast. It outputs the
    residual of the seasonal-naive forecast, which repeats the last season, in units of that residual's root mean
    square: where nothing else is predictable, the right output is 0.

    Attributes:
        calendar: The `Calendar`.
        season: Seasonal period in steps.
        steps_per_reading: Steps of the series that the network reads at once.
        scaler: Means and standard deviations of the columns, a fitted `StandardScaler`.
        target_column: Index of the target among the columns.
        last_season: Indices of the steps of a window that the seasonal-naive forecast repeats, `(horizon,)`.
        residual_scale: Root mean square of the residuals, float32; 1 for a perfectly seasonal series.
    """

    calendar: Calendar
    season: int
    steps_per_reading: int
    scaler: StandardScaler
    target_column: int
    last_season: np.ndarray
    residual_scale: np.float32

    @classmethod
    def fit(cls, data, season, steps_per_reading=1):
        """Return the encoder of the training windows of a `SeriesDataset`; see the class for the numbers.

        `season` is at most a window, and a window is a multiple of `steps_per_reading`.
        """
        train, column = data.train, data.target_column
        window, horizon = train.values.shape[1], train.targets.shape[1]
        last_season = window - season + np.arange(horizon) % season
        residuals = train.targets - train.values[:, last_season, column]
        return cls(
            calendar=data.calendar,
            season=season,
            steps_per_reading=steps_per_reading,
            scaler=fit_scaler(train.values),
            target_column=column,
            last_season=last_season,
            # The mean stays: an output of 0 is to be the seasonal-naive forecast.
            residual_scale=np.float32(np.sqrt(np.mean(np.square(residuals, dtype="float64"))) or 1),
        )

    def inputs(self, values, times):
        """Return what the network reads, float32 `(batch, readings, features)`.

        `values` are raw windows, float32 `(batch, window, columns)`; `times` the first steps to forecast, int64 hours.
        """
        readings = values.shape[1] // self.steps_per_reading
        features = self.steps_per_reading * values.shape[2]
        series = tf.reshape(standardize(values, self.scaler), [-1, readings, features])
        calendar = self.calendar.features(times)[:, tf.newaxis]
        return tf.concat([series, tf.repeat(calendar, readings, axis=1)], axis=2)

    def naive(self, values):
        """Return the seasonal-naive forecasts from raw windows, float32 `(batch, horizon)`."""
        return tf.gather(values[:, :, self.target_column], self.last_season, axis=1)

    def targets(self, values, targets):
        """Return what the network is to output, float32 `(batch, horizon)`, for raw windows and raw targets."""
        return (targets - self.naive(values)) / self.residual_scale

    def forecast(self, network, values, times):
        """Return the forecasts of a network from `inputs` to residuals, float32 `(batch, horizon)`.

        `values` and `times` are those of `inputs`; the forecasts are in units of the data.
        """
        residuals = network(self.inputs(values, times), training=False)
        return self.naive(values) + self.residual_scale * residuals
