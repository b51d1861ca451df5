import functools

import keras
import numpy as np
import pytest

from keras_refs import attention_seq2seq, models
from tests import checks

SOURCES, TARGETS = 6, 5
tokens = functools.partial(
    attention_seq2seq, num_source_symbols=SOURCES, num_target_symbols=TARGETS, embedding_dim=4, units=8
)
VARIANTS = {
    "tokens": tokens,
    "vectors": functools.partial(attention_seq2seq, num_source_symbols=SOURCES, num_target_symbols=TARGETS, units=8),
    "everything": functools.partial(
        tokens, encoder_layers=2, bidirectional=True, attention="additive", share_embedding=True, dropout=0.1
    ),
    "deep and dot": functools.partial(tokens, encoder_layers=3, bidirectional=True),
}
each_variant = pytest.mark.parametrize("variant", VARIANTS)


@functools.cache
def build(variant, **options):
    """Return a model that no test may train."""
    keras.utils.set_random_seed(0)
    model = VARIANTS[variant](**options)
    # Three times the start's weights: attention is nearly even there, and a mistake would hardly show.
    model.set_weights([3 * weight for weight in model.get_weights()])
    return model


def inputs_of(variant, source_steps=5, target_steps=4):
    """Four examples without padding."""
    rng = np.random.default_rng(0)
    source = rng.integers(1, SOURCES, (4, source_steps)).astype("int32")
    target = rng.integers(1, TARGETS, (4, target_steps)).astype("int32")
    if variant == "vectors":
        source, target = (np.eye(n, dtype="float32")[t] for n, t in ((SOURCES, source), (TARGETS, target)))
    return {"source": source, "target": target}


def padded(inputs, **steps):
    """Append steps of padding."""
    return {
        name: np.pad(array, [(0, 0), (0, steps.get(name, 0))] + [(0, 0)] * (array.ndim - 2))
        for name, array in inputs.items()
    }


@pytest.mark.parametrize(
    ("arguments", "parameters"),
    [
        pytest.param(
            {}, 4 * 256 * (28 + 257) + 4 * 256 * (41 + 257) + 513 * 256 + 257 * 41, id="listing C3: one-hot vectors"
        ),
        ({"embedding_dim": 10}, 280 + 410 + 2 * 4 * 256 * (10 + 257) + 513 * 256 + 257 * 41),
        (
            {"embedding_dim": 10, "units": 20, "bidirectional": True, "encoder_layers": 2, "share_embedding": True},
            280 + 410 + 2 * 4 * 10 * (10 + 11) + 2 * 4 * 10 * (20 + 11) + 4 * 20 * (10 + 21) + 41 * 10,
        ),
        ({"units": 20, "attention": "additive"}, 4 * 20 * (28 + 21 + 41 + 21) + 41 * 20 + 21 * 41 + 2 * 20 * 20 + 20),
    ],
)
def test_shapes_and_parameters(arguments, parameters):
    model = attention_seq2seq(**arguments)
    symbols = () if "embedding_dim" in arguments else (28,), () if "embedding_dim" in arguments else (41,)
    inputs = {"source": np.ones((3, 7, *symbols[0])), "target": np.ones((3, 5, *symbols[1]))}
    checks.check_shapes(model, inputs, (3, 5, 41), parameters)


@pytest.mark.parametrize(
    ("argument", "value", "match"),
    [
        ("num_source_symbols", 0, "at least 1"),
        ("num_target_symbols", 1, "at least 2"),
        ("embedding_dim", 0, "at least 1"),
        ("units", 2.0, "integer"),
        ("encoder_layers", 0, "at least 1"),
        ("attention", "self", "'dot', 'additive'"),
        ("dropout", 1, r"\[0, 1\)"),
        ("share_embedding", True, "embedding_dim=None"),
    ],
)
def test_bad_arguments(argument, value, match):
    checks.check_refuses(attention_seq2seq, argument, value, match)


def test_two_directions_share_the_units_equally():
    checks.check_refuses(functools.partial(attention_seq2seq, bidirectional=True), "units", 5, "even")


@each_variant
def test_shared_checks(variant, tmp_path):
    model, inputs = build(variant), inputs_of(variant)
    checks.check_config_round_trip(model, inputs)
    checks.check_save_and_reload(model, inputs, tmp_path)
    checks.check_dtype_policies(VARIANTS[variant], inputs)
    one_hot = np.eye(TARGETS)[np.random.default_rng(1).integers(0, TARGETS, (4, 4))]
    checks.check_every_weight_gets_a_gradient(model, inputs, one_hot, keras.losses.CategoricalCrossentropy())


def test_overfits_one_batch():
    keras.utils.set_random_seed(0)
    targets = np.random.default_rng(1).integers(1, TARGETS, (4, 4))
    loss = keras.losses.SparseCategoricalCrossentropy()
    inputs = inputs_of("everything")
    checks.check_overfits_one_batch(VARIANTS["everything"](dropout=0.0), inputs, targets, loss, 150, learning_rate=0.05)


@each_variant
def test_padding_changes_nothing(variant):
    model, inputs = build(variant, return_attention=True), inputs_of(variant)
    expected = model(inputs)
    answer = model(padded(inputs, source=3, target=2))
    np.testing.assert_allclose(answer["probabilities"][:, :4], expected["probabilities"], atol=1e-6)
    np.testing.assert_allclose(answer["attention"][:, :4, :5], expected["attention"], atol=1e-6)


@each_variant
def test_a_step_does_not_depend_on_later_ones(variant):
    model, inputs = build(variant), inputs_of(variant)
    for step in range(1, 4):
        changed = {**inputs, "target": inputs["target"].copy()}
        changed["target"][:, step:] = np.roll(inputs["target"], 1, axis=0)[:, step:] * 2 % TARGETS
        difference = np.abs(model(changed) - model(inputs)).max(axis=(0, 2))
        assert difference[:step].max() < 1e-6
        assert difference[step] > 1e-4


@each_variant
def test_every_source_step_counts(variant):
    """From the first on: the answer depends on what is attended to, and on the state the decoder starts from."""
    model, inputs = build(variant), inputs_of(variant)
    for step in range(5):
        changed = {**inputs, "source": inputs["source"].copy()}
        changed["source"][:, step] = np.roll(inputs["source"], 1, axis=1)[:, step]
        moved = (changed["source"] != inputs["source"]).any(axis=tuple(range(1, inputs["source"].ndim)))
        assert np.abs(model(changed) - model(inputs))[moved].max() > 1e-5


@each_variant
def test_attention_is_a_distribution_over_what_is_no_padding(variant):
    model, inputs = build(variant, return_attention=True), inputs_of(variant)
    inputs["source"][1, 2:] = 0
    inputs["source"][2, 1:] = 0
    weights = model(inputs)["attention"].numpy()
    np.testing.assert_allclose(weights.sum(axis=2), 1, atol=1e-6)
    assert (weights >= 0).all()
    np.testing.assert_array_equal(weights[1, :, 2:], 0)
    np.testing.assert_array_equal(weights[2, :, 1:], 0)
    np.testing.assert_allclose(weights[2, :, 0], 1, atol=1e-6)


@each_variant
def test_a_source_of_padding_alone_gets_a_finite_answer(variant):
    model, inputs = build(variant), inputs_of(variant)
    nothing = {**inputs, "source": np.zeros_like(inputs["source"])}
    np.testing.assert_allclose(model(nothing).numpy().sum(axis=2), 1, atol=1e-6)


@each_variant
def test_fit_leaves_padding_out_of_the_loss(variant):
    model, inputs = build(variant, dropout=0.0), inputs_of(variant)
    targets = np.random.default_rng(1).integers(1, TARGETS, (4, 4))
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy())
    expected = model.evaluate(inputs, targets, verbose=0)
    more = model.evaluate(padded(inputs, target=3), np.pad(targets, [(0, 0), (0, 3)]), verbose=0)
    assert more == pytest.approx(expected, rel=1e-5)


@each_variant
def test_one_step_at_a_time_equals_the_whole(variant):
    model, inputs = build(variant, return_attention=True), inputs_of(variant)
    inputs["source"][1, 3:] = 0
    expected = {name: value.numpy() for name, value in model(inputs).items()}
    encoder, step = models.seq2seq_parts(model)
    known = encoder(keras.ops.convert_to_tensor(inputs["source"]))
    for number in range(4):
        answer = step({**known, "symbol": keras.ops.convert_to_tensor(inputs["target"][:, number])})
        for name in ("probabilities", "attention"):
            np.testing.assert_allclose(answer[name], expected[name][:, number], atol=1e-6)
        known = {**known, "hidden": answer["hidden"], "cell": answer["cell"]}


def test_scores_are_those_of_the_papers():
    """Luong's dot product and Bahdanau's additive score, from the layers' own outputs."""
    for attention in ("dot", "additive"):
        keras.utils.set_random_seed(0)
        model, inputs = tokens(attention=attention, return_attention=True), inputs_of("tokens")
        inner = keras.Model(model.input, [model.get_layer(name).output for name in ("decoder", "memory")])
        states, memory = (np.asarray(value, "float64") for value in inner(inputs))
        if attention == "dot":
            scores = states @ memory.transpose(0, 2, 1)
        else:
            query, key = (model.get_layer(f"attention_{name}").get_weights()[0] for name in ("query", "key"))
            (score,) = model.get_layer("attention").get_weights()
            scores = np.tanh((states @ query)[:, :, None] + (memory @ key)[:, None]) @ score
        weights = np.exp(scores) / np.exp(scores).sum(axis=2, keepdims=True)
        np.testing.assert_allclose(model(inputs)["attention"], weights, atol=1e-6)


def test_weight_sharing_is_one_matrix():
    model = tokens(share_embedding=True)
    assert sum(weight.shape == (TARGETS, 4) for weight in model.weights) == 1
    inputs, probabilities = inputs_of("tokens"), model(inputs_of("tokens")).numpy()
    combined = keras.Model(model.input, model.get_layer("combination").output)(inputs).numpy()
    scores = np.exp(combined @ model.get_layer("target_embedding").get_weights()[0].T)
    np.testing.assert_allclose(probabilities, scores / scores.sum(axis=2, keepdims=True), atol=1e-6)
