import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_refs import datasets, evaluation, export, settings, train
from keras_refs.datasets.steps import Step
from keras_refs.errors import UserError
from keras_refs.recipes import lstm_regressor, series, simple_rnn_regressor
from tests.datasets.test_series import random_series


@pytest.fixture(scope="module")
def daily(tmp_path_factory):
    """The settings of the recipe for days, trained for a few seconds, its metrics, and its folder."""
    folder = tmp_path_factory.mktemp("daily")
    config = settings.override(simple_rnn_regressor.Config(), epochs=4, units=(32,), learning_rate=0.01)
    return config, simple_rnn_regressor.train_and_evaluate(config, folder / "run", folder / "models"), folder


@pytest.fixture(scope="module")
def hourly(tmp_path_factory):
    """The same of the recipe for hours, on less of them."""
    folder = tmp_path_factory.mktemp("hourly")
    splits = {"train_split": "train[60%:]", "test_split": "test[:20%]"}
    config = settings.override(lstm_regressor.Config(), epochs=4, units=(24,), learning_rate=0.02, **splits)
    return config, lstm_regressor.train_and_evaluate(config, folder / "run", folder / "models"), folder


def test_daily_volume_beats_the_autoregression(daily):
    _, metrics, folder = daily
    references = metrics["test"]["references"]
    # Published, and computed from the same windows by others' code.
    assert references["persistence"]["r2"] == pytest.approx(0.180, abs=1e-3)
    assert references["ridge"]["r2"] == pytest.approx(0.413, abs=1e-3)
    assert references["ridge, clock"]["r2"] == pytest.approx(0.460, abs=1e-3)
    assert metrics["test"]["r2"] > 0.44
    assert 0.7 < metrics["test"]["interval"]["coverage"] < 0.9
    figures = {"learning_curves.png", "forecasts.png", "residuals.png"}
    assert {path.name for path in (folder / "run" / "figures").iterdir()} == figures


def test_hourly_load_beats_the_naive_forecasts(hourly):
    _, metrics, folder = hourly
    references = metrics["test"]["references"]
    assert references["24 steps before"]["skill"] > 0
    assert references["persistence"]["skill"] > 0.5
    figures = {"learning_curves.png", "forecasts.png", "residuals.png", "error_by_step.png"}
    assert {path.name for path in (folder / "run" / "figures").iterdir()} == figures


def test_export_forecasts_raw_values_from_raw_values(hourly):
    config, metrics, _ = hourly
    data, _ = lstm_regressor.load(config)
    test = data.test.take(slice(0, 300))
    forecasts = export.SavedFunction(metrics["export"]).predict(series=test.values, time=test.iso_times)["forecast"]
    assert forecasts.shape == test.targets.shape
    assert np.corrcoef(forecasts.ravel(), test.targets.ravel())[0, 1] > 0.5


def test_evaluate_gives_the_scores_of_the_run(daily):
    config, metrics, _ = daily
    scores = simple_rnn_regressor.evaluate(metrics["export"], config)
    assert scores.keys() == metrics["test"].keys()
    assert scores["rmse"] == pytest.approx(metrics["test"]["rmse"], rel=1e-6)
    assert scores["references"]["ridge"] == pytest.approx(metrics["test"]["references"]["ridge"], rel=1e-6)


def test_the_card_names_the_columns_and_which_is_forecast(daily):
    card = export.read_model_card(daily[1]["export"])
    assert card["columns"] == ["DJ_return", "log_volume", "log_volatility"]
    assert card["settings"]["target"] == "log_volume"


def test_explains_the_forecast_by_each_value_of_the_window(daily, tmp_path, monkeypatch):
    config, metrics, _ = daily
    drawn, draw = [], evaluation.save_influence
    monkeypatch.setattr(evaluation, "save_influence", lambda *arguments: drawn.append(arguments) or draw(*arguments))
    simple_rnn_regressor.explain(metrics["export"], config, tmp_path)
    influence, names, _, path = drawn[0]
    assert influence.shape == (3, 1, 5)
    assert np.all(influence > 0)
    assert names[influence[:, 0, -1].argmax()] == "log_volume"
    assert path == tmp_path / "influence.png"
    assert path.exists()


def test_influence_is_the_change_for_a_standard_deviation(tmp_path, monkeypatch):
    """Of a network whose third output depends on `a` in the second of four steps, on top of the seasonal-naive ones."""
    data = random_series()
    encoder = datasets.SeriesEncoder.fit(data, season=2)
    inputs = keras.Input(encoder.inputs(data.test.values, data.test.times).shape[1:])
    network = keras.Model(inputs, keras.layers.Dense(3, name="forecast")(keras.layers.Flatten()(inputs)))
    kernel = np.zeros(network.layers[-1].kernel.shape)
    kernel[inputs.shape[2] * 1 + 0, 2] = -0.5
    network.set_weights([kernel, np.zeros(3)])
    export.write_forecaster(network, encoder, data, tmp_path, np.zeros((2, 3), "float32"))
    drawn = []
    monkeypatch.setattr(evaluation, "save_influence", lambda *arguments: drawn.append(arguments))
    series.save_influence(tmp_path, data, encoder, tmp_path / "influence.png")
    expected = np.zeros((2, 3, 4))
    expected[0, 2, 1] = 0.5 * encoder.residual_scale
    expected[1, [0, 1, 2], [2, 3, 2]] = encoder.scaler.scale_[1]
    np.testing.assert_allclose(drawn[0][0], expected, rtol=1e-4)
    assert drawn[0][1] == ("a", "b")


def test_export_on_a_gpu_would_do_without_cudnn(hourly):
    config, _, _ = hourly
    data, _ = lstm_regressor.load(config)
    for for_export, use_cudnn in ((False, "auto"), (True, False)):
        layers = lstm_regressor.build(config, data, for_export=for_export)._flatten_layers()
        assert {layer.use_cudnn for layer in layers if layer.name == "recurrent1"} == {use_cudnn}


LENGTHS = {
    ("minute", 1): (1440, 60, 1440, 60),
    ("minute", 15): (672, 96, 96, 96),
    ("minute", 60): (168, 24, 24, 24),
    ("minute", 24 * 60): (56, 7, 7, 7),
    ("business day", 1): (40, 5, 5, 5),
    ("minute", 7 * 24 * 60): (52, 4, 52, 4),
    ("month", 1): (36, 12, 12, 12),
    ("month", 3): (12, 4, 4, 4),
    ("month", 12): (10, 1, 1, 1),
}


@pytest.mark.parametrize("step", LENGTHS)
def test_lengths_follow_from_the_step(step):
    unit, count = step
    data = settings.override(lstm_regressor.Config(), **series.OTHER_DATA).data
    chosen = series.by_step(data, Step(count, unit, 0, "1111100"))
    lengths = chosen.window, chosen.horizon, chosen.season, chosen.steps_per_reading
    assert lengths == LENGTHS[step]


def test_what_is_named_is_not_chosen():
    """And what is chosen fits it."""
    config = settings.override(lstm_regressor.Config(), **{**series.OTHER_DATA, "window": 20, "horizon": 3})
    chosen = series.by_step(config.data, Step(60, "minute", 0))
    assert (chosen.window, chosen.horizon, chosen.season, chosen.steps_per_reading) == (20, 3, 1, 1)


@pytest.mark.parametrize("recipe", [lstm_regressor, simple_rnn_regressor])
def test_defaults_are_tuned_for_the_data_of_the_recipe_alone(recipe):
    own = recipe.Config()
    for options in ([], ["--dataset", own.data.dataset], ["--units", "3"]):
        assert train._parse(recipe, "name", options)[0].data == own.data
    for options in (["--data", "x.csv", "--target", "x"], ["--dataset=x", "--target", "x"]):
        data = train._parse(recipe, "name", options)[0].data
        assert (data.target, data.window, data.horizon, data.holidays) == ("x", 0, 0, "")


def test_a_model_scores_steps_of_its_own_length(daily):
    config, metrics, _ = daily
    data, encoder = simple_rnn_regressor.load(config)
    hourly = dataclasses.replace(data, step=Step(60, "minute", 0))
    with pytest.raises(UserError, match="The model forecasts steps of business days. Those of nyse are of 1 hour."):
        series.evaluate(metrics["export"], hourly, encoder)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"steps_per_reading": 5}, "--window must be a multiple of --steps-per-reading, 5. Received: 168"),
        ({"season": 169}, "--season must be at most --window, 168. Received: 169"),
        ({"validation_fraction": 1.0}, "--validation-fraction must be greater than 0 and less than 1. Received: 1.0"),
    ],
)
def test_settings_that_do_not_fit_each_other(changed, message):
    with pytest.raises(UserError, match=message):
        settings.override(lstm_regressor.Config(), **changed)


def calibrated(outputs_for, capsys):
    """The encoder to export, the margins and what was printed, for a network with these outputs for right ones."""
    data = random_series()
    encoder, exported = datasets.SeriesEncoder.fit(data, season=1).with_linear_forecasts(data)
    outputs = outputs_for(encoder.targets(*data.validation.arrays).numpy()).astype("float32")
    calibrated, margins, facts = series.calibrate(lambda *_, **__: tf.constant(outputs), encoder, exported, data)
    return data, encoder, exported, calibrated, margins, facts, capsys.readouterr().out


def test_a_network_that_adds_nothing_is_left_out(capsys):
    def noise(wanted):
        return np.random.default_rng(1).normal(size=wanted.shape)

    data, encoder, exported, result, margins, facts, printed = calibrated(noise, capsys)
    assert facts["network_weight"] == result.residual_scale == 0
    assert "The network adds nothing to it on the validation split" in printed
    test = data.test
    forecasts = result.forecast(lambda inputs, training: np.full((50, 3), 7.0, "float32"), test.values, test.times)
    np.testing.assert_array_equal(forecasts, exported.simple(test.values, test.times))
    residuals = data.validation.targets - encoder.simple(data.validation.values, data.validation.times)
    inside = np.mean((margins[0] <= residuals) & (residuals <= margins[1]))
    assert 0.7 < inside < 0.95


def test_a_network_that_helps_counts(capsys):
    _, encoder, _, result, margins, facts, printed = calibrated(lambda wanted: 2 * wanted, capsys)
    assert facts["network_weight"] == pytest.approx(0.5, abs=1e-3)
    assert result.residual_scale == pytest.approx(0.5 * encoder.residual_scale, rel=1e-3)
    assert "weight 0.50" in printed
    np.testing.assert_allclose(margins, 0, atol=1e-2)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_without_a_split_to_fit_to_the_references_are_naive(split):
    data = random_series()
    data = dataclasses.replace(data, **{split: data.train.take(slice(0))})
    encoder = datasets.SeriesEncoder.fit(data, season=2)
    assert series.reference_forecasts(data, encoder).keys() == {"persistence", "2 steps before"}


def test_an_export_without_intervals_is_scored_without(monkeypatch):
    data = random_series()

    class Saved:
        def __init__(self, folder, encode):
            pass

        def predict(self, series, time):
            return {"forecast": data.test.targets}

    monkeypatch.setattr(export, "load_function", Saved)
    scores = series.evaluate("folder", data, datasets.SeriesEncoder.fit(data, season=1))
    assert scores["rmse"] == 0
    assert "interval" not in scores
