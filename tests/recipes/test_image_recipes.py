"""What the recipes for images do beside `conv_classifier`, which `test_train.py` has: they learn, and export."""

import importlib

import numpy as np
import pytest

from keras_refs import datasets, export
from tests import checks

SMALL = {
    "lstm_classifier": {"units": (24,), "dropout": 0.0, "learning_rate": 0.02},
    "mlp": {"hidden_units": (32,), "dropout": 0.0, "learning_rate": 0.01},
}


@pytest.mark.parametrize("name", SMALL)
def test_learns_digits_and_answers_in_a_clean_process(name, digits_data_dir, tmp_path):
    module = importlib.import_module(f"keras_refs.recipes.{name}")
    config = module.Config(
        epochs=10,
        batch_size=32,
        dataset="digits",
        data_dir=str(digits_data_dir),
        horizontal_flip=False,
        shift=0,
        **SMALL[name],
    )
    metrics = module.Recipe(config).train_and_evaluate(tmp_path / "run", tmp_path / "models")
    assert metrics["test"]["accuracy"] > 0.8
    test, _ = datasets.load_image_split("digits", digits_data_dir)
    outputs = {"probabilities": export.SavedImageClassifier(metrics["export"]).predict(test.images)}
    outputs["label"] = outputs["probabilities"].argmax(axis=1)
    outputs["class_name"] = outputs["label"].astype(str).astype(np.bytes_).astype(object)
    assert np.mean(outputs["label"] == test.labels) == pytest.approx(metrics["test"]["accuracy"])
    checks.check_answers_in_a_clean_process(
        metrics["export"], "serving_default", {"images": test.images}, outputs, tmp_path
    )
