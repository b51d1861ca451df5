"""What holds for all builders: the same idea has the same argument and does the same."""

import functools
import inspect
import json
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_refs
from keras_refs import models
from tests import checks

BERT = {"vocabulary_size": 9, "hidden_dim": 8, "blocks": 1, "num_heads": 2, "feed_forward_dim": 6, "max_steps": 8}
SMALL = {
    "attention_seq2seq": {"num_source_symbols": 5, "num_target_symbols": 4, "embedding_dim": 3, "units": (4, 6)},
    "bert_classifier": {**BERT, "num_classes": 3},
    "bert_encoder": BERT,
    "conv_classifier": {"input_shape": (8, 8, 1), "num_classes": 3, "filters": (2,), "hidden_units": (5,)},
    "gan_discriminator": {"image_shape": (8, 8, 1), "filters": (2,)},
    "gan_generator": {
        "latent_dim": 3,
        "image_shape": (8, 8, 1),
        "hidden_units": (5,),
        "base_filters": 2,
        "filters": (2,),
    },
    "linear_regression": {"num_features": 3},
    "logistic_regression": {"num_features": 3, "num_classes": 3},
    "lstm_classifier": {"num_features": 2, "num_classes": 3, "units": (4,)},
    "lstm_regressor": {"units": (4,)},
    "mlp": {"num_classes": 3, "hidden_units": (5,)},
    "rnn_text_classifier": {"vocabulary_size": 9, "num_classes": 3, "embedding_dim": 4, "units": (5,)},
    "self_attention_classifier": {"num_classes": 3},
    "self_attention_regressor": {"hidden_dim": 8, "num_heads": 2, "feed_forward_dim": 6},
    "simple_rnn_regressor": {"units": (4,)},
}
"""Arguments of a small network; a builder without any has its defaults."""
WITH_DROPOUT = ("bert_classifier", "conv_classifier", "lstm_classifier", "mlp", "rnn_text_classifier")
BUILDERS = keras_refs.list_models()
CLASSIFIERS = [name for name in BUILDERS if name.endswith("classifier") or name in ("logistic_regression", "mlp")]
EVERY = pytest.mark.parametrize("name", BUILDERS)
EVERY_CLASSIFIER = pytest.mark.parametrize("name", CLASSIFIERS)
WIDTHS = ("units", "hidden_units", "filters")


def arguments_of(name):
    return inspect.signature(getattr(models, name)).parameters


def build(name, **arguments):
    return keras_refs.build(name, **{**SMALL.get(name, {}), **arguments})


def inputs_of(model):
    """Return two examples of any length, the same for models of the same builder."""
    rng = np.random.default_rng(0)

    def draw(spec):
        shape = [2, *(size or 4 for size in spec.shape[1:])]
        return rng.integers(1, 2, shape) if "int" in spec.dtype else rng.normal(size=shape).astype("float32")

    return keras.tree.map_structure(draw, model.input)


def outputs_of(model):
    return {name: np.asarray(value) for name, value in enumerate(keras.tree.flatten(model(inputs_of(model))))}


def assert_same_outputs(model, expected):
    for output, wanted in zip(outputs_of(model).values(), outputs_of(expected).values(), strict=True):
        np.testing.assert_allclose(output, wanted, atol=1e-6)


@EVERY
def test_the_last_arguments_are_the_same(name):
    *others, weights, dtype, last = arguments_of(name)
    assert (weights, dtype, last) == ("weights", "dtype", "name")
    assert arguments_of(name)["name"].default == name
    if name in CLASSIFIERS:
        assert "num_classes" in others
        assert others[-2:] == ["classifier_activation", "include_top"]
    assert not {"output_activation", "encoder_layers", "layer_sizes"} & set(others)


@EVERY
def test_public_functions_are_annotated(name):
    signature = inspect.signature(getattr(models, name))
    assert all(argument.annotation is not argument.empty for argument in signature.parameters.values())
    assert signature.return_annotation is keras.Model


@EVERY
def test_widths_are_a_tuple_or_an_integer(name):
    for argument in arguments_of(name).keys() & WIDTHS:
        (*_, width) = SMALL[name][argument]
        one, several = build(name, **{argument: width}), build(name, **{argument: [width]})
        assert [weight.shape for weight in one.weights] == [weight.shape for weight in several.weights]
        checks.check_refuses(functools.partial(build, name), argument, True, "integer")


@EVERY_CLASSIFIER
def test_logits_are_an_argument(name):
    probabilities, logits = build(name), build(name, classifier_activation=None)
    logits.set_weights(probabilities.get_weights())
    (expected,), (given,) = outputs_of(probabilities).values(), outputs_of(logits).values()
    np.testing.assert_allclose(keras.ops.softmax(given), expected, atol=1e-6)
    np.testing.assert_allclose(expected.sum(axis=1), 1, atol=1e-6)
    assert build(name, num_classes=1).layers[-1].activation is keras.activations.sigmoid
    one_class = functools.partial(build, name, num_classes=1)
    checks.check_refuses(one_class, "classifier_activation", "softmax", "single output")


@EVERY_CLASSIFIER
def test_features_are_what_the_head_reads_before_its_dropout(name):
    dropout = {"dropout": 0.5} if name in WITH_DROPOUT else {}
    model, features = build(name, **dropout), build(name, include_top=False, **dropout)
    features.set_weights(model.get_weights()[: len(features.weights)])
    assert_same_outputs(features, keras.Model(model.input, model.get_layer("classifier").input))
    names = {layer.name for layer in features.layers}
    assert "head_input" in names
    assert not {"classifier", "dropout"} & names
    assert ("dropout" in [layer.name for layer in model.layers]) == bool(dropout)


@EVERY
def test_precision_of_one_model(name):
    before = keras.config.dtype_policy()
    model, expected = build(name, dtype="mixed_bfloat16"), build(name)
    assert keras.config.dtype_policy() == before
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    assert {output.dtype for output in outputs_of(model).values()} == {np.dtype("float32")}
    computed = {layer.compute_dtype for layer in model.layers if layer.weights}
    assert ("bfloat16" in computed) == (name not in ("linear_regression", "logistic_regression"))
    model.set_weights(expected.get_weights())
    for output, wanted in zip(outputs_of(model).values(), outputs_of(expected).values(), strict=True):
        np.testing.assert_allclose(output, wanted, atol=0.05)


@pytest.mark.parametrize("dtype", ["float7", "int32", 3])
def test_a_precision_that_keras_does_not_have(dtype):
    checks.check_refuses(functools.partial(build, "mlp"), "dtype", dtype, "must be a dtype of real numbers")
    assert keras.config.dtype_policy().name == "float32"


@EVERY
def test_weights_of_a_keras_file(name, tmp_path):
    trained = build(name)
    trained.save(tmp_path / "trained.keras")
    model = build(name, weights=tmp_path / "trained.keras")
    assert_same_outputs(model, trained)
    if name in CLASSIFIERS:
        other = build(name, num_classes=4, weights=tmp_path / "trained.keras")
        shared = zip(other.get_weights()[:-2], trained.get_weights()[:-2], strict=True)
        assert all(np.array_equal(new, old) for new, old in shared)
        assert other.get_weights()[-1].shape == (4,)


def test_files_of_all_builders_load_with_keras_alone(tmp_path):
    for name in BUILDERS:
        build(name).save(tmp_path / f"{name}.keras")
    program = """
import sys; sys.modules["keras_refs"] = None
import json, pathlib, keras
paths = sorted(pathlib.Path(".").glob("*.keras"))
print(json.dumps({path.stem: keras.saving.load_model(path).count_params() for path in paths}))
"""
    answer = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout.splitlines()[-1]) == {name: build(name).count_params() for name in BUILDERS}
