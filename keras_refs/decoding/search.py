"""From a trained sequence-to-sequence model to answers: greedy and beam search, batched, in one graph.

Both take the two parts of a model that `models.seq2seq_parts` or `FastParts` returns, and call the second once for each
symbol: what came before stays in the decoder's state. Symbol 0 is padding; one symbol, the boundary, starts and ends a
sequence.
"""

import numpy as np
import tensorflow as tf

from keras_refs.models.seq2seq import STATES

PADDING = 0


def greedy_search(parts, source, boundary, max_steps):
    """Return for each source the sequence that takes the likeliest symbol at every step.

    Args:
        parts: The encoder and the step, as `models.seq2seq_parts` or `FastParts` returns them.
        source: A batch of sources, as the encoder takes it.
        boundary: The symbol that starts and ends a target.
        max_steps: Steps, the last boundary included, at which a sequence that did not end is cut off: an integer or an
            int32 scalar.

    Returns:
        A dictionary: `symbols`, int32 `(batch, steps)`, without the boundaries, padded at the end; `log_probability`,
        float32 `(batch,)`, of symbols and end; `length`, int32 `(batch,)`, symbols and end; `attention`, float32
        `(batch, steps, source steps)`, 0 from the end on.
    """
    encoder, step = parts
    known = encoder(source)
    batch, source_steps = tf.unstack(tf.shape(known["mask"]))

    def go_on(number, finished, *_):
        return (number < max_steps) & ~tf.reduce_all(finished)

    def take_step(number, finished, symbol, states, log_probability, length, symbols, attention):
        answer = step({**known, **states, "symbol": symbol})
        log_probabilities = _log_probabilities(answer)
        symbol = tf.argmax(log_probabilities, axis=-1, output_type=tf.int32)
        log_probability += tf.where(finished, 0.0, tf.reduce_max(log_probabilities, axis=-1))
        length += tf.cast(~finished, tf.int32)
        weights = tf.where(finished[:, tf.newaxis], 0.0, tf.cast(answer["attention"], tf.float32))
        finished |= symbol == boundary
        return (
            number + 1,
            finished,
            symbol,
            {name: answer[name] for name in STATES},
            log_probability,
            length,
            tf.concat([symbols, tf.where(finished, PADDING, symbol)[:, tf.newaxis]], axis=1),
            tf.concat([attention, weights[:, tf.newaxis]], axis=1),
        )

    start = (
        0,
        tf.zeros([batch], tf.bool),
        tf.fill([batch], boundary),
        {name: known[name] for name in STATES},
        tf.zeros([batch]),
        tf.zeros([batch], tf.int32),
        tf.zeros([batch, 0], tf.int32),
        tf.zeros([batch, 0, source_steps]),
    )
    *_, log_probability, length, symbols, attention = _loop(go_on, take_step, start, growing=2)
    return {"symbols": symbols, "log_probability": log_probability, "length": length, "attention": attention}


def beam_search(parts, source, boundary, max_steps, width, length_penalty=0.0):
    """Return for each source the best sequences of a beam search, best first.

    The score of a sequence is its log-probability divided by its length (symbols and end) to the power of
    `length_penalty`: 0 prefers short sequences, 1 compares the mean of a step. The first place of the beam follows the
    greedy sequence to its end, the others are given to the likeliest beginnings. So the best score is never below the
    greedy sequence's, and a beam of one is the greedy search.

    Args:
        parts: The encoder and the step, as `models.seq2seq_parts` or `FastParts` returns them.
        source: A batch of sources, as the encoder takes it.
        boundary: The symbol that starts and ends a target.
        max_steps: Steps, the last boundary included, at which sequences that did not end are cut off: an integer or an
            int32 scalar.
        width: Sequences to follow, an integer of at least 1.
        length_penalty: Power of the length that a log-probability is divided by, a number from 0 to 1.

    Returns:
        A dictionary: `symbols`, int32 `(batch, width, steps)`, without the boundaries, padded at the end; `score` and
        `log_probability`, float32 `(batch, width)`, both minus infinity where there are fewer sequences than places.
    """
    encoder, step = parts
    known = encoder(source)
    batch = tf.shape(known["memory"])[0]
    # Row `example * width + place`.
    known = {name: tf.repeat(tensor, width, axis=0) for name, tensor in known.items()}

    def go_on(number, finished, _symbol, _states, log_probability, *_):
        return (number < max_steps) & tf.reduce_any(~finished & (log_probability > -float("inf")))

    def take_step(number, finished, symbol, states, log_probability, length, symbols):
        answer = step({**known, **states, "symbol": tf.reshape(symbol, [-1])})
        log_probability, place, symbol = _choose(_totals(log_probability, answer, finished), width)
        finished, length, symbols = (tf.gather(tensor, place, batch_dims=1) for tensor in (finished, length, symbols))
        length += tf.cast(~finished, tf.int32)
        finished |= symbol == boundary
        rows = tf.reshape(tf.range(batch)[:, tf.newaxis] * width + place, [-1])
        return (
            number + 1,
            finished,
            symbol,
            {name: tf.gather(answer[name], rows) for name in STATES},
            log_probability,
            length,
            tf.concat([symbols, tf.where(finished, PADDING, symbol)[:, :, tf.newaxis]], axis=2),
        )

    start = (
        0,
        tf.zeros([batch, width], tf.bool),
        tf.fill([batch, width], boundary),
        {name: known[name] for name in STATES},
        tf.where(tf.range(width) == 0, tf.zeros([batch, 1]), -float("inf")),
        tf.zeros([batch, width], tf.int32),
        tf.zeros([batch, width, 0], tf.int32),
    )
    *_, log_probability, length, symbols = _loop(go_on, take_step, start, growing=1)
    score = log_probability / tf.cast(tf.maximum(length, 1), tf.float32) ** length_penalty
    score, order = tf.math.top_k(score, width)
    found = {"symbols": symbols, "log_probability": log_probability}
    return {"score": score, **{name: tf.gather(tensor, order, batch_dims=1) for name, tensor in found.items()}}


def _loop(go_on, take_step, start, growing):
    """Run a `tf.while_loop` on batches of any size, the last tensors of which grow with every step."""

    def any_batch(tensor):
        shape = tf.convert_to_tensor(tensor).shape
        return tf.TensorShape([None, *shape[1:]] if shape.rank else [])

    shapes = [tf.nest.map_structure(any_batch, part) for part in start]
    for place in range(-growing, 0):
        shapes[place] = tf.TensorShape([None] * len(start[place].shape))
    return tf.while_loop(go_on, take_step, start, tuple(shapes))


def _log_probabilities(answer):
    """Return the float32 log-probabilities of a step, that of padding, which is no answer, minus infinity."""
    log_probabilities = tf.math.log(tf.cast(answer["probabilities"], tf.float32))
    is_padding = np.arange(log_probabilities.shape[-1]) == PADDING
    return log_probabilities + np.where(is_padding, -np.inf, 0).astype("float32")


def _totals(log_probability, answer, finished):
    """Return the log-probability of each sequence with each symbol after it, `(batch, width, symbols)`."""
    gains = _log_probabilities(answer)
    gains = tf.reshape(gains, [-1, finished.shape[1], gains.shape[-1]])
    # A finished sequence goes on with padding, which costs nothing.
    only_padding = np.where(np.arange(gains.shape[2]) == PADDING, 0, -np.inf).astype("float32")
    return log_probability[:, :, tf.newaxis] + tf.where(finished[:, :, tf.newaxis], only_padding, gains)


def _choose(totals, width):
    """Return log-probability, the place it came from and the symbol of the sequences to follow, `(batch, width)`."""
    symbols = tf.shape(totals)[2]
    greedy = tf.argmax(totals[:, 0], axis=-1, output_type=tf.int32)[:, None]
    best = tf.gather(totals[:, 0], greedy, batch_dims=1)
    flat = tf.reshape(totals, [-1, width * symbols])
    others = tf.where(tf.range(width * symbols) == greedy, -float("inf"), flat)
    values, index = tf.math.top_k(others, width - 1)
    index = tf.concat([greedy, index], axis=1)
    return tf.concat([best, values], axis=1), index // symbols, index % symbols
