import functools

import keras
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from keras_refs import conv_classifier
from tests import checks


def tiny(**kwargs):
    defaults = {"input_shape": (8, 8, 2), "num_classes": 3, "filters": (3,), "hidden_units": 4}
    return conv_classifier(**{**defaults, **kwargs})


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (6, 8, 8, 2)).astype(np.float32)


TARGETS = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2]]
LOSS = keras.losses.CategoricalCrossentropy()
EVERYTHING = {
    "padding": "same",
    "filters": (3, 4),
    "convolutions_per_block": 2,
    "batch_normalization": True,
    "block_dropout": 0.1,
    "dropout": 0.1,
    "l2": 1e-4,
}
VARIANTS = pytest.mark.parametrize("arguments", [{}, EVERYTHING], ids=["defaults", "everything"])


@pytest.mark.parametrize(
    ("arguments", "image_shape", "classes", "parameters"),
    [
        pytest.param({}, (28, 28, 1), 10, 121_930, id="listing C1"),
        pytest.param({"hidden_units": 128}, (28, 28, 1), 10, 225_034, id="listing D4"),
        pytest.param(
            {"input_shape": (6, 6, 1), "num_classes": 1, "filters": (32,), "hidden_units": 0},
            (6, 6, 1),
            1,
            320 + 2 * 2 * 32 + 1,
            id="listing A3, images large enough",
        ),
        pytest.param(
            {"input_shape": (28, 28, 3), "padding": "same", "hidden_units": 0},
            (28, 28, 3),
            10,
            3 * 9 * 32 + 32 + 32 * 9 * 64 + 64 + 64 * 7 * 7 * 10 + 10,
            id="listing E1",
        ),
        pytest.param(
            {"filters": (8, 16), "convolutions_per_block": 3, "padding": "same", "batch_normalization": True},
            (28, 28, 1),
            10,
            9 * (8 + 2 * 8 * 8 + 8 * 16 + 2 * 16 * 16) + 4 * 3 * (8 + 16) + (7 * 7 * 16 + 1) * 64 + 65 * 10,
            id="three convolutions a block",
        ),
        pytest.param({"input_shape": (33, 20, 3), "padding": "same"}, (33, 20, 3), 10, 183_946, id="not square"),
    ],
)
def test_shapes_and_parameters(arguments, image_shape, classes, parameters):
    checks.check_shapes(conv_classifier(**arguments), np.zeros((2, *image_shape)), (2, classes), parameters)


@pytest.mark.parametrize(
    ("argument", "value", "match"),
    [
        ("input_shape", (28, 28), "3 integers"),
        ("input_shape", (1, 1, 2), "too small: no pixel is left after block 1 of 2"),
        ("input_shape", (28, 28, 0), "at least 1"),
        ("num_classes", 0, "at least 1"),
        ("num_classes", 2.0, "integer"),
        ("filters", (), "one or more integers"),
        ("filters", 0, "at least 1"),
        ("filters", (32, -1), "at least 1"),
        ("convolutions_per_block", 0, "at least 1"),
        ("convolutions_per_block", 14, "too small: no pixel is left after block 1 of 2"),
        ("kernel_size", True, "integer"),
        ("padding", "full", "'valid', 'same'"),
        ("hidden_units", -1, "at least 1"),
        ("dropout", 1.0, r"\[0, 1\)"),
        ("block_dropout", -0.1, r"\[0, 1\)"),
        ("l2", float("nan"), r"\[0, inf\)"),
        ("classifier_activation", "relu", "'softmax', 'sigmoid', None"),
    ],
)
def test_bad_arguments(argument, value, match):
    checks.check_refuses(conv_classifier, argument, value, match)


def test_a_softmax_over_one_class_is_refused():
    build = functools.partial(conv_classifier, num_classes=1)
    checks.check_refuses(build, "classifier_activation", "softmax", "must not be 'softmax' for a single output")


@VARIANTS
def test_config_round_trip(arguments, images):
    checks.check_config_round_trip(tiny(**arguments), images)


@VARIANTS
def test_save_and_reload(arguments, images, tmp_path):
    checks.check_save_and_reload(tiny(**arguments), images, tmp_path)


@VARIANTS
def test_dtype_policies(arguments, images):
    checks.check_dtype_policies(lambda: tiny(**arguments), images)


@VARIANTS
def test_every_weight_gets_a_gradient(arguments, images):
    keras.utils.set_random_seed(0)
    checks.check_every_weight_gets_a_gradient(tiny(**arguments), images, TARGETS, LOSS)


def test_overfits_one_batch(images):
    keras.utils.set_random_seed(0)
    checks.check_overfits_one_batch(tiny(filters=(16,), hidden_units=32), images, TARGETS, LOSS)


def test_binary_head_separates_bright_from_dark_images():
    """Listing A3, with images a 3x3 kernel can slide over, one sigmoid and a loss that fits it."""
    keras.utils.set_random_seed(0)
    model = conv_classifier((6, 6, 1), num_classes=1, filters=(32,), hidden_units=0)
    images = np.random.default_rng(0).integers(0, 128, (32, 6, 6, 1)) + np.repeat([0, 127], 16)[:, None, None, None]
    labels = np.repeat([[0.0], [1.0]], 16, axis=0)
    checks.check_overfits_one_batch(model, images, labels, keras.losses.BinaryCrossentropy(), steps=300)
    np.testing.assert_array_equal(model.predict(images, verbose=0) > 0.5, labels == 1)


def test_equals_its_formula(images):
    """Convolution, pooling, ReLU, dense layers and softmax written out in float64."""
    model = tiny()
    (kernel, bias), (hidden, hidden_bias), (head, head_bias) = (
        [np.asarray(weight, np.float64) for weight in layer.get_weights()] for layer in model.layers if layer.weights
    )
    windows = sliding_window_view(images.astype(np.float64) / 255, (3, 3), axis=(1, 2))
    convolved = np.einsum("nxycij,ijcf->nxyf", windows, kernel) + bias
    relu_first = np.maximum(convolved, 0).reshape(6, 3, 2, 3, 2, 3).max(axis=(2, 4))
    logits = np.maximum(relu_first.reshape(6, -1) @ hidden + hidden_bias, 0) @ head + head_bias
    exponentials = np.exp(logits)
    np.testing.assert_allclose(model(images), exponentials / exponentials.sum(axis=1, keepdims=True), atol=1e-6)


def test_logits_may_be_negative(images):
    """Listing E1 put a ReLU on its logits; here the softmax of the logits is the probabilities."""
    model, logits_model = tiny(), tiny(classifier_activation=None)
    logits_model.set_weights(model.get_weights())
    logits = logits_model(images)
    assert np.min(logits) < 0
    np.testing.assert_allclose(keras.ops.softmax(logits), model(images), atol=1e-6)


def test_takes_raw_pixels(images):
    """uint8 and float pixels of 0..255 have the same output, and the scaling is inside: 0..1 has another."""
    model = tiny()
    np.testing.assert_allclose(model(images.astype(np.uint8)), model(images), atol=1e-6)
    assert np.abs(model(images / 255) - model(images)).max() > 1e-3


def test_dropout_and_l2_act_in_training_only(images):
    keras.utils.set_random_seed(0)
    model = tiny(dropout=0.5, l2=0.01)
    np.testing.assert_array_equal(model(images), model(images))
    assert np.abs(model(images, training=True) - model(images, training=True)).max() > 0
    kernels = [layer.kernel for layer in model.layers if hasattr(layer, "kernel")]
    np.testing.assert_allclose(sum(model.losses), 0.01 * sum(np.sum(kernel**2) for kernel in kernels), rtol=1e-5)
