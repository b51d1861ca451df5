"""Predict the disease progression of diabetes patients from ten measurements, by linear regression.

    python -m keras_refs.train linear_regression

takes 19 seconds on 2 CPU cores and ends at the least-squares solution, which the closed form gives: R2 0.5177 on the
442 patients it is fitted to.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_refs import datasets, evaluation, export, models, settings, training
from keras_refs.recipes import tables

if TYPE_CHECKING:
    import keras

SCORED_ON = "in sample"
LIMITS = (
    "It describes the rows it was fitted to: its scores are in sample, not those of new rows. A weight says how the "
    "target\nchanges with a feature while the others stay the same, not what causes what."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the recipe: all rows in one step, so the gradient is exact; no EMA, it lags behind the optimum."""

    data: tables.TableData = tables.TableData(dataset="diabetes")
    penalties: tables.Penalties = tables.Penalties()
    training: tables.TableTraining = tables.TableTraining(learning_rate=0.05, average_epochs=0.0)
    compute: settings.Compute = settings.Compute(precision="float32")


def build(config: Config, data: datasets.TableDataset) -> keras.Model:
    """Return the network for these features, from standardised features to standardised targets."""
    return models.linear_regression(num_features=len(data.feature_names), **vars(config.penalties))


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
    """Fit to all rows, export the best epoch and score the export on the same rows, as least squares is.

    Arguments and result are those of every recipe, see `keras_refs.recipes`.
    """
    run = training.Run("linear_regression", config, workdir, export_dir, resume, family="dense")
    data = datasets.load_table(**vars(config.data))
    features, targets = data.rows.features, data.rows.targets
    batch_size = config.training.batch_size or len(data.rows)
    steps = run.steps_per_epoch(len(data.rows)) * config.training.passes_per_epoch
    feature_scaler, target_scaler = datasets.fit_scaler(features), datasets.fit_scaler(targets)
    standardized = datasets.standardize(features, feature_scaler), datasets.standardize(targets, target_scaler)
    batches = functools.partial(
        datasets.shuffled_batches, standardized, batch_size, config.compute.seed, shard=run.shard
    )

    with run.scope():
        model = build(config, data)
        # Adam with linear warm-up and cosine decay.
        optimizer = optimizer or training.adam(config.training, steps)
        model.compile(optimizer, loss or "mean_squared_error", **run.compile_options(steps))
    held_out = data.validation
    arrays = (
        datasets.standardize(held_out.features, feature_scaler),
        datasets.standardize(held_out.targets, target_scaler),
    )
    validation = datasets.ordered_batches(arrays, batch_size=len(held_out))
    # Stops early after `patience` epochs without a better score, and leaves the model at the best epoch.
    history = run.fit(model, batches, steps, validation, monitor="val_loss", mode="min", callbacks=callbacks)

    with run.unfinished_export() as folder:
        # In float32, whatever the precision of the training was.
        network = build(config, data)
        network.set_weights(model.get_weights())

        def predict(raw):
            outputs = network(datasets.standardize(raw, feature_scaler), training=False)
            return {"prediction": datasets.unstandardize(outputs, target_scaler)}

        returned = "It returns `prediction`, float32 `[batch, 1]`, in the units of the data's target."
        signatures = tables.write_export(folder, network, predict, data, returned, feature_scaler, target_scaler)
        scores = evaluate(folder, config)
        predictions = export.SavedFunction(folder).predict(features=data.test.features)["prediction"]
        evaluation.save_learning_curves(history, run.figures / "learning_curves.png", {"loss": "mean squared error"})
        evaluation.save_predictions(data.test.targets, predictions, run.figures / "predictions.png")
        limits = training.limits_on(config, LIMITS)
        card = {"summary": __doc__, "signatures": signatures, "limits": limits, "scored_on": data.scored_on}
        card["columns"] = list(data.feature_names)
        return run.finish(folder, network, history, data, scores, format_scores, card)


def evaluate(folder: str | Path, config: Config) -> dict[str, Any]:
    """Return the regression metrics of an export on the test split, beside the mean and least squares of the rows."""
    from sklearn.linear_model import LinearRegression

    data = tables.load_to_score(folder, config)
    rows, test, references = data.rows, data.test, {}
    predictions = export.load_function(folder).predict(features=test.features)["prediction"]
    if len(rows):
        scaler = datasets.fit_scaler(rows.features)
        # What the network sees, in the precision that the closed form needs.
        features, of_test = (datasets.standardize(part.features, scaler).astype("float64") for part in (rows, test))
        references = {
            "mean": np.full_like(test.targets, rows.targets.mean()),
            "least squares": LinearRegression().fit(features, rows.targets).predict(of_test),
        }
    return evaluation.regression_metrics(test.targets, predictions, references)


def format_scores(scores: dict[str, Any]) -> str:
    """Return RMSE, MAE and R2 of the references, then of the model."""
    return evaluation.format_regression_metrics(scores)


def explain(folder: str | Path, config: Config, figures: Path) -> None:
    """Draw the weights, in the units of the target."""
    data = tables.load_to_score(folder, config, needed=("train",))
    weights = export.load_model(folder).layers[-1].kernel.numpy()[:, 0] * datasets.fit_scaler(data.rows.targets).scale_
    label = "change of the prediction per standard deviation of the feature"
    evaluation.save_coefficients(data.feature_names, {"prediction": weights}, label, figures / "coefficients.png")
