"""Small `attention_seq2seq` models, which the tests of the builder and of decoding use."""

import functools

import keras

from keras_refs import attention_seq2seq

SOURCES, TARGETS = 6, 5
VARIANTS = {
    "plain": {},
    "deep": {"bidirectional": True},
    "everything": {"bidirectional": True, "attention": "additive", "dropout": 0.1},
    "hard": {"bidirectional": True, "attention": "hard"},
}


LAYERS = {"deep": 3, "everything": 2}
"""Layers of the encoder; the others have one."""


def untrained(variant, units=8, **options):
    sizes = {"num_source_symbols": SOURCES, "num_target_symbols": TARGETS, "embedding_dim": 4}
    widths = (units,) * LAYERS.get(variant, 1)
    return attention_seq2seq(**{**sizes, **VARIANTS[variant], **options, "units": widths})


def fresh(variant, seed=0, **options):
    """Return a model whose outputs differ from source to source, as those of a trained one."""
    keras.utils.set_random_seed(seed)
    model = untrained(variant, **options)
    # Initial attention is nearly uniform, and initial biases are 0: many mistakes would hardly show.
    model.set_weights([3 * weight + 0.1 * (weight.ndim == 1) for weight in model.get_weights()])
    return model


shared = functools.cache(fresh)
"""The same, which no test may train or change."""
