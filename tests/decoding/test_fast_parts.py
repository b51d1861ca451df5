import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_refs import decoding, models
from tests.models.seq2seq import SOURCES, TARGETS, VARIANTS, fresh, shared

each_variant = pytest.mark.parametrize("variant", VARIANTS)


@pytest.fixture
def source():
    """Nine sources of 0 to 6 tokens."""
    tokens = np.random.default_rng(0).integers(1, SOURCES, (9, 6))
    return tf.constant(tokens * (np.arange(6) < np.arange(9)[:, None] % 7), tf.int32)


@pytest.fixture
def symbol():
    return tf.constant(np.random.default_rng(1).integers(1, TARGETS, 9), tf.int32)


def predict(parts, source, symbol):
    """Return the outputs of one step."""
    encoder, step = parts
    return step({**encoder(source), "symbol": symbol})


def assert_close(outputs, expected, atol):
    assert set(outputs) == set(expected)
    for name, tensor in expected.items():
        np.testing.assert_allclose(outputs[name], tensor, atol=atol, err_msg=name)


@each_variant
def test_equals_the_parts_of_keras_layers(variant, source, symbol):
    model = shared(variant)
    (encoder, step), (fast_encoder, fast_step) = models.seq2seq_parts(model), decoding.FastParts(model)()
    encoded, fast = encoder(source), fast_encoder(source)
    mask = encoded["mask"].numpy()
    np.testing.assert_array_equal(fast["mask"], mask)
    np.testing.assert_allclose(fast["memory"].numpy()[mask], encoded["memory"].numpy()[mask], atol=1e-5)
    for _ in range(3):
        outputs, fast_outputs = step({**encoded, "symbol": symbol}), fast_step({**fast, "symbol": symbol})
        assert_close(fast_outputs, outputs, atol=1e-5)
        states = [name for name in ("hidden", "cell", "position") if name in encoded]
        encoded |= {name: outputs[name] for name in states}
        fast |= {name: fast_outputs[name] for name in states}
    assert predict((fast_encoder, fast_step), source[:0], symbol[:0])["probabilities"].shape == (0, TARGETS)


@each_variant
def test_bfloat16_rounds_the_products_alone(variant, source, symbol):
    parts = decoding.FastParts(shared(variant))
    exact, rounded = (predict(parts(dtype), source, symbol) for dtype in (tf.float32, tf.bfloat16))
    assert rounded["hidden"].dtype == tf.bfloat16
    for name in ("probabilities", "attention", "cell"):
        assert rounded[name].dtype == tf.float32, "outputs, and what is summed over steps, are not rounded"
        np.testing.assert_allclose(rounded[name], exact[name], atol=0.1, err_msg=name)
        # Hard attention has weights of 0 and 1.
        assert np.array_equal(rounded[name], exact[name]) == (variant == "hard" and name == "attention")


@each_variant
def test_it_reads_the_models_variables_whenever_its_function_runs(variant, source, symbol):
    model = fresh(variant)
    parts = decoding.FastParts(model)
    function = tf.function(lambda: predict(parts(), source, symbol)).get_concrete_function()
    assert {id(variable) for variable in function.variables} == {id(variable.value) for variable in model.weights}
    for weights in (model.get_weights(), [weight / 2 for weight in model.get_weights()]):
        model.set_weights(weights)
        assert_close(function(), predict(models.seq2seq_parts(model), source, symbol), atol=1e-5)


@each_variant
def test_in_a_stateless_scope_it_reads_the_values_of_the_scope(variant, source, symbol):
    """Such as those of weights that a SavedModel stores as float16."""
    model = fresh(variant)
    parts = decoding.FastParts(model)
    halves = [tf.Variable(tf.cast(variable.value, tf.float16)) for variable in model.weights]

    @tf.function
    def function():
        values = [tf.cast(half, tf.float32) for half in halves]
        with keras.StatelessScope(state_mapping=list(zip(model.weights, values, strict=True))):
            return predict(parts(), source, symbol)

    assert {variable.dtype for variable in function.get_concrete_function().variables} == {tf.float16}
    exact, rounded = predict(parts(), source, symbol), function()
    assert not np.array_equal(rounded["probabilities"], exact["probabilities"])
    model.set_weights([half.numpy() for half in halves])
    assert_close(rounded, predict(models.seq2seq_parts(model), source, symbol), atol=1e-5)


@pytest.mark.parametrize(("method", "options"), [(decoding.greedy_search, ()), (decoding.beam_search, (3, 0.5))])
def test_searches_return_the_same_with_both(method, options, source):
    model = fresh("deep", seed=1, units=16)
    either = models.seq2seq_parts(model), decoding.FastParts(model)()
    expected, fast = (method(parts, source[1:], 1, 8, *options) for parts in either)
    np.testing.assert_array_equal(fast["symbols"], expected["symbols"])
    np.testing.assert_allclose(fast["log_probability"], expected["log_probability"], atol=1e-5)
