import numpy as np
import pytest
import tensorflow as tf

from keras_refs import datasets, export, models
from tests import checks
from tests.datasets.test_series import random_series

MARGINS = np.array([[-1, -2, -3], [1, 1, 2]], "float32")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The data, the encoder, an untrained network and the folder of its export, and the signatures as Markdown."""
    data, folder = random_series(holidays="PT"), tmp_path_factory.mktemp("forecaster")
    encoder = datasets.SeriesEncoder.fit(data, season=2, steps_per_reading=2)
    steps, features = encoder.inputs(data.test.values, data.test.times).shape[1:]
    network = models.simple_rnn_regressor(num_series=features, num_outputs=3, units=(4,), steps=steps)
    return data, encoder, network, folder, export.write_forecaster(network, encoder, data, folder, MARGINS)


def test_takes_raw_values_and_times_in_a_clean_process(exported, tmp_path):
    data, encoder, network, folder, _ = exported
    test = data.test
    forecasts = encoder.forecast(network, test.values, test.times).numpy()
    outputs = {"forecast": forecasts, "lower": forecasts + MARGINS[0], "upper": forecasts + MARGINS[1]}
    times = {"serving_default": {"time": test.iso_times.astype("S")}, "numeric": {"minutes": test.times}}
    for signature, time in times.items():
        inputs = {"series": test.values, **time}
        checks.check_answers_in_a_clean_process(folder, signature, inputs, outputs, tmp_path, rtol=1e-5)


def test_a_batch_may_be_empty(exported):
    folder = exported[3]
    for signature, key in (("serving_default", "time"), ("numeric", "minutes")):
        inputs = {"series": np.zeros((0, 4, 2), "float32"), key: np.zeros(0, "int64" if key == "minutes" else object)}
        assert export.SavedFunction(folder, signature).predict(**inputs)["forecast"].shape == (0, 3)


def test_says_where_a_value_is_missing_and_which_times_do_not_exist(exported):
    signature = tf.saved_model.load(str(exported[3])).signatures["serving_default"]
    series = np.zeros((3, 4, 2), "float32")
    times = ["2014-02-28", "2014-02-31", "2014-13-45T99:00"]
    match = r"a time must be a date that exists.*\[2014-02-31 2014-13-45T99:00\]"
    with pytest.raises(tf.errors.InvalidArgumentError, match=match):
        signature(series=tf.constant(series), time=tf.constant(times))
    series[1, 3, 1] = np.nan
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"`series` must hold finite numbers.*\[1 3 1\]"):
        signature(series=tf.constant(series), time=tf.constant(times[:1] * 3))


def test_a_warm_up_request_fits_each_signature(exported):
    requests = dict(export.read_warm_up(exported[3]))
    assert requests.keys() == {"serving_default", "numeric"}
    outputs = [export.SavedFunction(exported[3], name).predict(**inputs) for name, inputs in requests.items()]
    np.testing.assert_allclose(outputs[0]["forecast"], outputs[1]["forecast"], rtol=1e-6)


def test_the_card_names_columns_target_and_shapes(exported):
    text = exported[4]
    assert "`[batch, 4, 2]`, the last 4 steps of a, b, raw" in text
    assert "`forecast`, float32 `[batch, 3]`, the next 3 of `b`" in text
