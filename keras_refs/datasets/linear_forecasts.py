"""A linear forecast of a series from its window and the calendar: several, mixed by their errors in the past."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy.linalg import solve

from keras_refs.datasets.pipelines import one_in

if TYPE_CHECKING:
    from keras_refs.datasets.series import Windows

MAX_FEATURES = 1024
"""Numbers of a window that ridge regressions read; of longer windows they read means of adjacent steps."""
MAX_WINDOWS = 20_000
"""Windows that they are fitted to: neighbours are nearly alike."""
PENALTIES = 10.0 ** np.arange(-2, 6)
FIRST_FOLD, FOLDS = 0.47, 5
"""The fraction of the training windows that comes before the first fold, and how many folds the rest makes."""
LEVELS, DIFFERENCES = "ridge on levels", "ridge on differences"
SHARPNESS, SHARPNESS_OF_PENALTIES = 60, 30
"""Of two forecasts whose errors differ by 1 %, the worse one has exp(-0.6) of the other's weight; of two penalties of a
ridge regression, exp(-0.3)."""
SHARPNESS_PER_HORIZON = 3
"""Both are at most as many times this as the folds have windows that do not overlap: few say little."""
PRIORS = {LEVELS: 8.0, DIFFERENCES: 1.0}
"""Weights before errors are known. What the first folds know of levels is little, so that their errors say too much."""


@dataclasses.dataclass(frozen=True)
class LinearForecast:
    """A forecast that is linear in the standardised window, the calendar's features and 1.

    Attributes:
        kernel: float32 `(window * columns + calendar + 1, horizon)`, for the standardised target.
        weights: The weight of each forecast that was mixed, by name; they add up to 1.
        residuals: float64 `(windows, horizon)`, errors for the standardised target, in windows of the training split
            that the forecast was not fitted to: it was fitted again, to all before them.
    """

    kernel: np.ndarray
    weights: dict
    residuals: np.ndarray

    @property
    def weight_of_levels(self) -> float:
        """The weight of the forecasts that return to a mean of the past, together."""
        return sum(weight for name, weight in self.weights.items() if name.startswith(LEVELS))


def fit_linear_forecasts(
    train: Windows, validation: Windows, prepare: Callable[..., Any], target_column: int, seasons: Sequence[int]
) -> list[LinearForecast]:
    """Return the `LinearForecast` of the training windows, and that of the training and validation windows.

    It is the weighted mean of naive forecasts, which repeat the last value or a season, and of ridge regressions on the
    window as it is and on its differences from its mean, each with and without the calendar and of several penalties.
    Weights are chosen by the errors in six consecutive folds, the last of which is the validation split, of forecasts
    that were fitted to all that comes before. Those of penalties depend on the last folds most, as the right penalty
    follows from the amount of data. Forecasts that are nearly as good get nearly the same weight, as small differences
    in the past say little about the time to come.

    Args:
        train: `Windows`.
        validation: The `Windows` right after.
        prepare: Function from raw windows, times and raw targets to the standardised windows `(batch, window,
            columns)`, the calendar's features `(batch, calendar)`, and the standardised targets `(batch, horizon)`.
        target_column: Index of the target among the columns.
        seasons: Seasonal periods in steps, each at most a window.
    """
    inputs = WindowInputs.of_windows(*train.values.shape[1:], target_column)
    step = -(-(len(train) + len(validation)) // MAX_WINDOWS)
    calendar = prepare(*train.take(slice(1)).arrays)[1].shape[1]
    candidates = _candidates(inputs, calendar, train.targets.shape[1], target_column, seasons)
    folds = list(_folds(train, validation, lambda *of: _sums(*of, prepare, inputs, step)))
    kernels = [_kernels(candidates, known) for known, _, _ in folds]
    weights = _weights(candidates, kernels, folds)
    residuals = [np.zeros((0, train.targets.shape[1]))]
    for of_fold, (_, _, windows) in zip(kernels[:-1], folds[:-1], strict=True):
        residuals.append(_residuals(_mean(of_fold, weights), windows, prepare, inputs))
    known, following, _ = folds[-1]
    by_name = {name: float(weight.sum()) for name, weight in weights.items()}
    return [
        LinearForecast(inputs.expand(_mean(each, weights)).astype("float32"), by_name, np.concatenate(residuals))
        for each in (kernels[-1], _kernels(candidates, known + following))
    ]


@dataclasses.dataclass(frozen=True)
class WindowInputs:
    """Which numbers of a window a regression reads: of each column, one after the other, means of adjacent steps.

    Attributes:
        starts: For each column the first steps of those whose mean is read.
        window: Length of the window.
    """

    starts: tuple
    window: int

    @classmethod
    def of_windows(cls, window: int, columns: int, target_column: int) -> Self:
        """Return all steps or, of more than `MAX_FEATURES` numbers, all of the target and means of the others.

        A window of the target that is longer than that is averaged, too.
        """
        room = max(1, MAX_FEATURES - window) if window < MAX_FEATURES else 1
        size = -(-(columns - 1) * window // room) if columns * window > MAX_FEATURES else 1
        own = -(-window // MAX_FEATURES)
        # Groups end with the window, so that the last steps are as fine as any.
        starts = [np.unique(np.maximum(0, np.arange(window, 0, -min(each, window)) - each)) for each in (size, own)]
        return cls(tuple(starts[column == target_column] for column in range(columns)), window)

    @property
    def columns(self) -> list[np.ndarray]:
        """The indices of the inputs of each column."""
        ends = np.cumsum([len(starts) for starts in self.starts])
        return [np.arange(end - len(starts), end) for starts, end in zip(self.starts, ends, strict=True)]

    def read(self, windows: np.ndarray, calendar: np.ndarray) -> np.ndarray:
        """Return the inputs float64 `(batch, inputs)`, then the calendar's features, then 1."""
        means = [
            np.add.reduceat(windows[..., column].astype("float64"), starts, axis=1) / self._sizes(starts)[:, 0]
            for column, starts in enumerate(self.starts)
        ]
        return np.hstack([*means, calendar, np.ones((len(windows), 1))])

    def expand(self, kernel: np.ndarray) -> np.ndarray:
        """Return the kernel for all steps of the window in order, `(window * columns + calendar + 1, horizon)`."""
        columns = [
            np.repeat(kernel[inputs] / self._sizes(starts), self._sizes(starts)[:, 0], axis=0)
            for inputs, starts in zip(self.columns, self.starts, strict=True)
        ]
        count = sum(map(len, self.columns))
        return np.concatenate([np.stack(columns, axis=1).reshape(-1, kernel.shape[1]), kernel[count:]])

    def _sizes(self, starts):
        return np.diff(starts, append=self.window)[:, np.newaxis]


@dataclasses.dataclass(frozen=True)
class _Sums:
    """What least squares needs to know of inputs `x` and targets `y`: the sums of their products."""

    xx: np.ndarray
    xy: np.ndarray
    yy: float

    def __add__(self, other):
        return _Sums(self.xx + other.xx, self.xy + other.xy, self.yy + other.yy)

    def squared_error(self, kernel):
        """Return the sum of the squared errors of `x @ kernel`."""
        return float(((self.xx @ kernel - 2 * self.xy) * kernel).sum() + self.yy)


def _sums(windows, start, stop, prepare, inputs, step):
    """Return the sums of one in `step` of the windows from `start` to `stop`."""
    chosen, total = start + one_in(step, stop - start), None
    for first in range(0, max(1, len(chosen)), 2048):
        values, calendar, y = prepare(*windows.take(chosen[first : first + 2048]).arrays)
        x, y = inputs.read(values, calendar), y.astype("float64")
        part = _Sums(x.T @ x, x.T @ y, float((y**2).sum()))
        total = part if total is None else total + part
    return total


def _folds(train, validation, sums):
    """Yield the sums of all windows before a fold, those of the fold, which has no step in common with them, and it."""
    horizon = train.targets.shape[1]
    first = round(FIRST_FOLD * len(train))
    # A fold shorter than two horizons would say little.
    count = min(FOLDS, (len(train) - first) // (2 * horizon))
    limits = np.linspace(first if count else len(train), len(train), max(count, 1) + bool(count)).round().astype(int)
    known = sums(train, 0, limits[0] - (horizon - 1) * bool(count))
    for start, stop in itertools.pairwise(limits):
        last = stop - (horizon - 1) * (stop < len(train))
        following = sums(train, start, last)
        yield known, following, train.take(slice(start, last))
        known = known + sums(train, start - horizon + 1, start) + following
    yield known, sums(validation, 0, len(validation)), validation


@dataclasses.dataclass(frozen=True)
class _Candidate:
    """A forecast `start`, or ridge regressions of what it leaves over.

    Attributes:
        start: float64 `(inputs, horizon)`, the forecast for an infinite penalty.
        weight: The weight before any error is known.
        inputs: Indices of the inputs that it reads; `None` for `start` itself.
        columns: The inputs that are read as differences from their mean, by column of the window.
    """

    start: np.ndarray
    weight: float
    inputs: np.ndarray | None = None
    columns: tuple = ()

    def kernels(self, sums):
        """Return the kernels for all penalties, float64 `(penalties, inputs, horizon)`."""
        if self.inputs is None:
            return self.start[np.newaxis]
        xx = self._centred(self._centred(sums.xx).T)[np.ix_(self.inputs, self.inputs)]
        xy = self._centred(sums.xy - sums.xx @ self.start)[self.inputs]
        # The last input is the 1, whose coefficient is free.
        is_free, kernels = np.arange(len(xx)) == len(xx) - 1, []
        for penalty in PENALTIES:
            kernel = np.zeros_like(self.start)
            kernel[self.inputs] = solve(xx + np.diag(np.where(is_free, 1e-6, penalty)), xy, assume_a="pos")
            kernels.append(self.start + self._centred(kernel))
        return np.stack(kernels)

    def _centred(self, rows):
        rows = rows.copy()
        for inputs in self.columns:
            rows[inputs] -= rows[inputs].mean(axis=0)
        return rows


def _candidates(inputs, calendar, horizon, target_column, seasons):
    """Return the `_Candidate` forecasts by name."""
    own, count = inputs.columns[target_column], sum(map(len, inputs.columns))
    steps = np.arange(count + calendar + 1)

    def repeats(past):
        start = np.zeros((len(steps), horizon))
        # A step may be read as part of a mean.
        group = np.searchsorted(inputs.starts[target_column], past, side="right") - 1
        start[own[group], np.arange(horizon)] = 1
        return start

    window = inputs.window
    candidates = {"last value": _Candidate(repeats(np.full(horizon, window - 1)), 1.0)}
    for season in seasons:
        past = window - season + np.arange(horizon) % season
        candidates[f"{season} steps before"] = _Candidate(repeats(past), 1.0 / len(seasons))
    mean = np.zeros((len(steps), horizon))
    mean[own] = 1 / len(own)
    for name, start, columns in ((LEVELS, 0 * mean, ()), (DIFFERENCES, mean, tuple(inputs.columns))):
        for suffix, read in ((", calendar", steps), ("", np.delete(steps, slice(count, -1)))):
            candidates[name + suffix] = _Candidate(start, PRIORS[name] / 2, read, columns)
    return candidates


def _residuals(kernel, windows, prepare, inputs):
    """Return the errors in 2,048 of the windows or all."""
    values, calendar, targets = prepare(*windows.take(one_in(-(-len(windows) // 2048), len(windows))).arrays)
    return targets - inputs.read(values, calendar) @ kernel


def _kernels(candidates, sums):
    return {name: candidate.kernels(sums) for name, candidate in candidates.items()}


def _weights(candidates, kernels, folds):
    """Return the weights of all forecasts, an array of those for all penalties by name; they add up to 1."""
    recent = np.arange(1, len(folds) + 1) ** 2
    limit = SHARPNESS_PER_HORIZON * sum(len(windows) / windows.targets.shape[1] for _, _, windows in folds)
    of_penalties = {}
    for name in candidates:
        ratios = _ratios({name: [of_fold[name] for of_fold in kernels]}, folds)[name]
        of_penalties[name] = _softmax(np.average(ratios, axis=0, weights=recent), min(limit, SHARPNESS_OF_PENALTIES))
    means = {
        name: [np.tensordot(weights, of_fold[name], 1)[np.newaxis] for of_fold in kernels]
        for name, weights in of_penalties.items()
    }
    ratios = np.array([np.mean(ratios) for ratios in _ratios(means, folds).values()])
    weights = _softmax(ratios, min(limit, SHARPNESS), np.array([candidate.weight for candidate in candidates.values()]))
    return {name: weight * of_penalties[name] for name, weight in zip(candidates, weights, strict=True)}


def _ratios(kernels, folds):
    """Return the squared errors by name, `(folds, penalties)`, relative to the least one in the same fold."""
    errors = {name: [] for name in kernels}
    for number, (_, following, _) in enumerate(folds):
        for name, of_folds in kernels.items():
            # What least squares leaves of a perfect forecast are rounding errors.
            floor = 1e-9 * following.yy
            errors[name].append([max(following.squared_error(one), floor) for one in of_folds[number]])
    least = np.min([np.min(each, axis=1) for each in errors.values()], axis=0)
    return {name: each / np.where(least > 0, least, 1)[:, np.newaxis] for name, each in errors.items()}


def _softmax(squared_errors, sharpness, priors=1.0):
    errors = np.sqrt(squared_errors)
    weights = priors * np.exp(-sharpness * (errors / (errors.min() or 1) - 1))
    return weights / weights.sum()


def _mean(kernels, weights):
    return sum(np.tensordot(weights[name], each, 1) for name, each in kernels.items())
