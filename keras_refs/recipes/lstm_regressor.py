"""Forecast the electricity that is used in the next 24 hours from the last week with an LSTM.

    python -m keras_refs.train lstm_regressor

has an RMSE of 115 kW over the 24 hours (mean of three seeds; a ridge regression of the same week 141, or 129 where it
knows the holidays, too) after about a minute of training on a CPU core. It reads the week day by day, and the calendar.
"""

import dataclasses

from keras_refs import models
from keras_refs.recipes import settings
from keras_refs.recipes.series import SeriesRecipe, SeriesSettings


@dataclasses.dataclass(frozen=True)
class Config(SeriesSettings):
    """Settings of the recipe."""

    dataset: str = "hourly_electricity"
    """TFDS name of a series of hours."""
    target: str = "load"
    """Name of the number to forecast."""
    window: settings.Count = 168
    """Steps to forecast from."""
    horizon: settings.Count = 24
    """Steps to forecast."""
    season: settings.Count = 24
    """Steps after which the series repeats; the network learns the change to the value one season before."""
    steps_per_reading: settings.Count = 24
    """Steps of the series that the network reads at once; the window must be a multiple of them."""
    holidays: str = "PT"
    """Whose holidays to know, the ISO code of a country or a market such as PT or XNYS; empty for none."""
    epochs: settings.Count = 15
    """Passes over the training split."""
    batch_size: settings.Count = 128
    """Examples a training step, over all devices together."""
    learning_rate: settings.Positive = 4e-3
    """Highest learning rate; it rises for an epoch and falls to zero along a cosine."""
    clip_norm: settings.NotNegative = 1.0
    """Longest gradient of a variable, longer ones are shortened to it; 0 for no limit."""
    units: tuple[settings.Count, ...] = (128,)
    """Width of each recurrent layer."""


class Recipe(SeriesRecipe):
    """Train `models.lstm_regressor` on windows of hours."""

    name = "lstm_regressor"
    # Of the absolute error, because the squared one would be about the hours that a change of the clock doubled or
    # left empty.
    loss = "mean_absolute_error"
    hourly = True
    longest_step = 1

    def build_model(self):
        """Return the network for these windows."""
        return self._build("auto")

    def build_export_model(self):
        """Return the network without cuDNN's kernel, which would tie the export to GPUs."""
        return self._build(False)

    def _build(self, use_cudnn):
        steps, numbers = self.input_shape
        return models.lstm_regressor(
            num_series=numbers,
            num_outputs=self.config.horizon,
            units=self.config.units,
            steps=steps,
            dropout=self.config.dropout,
            use_cudnn=use_cudnn,
        )
