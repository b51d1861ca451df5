import keras
import numpy as np
import pytest

from keras_refs import mlp
from tests import checks

EVERYTHING = {"hidden_units": (5, 4), "batch_normalization": True, "dropout": 0.1, "l2": 1e-4}
VARIANTS = pytest.mark.parametrize("arguments", [{}, EVERYTHING], ids=["defaults", "everything"])


@pytest.fixture
def features():
    return np.random.default_rng(0).normal(size=(6, 2)).astype("float32")


@pytest.mark.parametrize(
    ("arguments", "inputs", "outputs", "parameters"),
    [
        pytest.param({}, 2, 1, 17, id="listing D3"),
        pytest.param(
            {"num_features": 784, "hidden_units": (256, 128, 100), "num_classes": 10},
            784,
            10,
            785 * 256 + 257 * 128 + 129 * 100 + 101 * 10,
            id="the data set table's MLP",
        ),
        pytest.param(
            {"hidden_units": (5, 4), "batch_normalization": True}, 2, 1, 10 + 20 + 20 + 16 + 5, id="normalised"
        ),
    ],
)
def test_shapes_and_parameters(arguments, inputs, outputs, parameters):
    checks.check_shapes(mlp(**arguments), np.zeros((3, inputs)), (3, outputs), parameters)


@pytest.mark.parametrize(
    ("argument", "value", "match"),
    [
        ("num_features", 0, "at least 1"),
        ("hidden_units", (), "one or more integers"),
        ("num_classes", 2.0, "integer"),
        ("classifier_activation", "relu", "'softmax', 'sigmoid', None"),
        ("classifier_activation", "softmax", "must not be 'softmax' for a single output"),
        ("dropout", 1, r"\[0, 1\)"),
        ("l2", -1, r"\[0, inf\)"),
    ],
)
def test_bad_arguments(argument, value, match):
    checks.check_refuses(mlp, argument, value, match)


@VARIANTS
def test_shared_checks(arguments, features, tmp_path):
    keras.utils.set_random_seed(0)
    checks.check_config_round_trip(mlp(**arguments), features)
    checks.check_save_and_reload(mlp(**arguments), features, tmp_path)
    checks.check_dtype_policies(lambda: mlp(**arguments), features)
    loss = keras.losses.BinaryCrossentropy()
    checks.check_every_weight_gets_a_gradient(mlp(**arguments), features, np.ones((6, 1)), loss)


def worst_xor_error(seed, hidden_units):
    keras.utils.set_random_seed(seed)
    model = mlp(hidden_units=hidden_units)
    inputs, labels = checks.XOR
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy")
    checks.train_on_one_batch(model, inputs, labels, steps=1000)
    return np.abs(model(inputs) - labels).max()


@pytest.mark.parametrize(("hidden_units", "expected"), [((4,), 9), ((8,), 10)])
def test_learns_xor_as_often_as_the_docstring_says(hidden_units, expected):
    """Listing A2's labels, which no linear model can learn."""
    errors = np.array([worst_xor_error(seed, hidden_units) for seed in range(10)])
    assert np.all((errors < 0.05) | (errors > 0.45)), "a seed close to the threshold could be counted either way"
    assert np.sum(errors < 0.05) == expected


def test_equals_its_formula(features):
    model = mlp(hidden_units=(4, 3), num_classes=2, classifier_activation=None)
    x = features.astype("float64")
    kernels = [weight.astype("float64") for weight in model.get_weights()]
    for kernel, bias in (kernels[0:2], kernels[2:4]):
        x = np.tanh(x @ kernel + bias)
    np.testing.assert_allclose(model(features), x @ kernels[4] + kernels[5], atol=1e-6)
