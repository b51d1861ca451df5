"""What a network reads of the windows of a series, and what its outputs mean."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import tensorflow as tf
from sklearn.preprocessing import StandardScaler

from keras_refs import preprocessing
from keras_refs.datasets.calendars import DAYS_A_WEEK, Calendar
from keras_refs.datasets.linear_forecasts import LinearForecast, fit_linear_forecasts
from keras_refs.datasets.tables import fit_scaler, standardize

if TYPE_CHECKING:
    from keras_refs.datasets.series import SeriesDataset


@dataclasses.dataclass(frozen=True)
class SeriesEncoder:
    """What a network reads of a window, and what its outputs mean, as measured in the training windows.

    It reads the standardised window, or its differences from its mean where levels come and go, and at every reading
    the calendar of the first step to forecast. It outputs the residual of a simple forecast, in units of that
    residual's root mean square: where nothing else is predictable, the right output is 0. The simple forecast is
    linear, see `fit_linear_forecasts`, or the seasonal-naive one, which repeats the last season.

    Attributes:
        calendar: The `Calendar`.
        season: Seasonal period in steps.
        steps_per_reading: Steps of the series that the network reads at once.
        scaler: Means and standard deviations of the columns, a fitted `StandardScaler`.
        target_column: Index of the target among the columns.
        last_season: Indices of the steps of a window that the seasonal-naive forecast repeats, `(horizon,)`.
        residual_scale: Root mean square of the residuals, float32; 1 for a perfectly seasonal series.
        linear: The `LinearForecast`, or `None` for the seasonal-naive one.
        centred: Whether the network reads differences from the mean of a column in the window.
    """

    calendar: Calendar
    season: int
    steps_per_reading: int
    scaler: StandardScaler
    target_column: int
    last_season: np.ndarray
    residual_scale: np.float32
    linear: LinearForecast | None = None
    centred: bool = False

    @classmethod
    def fit(cls, data: SeriesDataset, season: int, steps_per_reading: int = 1) -> Self:
        """Return the encoder of the training windows of a `SeriesDataset`; see the class for the numbers.

        `season` is at most a window, and a window is a multiple of `steps_per_reading`. The simple forecast is the
        seasonal-naive one. Where there is nothing to train on, the numbers are those of the test windows.
        """
        train, column = data.train if len(data.train) else data.test, data.target_column
        window, horizon = train.values.shape[1], train.targets.shape[1]
        encoder = cls(
            calendar=data.calendar,
            season=season,
            steps_per_reading=steps_per_reading,
            scaler=fit_scaler(train.values),
            target_column=column,
            last_season=window - season + np.arange(horizon) % season,
            residual_scale=np.float32(1),
        )
        return encoder._with_scale(train)

    def with_linear_forecasts(self, data: SeriesDataset) -> tuple[Self, Self]:
        """Return an encoder whose simple forecast is linear, to train with, and one to export.

        The first knows the training windows of the `SeriesDataset`; the second's is fitted to those of validation, too.
        """
        window = data.train.values.shape[1]
        seasons = sorted({season for season in (self.season, DAYS_A_WEEK * self.season) if 1 < season <= window})
        linear = fit_linear_forecasts(data.train, data.validation, self._standardized, self.target_column, seasons)
        # Levels that say nothing to the linear forecast are nothing to learn from.
        centred = linear[0].weight_of_levels < 0.5
        first, second = (dataclasses.replace(self, linear=one, centred=centred) for one in linear)
        first = first._with_scale(data.train)
        return first, dataclasses.replace(second, residual_scale=first.residual_scale)

    def _with_scale(self, windows):
        parts = [slice(first, first + 2048) for first in range(0, len(windows), 2048)]
        squares = sum(float(np.square(self._residuals(windows.take(part)), dtype="float64").sum()) for part in parts)
        # The mean stays: an output of 0 is to be the simple forecast.
        return dataclasses.replace(self, residual_scale=np.float32(np.sqrt(squares / windows.targets.size) or 1))

    def _residuals(self, windows):
        return windows.targets - self.simple(windows.values, windows.times)

    def _standardized(self, values, times, targets):
        column = self.target_column
        targets = (targets - self.scaler.mean_[column]) / self.scaler.scale_[column]
        return standardize(values, self.scaler), self.calendar.features(times).numpy(), targets

    def inputs(self, values: np.ndarray | tf.Tensor, times: np.ndarray | tf.Tensor) -> tf.Tensor:
        """Return what the network reads, float32 `(batch, readings, features)`.

        `values` are raw windows, float32 `(batch, window, columns)`; `times` the first steps to forecast, int64
        minutes.
        """
        readings = values.shape[1] // self.steps_per_reading
        features = self.steps_per_reading * values.shape[2]
        window = standardize(values, self.scaler)
        if self.centred:
            window -= tf.reduce_mean(window, axis=1, keepdims=True)
        series = tf.reshape(window, [-1, readings, features])
        calendar = self.calendar.features(times)[:, tf.newaxis]
        return tf.concat([series, tf.repeat(calendar, readings, axis=1)], axis=2)

    def naive(self, values: np.ndarray | tf.Tensor) -> tf.Tensor:
        """Return the seasonal-naive forecasts from raw windows, float32 `(batch, horizon)`."""
        return tf.gather(values[:, :, self.target_column], self.last_season, axis=1)

    def simple(self, values: np.ndarray | tf.Tensor, times: np.ndarray | tf.Tensor) -> tf.Tensor:
        """Return the simple forecasts from raw windows, float32 `(batch, horizon)`; arguments are those of `inputs`."""
        if self.linear is None:
            return self.naive(values)
        window = standardize(values, self.scaler)
        window = tf.reshape(window, [-1, window.shape[1] * window.shape[2]])
        calendar = self.calendar.features(times)
        x = tf.concat([window, calendar, tf.ones_like(window[:, :1])], axis=1)
        mean, scale = (array[self.target_column].astype("float32") for array in (self.scaler.mean_, self.scaler.scale_))
        return mean + scale * (x @ self.linear.kernel)

    def targets(
        self, values: np.ndarray | tf.Tensor, times: np.ndarray | tf.Tensor, targets: np.ndarray | tf.Tensor
    ) -> tf.Tensor:
        """Return what the network is to output, float32 `(batch, horizon)`, for raw windows and raw targets."""
        return (targets - self.simple(values, times)) / self.residual_scale

    def plain(self, margins: Sequence[np.ndarray] | np.ndarray) -> preprocessing.Windows:
        """Return the `preprocessing.Windows` of an export, whose intervals have these margins."""
        mean, scale = (array.astype("float32") for array in (self.scaler.mean_, self.scaler.scale_))
        return preprocessing.Windows(
            mean=mean,
            scale=scale,
            steps_per_reading=self.steps_per_reading,
            centred=self.centred,
            unit=self.calendar.unit,
            holidays=self.calendar.holidays,
            target_column=self.target_column,
            kernel=self._kernel(),
            residual_scale=self.residual_scale,
            margins=np.asarray(margins, "float32"),
        )

    def _kernel(self):
        """Return the kernel of the simple forecast; the seasonal-naive one has ones at the steps that it repeats."""
        if self.linear is not None:
            return self.linear.kernel
        window, columns, horizon = self.last_season[0] + self.season, len(self.scaler.mean_), len(self.last_season)
        kernel = np.zeros((window * columns + self.calendar.width + 1, horizon), "float32")
        kernel[self.last_season * columns + self.target_column, np.arange(horizon)] = 1
        return kernel

    def forecast(
        self, network: Callable[..., Any], values: np.ndarray | tf.Tensor, times: np.ndarray | tf.Tensor
    ) -> tf.Tensor:
        """Return the forecasts of a network from `inputs` to residuals, float32 `(batch, horizon)`.

        `values` and `times` are those of `inputs`; the forecasts are in units of the data.
        """
        residuals = network(self.inputs(values, times), training=False)
        return self.simple(values, times) + self.residual_scale * residuals
