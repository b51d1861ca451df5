import numpy as np
import pytest
import tensorflow as tf

from keras_refs import decoding
from tests.models.seq2seq import fresh

BOUNDARY, LONGEST, WIDTH = 1, 4, 3
TOKENS = tf.constant([[2, 3, 4, 5, 0, 0], [2, 3, 4, 5, 2, 3], [0] * 6, [5, 0, 0, 0, 0, 0]])


@pytest.fixture(scope="module")
def parts():
    return decoding.FastParts(fresh("plain", seed=1, embedding_dim=8, units=16))()


def test_long_sources_are_truncated(parts):
    for result in (
        decoding.greedy_decode(parts, TOKENS, BOUNDARY, LONGEST),
        decoding.beam_decode(parts, TOKENS, BOUNDARY, LONGEST, WIDTH),
    ):
        for tensor in result.values():
            np.testing.assert_array_equal(tensor[0], tensor[1])
        assert not np.array_equal(result["symbols"][0], result["symbols"][3])
        assert result["symbols"].shape[-1] <= 2 * LONGEST + 10


def test_an_empty_source_has_an_empty_output(parts):
    greedy = decoding.greedy_decode(parts, TOKENS, BOUNDARY, LONGEST)
    best = decoding.beam_decode(parts, TOKENS, BOUNDARY, LONGEST, WIDTH)
    for tensor in (*greedy.values(), best["symbols"]):
        assert not np.any(tensor[2])
    np.testing.assert_array_equal(best["score"][2], [0, -np.inf, -np.inf])


def test_the_outputs_for_real_sources_are_those_of_the_searches(parts):
    source, steps = TOKENS[:, :LONGEST], 2 * LONGEST + 10
    greedy = decoding.greedy_search(parts, source, BOUNDARY, steps)
    result = decoding.greedy_decode(parts, TOKENS, BOUNDARY, LONGEST)
    best = decoding.beam_search(parts, source, BOUNDARY, steps, WIDTH, 0.5)
    k_best = decoding.beam_decode(parts, TOKENS, BOUNDARY, LONGEST, WIDTH, 0.5)
    for row in (0, 3):
        np.testing.assert_array_equal(result["symbols"][row], greedy["symbols"][row])
        np.testing.assert_allclose(result["score"][row], greedy["log_probability"][row])
        np.testing.assert_allclose(result["attention"][row], greedy["attention"][row])
        np.testing.assert_array_equal(k_best["symbols"][row], best["symbols"][row])
        np.testing.assert_allclose(k_best["score"][row], best["score"][row])
