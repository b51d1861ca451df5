import numpy as np
import pytest

from keras_refs import datasets
from tests.datasets.test_series import random_series


@pytest.fixture(scope="module")
def data():
    return random_series()


@pytest.fixture(scope="module")
def encoders(data):
    """The encoder of the seasonal-naive forecast, and those of the linear one to train with and to export."""
    seasonal = datasets.SeriesEncoder.fit(data, season=2)
    return seasonal, *seasonal.with_linear_forecasts(data)


def test_the_linear_forecast_reads_the_standardised_window_and_the_calendar(data, encoders):
    _, encoder, _ = encoders
    test, kernel = data.test, encoder.linear.kernel
    assert kernel.shape == (4 * 2 + 7 + 24 + 1, 3)
    window = (test.values - encoder.scaler.mean_) / encoder.scaler.scale_
    x = np.hstack([window.reshape(50, 8), data.calendar.features(test.times), np.ones((50, 1))])
    expected = encoder.scaler.mean_[1] + encoder.scaler.scale_[1] * (x @ kernel)
    np.testing.assert_allclose(encoder.simple(test.values, test.times), expected, rtol=1e-4, atol=1e-4)


def test_outputs_are_residuals_of_the_linear_forecast(data, encoders):
    _, encoder, _ = encoders
    outputs = encoder.targets(*data.train.arrays).numpy()
    assert np.sqrt(np.mean(outputs**2)) == pytest.approx(1, rel=1e-4)
    right = encoder.forecast(lambda inputs, training: outputs, data.train.values, data.train.times)
    np.testing.assert_allclose(right, data.train.targets, rtol=1e-4, atol=1e-4)
    none = encoder.forecast(lambda inputs, training: 0 * outputs, data.train.values, data.train.times)
    np.testing.assert_array_equal(none, encoder.simple(data.train.values, data.train.times))


def test_the_export_knows_the_validation_split_and_keeps_the_units_of_the_outputs(data, encoders):
    _, encoder, exported = encoders
    assert exported.residual_scale == encoder.residual_scale
    assert exported.linear.weights == encoder.linear.weights

    def error(one):
        residuals = data.validation.targets - one.simple(data.validation.values, data.validation.times)
        return np.sqrt(np.mean(residuals**2))

    assert error(exported) < error(encoder)


def test_the_network_reads_levels_where_the_series_returns_to_one_and_differences_where_not(data, encoders):
    """Noise around a level; then the same noise, summed."""
    seasonal, encoder, _ = encoders
    assert not encoder.centred
    walk = random_series()
    steps = np.random.default_rng(0).normal(size=1000).cumsum().astype("float32")
    for number, part in enumerate((walk.train, walk.validation, walk.test)):
        for window in range(len(part)):
            first = number * 300 + 5 * window
            part.values[window] = steps[first : first + 4, None]
            part.targets[window] = steps[first + 4 : first + 7]
    encoder = datasets.SeriesEncoder.fit(walk, season=1).with_linear_forecasts(walk)[0]
    assert encoder.centred
    inputs = encoder.inputs(walk.test.values, walk.test.times).numpy()
    np.testing.assert_allclose(inputs[:, :, :2].mean(axis=1), 0, atol=1e-5)
    assert np.abs(seasonal.inputs(walk.test.values, walk.test.times).numpy()[:, :, :2].mean(axis=1)).max() > 1
