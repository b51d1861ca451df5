"""Greedy and beam search with a trained sequence-to-sequence model, batched, in one graph.

Both take the two parts of a model that `models.seq2seq_parts` or `FastParts` returns, and call the second once per
symbol. Symbol 0 is padding; one symbol, the boundary, starts and ends a sequence.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from keras_refs.models.seq2seq import STATES

PADDING = 0
Parts = tuple[Callable[..., Any], Callable[..., Any]]
"""The encoder and the step."""


def greedy_search(parts: Parts, source: tf.Tensor, boundary: int, max_steps: int) -> Any:
    """Return for each source the sequence of the most probable symbol at every step.

    Args:
        parts: The encoder and the step, as `models.seq2seq_parts` or `FastParts` returns them.
        source: A batch of sources, int32 `(batch, source steps)`, 0 for padding at the end.
        boundary: The symbol that starts and ends a target.
        max_steps: Steps, the boundary's included, after which a sequence is truncated: an integer or an int32 scalar.

    Returns:
        A dictionary: `symbols`, int32 `(batch, steps)`, without the boundaries, padded at the end; `log_probability`,
        float32 `(batch,)`, of the symbols and the boundary that ends them; `attention`, float32 `(batch, steps, source
        steps)`, 0 after the end.
    """
    encoder, step = parts
    encoded = encoder(source)
    batch, source_steps = tf.unstack(tf.shape(encoded["mask"]))
    state_names = _state_names(encoded)

    def is_unfinished(number, finished, *_):
        return (number < max_steps) & ~tf.reduce_all(finished)

    def take_step(number, finished, symbol, states, log_probability, symbols, attention):
        outputs = step({**encoded, **states, "symbol": symbol})
        log_probabilities = _log_probabilities(outputs)
        symbol = tf.argmax(log_probabilities, axis=-1, output_type=tf.int32)
        log_probability += tf.where(finished, 0.0, tf.reduce_max(log_probabilities, axis=-1))
        weights = tf.where(finished[:, tf.newaxis], 0.0, tf.cast(outputs["attention"], tf.float32))
        finished |= symbol == boundary
        return (
            number + 1,
            finished,
            symbol,
            {name: outputs[name] for name in state_names},
            log_probability,
            tf.concat([symbols, tf.where(finished, PADDING, symbol)[:, tf.newaxis]], axis=1),
            tf.concat([attention, weights[:, tf.newaxis]], axis=1),
        )

    start = (
        0,
        tf.zeros([batch], tf.bool),
        tf.fill([batch], boundary),
        {name: encoded[name] for name in state_names},
        tf.zeros([batch]),
        tf.zeros([batch, 0], tf.int32),
        tf.zeros([batch, 0, source_steps]),
    )
    *_, log_probability, symbols, attention = _loop(is_unfinished, take_step, start, growing=2)
    return {"symbols": symbols, "log_probability": log_probability, "attention": attention}


def beam_search(
    parts: Parts, source: tf.Tensor, boundary: int, max_steps: int, width: int, length_penalty: float = 0.0
) -> Any:
    """Return for each source the best sequences of a beam search, best first.

    The score of a sequence is its log-probability divided by its length, which includes the boundary, to the power of
    `length_penalty`: 0 favours short sequences, 1 compares the mean per step. The first hypothesis of the beam is the
    greedy sequence up to its end, the others are the most probable prefixes. So the best score is never below the
    greedy sequence's, and a beam of width 1 is the greedy search.

    Args:
        parts: The encoder and the step, as `models.seq2seq_parts` or `FastParts` returns them.
        source: A batch of sources, int32 `(batch, source steps)`, 0 for padding at the end.
        boundary: The symbol that starts and ends a target.
        max_steps: Steps, the boundary's included, after which sequences are truncated: an integer or an int32 scalar.
        width: Beam width, an integer of at least 1.
        length_penalty: Power of the length that a log-probability is divided by, a number from 0 to 1.

    Returns:
        A dictionary: `symbols`, int32 `(batch, width, steps)`, without the boundaries, padded at the end; `score` and
        `log_probability`, float32 `(batch, width)`, both minus infinity where there are fewer sequences than the width.
    """
    encoder, step = parts
    encoded = encoder(source)
    batch, state_names = tf.shape(encoded["memory"])[0], _state_names(encoded)
    # Row `example * width + hypothesis`.
    encoded = {name: tf.repeat(tensor, width, axis=0) for name, tensor in encoded.items()}

    def is_unfinished(number, finished, _symbol, _states, log_probability, *_):
        return (number < max_steps) & tf.reduce_any(~finished & (log_probability > -float("inf")))

    def take_step(number, finished, symbol, states, log_probability, length, symbols):
        outputs = step({**encoded, **states, "symbol": tf.reshape(symbol, [-1])})
        log_probability, parent, symbol = _choose(_totals(log_probability, outputs, finished), width)
        finished, length, symbols = (tf.gather(tensor, parent, batch_dims=1) for tensor in (finished, length, symbols))
        length += tf.cast(~finished, tf.int32)
        finished |= symbol == boundary
        rows = tf.reshape(tf.range(batch)[:, tf.newaxis] * width + parent, [-1])
        return (
            number + 1,
            finished,
            symbol,
            {name: tf.gather(outputs[name], rows) for name in state_names},
            log_probability,
            length,
            tf.concat([symbols, tf.where(finished, PADDING, symbol)[:, :, tf.newaxis]], axis=2),
        )

    start = (
        0,
        tf.zeros([batch, width], tf.bool),
        tf.fill([batch, width], boundary),
        {name: encoded[name] for name in state_names},
        tf.where(tf.range(width) == 0, tf.zeros([batch, 1]), -float("inf")),
        tf.zeros([batch, width], tf.int32),
        tf.zeros([batch, width, 0], tf.int32),
    )
    *_, log_probability, length, symbols = _loop(is_unfinished, take_step, start, growing=1)
    score = log_probability / tf.cast(tf.maximum(length, 1), tf.float32) ** length_penalty
    score, order = tf.math.top_k(score, width)
    unordered = {"symbols": symbols, "log_probability": log_probability}
    return {"score": score, **{name: tf.gather(tensor, order, batch_dims=1) for name, tensor in unordered.items()}}


def _state_names(encoded):
    """Return what a step passes on to the next: with hard attention the position, too."""
    return [name for name in (*STATES, "position") if name in encoded]


def _loop(condition, take_step, start, growing):
    """Run a `tf.while_loop` on batches of any size; the last `growing` tensors gain a step in each iteration."""

    def any_batch(tensor):
        shape = tf.convert_to_tensor(tensor).shape
        return tf.TensorShape([None, *shape[1:]] if shape.rank else [])

    shapes = [tf.nest.map_structure(any_batch, part) for part in start]
    for index in range(-growing, 0):
        shapes[index] = tf.TensorShape([None] * len(start[index].shape))
    return tf.while_loop(condition, take_step, start, tuple(shapes))


def _log_probabilities(outputs):
    """Return the float32 log-probabilities of a step; padding, which must not be predicted, has minus infinity."""
    log_probabilities = tf.math.log(tf.cast(outputs["probabilities"], tf.float32))
    is_padding = np.arange(log_probabilities.shape[-1]) == PADDING
    return log_probabilities + np.where(is_padding, -np.inf, 0).astype("float32")


def _totals(log_probability, outputs, finished):
    """Return the log-probability of each sequence extended by each symbol, `(batch, width, symbols)`."""
    gains = _log_probabilities(outputs)
    gains = tf.reshape(gains, [-1, finished.shape[1], gains.shape[-1]])
    # A finished sequence is extended by padding, which costs nothing.
    only_padding = np.where(np.arange(gains.shape[2]) == PADDING, 0, -np.inf).astype("float32")
    return log_probability[:, :, tf.newaxis] + tf.where(finished[:, :, tf.newaxis], only_padding, gains)


def _choose(totals, width):
    """Return log-probability, index of the parent and last symbol of the next hypotheses, each `(batch, width)`."""
    symbols = tf.shape(totals)[2]
    greedy = tf.argmax(totals[:, 0], axis=-1, output_type=tf.int32)[:, None]
    best = tf.gather(totals[:, 0], greedy, batch_dims=1)
    flat = tf.reshape(totals, [-1, width * symbols])
    others = tf.where(tf.range(width * symbols) == greedy, -float("inf"), flat)
    values, index = tf.math.top_k(others, width - 1)
    index = tf.concat([greedy, index], axis=1)
    return tf.concat([best, values], axis=1), index // symbols, index % symbols
