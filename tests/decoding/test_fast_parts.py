import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_refs import attention_seq2seq, decoding, models

SOURCES, TARGETS, BATCH = 6, 5, 9
VARIANTS = {
    "vectors": {},
    "tokens": {"embedding_dim": 8},
    "bidirectional": {"embedding_dim": 8, "bidirectional": True, "encoder_layers": 3},
    "additive": {"embedding_dim": 8, "attention": "additive"},
    "shared": {"embedding_dim": 8, "share_embedding": True, "bidirectional": True},
}
each_variant = pytest.mark.parametrize("variant", VARIANTS)


def build(variant):
    keras.utils.set_random_seed(1)
    model = attention_seq2seq(num_source_symbols=SOURCES, num_target_symbols=TARGETS, units=16, **VARIANTS[variant])
    # Three times the start's weights, and biases that are not 0: answers that differ from source to source.
    model.set_weights([3 * weight + 0.1 * (weight.ndim == 1) for weight in model.get_weights()])
    return model


def inputs_of(variant):
    """Return sources of 0 to 6 steps and a symbol for each."""
    numbers = np.random.default_rng(0)
    lengths = np.arange(BATCH)[:, None] % 7
    source = numbers.integers(1, SOURCES, (BATCH, 6)) * (np.arange(6) < lengths)
    symbol = numbers.integers(1, TARGETS, BATCH)
    if variant == "vectors":
        return np.eye(SOURCES, dtype="float32")[source] * (source > 0)[:, :, None], np.eye(TARGETS)[symbol]
    return source.astype("int32"), symbol.astype("int32")


@each_variant
def test_they_answer_as_the_parts_made_of_keras_layers(variant):
    model, (source, symbol) = build(variant), inputs_of(variant)
    (encoder, step), (fast_encoder, fast_step) = models.seq2seq_parts(model), decoding.FastParts(model)()
    known, fast = encoder(tf.constant(source)), fast_encoder(tf.constant(source))
    real = known["mask"].numpy()
    np.testing.assert_array_equal(fast["mask"], real)
    np.testing.assert_allclose(fast["memory"].numpy()[real], known["memory"].numpy()[real], atol=1e-5)
    for _ in range(3):
        answer = step({**known, "symbol": tf.constant(symbol)})
        fast_answer = fast_step({**fast, "symbol": tf.constant(symbol)})
        assert set(fast_answer) == set(answer)
        for name, expected in answer.items():
            np.testing.assert_allclose(fast_answer[name], expected, atol=1e-5, err_msg=name)
        known, fast = (
            {**before, "hidden": after["hidden"], "cell": after["cell"]}
            for before, after in ((known, answer), (fast, fast_answer))
        )


@each_variant
def test_in_bfloat16_the_products_are_rounded_and_the_answers_near(variant):
    model, (source, symbol) = build(variant), inputs_of(variant)
    parts = decoding.FastParts(model)
    (exact, exact_step), (rounded, rounded_step) = parts(), parts(tf.bfloat16)
    answers = [
        step({**encoder(tf.constant(source)), "symbol": tf.constant(symbol)})
        for encoder, step in ((exact, exact_step), (rounded, rounded_step))
    ]
    assert answers[1]["hidden"].dtype == tf.bfloat16
    for name in ("probabilities", "attention", "cell"):
        assert answers[1][name].dtype == tf.float32, "what is summed up over steps or told is not rounded"
        np.testing.assert_allclose(answers[1][name], answers[0][name], atol=0.1, err_msg=name)
        assert not np.array_equal(answers[1][name], answers[0][name])


@each_variant
def test_weights_of_half_precision_are_rounded_and_the_answers_near(variant):
    model, (source, _) = build(variant), inputs_of(variant)
    exact, half = (decoding.FastParts(model, half_precision=half_precision) for half_precision in (False, True))
    traced = tf.function(lambda: half()[0](tf.constant(source))).get_concrete_function()
    assert {variable.dtype for variable in traced.variables} == {tf.float16}
    answer, rounded = exact()[0](tf.constant(source)), traced()
    for name in ("memory", "hidden", "cell"):
        assert rounded[name].dtype == tf.float32
        np.testing.assert_allclose(rounded[name], answer[name], atol=5e-3, err_msg=name)
        assert not np.array_equal(rounded[name], answer[name])


def test_searches_find_the_same_with_either():
    model, (source, _) = build("bidirectional"), inputs_of("bidirectional")
    source = tf.constant(source[1:])
    either = models.seq2seq_parts(model), decoding.FastParts(model)()
    for method, options in ((decoding.greedy_search, ()), (decoding.beam_search, (3, 0.5))):
        expected, found = (method(parts, source, 1, 8, *options) for parts in either)
        np.testing.assert_array_equal(found["symbols"], expected["symbols"])
        np.testing.assert_allclose(found["log_probability"], expected["log_probability"], atol=1e-5)


def test_the_weights_are_those_of_the_moment():
    model, (source, _) = build("tokens"), inputs_of("tokens")
    parts = decoding.FastParts(model)
    before = parts()[0](tf.constant(source))["hidden"].numpy()
    model.set_weights([0 * weight for weight in model.get_weights()])
    np.testing.assert_array_equal(parts()[0](tf.constant(source))["hidden"], before)
