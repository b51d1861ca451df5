"""What the validation split says of a forecast before it is used: how much to trust it, and how far off it may be."""

import numpy as np

INTERVAL = 0.1, 0.9
"""The quantiles between which a prediction interval lies."""
BLOCKS = 5


def reliable_weight(outputs: np.ndarray, targets: np.ndarray) -> float:
    """Return by what factor in [0, 1] to multiply outputs so that they are sure to help: 0 if they are not.

    The factor of the least squared error, less its standard error: that of the jackknife, which leaves out each of
    five consecutive blocks in turn, since errors of neighbours in time are alike. Blocks shorter than the horizon would
    tell nothing new of each other: then it is 0.

    Args:
        outputs: Of a network, in order of time, `(examples, horizon)`.
        targets: What they should have been, of the same shape.
    """
    if len(targets) < BLOCKS * targets.shape[1]:
        return 0.0
    blocks = zip(np.array_split(outputs, BLOCKS), np.array_split(targets, BLOCKS), strict=True)
    sums = np.array([[np.vdot(a, b), np.vdot(a, a)] for a, b in blocks], "float64")
    without_one = sums.sum(axis=0) - sums
    if not (without_one[:, 1] > 0).all():
        return 0.0
    factors = without_one[:, 0] / without_one[:, 1]
    error = np.sqrt((BLOCKS - 1) * np.mean((factors - factors.mean()) ** 2))
    return float(np.clip(sums[:, 0].sum() / sums[:, 1].sum() - error, 0, 1))


def interval_margins(residuals: np.ndarray) -> np.ndarray:
    """Return what to add to a forecast for the bounds of an interval with the quantiles `INTERVAL`.

    These are quantiles of the residuals of every step ahead, as in split conformal prediction. Windows that overlap
    count as one in the correction for their number.

    Args:
        residuals: True values less forecasts that were not fitted to them, `(examples, horizon)`.

    Returns:
        The lower and the upper margin of each step, float32 `(2, horizon)`.
    """
    lower, upper = INTERVAL
    independent = len(residuals) / residuals.shape[1]
    outer = min(1 - upper, lower) / (1 + 1 / independent)
    low, high = np.quantile(residuals, [outer, 1 - outer], axis=0)
    # The forecast itself is always within.
    return np.stack([np.minimum(low, 0), np.maximum(high, 0)]).astype("float32")
