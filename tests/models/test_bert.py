import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_refs import bert_classifier, bert_encoder
from keras_refs.models import BERT_SIZES
from tests import checks

VOCABULARY = 20
TINY = {
    "vocabulary_size": VOCABULARY,
    "hidden_dim": 8,
    "blocks": 2,
    "num_heads": 2,
    "feed_forward_dim": 16,
    "max_steps": 12,
}
EVERY_BUILDER = pytest.mark.parametrize("build", [bert_encoder, bert_classifier])
SOFTMAX_LOSS = keras.losses.SparseCategoricalCrossentropy()


def fresh(build, **options):
    """Return a model whose outputs differ from text to text, as those of a trained one."""
    keras.utils.set_random_seed(0)
    model = build(**{**TINY, **options})
    # Initial attention is nearly uniform, and initial biases are 0: many mistakes would hardly show.
    rng = np.random.default_rng(0)
    model.set_weights([weight + rng.normal(scale=0.5, size=weight.shape) for weight in model.get_weights()])
    return model


shared = functools.cache(fresh)
"""The same, which no test may train or change."""


def draw_inputs(steps=6):
    """Four examples without padding; each begins with the same token, as [CLS] does."""
    rng = np.random.default_rng(1)
    tokens = rng.integers(2, VOCABULARY, (4, steps)).astype("int32")
    tokens[:, 0] = 1
    return {"tokens": tokens, "segments": np.repeat([[0] * 3 + [1] * (steps - 3)], 4, axis=0).astype("int32")}


def changed(inputs, **columns):
    """Return the inputs with other values at some steps: by input the step and its value."""
    inputs = {name: array.copy() for name, array in inputs.items()}
    for name, (step, value) in columns.items():
        inputs[name][:, step] = value
    return inputs


@pytest.mark.parametrize(
    ("arguments", "parameters"),
    [
        pytest.param({}, 109_482_240, id="bert-base-uncased"),
        pytest.param(BERT_SIZES["minilm_l6"], 22_713_216, id="all-MiniLM-L6-v2"),
        pytest.param(BERT_SIZES["tiny"], 4_385_920, id="BERT-Tiny"),
    ],
)
def test_parameters_are_those_of_published_models(arguments, parameters):
    # Whatever the numbers are, they need not be drawn.
    with tf.Graph().as_default():
        assert bert_encoder(**arguments).count_params() == parameters


def test_shapes():
    encoder, inputs = bert_encoder(**TINY), draw_inputs()
    assert {name: value.shape for name, value in encoder(inputs).items()} == {
        "hidden_states": (4, 6, 8),
        "pooled": (4, 8),
    }
    checks.check_shapes(bert_classifier(3, **TINY), inputs, (4, 3), encoder.count_params() + 9 * 3)
    checks.check_shapes(bert_classifier(1, **TINY), inputs, (4, 1), encoder.count_params() + 9)


@EVERY_BUILDER
@pytest.mark.parametrize(
    ("argument", "value", "match"),
    [
        ("vocabulary_size", 1, "at least 2"),
        ("blocks", 0, "at least 1"),
        ("num_heads", 2.0, "integer"),
        ("feed_forward_dim", None, "at least 1"),
        ("max_steps", 0, "at least 1"),
        ("num_segments", True, "integer"),
        ("dropout", 1, r"\[0, 1\)"),
        ("hidden_dim", 100, "multiple of `num_heads`, 12"),
    ],
)
def test_bad_arguments(build, argument, value, match):
    checks.check_refuses(build, argument, value, match)


def test_bad_heads():
    checks.check_refuses(bert_classifier, "num_classes", 0, "at least 1")
    one_class = functools.partial(bert_classifier, num_classes=1)
    checks.check_refuses(one_class, "classifier_activation", "softmax", "single output")


def test_shared_checks(tmp_path):
    model, inputs = shared(bert_classifier), draw_inputs()
    checks.check_config_round_trip(model, inputs)
    checks.check_save_and_reload(model, inputs, tmp_path)
    checks.check_dtype_policies(lambda: bert_classifier(**TINY), inputs)
    # Segments and positions that no example has would get none.
    everything = draw_inputs(steps=12)
    checks.check_every_weight_gets_a_gradient(model, everything, np.array([0, 1, 1, 0]), SOFTMAX_LOSS)


def test_overfits_one_batch():
    """There are a head and a loss that compares it with labels."""
    labels = np.array([0, 1, 1, 0])
    keras.utils.set_random_seed(0)
    model = bert_classifier(**TINY)
    assert model.output_shape == (None, 2)
    checks.check_overfits_one_batch(model, draw_inputs(), labels, SOFTMAX_LOSS)


def test_saved_models_have_no_layers_of_our_own():
    """So that they load with Keras alone."""
    assert {type(layer).__module__.split(".")[0] for layer in shared(bert_classifier)._flatten_layers()} == {"keras"}


@pytest.mark.parametrize("policy", checks.POLICIES[1:])
def test_outputs_of_the_encoder_keep_full_precision(policy):
    expected, inputs = bert_encoder(**TINY), draw_inputs()
    model = checks.built_under(policy, lambda: bert_encoder(**TINY))
    model.set_weights(expected.get_weights())
    for name, output in model(inputs).items():
        assert output.dtype == tf.float32
        np.testing.assert_allclose(output, expected(inputs)[name], atol=0.05)


def test_padding_changes_nothing():
    encoder, classifier, inputs = shared(bert_encoder), shared(bert_classifier), draw_inputs()
    padded = {name: np.pad(array, [(0, 0), (0, 5)]) for name, array in inputs.items()}
    expected, outputs = encoder(inputs), encoder(padded)
    np.testing.assert_allclose(outputs["hidden_states"][:, :6], expected["hidden_states"], atol=1e-5)
    np.testing.assert_allclose(outputs["pooled"], expected["pooled"], atol=1e-5)
    np.testing.assert_allclose(classifier(padded), classifier(inputs), atol=1e-5)


def test_every_token_and_segment_counts():
    model, inputs = shared(bert_encoder), draw_inputs()
    pooled = model(inputs)["pooled"]
    for step in range(6):
        for other in ({"tokens": (step, VOCABULARY - 1)}, {"segments": (step, 1 - inputs["segments"][0, step])}):
            assert np.abs(model(changed(inputs, **other))["pooled"] - pooled).max() > 1e-3, other


def test_without_positions_the_order_changes_nothing_else():
    inputs, order = draw_inputs(), [0, 3, 1, 5, 2, 4]
    permuted = {name: array[:, order] for name, array in inputs.items()}
    model = fresh(bert_encoder)
    assert np.abs(model(permuted)["pooled"] - model(inputs)["pooled"]).max() > 1e-3
    table = model.get_layer("position_embedding").embeddings
    table.assign(np.zeros(table.shape))
    expected, outputs = model(inputs), model(permuted)
    np.testing.assert_allclose(outputs["pooled"], expected["pooled"], atol=1e-5)
    np.testing.assert_allclose(outputs["hidden_states"], expected["hidden_states"].numpy()[:, order], atol=1e-5)


def test_more_steps_than_there_are_positions_are_an_error():
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"indices\[0,12\] = 12 is not in \[0, 12\)"):
        shared(bert_encoder)(draw_inputs(steps=13))


def test_an_empty_batch_and_a_text_of_padding_have_finite_outputs():
    model, inputs = shared(bert_classifier), draw_inputs()
    assert model({name: array[:0] for name, array in inputs.items()}).shape == (0, 2)
    nothing = model({name: array * 0 for name, array in inputs.items()})
    np.testing.assert_allclose(nothing.numpy().sum(axis=1), 1, atol=1e-6)


def test_adapters_leave_all_other_weights_alone():
    """Low-rank adapters (LoRA) of attention and feed-forward layers, which a fine-tuning trains with the head."""
    model, inputs = fresh(bert_classifier, dropout=0.0), draw_inputs()
    expected = model(inputs)
    attention = model.get_layer("block2_attention")
    adapted = [attention.query_dense, attention.value_dense, model.get_layer("block2_feed_forward")]
    for layer in model.layers:
        layer.trainable = layer.name in ("classifier", "block2_attention", "block2_feed_forward")
    for layer in adapted:
        layer.enable_lora(2)
    np.testing.assert_allclose(model(inputs), expected, atol=1e-6)
    before = {layer.path: layer._kernel.numpy() for layer in adapted}
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.train_on_batch(inputs, np.array([0, 1, 1, 0]))
    model.train_on_batch(inputs, np.array([0, 1, 1, 0]))
    assert np.abs(model(inputs) - expected).max() > 1e-3
    for layer in adapted:
        np.testing.assert_array_equal(layer._kernel, before[layer.path])
        assert np.any(layer.lora_kernel_b), layer.path
