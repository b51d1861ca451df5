import functools

import keras
import numpy as np
import pytest

from keras_refs import self_attention_classifier, self_attention_regressor
from tests import checks

SIZES = {"hidden_dim": 8, "num_heads": 2, "feed_forward_dim": 6}
TINY = {
    "vectors": functools.partial(self_attention_classifier, num_features=3, num_classes=2, **SIZES),
    "tokens": functools.partial(
        self_attention_classifier, vocabulary_size=9, num_classes=2, blocks=2, pooling="class_token", **SIZES
    ),
    "channels": functools.partial(
        self_attention_classifier,
        vocabulary_size=9,
        num_channels=3,
        embedding_dim=5,
        num_classes=2,
        positions="learned",
        max_steps=12,
        **SIZES,
    ),
    "regressor": functools.partial(self_attention_regressor, num_series=3, num_outputs=2, **SIZES),
}
VARIANTS = pytest.mark.parametrize("variant", TINY)
TOKENS = pytest.mark.parametrize("variant", ["tokens", "channels"])


def draw_inputs(variant, steps=6):
    rng = np.random.default_rng(0)
    if variant in ("tokens", "channels"):
        return rng.integers(1, 9, (4, steps, 3) if variant == "channels" else (4, steps)).astype("int32")
    return rng.normal(size=(4, steps, 3)).astype("float32")


def fresh(variant, **options):
    """Return a model with larger weights than initial ones, with which attention is nearly uniform."""
    keras.utils.set_random_seed(0)
    model = TINY[variant](**options)
    model.set_weights([2 * weight + 0.1 * (weight.ndim == 1) for weight in model.get_weights()])
    return model


# Of a block of width w: two normalisations, four projections with biases, and the feed-forward layers.
def block(width, feed_forward):
    return 2 * 2 * width + 4 * (width + 1) * width + (width + 1) * feed_forward + (feed_forward + 1) * width


@pytest.mark.parametrize(
    ("build", "arguments", "inputs", "outputs", "parameters"),
    [
        pytest.param(
            self_attention_classifier, {}, np.zeros((3, 4, 2)), 1, 3 * 4 + block(4, 4) + 2 * 4 + 5, id="listing A5"
        ),
        (
            self_attention_classifier,
            {"vocabulary_size": 50, "num_channels": 3, "embedding_dim": 5, "num_classes": 7, **SIZES},
            np.zeros((3, 4, 3), "int32"),
            7,
            50 * 5 + 6 * 8 + block(8, 6) + 2 * 8 + 9 * 7,
        ),
        (
            self_attention_classifier,
            {"vocabulary_size": 50, "num_classes": 7, "positions": "learned", "max_steps": 9, "blocks": 0},
            np.zeros((3, 4), "int32"),
            7,
            50 * 4 + 9 * 4 + 2 * 4 + 5 * 7,
        ),
        (self_attention_regressor, {}, np.zeros((3, 9, 1)), 1, 2 * 64 + 64 + block(64, 128) + 2 * 64 + 65),
    ],
)
def test_shapes_and_parameters(build, arguments, inputs, outputs, parameters):
    checks.check_shapes(build(**arguments), inputs, (3, outputs), parameters)


@pytest.mark.parametrize(
    ("argument", "value", "match"),
    [
        ("num_features", 0, "at least 1"),
        ("num_classes", 0, "at least 1"),
        ("vocabulary_size", 1, "at least 2"),
        ("hidden_dim", 5, "even"),
        ("num_heads", 3, "multiple"),
        ("feed_forward_dim", 0, "at least 1"),
        ("blocks", -1, "at least 0"),
        ("positions", "relative", "'sinusoidal', 'learned'"),
        ("pooling", "max", "'mean', 'class_token'"),
        ("dropout", 1, r"\[0, 1\)"),
        ("classifier_activation", "tanh", "'softmax'"),
    ],
)
def test_bad_arguments(argument, value, match):
    build = functools.partial(self_attention_classifier, hidden_dim=4) if argument == "num_heads" else None
    checks.check_refuses(build or self_attention_classifier, argument, value, match)


def test_arguments_that_do_not_fit():
    tokens = functools.partial(self_attention_classifier, vocabulary_size=9)
    checks.check_refuses(tokens, "num_channels", 0, "at least 1")
    checks.check_refuses(tokens, "embedding_dim", 0, "at least 1")
    checks.check_refuses(functools.partial(tokens, positions="learned"), "max_steps", None, "at least 1")
    checks.check_refuses(functools.partial(tokens, pooling="class_token"), "causal", True, "class token")
    checks.check_refuses(functools.partial(tokens, pooling="class_token"), "blocks", 0, "at least 1")
    checks.check_refuses(self_attention_regressor, "num_outputs", 0, "at least 1")
    checks.check_refuses(self_attention_regressor, "num_series", 0, "at least 1")


@VARIANTS
def test_shared_checks(variant, tmp_path):
    model, inputs = fresh(variant), draw_inputs(variant)
    checks.check_config_round_trip(model, inputs)
    checks.check_save_and_reload(model, inputs, tmp_path)
    checks.check_dtype_policies(lambda: fresh(variant), inputs)
    loss = keras.losses.MeanSquaredError()
    checks.check_every_weight_gets_a_gradient(model, inputs, np.eye(2)[[0, 1, 0, 1]], loss)


@VARIANTS
def test_overfits_one_batch(variant):
    keras.utils.set_random_seed(0)
    targets = np.eye(2, dtype="float32")[[0, 1, 1, 0]]
    loss = keras.losses.MeanSquaredError()
    checks.check_overfits_one_batch(TINY[variant](), draw_inputs(variant), targets, loss, steps=200)


@TOKENS
def test_padding_changes_nothing(variant):
    model, inputs = fresh(variant), draw_inputs(variant)
    padded = np.pad(inputs, [(0, 0), (0, 4)] + [(0, 0)] * (inputs.ndim - 2))
    np.testing.assert_allclose(model(padded), model(inputs), atol=1e-6)
    # As long as the padding is no token.
    padded[:, 6:] = 1
    assert np.abs(model(padded) - model(inputs)).max() > 1e-3


@TOKENS
def test_a_text_without_tokens_has_finite_probabilities(variant):
    model, inputs = fresh(variant), np.zeros_like(draw_inputs(variant))
    np.testing.assert_allclose(model(inputs).numpy().sum(axis=1), 1, atol=1e-6)
    # Beside others, and whatever the number of its steps.
    inputs[1] = draw_inputs(variant)[1]
    np.testing.assert_allclose(model(inputs)[0], model(np.zeros_like(inputs[:1, :2]))[0], atol=1e-6)


@VARIANTS
@pytest.mark.parametrize("pooling", ["mean", "class_token"])
def test_the_order_of_the_steps_counts_by_their_positions_alone(variant, pooling):
    inputs = draw_inputs(variant)
    permuted = inputs[:, [3, 0, 5, 1, 4, 2]]
    without = fresh(variant, positions=None, pooling=pooling)
    np.testing.assert_allclose(without(permuted), without(inputs), atol=1e-5)
    for positions in ("sinusoidal", "learned"):
        model = fresh(variant, positions=positions, max_steps=6, pooling=pooling)
        assert np.abs(model(permuted) - model(inputs)).max() > 1e-4, positions


@VARIANTS
@pytest.mark.parametrize("causal", [True, False])
def test_a_step_depends_on_later_ones_unless_causal(variant, causal):
    """Seen at the outputs of the last block, which a classifier has for each step before it takes their mean."""
    model, inputs = fresh(variant, pooling="mean", causal=causal, blocks=2), draw_inputs(variant)
    by_step = keras.Model(model.input, model.get_layer("final_normalization").output)
    for step in range(1, 6):
        changed = inputs.copy()
        changed[:, step] = changed[:, step] % 8 + 1
        difference = np.abs(by_step(changed) - by_step(inputs)).max(axis=(0, 2))
        assert difference[step:].min() > 1e-4
        assert (difference[:step].max() < 1e-6) == causal


@pytest.mark.parametrize("pooling", ["mean", "class_token"])
def test_attention_is_a_distribution_over_steps_that_are_no_padding(pooling):
    model = fresh("tokens", pooling=pooling, return_attention=True)
    inputs = draw_inputs("tokens")
    inputs[1, 2:] = 0
    outputs, class_token = model(inputs), pooling == "class_token"
    np.testing.assert_allclose(outputs["probabilities"], fresh("tokens", pooling=pooling)(inputs), atol=1e-6)
    steps = 6 + class_token
    assert outputs["block1_attention"].shape == (4, 2, steps, steps)
    assert outputs["block2_attention"].shape == (4, 2, 1 if class_token else steps, steps)
    for name in ("block1_attention", "block2_attention"):
        weights = outputs[name].numpy()
        np.testing.assert_allclose(weights.sum(axis=3), 1, atol=1e-6)
        assert np.ptp(weights[0], axis=2).max() > 0.01, "attention is uniform"
        np.testing.assert_array_equal(weights[1, ..., 2 + class_token :], 0)


def test_equals_its_formula():
    """Vaswani et al. 2017 in NumPy, one block with two heads, the normalisation first."""
    model, inputs = fresh("vectors"), draw_inputs("vectors")
    weights = {variable.path: variable.numpy().astype("float64") for variable in model.weights}

    def dense(x, name):
        return x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]

    def normalized(x, name):
        x = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-3)
        return x * weights[f"{name}/gamma"] + weights[f"{name}/beta"]

    def projection(x, name):
        kernel, bias = (weights[f"block1_attention/{name}/{weight}"] for weight in ("kernel", "bias"))
        return np.einsum("bsd,dhk->bhsk", x, kernel) + bias[:, np.newaxis]

    angles = np.arange(6)[:, np.newaxis] / 10_000.0 ** (np.arange(4) / 4)
    x = dense(inputs, "projection") + np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    y = normalized(x, "block1_attention_normalization")
    query, key, value = (projection(y, name) for name in ("query", "key", "value"))
    exponentials = np.exp(query @ key.transpose(0, 1, 3, 2) / np.sqrt(4))
    heads = exponentials / exponentials.sum(axis=-1, keepdims=True) @ value
    x = x + np.einsum("bhsk,hkd->bsd", heads, weights["block1_attention/attention_output/kernel"])
    x = x + weights["block1_attention/attention_output/bias"]
    y = np.maximum(dense(normalized(x, "block1_feed_forward_normalization"), "block1_feed_forward"), 0)
    x = x + dense(y, "block1_feed_forward_output")
    logits = dense(normalized(x, "final_normalization").mean(axis=1), "classifier")
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model(inputs), expected, atol=1e-6)


def test_the_class_token_computes_what_it_would_beside_all_others():
    """The last block leaves the other steps out, which changes nothing but the time."""
    model, inputs = fresh("tokens", return_attention=True), draw_inputs("tokens")
    block1, block2 = (model(inputs)[f"block{number}_attention"] for number in (1, 2))
    assert block1.shape[2] == 7 and block2.shape[2] == 1
    one = fresh("tokens", return_attention=True, blocks=1)(inputs)["block1_attention"]
    np.testing.assert_allclose(one, block1[:, :, :1], atol=1e-6)
