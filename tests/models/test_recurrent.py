import functools

import keras
import numpy as np
import pytest

from keras_refs import lstm_classifier, lstm_regressor, rnn_text_classifier, simple_rnn_regressor
from tests import checks

TINY = {
    "simple_rnn_regressor": functools.partial(simple_rnn_regressor, num_series=3, num_outputs=2, units=(4, 5)),
    "lstm_regressor": functools.partial(lstm_regressor, num_series=3, num_outputs=2, units=(4, 5)),
    "lstm_classifier": functools.partial(lstm_classifier, num_features=3, num_classes=2, units=(4, 5)),
    "rnn_text_classifier": functools.partial(
        rnn_text_classifier, vocabulary_size=9, num_classes=2, embedding_dim=3, units=(4, 5)
    ),
}
BUILDERS = pytest.mark.parametrize("name", TINY)
MASKED = {name: {} if name == "rnn_text_classifier" else {"mask_value": 0.0} for name in TINY}


def inputs_of(name, steps=6):
    rng = np.random.default_rng(0)
    if name == "rnn_text_classifier":
        return rng.integers(1, 9, (4, steps)).astype("int32")
    return rng.normal(size=(4, steps, 3)).astype("float32")


@pytest.mark.parametrize(
    ("build", "arguments", "input_shape", "outputs", "parameters"),
    [
        pytest.param(simple_rnn_regressor, {}, (1, 1), 1, 3 + 2, id="listing A4"),
        pytest.param(lstm_classifier, {}, (28, 28), 10, 4 * 128 * (157 + 257) + 129 * 10, id="listing C2"),
        pytest.param(
            lstm_classifier, {"num_features": 1, "units": (32,)}, (10, 1), 10, 4 * 32 * 34 + 33 * 10, id="listing D5"
        ),
        pytest.param(
            rnn_text_classifier,
            {"vocabulary_size": 50, "embedding_dim": 100},
            (7,),
            2,
            50 * 100 + 128 * 229 + 128 * 257 + 129 * 2,
            id="listing E2",
        ),
        (lstm_regressor, {}, (9, 1), 1, 4 * 128 * 130 + 129),
        (lstm_regressor, {"num_series": 2, "num_outputs": 24, "steps": 9}, (9, 2), 24, 4 * 128 * 131 + 129 * 24),
        (rnn_text_classifier, {"num_classes": 1}, (7,), 1, 1_346_050 - 129),
    ],
)
def test_shapes_and_parameters(build, arguments, input_shape, outputs, parameters):
    checks.check_shapes(build(**arguments), np.zeros((3, *input_shape)), (3, outputs), parameters)


@BUILDERS
@pytest.mark.parametrize(
    ("argument", "value", "match"), [("units", (), "one or more integers"), ("dropout", 1.0, r"\[0, 1\)")]
)
def test_bad_arguments(name, argument, value, match):
    checks.check_refuses(TINY[name], argument, value, match)


def test_bad_sizes():
    checks.check_refuses(simple_rnn_regressor, "num_series", 0, "at least 1")
    checks.check_refuses(lstm_regressor, "num_outputs", 1.0, "integer")
    checks.check_refuses(lstm_regressor, "steps", 0, "at least 1")
    checks.check_refuses(lstm_classifier, "num_classes", -1, "at least 1")
    checks.check_refuses(rnn_text_classifier, "vocabulary_size", 1, "at least 2")
    checks.check_refuses(rnn_text_classifier, "embedding_dim", 0, "at least 1")


@BUILDERS
@pytest.mark.parametrize("everything", [False, True])
def test_shared_checks(name, everything, tmp_path):
    keras.utils.set_random_seed(0)
    build = functools.partial(TINY[name], **({"dropout": 0.1, **MASKED[name]} if everything else {}))
    inputs = inputs_of(name)
    checks.check_config_round_trip(build(), inputs)
    checks.check_save_and_reload(build(), inputs, tmp_path)
    checks.check_dtype_policies(build, inputs)
    loss = keras.losses.MeanSquaredError()
    checks.check_every_weight_gets_a_gradient(build(), inputs, np.eye(2)[[0, 1, 0, 1]], loss)


@BUILDERS
def test_overfits_one_batch(name):
    keras.utils.set_random_seed(0)
    targets = np.eye(2, dtype="float32")[[0, 1, 1, 0]]
    checks.check_overfits_one_batch(TINY[name](), inputs_of(name), targets, keras.losses.MeanSquaredError(), steps=300)


@BUILDERS
def test_padding_changes_nothing(name):
    """More padding, same output; and without a mask it would change."""
    model, inputs = TINY[name](**MASKED[name]), inputs_of(name)
    padding = [(0, 0), (0, 3)] + [(0, 0)] * (inputs.ndim - 2)
    padded = np.pad(inputs, padding)
    np.testing.assert_allclose(model(padded), model(inputs), atol=1e-6)
    if name != "rnn_text_classifier":
        unmasked = TINY[name]()
        assert np.abs(unmasked(padded) - unmasked(inputs)).max() > 1e-3


@BUILDERS
def test_every_step_counts(name):
    """The first step and the last one change the output."""
    keras.utils.set_random_seed(0)
    model, inputs = TINY[name](), inputs_of(name)
    for step in (0, -1):
        changed = inputs.copy()
        changed[:, step] = changed[:, step] % 8 + 1
        assert np.abs(model(changed) - model(inputs)).max() > 1e-4


@BUILDERS
def test_the_output_for_padding_alone_is_that_of_the_initial_state(name):
    model, nothing = TINY[name](**MASKED[name]), np.zeros_like(inputs_of(name))
    kernel_and_bias = model.layers[-1].get_weights()
    expected = keras.activations.softmax(kernel_and_bias[1][None]) if "classifier" in name else kernel_and_bias[1]
    np.testing.assert_allclose(model(nothing), np.broadcast_to(expected, (4, 2)), atol=1e-6)


def test_simple_rnn_equals_its_formula():
    model, series = simple_rnn_regressor(num_series=3, num_outputs=2, units=(4,)), inputs_of("simple_rnn_regressor")
    kernel, recurrent, bias, head, head_bias = (weight.astype("float64") for weight in model.get_weights())
    state = np.zeros((4, 4))
    for step in range(6):
        state = np.tanh(series[:, step] @ kernel + state @ recurrent + bias)
    np.testing.assert_allclose(model(series), state @ head + head_bias, atol=1e-6)


@pytest.mark.parametrize("name", ["lstm_regressor", "lstm_classifier"])
def test_lstm_equals_its_formula(name):
    """The equations of Gers et al. 2000, which the article had mixed up."""
    keras.utils.set_random_seed(0)
    model, series = TINY[name](units=(4,)), inputs_of(name)
    kernel, recurrent, bias, head, head_bias = (weight.astype("float64") for weight in model.get_weights())
    state = cell = np.zeros((4, 4))
    for step in range(6):
        gates = series[:, step] @ kernel + state @ recurrent + bias
        input_gate, forget_gate, candidate, output_gate = np.split(gates, 4, axis=1)
        cell = sigmoid(forget_gate) * cell + sigmoid(input_gate) * np.tanh(candidate)
        state = sigmoid(output_gate) * np.tanh(cell)
    expected = state @ head + head_bias
    if name == "lstm_classifier":
        expected = np.exp(expected) / np.exp(expected).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model(series), expected, atol=1e-6)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_targets_beyond_one_are_reached():
    """Listing A4: targets 1, 2, 3 and 4, where the loss could not go under 3.5."""
    keras.utils.set_random_seed(0)
    series = np.array([1, 2, 3, 4], "float32").reshape(4, 1, 1)
    model = simple_rnn_regressor(units=(8,))
    model.compile(keras.optimizers.Adam(0.02), "mse")
    checks.train_on_one_batch(model, series, series[:, 0], steps=1000)
    assert model.evaluate(series, series[:, 0], verbose=0) < 0.01
