import numpy as np
import pytest
import tensorflow as tf

from keras_refs import export
from keras_refs.recipes import lstm_regressor, simple_rnn_regressor
from tests import checks


@pytest.fixture(scope="module")
def daily(tmp_path_factory):
    """The recipe for days, trained for a few seconds, its metrics, and its folder."""
    folder = tmp_path_factory.mktemp("daily")
    recipe = simple_rnn_regressor.Recipe(simple_rnn_regressor.Config(epochs=4, units=(32,), learning_rate=0.01))
    return recipe, recipe.train_and_evaluate(folder / "run", folder / "models"), folder


@pytest.fixture(scope="module")
def hourly(tmp_path_factory):
    """The recipe for hours, on less of them."""
    folder = tmp_path_factory.mktemp("hourly")
    config = lstm_regressor.Config(
        epochs=4, units=(24,), learning_rate=0.02, train_split="train[60%:]", test_split="test[:20%]"
    )
    recipe = lstm_regressor.Recipe(config)
    return recipe, recipe.train_and_evaluate(folder / "run", folder / "models"), folder


def test_daily_volume_beats_the_autoregression(daily):
    _, metrics, folder = daily
    references = metrics["test"]["references"]
    # Published, and computed from the same windows by others' code.
    assert references["persistence"]["r2"] == pytest.approx(0.180, abs=1e-3)
    assert references["ridge"]["r2"] == pytest.approx(0.413, abs=1e-3)
    assert references["ridge, clock"]["r2"] == pytest.approx(0.460, abs=1e-3)
    assert metrics["test"]["r2"] > 0.44
    figures = {"learning_curves.png", "forecasts.png", "residuals.png"}
    assert {path.name for path in (folder / "run" / "figures").iterdir()} == figures


def test_hourly_load_beats_the_naive_forecasts(hourly):
    _, metrics, folder = hourly
    references = metrics["test"]["references"]
    assert references["24 steps before"]["skill"] > 0.05
    assert references["persistence"]["skill"] > 0.5
    figures = {"learning_curves.png", "forecasts.png", "residuals.png", "error_by_step.png"}
    assert {path.name for path in (folder / "run" / "figures").iterdir()} == figures


def test_export_takes_raw_values_in_a_clean_process(hourly, tmp_path):
    recipe, metrics, _ = hourly
    test = recipe.data.test.take(slice(0, 300))
    times = np.datetime_as_string(test.times.astype("datetime64[h]"), unit="m")
    inputs = {"series": test.values, "time": times}
    outputs = export.SavedFunction(metrics["export"]).predict(**inputs)
    assert outputs["forecast"].shape == test.targets.shape
    assert np.corrcoef(outputs["forecast"].ravel(), test.targets.ravel())[0, 1] > 0.5
    checks.check_answers_in_a_clean_process(
        metrics["export"], "serving_default", {**inputs, "time": times.astype("S")}, outputs, tmp_path, rtol=1e-5
    )


def test_statistics_come_from_the_training_windows_alone(daily):
    recipe, _, _ = daily
    train = recipe.data.train.values.reshape(-1, 3)
    np.testing.assert_allclose(recipe.value_scale.mean, train.mean(axis=0, dtype="float64"), atol=1e-6)
    np.testing.assert_allclose(recipe.value_scale.deviation, train.std(axis=0, dtype="float64"), rtol=1e-5)


def test_the_signature_says_where_a_value_is_missing_and_what_a_time_is(daily):
    _, metrics, _ = daily
    signature = tf.saved_model.load(metrics["export"]).signatures["serving_default"]
    series = np.zeros((2, 5, 3), "float32")
    with pytest.raises(tf.errors.InvalidArgumentError, match="a time must be written as"):
        signature(series=tf.constant(series), time=tf.constant(["1985-01-02", "tomorrow"]))
    series[1, 4, 2] = np.nan
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"`series` must hold finite numbers.*\[1 4 2\]"):
        signature(series=tf.constant(series), time=tf.constant(["1985-01-02", "1985-01-03"]))


def test_export_on_a_gpu_would_do_without_cudnn(hourly):
    recipe, _, _ = hourly
    (layer,) = [layer for layer in recipe.build_export_model().layers if layer.name == "recurrent1"]
    assert layer.use_cudnn is False


def test_the_naive_forecast_repeats_the_last_season():
    recipe = lstm_regressor.Recipe(lstm_regressor.Config(window=72, horizon=30, season=24))
    values = np.arange(72, dtype="float32").reshape(1, 72, 1)
    np.testing.assert_array_equal(recipe.naive(values)[0], [*range(48, 72), *range(48, 54)])
