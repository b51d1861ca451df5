"""A small model of every builder, in the variants that compute in other ways, and inputs for any model."""

import numpy as np

import keras_refs

BERT = {"vocabulary_size": 20, "hidden_dim": 8, "blocks": 1, "num_heads": 2, "feed_forward_dim": 16, "max_steps": 12}
SEQUENCES = {"num_source_symbols": 9, "num_target_symbols": 7, "embedding_dim": 8, "units": 6}
TEXTS = {"vocabulary_size": 20, "num_classes": 3, "embedding_dim": 8}
IMAGES = {"image_shape": (8, 8, 1), "kernel_size": 3}
CASES = {
    "linear_regression": {"num_features": 3},
    "logistic_regression": {"num_features": 3, "num_classes": 4},
    "mlp": {"num_features": 3, "hidden_units": (8, 8), "batch_normalization": True, "dropout": 0.1},
    "conv_classifier": {"input_shape": (12, 12, 3), "filters": (4, 8), "batch_normalization": True, "dropout": 0.1},
    "simple_rnn_regressor": {"num_series": 3, "units": (8, 8)},
    "lstm_regressor": {"num_series": 3, "units": (8,), "mask_value": 0.0},
    "lstm_classifier": {"num_features": 3, "num_classes": 4, "units": (8, 8), "dropout": 0.1},
    "rnn_text_classifier": {**TEXTS, "units": (8, 8)},
    "self_attention_classifier": {
        "vocabulary_size": 20,
        "num_classes": 3,
        "hidden_dim": 8,
        "num_heads": 2,
        "causal": True,
    },
    "self_attention_regressor": {"num_series": 3, "hidden_dim": 8, "num_heads": 2},
    "bert_encoder": BERT,
    "bert_classifier": BERT,
    "attention_seq2seq": {**SEQUENCES, "bidirectional": True},
    "attention_seq2seq-hard": {**SEQUENCES, "attention": "hard"},
    "gan_generator": {**IMAGES, "latent_dim": 5, "hidden_units": (8,), "base_filters": 8, "filters": (8,)},
    "gan_discriminator": {**IMAGES, "filters": (4, 8), "num_classes": 3},
}
"""Arguments by the builder's name, after which the variant stands."""


def build(case):
    return keras_refs.build(case.partition("-")[0], **CASES[case])


def draw_inputs(model, seed=0):
    """Return inputs by name: four examples of five steps, in texts padding after the third of the first one."""
    rng = np.random.default_rng(seed)
    inputs = {}
    for tensor in model.inputs:
        shape = (4, *(size or 5 for size in tensor.shape[1:]))
        if tensor.dtype.startswith("int"):
            # Small enough for every vocabulary, and for the two segments of a BERT.
            inputs[tensor.name] = rng.integers(0, 2, shape, "int32")
            if tensor.name != "segments" and len(shape) > 1:
                inputs[tensor.name] += 1
                inputs[tensor.name][0, 3:] = 0
        else:
            pixels = len(shape) == 4
            inputs[tensor.name] = (rng.uniform(0, 255, shape) if pixels else rng.normal(size=shape)).astype("float32")
    return inputs


def as_argument(inputs):
    """Return what a model takes: one input alone, or several by name."""
    return inputs if len(inputs) > 1 else next(iter(inputs.values()))


def predict(model, inputs):
    """Return a model's outputs as arrays by name; a single one has the name `output`."""
    # Compiled as one: JAX would compile every operation by itself.
    outputs = model.predict(as_argument(inputs), verbose=0)
    return outputs if isinstance(outputs, dict) else {"output": outputs}
