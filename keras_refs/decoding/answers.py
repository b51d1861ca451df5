"""Searches with a defined answer to whatever a client sends: a source is cut if too long, an empty one answered empty.

An answer has at most twice as many steps as its source and ten more.
"""

import tensorflow as tf

from keras_refs.decoding.search import beam_search, greedy_search


def greedy_answers(parts, tokens, boundary, longest_source):
    """Return for each source the answer of the greedy search.

    Args:
        parts: The encoder and the step, as `models.seq2seq_parts` or `FastParts` returns them.
        tokens: Sources, int32 `(batch, steps)`, 0 for padding at the end.
        boundary: The symbol that starts and ends a target.
        longest_source: Tokens that are read of a source; what follows is left out.

    Returns:
        A dictionary: `symbols`, int32 `(batch, steps)`, padded at the end; `score`, float32 `(batch,)`, the
        log-probability, 0 for an empty source; `attention`, float32 `(batch, steps, source steps)`.
    """
    source, found = _search(greedy_search, parts, tokens, boundary, longest_source)
    known = source[:, :1] > 0
    return {
        "symbols": tf.where(known, found["symbols"], 0),
        "score": tf.where(known[:, 0], found["log_probability"], 0.0),
        "attention": tf.where(known[:, :, tf.newaxis], found["attention"], 0.0),
    }


def best_answers(parts, tokens, boundary, longest_source, width, length_penalty=0.0):
    """Return for each source the best answers of a beam search, best first.

    Args:
        parts: As `greedy_answers` takes it.
        tokens: As `greedy_answers` takes them.
        boundary: As `greedy_answers` takes it.
        longest_source: As `greedy_answers` takes it.
        width: As `beam_search` takes it.
        length_penalty: As `beam_search` takes it.

    Returns:
        A dictionary: `symbols`, int32 `(batch, width, steps)`, padded at the end; `score`, float32 `(batch, width)`,
        minus infinity where there are fewer answers; an empty source has one, empty, with the score 0.
    """
    source, found = _search(beam_search, parts, tokens, boundary, longest_source, width, length_penalty)
    known = source[:, :1] > 0
    alone = tf.where(tf.range(width) == 0, 0.0, -float("inf"))
    return {
        "symbols": tf.where(known[:, :, tf.newaxis], found["symbols"], 0),
        "score": tf.where(known, found["score"], alone),
    }


def _search(method, parts, tokens, boundary, longest_source, *options):
    """Return the tokens that are read and what a search finds for them."""
    source = tokens[:, :longest_source]
    return source, method(parts, source, boundary, 2 * tf.shape(source)[1] + 10, *options)
