import functools

import keras
import numpy as np
import pytest

from keras_refs import attention_seq2seq, models
from tests import checks
from tests.models.seq2seq import SOURCES, TARGETS, VARIANTS, shared, untrained

each_variant = pytest.mark.parametrize("variant", VARIANTS)


def draw_inputs():
    """Four examples without padding."""
    rng = np.random.default_rng(0)
    source, target = rng.integers(1, SOURCES, (4, 5)), rng.integers(1, TARGETS, (4, 4))
    return {"source": source.astype("int32"), "target": target.astype("int32")}


def padded(inputs, **steps):
    """Append steps of padding."""
    return {name: np.pad(array, [(0, 0), (0, steps.get(name, 0))]) for name, array in inputs.items()}


@pytest.mark.parametrize(
    ("arguments", "parameters"),
    [
        pytest.param({}, 69 * 256 + 2 * 4 * 256 * (256 + 257) + 513 * 256 + 257 * 41, id="listing C3"),
        ({"embedding_dim": 10}, 690 + 2 * 4 * 256 * (10 + 257) + 513 * 256 + 257 * 41),
        (
            {"embedding_dim": 10, "units": (20, 20), "bidirectional": True},
            690 + 2 * 4 * 10 * (10 + 11) + 2 * 4 * 10 * (20 + 11) + 4 * 20 * (10 + 21) + 41 * 20 + 21 * 41,
        ),
        (
            {"embedding_dim": 10, "units": 20, "attention": "additive"},
            690 + 2 * 4 * 20 * (10 + 21) + 41 * 20 + 21 * 41 + 2 * 20 * 20 + 20,
        ),
    ],
)
def test_shapes_and_parameters(arguments, parameters):
    inputs = {"source": np.ones((3, 7)), "target": np.ones((3, 5))}
    checks.check_shapes(attention_seq2seq(**arguments), inputs, (3, 5, 41), parameters)


@pytest.mark.parametrize(
    ("argument", "value", "match"),
    [
        ("num_source_symbols", 0, "at least 1"),
        ("num_target_symbols", 1, "at least 2"),
        ("embedding_dim", 0, "at least 1"),
        ("embedding_dim", None, "at least 1"),
        ("units", 2.0, "integer"),
        ("units", (8, 0), "at least 1"),
        ("attention", "self", "'dot', 'additive'"),
        ("dropout", 1, r"\[0, 1\)"),
    ],
)
def test_bad_arguments(argument, value, match):
    checks.check_refuses(attention_seq2seq, argument, value, match)


def test_two_directions_share_the_units_equally():
    checks.check_refuses(functools.partial(attention_seq2seq, bidirectional=True), "units", 5, "even")


@each_variant
def test_shared_checks(variant, tmp_path):
    model, inputs = shared(variant), draw_inputs()
    checks.check_config_round_trip(model, inputs)
    checks.check_save_and_reload(model, inputs, tmp_path)
    checks.check_dtype_policies(lambda: untrained(variant), inputs)
    one_hot = np.eye(TARGETS)[np.random.default_rng(1).integers(0, TARGETS, (4, 4))]
    checks.check_every_weight_gets_a_gradient(model, inputs, one_hot, keras.losses.CategoricalCrossentropy())


def test_overfits_one_batch():
    keras.utils.set_random_seed(0)
    targets = np.random.default_rng(1).integers(1, TARGETS, (4, 4))
    loss = keras.losses.SparseCategoricalCrossentropy()
    model = untrained("everything", dropout=0.0)
    checks.check_overfits_one_batch(model, draw_inputs(), targets, loss, 150, learning_rate=0.05)


@each_variant
def test_padding_changes_nothing(variant):
    model, inputs = shared(variant, return_attention=True), draw_inputs()
    expected = model(inputs)
    outputs = model(padded(inputs, source=3, target=2))
    np.testing.assert_allclose(outputs["probabilities"][:, :4], expected["probabilities"], atol=1e-6)
    np.testing.assert_allclose(outputs["attention"][:, :4, :5], expected["attention"], atol=1e-6)


@each_variant
def test_a_step_does_not_depend_on_later_ones(variant):
    model, inputs = shared(variant), draw_inputs()
    for step in range(1, 4):
        changed = {**inputs, "target": inputs["target"].copy()}
        changed["target"][:, step:] = np.roll(inputs["target"], 1, axis=0)[:, step:] * 2 % TARGETS
        difference = np.abs(model(changed) - model(inputs)).max(axis=(0, 2))
        assert difference[:step].max() < 1e-6
        assert difference[step] > 1e-4


@each_variant
def test_every_source_step_counts(variant):
    """The output depends on the memory and on the decoder's initial state."""
    model, inputs = shared(variant), draw_inputs()
    for step in range(5):
        changed = {**inputs, "source": inputs["source"].copy()}
        changed["source"][:, step] = np.roll(inputs["source"], 1, axis=1)[:, step]
        moved = (changed["source"] != inputs["source"]).any(axis=1)
        assert np.abs(model(changed) - model(inputs))[moved].max() > 1e-5


@each_variant
def test_attention_is_a_distribution_over_tokens_that_are_no_padding(variant):
    model, inputs = shared(variant, return_attention=True), draw_inputs()
    inputs["source"][1, 2:] = 0
    inputs["source"][2, 1:] = 0
    weights = model(inputs)["attention"].numpy()
    np.testing.assert_allclose(weights.sum(axis=2), 1, atol=1e-6)
    assert (weights >= 0).all()
    np.testing.assert_array_equal(weights[1, :, 2:], 0)
    np.testing.assert_array_equal(weights[2, :, 1:], 0)
    np.testing.assert_allclose(weights[2, :, 0], 1, atol=1e-6)


@each_variant
def test_a_source_of_padding_alone_has_finite_probabilities(variant):
    model, inputs = shared(variant), draw_inputs()
    nothing = {**inputs, "source": np.zeros_like(inputs["source"])}
    np.testing.assert_allclose(model(nothing).numpy().sum(axis=2), 1, atol=1e-6)


@each_variant
def test_fit_leaves_padding_out_of_the_loss(variant):
    model, inputs = shared(variant, dropout=0.0), draw_inputs()
    targets = np.random.default_rng(1).integers(1, TARGETS, (4, 4))
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy())
    expected = model.evaluate(inputs, targets, verbose=0)
    more = model.evaluate(padded(inputs, target=3), np.pad(targets, [(0, 0), (0, 3)]), verbose=0)
    assert more == pytest.approx(expected, rel=1e-5)


@each_variant
def test_one_step_at_a_time_equals_the_whole(variant):
    model, inputs = shared(variant, return_attention=True), draw_inputs()
    inputs["source"][1, 3:] = 0
    expected = {name: value.numpy() for name, value in model(inputs).items()}
    encoder, step = models.seq2seq_parts(model)
    encoded = encoder(keras.ops.convert_to_tensor(inputs["source"]))
    for number in range(4):
        outputs = step({**encoded, "symbol": keras.ops.convert_to_tensor(inputs["target"][:, number])})
        for name in ("probabilities", "attention"):
            np.testing.assert_allclose(outputs[name], expected[name][:, number], atol=1e-6)
        encoded |= {name: outputs[name] for name in ("hidden", "cell", "position") if name in encoded}


@pytest.mark.parametrize("attention", ["dot", "additive"])
def test_scores_are_those_of_the_papers(attention):
    """Luong's dot product and Bahdanau's additive score, from the layers' own outputs."""
    model, inputs = shared("plain", attention=attention, return_attention=True), draw_inputs()
    inner = keras.Model(model.input, [model.get_layer(name).output for name in ("decoder", "memory")])
    states, memory = (np.asarray(value, "float64") for value in inner(inputs))
    if attention == "dot":
        scores = states @ memory.transpose(0, 2, 1)
    else:
        query, key = (model.get_layer(f"attention_{name}").get_weights()[0] for name in ("query", "key"))
        (scale,) = model.get_layer("attention").get_weights()
        scores = np.tanh((states @ query)[:, :, None] + (memory @ key)[:, None]) @ scale
    weights = np.exp(scores) / np.exp(scores).sum(axis=2, keepdims=True)
    np.testing.assert_allclose(model(inputs)["attention"], weights, atol=1e-6)
