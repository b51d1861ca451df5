import keras
import numpy as np
import pytest

from keras_refs import models, training
from tests import checks


def build():
    keras.utils.set_random_seed(0)
    return models.lstm_classifier(num_features=3, num_classes=4, units=(5, 6), steps=7, mask_value=0.0)


def sequences(count):
    values = np.random.default_rng(0).normal(size=(count, 7, 3)).astype("float32")
    values[::2, 4:] = 0
    return values


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})


@pytest.mark.parametrize("count", [1, 2, 9])
def test_it_predicts_what_the_network_does(count):
    network = build()
    together = training.side_by_side(network)
    assert together is not network
    assert together.output_shape == network.output_shape
    np.testing.assert_allclose(together(sequences(count)), network(sequences(count)), atol=1e-6)


def test_it_trains_the_networks_weights_as_the_network_alone_would():
    def trained(model, network):
        labels = np.arange(20) % 4
        model.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(sequences(20), labels, batch_size=5, epochs=2, shuffle=False, verbose=0)
        return network.get_weights()

    alone, network = build(), build()
    together = training.side_by_side(network)
    initial = network.get_weights()
    assert [weight.path for weight in together.weights] == [weight.path for weight in network.weights]
    expected, found = trained(alone, alone), trained(together, network)
    for before, one, other, own in zip(initial, expected, found, together.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
        np.testing.assert_array_equal(other, own)
        assert np.abs(one - before).max() > 1e-3


def test_several_inputs_and_outputs():
    x, y = keras.Input((2,), name="x"), keras.Input((2,), name="y")
    network = keras.Model({"x": x, "y": y}, {"sum": x + y, "difference": x - y})
    values = {name: np.random.default_rng(1).normal(size=(5, 2)).astype("float32") for name in ("x", "y")}
    outputs = training.side_by_side(network).predict(values, verbose=0)
    np.testing.assert_allclose(outputs["sum"], values["x"] + values["y"], atol=1e-6)
    np.testing.assert_allclose(outputs["difference"], values["x"] - values["y"], atol=1e-6)


def test_its_files_come_back(tmp_path):
    together = training.side_by_side(build())
    together.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(copy(sequences(4)), together(sequences(4)))


def test_inputs_are_cast_by_the_networks_own_layers():
    def build():
        raw = keras.Input((1,))
        return training.side_by_side(keras.Model(raw, keras.layers.Rescaling(1e-5, dtype="float32")(raw)))

    together = checks.built_under("mixed_float16", build)
    np.testing.assert_allclose(together(np.array([[1e5], [3e5]], "float32")), [[1], [3]], rtol=1e-6)


def test_on_one_core_it_is_the_network(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    network = build()
    assert training.side_by_side(network) is network
