"""Scores and figures of predicted numbers, among them forecasts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn import metrics

from keras_refs.evaluation.figures import new_figure


def regression_metrics(
    targets: ArrayLike,
    predictions: ArrayLike,
    references: Mapping[str, ArrayLike] | None = None,
    interval: tuple[np.ndarray, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Score predictions in the units of the targets.

    Args:
        targets: True values, any shape.
        predictions: Of the same shape.
        references: Other predictions of the same targets by name, such as those of a naive forecast.
        interval: The lower and the upper bounds of prediction intervals, both of the shape of the targets.

    Returns:
        A dictionary of plain numbers: `rmse` and `mae` in the targets' units, `r2` (the fraction of the targets'
        variance that is explained; NaN where they have none), and `references`, with the same of each, and `skill`,
        the fraction by which the predictions reduce its RMSE (NaN where that is 0). With an interval also `interval`,
        of which `coverage` is the fraction of targets within it and `width` its mean width in the targets' units.

    Raises:
        ValueError: If shapes differ, or values are missing, infinite or not a number.
    """
    scores = _errors(targets, predictions)
    of_references = {name: _errors(targets, values) for name, values in (references or {}).items()}
    for other in of_references.values():
        other["skill"] = 1 - scores["rmse"] / other["rmse"] if other["rmse"] else float("nan")
    scores = {**scores, "references": of_references}
    return scores if interval is None else {**scores, "interval": _coverage(targets, *interval)}


def _coverage(targets, lower, upper):
    inside = (lower <= targets) & (targets <= upper)
    return {"coverage": float(inside.mean()), "width": float(np.mean(upper - lower, dtype="float64"))}


def _errors(targets, predictions):
    if np.shape(targets) != np.shape(predictions):
        raise ValueError(f"Predictions must be of shape {np.shape(targets)}. Received: {np.shape(predictions)}")
    targets, predictions = (np.ravel(values).astype("float64") for values in (targets, predictions))
    return {
        "rmse": float(metrics.root_mean_squared_error(targets, predictions)),
        "mae": float(metrics.mean_absolute_error(targets, predictions)),
        # For constant targets `r2_score` is 0 or 1.
        "r2": float(metrics.r2_score(targets, predictions)) if np.ptp(targets) else float("nan"),
    }


def save_predictions(targets: np.ndarray, predictions: np.ndarray, path: str | Path) -> None:
    """Draw predictions against true values, and a histogram of the residuals.

    Both may have any shape, but the same; of more than 5,000 values, a subset is drawn.
    """
    targets, predictions = np.ravel(targets), np.ravel(predictions)
    subset, mean = slice(None, None, 1 + len(targets) // 5000), targets.mean()
    with new_figure(path, 9, 4, columns=2) as (left, right):
        left.scatter(targets[subset], predictions[subset], s=12, alpha=0.4)
        left.axline((mean, mean), slope=1, color="grey", linestyle=":", label="prediction = true value")
        left.set(xlabel="true value", ylabel="prediction")
        left.legend()
        right.hist(targets - predictions, bins=30)
        right.axvline(0, color="grey", linestyle=":")
        right.set(xlabel="residual (true value - prediction)", ylabel="number of values")


def save_forecasts(
    times: np.ndarray,
    targets: np.ndarray,
    forecasts: dict[str, np.ndarray],
    label: str,
    path: str | Path,
    interval: tuple[np.ndarray, np.ndarray] | None = None,
    steps: int = 120,
    every: int = 1,
) -> None:
    """Draw forecasts and true values against time, for consecutive windows from the middle of the examples.

    `times` has the minutes from 1970 to the first forecast step of each window, integers `(examples,)`, each `every`
    steps after the one before. True values and each of the forecasts, by name, the model's first, are
    `(examples, horizon)`. `label` is that of the forecast quantity; `interval` is the bounds of the model's intervals,
    if it has any; `steps` is the maximum number of steps to draw.
    """
    horizon = targets.shape[1]
    # Each window begins where the one before ends, or after that.
    distance = -(-horizon // every)
    count = max(1, min(steps // horizon, len(targets) // distance))
    first = max(0, (len(targets) - count * distance) // 2)
    windows = slice(first, first + count * distance, distance)
    clock = times[first : first + count * horizon]
    if every > 1 or len(clock) < count * horizon:
        step = np.diff(times[:2], append=times[0] + 1)[0]
        clock = np.add.outer(times[windows], np.arange(horizon) * step // every).ravel()
    clock = clock.astype("datetime64[m]")
    with new_figure(path, 11, 4) as (axes,):
        axes.plot(clock, targets[windows].ravel(), color="black", linewidth=2, label="true values")
        if interval is not None:
            lower, upper = (bound[windows].ravel() for bound in interval)
            axes.fill_between(clock, lower, upper, color="tab:blue", alpha=0.2, linewidth=0)
        for index, (name, values) in enumerate(forecasts.items()):
            axes.plot(clock, values[windows].ravel(), linewidth=0.8 if index else 1.6, label=name)
        axes.set(ylabel=label, title=f"{horizon}-step-ahead forecasts, test split")
        axes.grid(alpha=0.3)
        axes.figure.legend(loc="outside lower center", ncols=len(forecasts) + 1)


def save_error_by_step(targets: np.ndarray, forecasts: dict[str, np.ndarray], label: str, path: str | Path) -> None:
    """Draw the root mean squared error of forecasts against the steps ahead; arguments as for `save_forecasts`."""
    with new_figure(path, 7, 4) as (axes,):
        for name, values in forecasts.items():
            errors = metrics.root_mean_squared_error(targets, values, multioutput="raw_values")
            axes.plot(range(1, len(errors) + 1), errors, label=name)
        axes.set(xlabel="steps ahead", ylabel=f"RMSE of {label}", yscale="log")
        axes.grid(alpha=0.3, which="both")
        axes.legend(fontsize=8)
