"""Forecast how much is traded in New York tomorrow with a simple recurrent network.

    python -m keras_refs.train simple_rnn_regressor

explains 0.49 of the variance in the test years (mean R2 of three seeds; an autoregression with weekdays 0.460) after
ten seconds of training on a CPU core. It reads the returns, volumes and volatilities of the last five trading days, and
the calendar.
"""

import dataclasses

from keras_refs import models
from keras_refs.recipes import settings
from keras_refs.recipes.series import SeriesRecipe, SeriesSettings


@dataclasses.dataclass(frozen=True)
class Config(SeriesSettings):
    """Settings of the recipe."""

    dataset: str = "nyse"
    """TFDS name of a series of days."""
    target: str = "log_volume"
    """Name of the number to forecast."""
    window: settings.Count = 5
    """Steps to forecast from."""
    horizon: settings.Count = 1
    """Steps to forecast."""
    season: settings.Count = 1
    """Steps after which the series repeats; the network learns the change to the value one season before."""
    holidays: str = "XNYS"
    """Whose holidays to know, the ISO code of a country or a market such as PT or XNYS; empty for none."""
    epochs: settings.Count = 40
    """Passes over the training split."""
    batch_size: settings.Count = 64
    """Examples a training step, over all devices together."""
    learning_rate: settings.Positive = 3e-3
    """Highest learning rate; it rises for an epoch and falls to zero along a cosine."""
    units: tuple[settings.Count, ...] = (64,)
    """Width of each recurrent layer."""


class Recipe(SeriesRecipe):
    """Train `models.simple_rnn_regressor` on windows of days."""

    name = "simple_rnn_regressor"
    loss = "mean_squared_error"
    hourly = False
    # Trading has paused for four days between two Wednesdays, never for a week.
    longest_step = 7 * 24

    def build_model(self):
        """Return the network for these windows."""
        steps, numbers = self.input_shape
        return models.simple_rnn_regressor(
            num_series=numbers,
            num_outputs=self.config.horizon,
            units=self.config.units,
            steps=steps,
            dropout=self.config.dropout,
        )
