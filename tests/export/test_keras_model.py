import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_refs import export, models
from keras_refs.errors import UserError


def network():
    """Two parts of one shape whose layers have one name, which is one part's, too: only the path tells them apart."""
    numbers = keras.Input((3,), name="numbers")
    parts = [
        keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, "tanh", name="dense")], name=name)
        for name in ("dense", "second")
    ]
    x = keras.layers.Dropout(0.5)(parts[1](numbers))
    return keras.Model(numbers, keras.layers.BatchNormalization()(parts[0](x)), name="parts")


def write(model, folder, half_precision=False):
    inputs = {"numbers": (tf.float32, (3,))}
    signatures = {"serving_default": export.checked(lambda x: {"y": model(x, training=False)}, inputs)}
    export.write_saved_model(folder, model, signatures, {}, half_precision)


@pytest.mark.parametrize("half_precision", [False, True])
def test_the_trained_model_comes_back(half_precision, tmp_path):
    model = network()
    rng = np.random.default_rng(0)
    for variable in model.weights:
        variable.assign(rng.uniform(0.5, 1, size=variable.shape))
    write(model, tmp_path, half_precision)
    loaded = export.load_model(tmp_path)
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]
    for weight, expected in zip(loaded.get_weights(), model.get_weights(), strict=True):
        assert weight.dtype == "float32"
        expected = expected.astype("float16") if half_precision else expected
        np.testing.assert_array_equal(weight, expected)
    numbers = np.array([[1.0, -2.0, 0.5]], "float32")
    exported = export.SavedFunction(tmp_path).predict(numbers=numbers)["y"]
    np.testing.assert_allclose(loaded(numbers), exported, atol=1e-6)


def test_names_of_weights_are_those_of_the_layers_and_parts():
    names = [name for name, _ in export.named_weights(network())]
    assert names[:2] == ["second/dense/kernel", "second/dense/bias"]
    assert len(set(names)) == len(names) == 8


@pytest.mark.parametrize("name", [name for name in models.__all__ if name != "gan_discriminator"])
def test_names_of_weights_are_unique_in_every_builder(name):
    small = {"vocabulary_size": 9, **models.BERT_SIZES["tiny"]} if name.startswith("bert") else {}
    model = getattr(models, name)(**small)
    names = [name for name, _ in export.named_weights(model)]
    assert len(set(names)) == len(names) == len(model.weights)


def test_a_bidirectional_encoder_comes_back(tmp_path):
    """Keras names its weights without the layer when it is built from its configuration."""
    sizes = {"num_source_symbols": 5, "num_target_symbols": 4, "embedding_dim": 3, "units": (2, 2)}
    model = models.attention_seq2seq(**sizes, bidirectional=True, use_cudnn=False)
    signature = export.checked(lambda x: {"y": model({"source": x, "target": x})}, {"x": (tf.int32, (None,))})
    export.write_saved_model(tmp_path, model, {"serving_default": signature}, {})
    for weight, expected in zip(export.load_model(tmp_path).get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_a_process_with_keras_alone_builds_the_architecture(tmp_path):
    write(network(), tmp_path)
    program = (
        "import sys; sys.modules['keras_refs'] = None\n"
        "import keras\n"
        "model = keras.models.model_from_json(open('assets.extra/model.json').read())\n"
        "print(model.name, model.count_params())"
    )
    answer = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["parts", str(network().count_params())]


def break_architecture(folder):
    (folder / "assets.extra" / "model.json").write_text("{}")


def remove_architecture(folder):
    (folder / "assets.extra" / "model.json").unlink()


def rename_a_layer(folder):
    path = folder / "assets.extra" / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text())).replace('"second"', '"another"'))


@pytest.mark.parametrize("damage", [break_architecture, remove_architecture, rename_a_layer])
def test_what_cannot_be_read_back_gets_a_sentence(damage, tmp_path):
    write(network(), tmp_path)
    damage(tmp_path)
    with pytest.raises(UserError, match="cannot be read back as a Keras model: ") as raised:
        export.load_model(tmp_path)
    assert "\n" not in str(raised.value)


def test_a_keras_that_is_too_old_is_named(tmp_path):
    write(network(), tmp_path)
    break_architecture(tmp_path)
    card = tmp_path / "model_card.json"
    card.write_text(json.dumps({"ran_on": {"versions": {"keras": keras.__version__}}}))
    with pytest.raises(UserError) as raised:
        export.load_model(tmp_path)
    assert "written by" not in str(raised.value)
    card.write_text(json.dumps({"ran_on": {"versions": {"keras": "99.1.0"}}}))
    with pytest.raises(UserError, match=r"It was written by Keras 99\.1\.0; install that, here is"):
        export.load_model(tmp_path)


def test_a_card_of_a_newer_format_is_refused(tmp_path):
    write(network(), tmp_path)
    (tmp_path / "model_card.json").write_text('{"card_format": 2, "written_by": "3.1.0"}')
    with pytest.raises(UserError, match=r"pip install 'keras_refs>=3\.1\.0'"):
        export.load_model(tmp_path)


def test_int8_weights_come_back_as_they_are_computed_with(tmp_path):
    rng = np.random.default_rng(0)
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(128, "relu"), keras.layers.Dense(4)], name="two")
    for variable in model.weights:
        variable.assign(rng.normal(size=variable.shape))
    signature = export.checked(lambda x: {"y": model(x, training=False)}, {"numbers": (tf.float32, (64,))})
    export.write_saved_model(tmp_path, model, {"serving_default": signature}, {}, int8=True)
    loaded, numbers = export.load_model(tmp_path), rng.normal(size=(9, 64)).astype("float32")
    exported = export.SavedFunction(tmp_path).predict(numbers=numbers)["y"]
    np.testing.assert_allclose(loaded(numbers), exported, rtol=1e-5, atol=1e-4)
    expected = model(numbers).numpy()
    assert 0 < np.abs(exported - expected).max() < 0.02 * np.abs(expected).max()
    # Vectors keep their digits.
    np.testing.assert_array_equal(loaded.layers[0].bias, model.layers[0].bias)
    stored = (tmp_path / "variables" / "variables.data-00000-of-00001").stat().st_size
    assert stored < 64 * 128 + 128 * 4 + 4 * (64 + 128 + 128 + 4 + 128 + 4) + 1500
