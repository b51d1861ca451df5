"""Trained models by name, from the working directory or the package."""

import shutil

import numpy as np
import pytest

import keras_refs
from keras_refs import export, trained
from keras_refs.errors import UserError
from tests.conftest import REPOSITORY

COMMITTED = sorted(folder.name for folder in (REPOSITORY / "saved_models").iterdir())


def test_the_models_of_the_package_are_listed_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    models = {model.name: model for model in keras_refs.list_models(trained=True)}
    assert sorted(models) == COMMITTED
    model = models["conv_classifier"]
    assert (model.dataset, model.parameters) == ("fashion_mnist", 121930)
    assert model.task.startswith("Classify Fashion-MNIST's images")
    assert model.score.startswith("accuracy 0.9")
    assert 0.5 < model.megabytes < 2
    assert all(model.score and model.dataset and model.folder.is_dir() for model in models.values())


def test_the_working_directory_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert trained.find("mlp") == REPOSITORY / "saved_models" / "mlp" / "1"
    shutil.copytree(REPOSITORY / "saved_models" / "linear_regression", tmp_path / "saved_models" / "mlp")
    own = tmp_path / "saved_models" / "mlp" / "1"
    for name in ("mlp", "saved_models/mlp", own, own.parent):
        assert trained.find(name).resolve() == own
    assert trained.find("saved_models/gan/1") == REPOSITORY / "saved_models" / "gan" / "1"
    assert {model.name: model.dataset for model in trained.list_trained_models()}["mlp"] == "diabetes"


@pytest.mark.parametrize("name", ["conv_classifer", "saved_models/conv_classifer"])
def test_unknown_names(name):
    with pytest.raises(UserError, match="There is no model or folder .* The nearest names are: .*conv_classifier"):
        trained.find(name)


def test_folders_that_hold_no_model(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="is no SavedModel"):
        keras_refs.load_model(tmp_path / "empty")


def test_a_model_is_the_network_of_its_export():
    model = keras_refs.load_model("conv_classifier")
    assert not model.compiled
    assert {weight.dtype for weight in model.weights} == {"float32"}
    images = np.random.default_rng(0).integers(0, 256, (4, 28, 28, 1), "uint8")
    saved = export.SavedFunction(REPOSITORY / "saved_models" / "conv_classifier" / "1", "features")
    assert model(images).shape == (4, 10)
    assert saved.predict(images=images)["features"].shape[0] == 4


def test_every_model_loads():
    for model in keras_refs.list_models(trained=True):
        assert keras_refs.load_model(model.name).count_params() == model.parameters
