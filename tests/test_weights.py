"""Trained weights in builders, by the name of a data set or by a path."""

import shutil
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_refs
from keras_refs import export
from tests.conftest import REPOSITORY

SAVED_MODELS = REPOSITORY / "saved_models"
SPEECH = {"embedding_dim": 128, "units": (512, 512), "bidirectional": True}
DATES = {"num_source_symbols": 49, "num_target_symbols": 13, "embedding_dim": 32, "units": 128, "bidirectional": True}
LANGUAGES = {"vocabulary_size": 65_536, "num_channels": 5, "embedding_dim": 32, "hidden_dim": 96, "num_heads": 4}
LANGUAGES |= {"feed_forward_dim": 192, "positions": None}
SUM = {"num_series": 2, "hidden_dim": 32, "num_heads": 4, "feed_forward_dim": 64, "positions": None}
TRAINED = {
    "adding_problem": [
        ("self_attention_regressor", "adding_problem", SUM),
        ("lstm_regressor", "adding_problem", {"num_series": 2, "units": 64}),
        ("simple_rnn_regressor", "adding_problem", {"num_series": 2, "units": 64}),
    ],
    "conv_classifier": [("conv_classifier", "fashion_mnist", {})],
    "date_normalisation": [("attention_seq2seq", "dates", DATES)],
    "g2p": [("attention_seq2seq", "cmudict", SPEECH)],
    "gan": [
        (
            "gan_generator",
            "fashion_mnist",
            {"hidden_units": 0, "base_filters": 128, "kernel_size": 4, "num_classes": 10},
        )
    ],
    "linear_regression": [("linear_regression", "diabetes", {"num_features": 10})],
    "logistic_regression": [("logistic_regression", "breast_cancer", {"num_features": 30})],
    "lstm_classifier": [("lstm_classifier", "fashion_mnist", {"units": 128})],
    "lstm_regressor": [("lstm_regressor", "hourly_electricity", {"num_series": 77, "num_outputs": 24})],
    "mlp": [
        (
            "mlp",
            "fashion_mnist",
            {"num_features": 784, "num_classes": 10, "hidden_units": (1024, 512), "batch_normalization": True},
        )
    ],
    "rnn_text_classifier": [
        (
            "rnn_text_classifier",
            "udhr_languages",
            {"vocabulary_size": 20_000, "num_classes": 40, "embedding_dim": 64, "units": 128},
        )
    ],
    "self_attention_classifier": [("self_attention_classifier", "udhr_languages", {**LANGUAGES, "num_classes": 40})],
    "simple_rnn_regressor": [("simple_rnn_regressor", "nyse", {"num_series": 32, "units": 64})],
}
"""For each trained model the builders of its networks, the data set and the arguments that its networks have."""
CASES = [(name, *case) for name, cases in TRAINED.items() for case in cases]


@pytest.mark.parametrize(("name", "builder", "dataset", "arguments"), CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES])
def test_a_builder_has_the_weights_of_its_trained_model(name, builder, dataset, arguments):
    model = keras_refs.build(builder, weights=dataset, **arguments)
    trained = keras_refs.load_model(name)
    assert {weight.tobytes() for weight in model.get_weights()} <= {
        weight.tobytes() for weight in trained.get_weights()
    }


@pytest.mark.parametrize("path", ["conv_classifier", "conv_classifier/1"])
def test_other_classes_have_a_new_head(path):
    keras.utils.set_random_seed(0)
    model = keras_refs.conv_classifier(num_classes=5, weights=SAVED_MODELS / path)
    trained = keras_refs.load_model(SAVED_MODELS / path)
    for layer in model.layers[:-1]:
        for weight, expected in zip(layer.get_weights(), trained.get_layer(layer.name).get_weights(), strict=True):
            np.testing.assert_array_equal(weight, expected)
    keras.utils.set_random_seed(0)
    initial = keras_refs.conv_classifier(num_classes=5)
    np.testing.assert_array_equal(model.get_weights()[-2], initial.get_weights()[-2])


def test_features_and_precision_have_the_trained_weights_too():
    folder = SAVED_MODELS / "conv_classifier" / "1"
    features = keras_refs.conv_classifier(include_top=False, dtype="mixed_bfloat16", weights=folder)
    images = np.random.default_rng(0).integers(0, 256, (4, 28, 28, 1), "uint8")
    expected = export.SavedFunction(folder, "features").predict(images=images)
    np.testing.assert_allclose(features(images), expected["features"], rtol=0.05, atol=0.1)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"weights": "fashion_mnits"}, "no conv_classifier trained on 'fashion_mnits'.*trained on: fashion_mnist"),
        ({"weights": "nowhere.keras"}, "There is no file 'nowhere.keras'"),
        ({"weights": "nowhere/1"}, "no conv_classifier trained on 'nowhere/1'"),
        ({"weights": REPOSITORY / "docs"}, "is no SavedModel"),
        ({"weights": SAVED_MODELS / "g2p"}, "do not fit: .* has block1_convolution/kernel"),
        (
            {"weights": "fashion_mnist", "filters": (32, 65)},
            r"block2_convolution/kernel has the shape \(3, 3, 32, 65\) in the model and \(3, 3, 32, 64\) in the",
        ),
        ({"weights": "fashion_mnist", "hidden_units": 0}, "the trained model has hidden/kernel"),
        ({"weights": "fashion_mnist", "hidden_units": (64, 64)}, "the model has hidden2/kernel"),
    ],
)
def test_weights_that_cannot_be_had(arguments, sentence):
    with pytest.raises(ValueError, match=rf"{sentence}.* Received: weights=") as raised:
        keras_refs.conv_classifier(**arguments)
    assert "\n" not in str(raised.value)


def test_nothing_is_half_loaded():
    model = keras_refs.logistic_regression(num_features=29)
    before = model.get_weights()
    with pytest.raises(keras_refs.errors.UserError, match=r"the head's kernel has the shape \(29, 1\)"):
        export.copy_weights(model, keras_refs.load_model("logistic_regression"))
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


@pytest.mark.parametrize("content", [b"", b"no zip file", None])
def test_damaged_keras_files(content, tmp_path):
    path = tmp_path / "damaged.keras"
    if content is None:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("config.json", "{}")
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read as a Keras model: .* Received: weights="):
        keras_refs.conv_classifier(weights=path)


def test_a_trained_model_of_the_working_directory_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(SAVED_MODELS / "linear_regression", tmp_path / "saved_models" / "own")
    card = tmp_path / "saved_models" / "own" / "1" / "model_card.json"
    card.write_text(card.read_text().replace('"diabetes"', '"my_table.csv"'))
    # What is no model, or damaged, is passed over.
    (tmp_path / "saved_models" / "empty").mkdir()
    shutil.copytree(card.parents[1], tmp_path / "saved_models" / "damaged")
    (tmp_path / "saved_models" / "damaged" / "1" / "model_card.json").write_text("{")
    assert keras_refs.linear_regression(10, weights="my_table.csv").count_params() == 11


def copy_to(remote, folder):
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix != ".png":
            target = f"{remote}/{path.relative_to(folder)}"
            tf.io.gfile.makedirs(target.rsplit("/", 1)[0])
            tf.io.gfile.copy(str(path), target, overwrite=True)


def test_paths_that_tensorflow_knows():
    copy_to("ram://bucket/linear/2", SAVED_MODELS / "conv_classifier" / "1")
    copy_to("ram://bucket/linear/010", SAVED_MODELS / "linear_regression" / "1")
    for path in ("ram://bucket/linear", "ram://bucket/linear/010"):
        assert keras_refs.model_card(path)["name"] == "linear_regression"
        assert keras_refs.load_model(path).count_params() == 11
        assert keras_refs.load_preprocessor(path)(np.zeros((2, 10))).shape == (2, 10)
    assert keras_refs.labels("ram://bucket/linear/2")[:2] == ("T-shirt/top", "Trouser")
    assert keras_refs.linear_regression(10, weights="ram://bucket/linear/").count_params() == 11


def test_a_keras_file_elsewhere(tmp_path):
    model = keras_refs.mlp()
    model.save(tmp_path / "xor.keras")
    tf.io.gfile.copy(str(tmp_path / "xor.keras"), "ram://xor.keras", overwrite=True)
    loaded = keras_refs.mlp(weights="ram://xor.keras")
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])


@pytest.mark.parametrize("path", ["ram://nowhere", "nothing://at/all"])
def test_paths_elsewhere_where_nothing_is(path):
    with pytest.raises(keras_refs.errors.UserError, match="There is no model or folder|cannot be read"):
        keras_refs.load_model(path)
