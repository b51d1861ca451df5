"""Forecast the electricity load of the next 24 hours from the last week with an LSTM.

    python -m keras_refs.train lstm_regressor

has an RMSE of 113 kW over the 24 hours (mean of three seeds; a ridge regression of the same week 141, or 130 with the
holidays as inputs, too) after about a minute of training on two CPU cores. It reads the week day by day, and the
calendar, and learns what a linear forecast leaves over.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_refs import datasets, evaluation, export, models, settings, training
from keras_refs.recipes import series

if TYPE_CHECKING:
    import keras

SCORED_ON, OTHER_DATA, format_scores = "on the test split", series.OTHER_DATA, series.format_scores


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the recipe."""

    data: series.SeriesData = series.SeriesData(
        dataset="hourly_electricity",
        target="load",
        window=168,
        horizon=24,
        season=24,
        steps_per_reading=24,
        holidays="PT",
    )
    network: series.Network = series.Network(units=(128,))
    training: series.SeriesTraining = series.SeriesTraining(
        epochs=15, batch_size=128, learning_rate=4e-3, clip_norm=1.0, patience=4
    )
    compute: settings.Compute = settings.Compute()


def load(config: Config) -> tuple[datasets.SeriesDataset, datasets.SeriesEncoder]:
    """Return the data set, and the encoder of its training windows."""
    return series.load(config.data)


def build(config: Config, data: datasets.SeriesDataset, for_export: bool = False) -> keras.Model:
    """Return the network for these windows; an export has to run without a GPU, too."""
    steps, features = series.input_shape(config.data, data)
    horizon, use_cudnn = data.horizon, False if for_export else "auto"
    network = models.lstm_regressor(
        num_series=features, num_outputs=horizon, steps=steps, use_cudnn=use_cudnn, **vars(config.network)
    )
    # A step of layers so narrow is too small to be shared between cores.
    return network if for_export else training.side_by_side(network)


def train_and_evaluate(
    config: Config,
    workdir: str | Path,
    export_dir: str | Path = "saved_models",
    resume: bool = False,
    *,
    build: Callable[..., Any] = build,
    optimizer: keras.optimizers.Optimizer | None = None,
    loss: str | Callable[..., Any] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, Any]:
    """Train on windows of the series, export the best epoch and score the export once on the test split.

    Arguments and result are those of every recipe, see `keras_refs.recipes`.
    """
    run = training.Run("lstm_regressor", config, workdir, export_dir, resume, family="recurrent")
    data, seasonal = load(config)
    # The network learns what a linear forecast leaves over.
    encoder, exported = seasonal.with_linear_forecasts(data)
    batch_size, seed = series.batch_size(config, data), config.compute.seed
    steps = run.steps_per_epoch(len(data.train), batch_size)

    def encode(values, times, targets):
        return encoder.inputs(values, times), encoder.targets(values, times, targets)

    def batches(first_step, last_step):
        # A new order in every epoch, which follows from the seed and the step.
        return datasets.window_batches(data.train, batch_size, seed, first_step, last_step, encode, run.shard)

    with run.scope():
        model = build(config, data)
        # Adam with linear warm-up, cosine decay and an average of the weights, which is validated and exported.
        optimizer = optimizer or training.adam(config.training, steps)
        # The squared error would be dominated by the hours that a change of the clock doubled or left empty.
        model.compile(optimizer, loss or "mean_absolute_error", **run.compile_options(steps))
    validation = datasets.ordered_window_batches(data.validation, 1000, encode)
    # Stops early after `patience` epochs without a better score, and leaves the model at the best epoch.
    history = run.fit(model, batches, steps, validation, monitor="val_loss", mode="min", callbacks=callbacks)

    with run.unfinished_export() as folder:
        # In float32, whatever the precision of the training was.
        network = build(config, data, for_export=True)
        network.set_weights(model.get_weights())
        # As far as the validation split says that it can be trusted.
        exported, margins, facts = series.calibrate(network, encoder, exported, data)
        signatures = export.write_forecaster(network, exported, data, folder, margins)
        test, references = data.test, series.reference_forecasts(data, seasonal)
        forecasts, interval = series.predict(folder, test)
        scores = evaluation.regression_metrics(test.targets, forecasts, references, interval)
        evaluation.save_learning_curves(history, run.figures / "learning_curves.png", {"loss": "mean absolute error"})
        evaluation.save_predictions(test.targets, forecasts, run.figures / "residuals.png")
        by_name = {"lstm_regressor": forecasts, **references}
        if data.horizon > 1:
            evaluation.save_error_by_step(test.targets, by_name, data.target, run.figures / "error_by_step.png")
        # Of the ridge regressions one is enough to see.
        by_name = {name: values for name, values in by_name.items() if not name.startswith("ridge, ")}
        evaluation.save_forecasts(
            test.times, test.targets, by_name, data.target, run.figures / "forecasts.png", interval, every=data.every
        )
        card = {"summary": __doc__, "signatures": signatures, "limits": series.LIMITS, "scored_on": SCORED_ON}
        card |= {"columns": list(data.value_names), "step": str(data.step), **facts}
        card["settings"] = series.chosen_settings(config, data)
        return run.finish(folder, network, history, data, scores, format_scores, card)


def evaluate(folder: str | Path, config: Config) -> dict[str, Any]:
    """Return the scores of an export on the test windows; the references are fitted to the training split, if any."""
    return series.evaluate(folder, *series.load(config.data, needed=("test",)))


def explain(folder: str | Path, config: Config, figures: Path) -> None:
    """Draw how strongly each hour of the forecast depends on each hour of the window."""
    series.save_influence(folder, *series.load(config.data, needed=("test",)), figures / "influence.png")
