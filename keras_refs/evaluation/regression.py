"""Scores of predicted numbers."""

import numpy as np


def regression_metrics(targets, predictions, references=None):
    """Score predictions in the units of the targets.

    Args:
        targets: True values, any shape.
        predictions: Of the same shape.
        references: Other predictions of the same targets by name, such as those of a naive forecast.

    Returns:
        A dictionary of plain numbers: `rmse` and `mae` in the targets' units, `r2` (the share of the targets' variance
        that is explained; NaN where they have none), and `references`, with the same of each, and `skill`, the share
        of its RMSE that the predictions do away with.
    """
    scores = _errors(targets, predictions)
    of_references = {name: _errors(targets, values) for name, values in (references or {}).items()}
    for other in of_references.values():
        other["skill"] = 1 - scores["rmse"] / other["rmse"] if other["rmse"] else float("nan")
    return {**scores, "references": of_references}


def format_regression_metrics(metrics):
    """Return the metrics as a table to print; the last line is the model's own."""
    width = max((len(name) for name in metrics["references"]), default=0)
    lines = [f"{'reference':<{width}}  {'RMSE':>10}  {'MAE':>10}      R2  skill against it"] * bool(width)
    lines += [
        f"{name:<{width}}  {row['rmse']:10.4f}  {row['mae']:10.4f}  {row['r2']:6.3f}  {row['skill']:16.1%}"
        for name, row in metrics["references"].items()
    ]
    return "\n".join([*lines, f"RMSE {metrics['rmse']:.4f}, MAE {metrics['mae']:.4f}, R2 {metrics['r2']:.4f}"])


def _errors(targets, predictions):
    targets, predictions = np.asarray(targets, np.float64), np.asarray(predictions, np.float64)
    if targets.shape != predictions.shape:
        raise ValueError(
            f"Predictions must have the shape of the targets, {targets.shape}. Received: {predictions.shape}"
        )
    squared = np.square(predictions - targets)
    variance = targets.var()
    return {
        "rmse": float(np.sqrt(squared.mean())),
        "mae": float(np.abs(predictions - targets).mean()),
        "r2": float(1 - squared.mean() / variance) if variance else float("nan"),
    }
