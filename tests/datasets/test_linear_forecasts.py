import numpy as np
import pytest
from sklearn.linear_model import Ridge

from keras_refs import datasets
from keras_refs.datasets import linear_forecasts
from keras_refs.datasets.linear_forecasts import fit_linear_forecasts

WINDOW, HORIZON = 48, 6


def windows(values, first, last):
    """All windows of a series of several columns whose first step to forecast is `first` to `last`."""
    starts = np.arange(first - WINDOW, last - WINDOW - HORIZON + 1)
    return datasets.Windows(
        values=np.stack([values[start : start + WINDOW] for start in starts]).astype("float32"),
        times=(starts + WINDOW) * 60,
        targets=np.stack([values[start + WINDOW : start + WINDOW + HORIZON, 0] for start in starts]).astype("float32"),
    )


def prepare(values, times, targets):
    """No scaling, and the hour of the day as the calendar."""
    return values, np.eye(24, dtype="float32")[times // 60 % 24], targets


def fitted(values, seasons=()):
    """The linear forecasts of a series, its test windows, and their inputs."""
    length = len(values)
    train, validation, test = (
        windows(values, first, last)
        for first, last in (
            (WINDOW, length * 6 // 10),
            (length * 6 // 10, length * 8 // 10),
            (length * 8 // 10, length),
        )
    )
    both = fit_linear_forecasts(train, validation, prepare, 0, seasons)
    flat, calendar, _ = prepare(test.values, test.times, test.targets)
    return both, test, np.hstack([flat.reshape(len(test), -1), calendar, np.ones((len(test), 1))])


def rmse(predictions, targets):
    return np.sqrt(np.mean((predictions - targets) ** 2))


def test_a_random_walk_keeps_its_last_value():
    walk = np.random.default_rng(0).normal(size=(3000, 1)).cumsum(axis=0)
    (_, linear), test, x = fitted(walk, seasons=[24])
    assert rmse(x @ linear.kernel, test.targets) < 1.02 * rmse(test.values[:, -1:, 0], test.targets)
    assert linear.weights["24 steps before"] < 1e-3
    assert linear.weight_of_levels < 0.5


def test_a_season_is_repeated():
    noise = np.random.default_rng(0).normal(size=(1500, 1))
    season = np.tile(np.random.default_rng(1).normal(0, 10, size=(24, 1)), (63, 1))[:1500]
    (_, linear), test, x = fitted(season + noise, seasons=[24])
    assert rmse(x @ linear.kernel, test.targets) < 1.2
    assert sum(linear.weights.values()) == pytest.approx(1)


def test_the_residuals_are_those_of_new_windows():
    """Of a random walk, whose steps have the variances 1, 2, 3 and so on."""
    (linear, _), _, _ = fitted(np.random.default_rng(7).normal(size=(6000, 1)).cumsum(axis=0))
    assert linear.residuals.shape[0] > 1000
    np.testing.assert_allclose(linear.residuals.var(axis=0), np.arange(1, HORIZON + 1), rtol=0.15)


def test_a_level_that_was_never_there_does_not_matter():
    """A random walk with another column, whose test split begins with a jump far out of what was seen."""
    values = np.random.default_rng(2).normal(size=(2000, 2)).cumsum(axis=0)
    values[1600:] += 1000
    (_, linear), test, x = fitted(values)
    later = slice(WINDOW, None)
    naive = rmse(test.values[later, -1:, 0], test.targets[later])
    assert linear.weight_of_levels < 0.01
    assert rmse((x @ linear.kernel)[later], test.targets[later]) < 1.5 * naive


def test_the_ridge_regressions_are_those_of_scikit_learn():
    rng = np.random.default_rng(3)
    x, y = np.hstack([rng.normal(1, 1, size=(200, 7)), np.ones((200, 1))]), rng.normal(2, 1, size=(200, 3))
    sums = linear_forecasts._Sums(x.T @ x, x.T @ y, float((y**2).sum()))
    candidate = linear_forecasts._Candidate(np.zeros((8, 3)), 1, np.array([0, 1, 2, 4, 7]))
    kernel = candidate.kernels(sums)[linear_forecasts.PENALTIES.tolist().index(10)]
    ridge = Ridge(10).fit(x[:, [0, 1, 2, 4]], y)
    np.testing.assert_allclose(kernel[[0, 1, 2, 4]], ridge.coef_.T, atol=1e-6)
    np.testing.assert_allclose(kernel[7], ridge.intercept_, atol=1e-6)
    np.testing.assert_array_equal(kernel[[3, 5, 6]], 0)
    assert sums.squared_error(kernel) == pytest.approx(((x @ kernel - y) ** 2).sum())


def test_the_first_does_not_know_the_validation_split():
    values = np.random.default_rng(4).normal(size=(1000, 1))
    (before, _), _, _ = fitted(values)
    changed = values.copy()
    changed[600:800] *= 1.001
    (after, complete), _, _ = fitted(changed)
    np.testing.assert_allclose(before.kernel, after.kernel, atol=1e-4)
    assert not np.allclose(before.kernel, complete.kernel, atol=1e-4)


def test_of_a_long_window_with_many_columns_means_are_read():
    inputs = linear_forecasts.WindowInputs.of_windows(600, 5, 3)
    assert len(inputs.starts[3]) == 600
    assert {len(inputs.starts[column]) for column in (0, 1, 2, 4)} == {100}
    windows = np.random.default_rng(5).normal(size=(4, 600, 5))
    x = inputs.read(windows, np.ones((4, 2)))
    assert x.shape == (4, 600 + 4 * 100 + 2 + 1)
    np.testing.assert_allclose(x[:, :100], windows[..., 0].reshape(4, 100, 6).mean(axis=2))
    # What is read of the means is what is read of all steps.
    kernel = np.random.default_rng(6).normal(size=(x.shape[1], 2))
    flat = np.hstack([windows.reshape(4, -1), np.ones((4, 3))])
    np.testing.assert_allclose(flat @ inputs.expand(kernel), x @ kernel)
