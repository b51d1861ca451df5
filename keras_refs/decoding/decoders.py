"""Searches for untrusted input: long sources are truncated, and empty ones decode to an empty sequence.

An output has at most twice as many steps as the longest source of its batch and ten more.
"""

from typing import Any

import tensorflow as tf

from keras_refs.decoding.search import Parts, beam_search, greedy_search


def greedy_decode(parts: Parts, tokens: tf.Tensor, boundary: int, longest_source: int) -> Any:
    """Return the output of the greedy search for each source.

    Args:
        parts: The encoder and the step, as `models.seq2seq_parts` or `FastParts` returns them.
        tokens: Sources, int32 `(batch, steps)`, 0 for padding at the end.
        boundary: The symbol that starts and ends a target.
        longest_source: Number of tokens to which sources are truncated.

    Returns:
        A dictionary: `symbols`, int32 `(batch, steps)`, padded at the end; `score`, float32 `(batch,)`, the
        log-probability, 0 for an empty source; `attention`, float32 `(batch, steps, source steps)`.
    """
    source, result = _search(greedy_search, parts, tokens, boundary, longest_source)
    not_empty = source[:, :1] > 0
    return {
        "symbols": tf.where(not_empty, result["symbols"], 0),
        "score": tf.where(not_empty[:, 0], result["log_probability"], 0.0),
        "attention": tf.where(not_empty[:, :, tf.newaxis], result["attention"], 0.0),
    }


def beam_decode(
    parts: Parts, tokens: tf.Tensor, boundary: int, longest_source: int, width: int, length_penalty: float = 0.0
) -> Any:
    """Return the best outputs of a beam search for each source, best first.

    The arguments are those of `greedy_decode`, and `width` and `length_penalty` of `beam_search`.

    Returns:
        A dictionary: `symbols`, int32 `(batch, width, steps)`, padded at the end; `score`, float32 `(batch, width)`,
        minus infinity where there are fewer sequences. An empty source has one output, empty, with the score 0.
    """
    source, result = _search(beam_search, parts, tokens, boundary, longest_source, width, length_penalty)
    not_empty = source[:, :1] > 0
    score_of_empty = tf.where(tf.range(width) == 0, 0.0, -float("inf"))
    return {
        "symbols": tf.where(not_empty[:, :, tf.newaxis], result["symbols"], 0),
        "score": tf.where(not_empty, result["score"], score_of_empty),
    }


def _search(method, parts, tokens, boundary, longest_source, *options):
    """Return the truncated sources and the result of a search."""
    source = tokens[:, :longest_source]
    return source, method(parts, source, boundary, 2 * tf.shape(source)[1] + 10, *options)
