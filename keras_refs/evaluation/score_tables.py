"""Scores as text, without the packages that compute them: trained models are listed where these are missing."""

from typing import Any


def format_classification_metrics(scores: dict[str, Any]) -> str:
    """Return the result of `classification_metrics` as a table to print."""
    width = max(len(name) for name in [*scores["per_class"], "class"])
    lines = [f"{'class':<{width}}  precision  recall      f1  examples"]
    lines += [
        f"{name:<{width}}  {row['precision']:9.4f}  {row['recall']:6.4f}  {row['f1']:6.4f}  {row['examples']:8d}"
        for name, row in scores["per_class"].items()
    ]
    return "\n".join([*lines, f"accuracy {scores['accuracy']:.4f}, loss {scores['loss']:.4f}"])


def format_regression_metrics(scores: dict[str, Any]) -> str:
    """Return the result of `regression_metrics` as a table to print; the last line is the model's own."""
    width = max((len(name) for name in scores["references"]), default=0)
    lines = [f"{'reference':<{width}}  {'RMSE':>10}  {'MAE':>10}      R2  skill against it"] * bool(width)
    lines += [
        f"{name:<{width}}  {row['rmse']:10.4f}  {row['mae']:10.4f}  {row['r2']:6.3f}  {row['skill']:16.1%}"
        for name, row in scores["references"].items()
    ]
    if interval := scores.get("interval"):
        lines.append(
            f"The interval between the quantiles 0.1 and 0.9 has {interval['coverage']:.1%} of the true values; its "
            f"mean width is {interval['width']:.4f}."
        )
    return "\n".join([*lines, f"RMSE {scores['rmse']:.4f}, MAE {scores['mae']:.4f}, R2 {scores['r2']:.4f}"])
