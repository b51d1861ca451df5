"""What the recipes for images do beside `conv_classifier`, which `test_train.py` has: they learn, and export."""

import importlib

import keras
import numpy as np
import pytest

from keras_refs import datasets, export, settings
from keras_refs.recipes import conv_classifier
from tests import checks

SMALL = {
    "lstm_classifier": {"units": (24,), "dropout": 0.0, "learning_rate": 0.02},
    "mlp": {"hidden_units": (32,), "dropout": 0.0, "learning_rate": 0.01},
}


@pytest.mark.parametrize("name", SMALL)
def test_learns_digits_and_answers_in_a_clean_process(name, digits_data_dir, tmp_path):
    module = importlib.import_module(f"keras_refs.recipes.{name}")
    config = settings.override(
        module.Config(),
        epochs=10,
        batch_size=32,
        dataset="digits",
        data_dir=str(digits_data_dir),
        horizontal_flip=False,
        shift=0,
        **SMALL[name],
    )
    metrics = module.train_and_evaluate(config, tmp_path / "run", tmp_path / "models")
    assert metrics["test"]["accuracy"] > 0.8
    test, _ = datasets.load_image_split("digits", digits_data_dir)
    outputs = export.SavedFunction(metrics["export"]).predict(images=test.images)
    np.testing.assert_array_equal(outputs["label"], outputs["probabilities"].argmax(axis=1))
    np.testing.assert_array_equal(outputs["class_name"], outputs["label"].astype(str).astype(np.bytes_).astype(object))
    np.testing.assert_allclose(export.load_model(metrics["export"])(test.images), outputs["probabilities"], atol=1e-3)
    assert np.mean(outputs["label"] == test.labels) == pytest.approx(metrics["test"]["accuracy"])
    checks.check_answers_in_a_clean_process(
        metrics["export"], "serving_default", {"images": test.images}, outputs, tmp_path
    )


def test_steps_are_replaced_by_arguments(digits_data_dir, tmp_path):
    """Another network, optimizer and loss, and a callback more: what the guide on recipes shows."""
    epochs = []

    def build(config, data):
        images = keras.Input(data.image_shape)
        x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(images))
        return keras.Model(images, keras.layers.Dense(10, "softmax", name="classifier")(x), name="linear")

    data = {"dataset": "digits", "data_dir": str(digits_data_dir), "horizontal_flip": False, "shift": 0}
    config = settings.override(conv_classifier.Config(), epochs=3, batch_size=50, **data)
    metrics = conv_classifier.train_and_evaluate(
        config,
        tmp_path / "run",
        tmp_path / "models",
        build=build,
        optimizer=keras.optimizers.SGD(1.0, momentum=0.5),
        loss="kl_divergence",
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(epoch))],
    )
    assert metrics["parameters"] == 650
    assert metrics["test"]["accuracy"] > 0.8
    assert epochs == [0, 1, 2]
