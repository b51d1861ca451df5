import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_refs import attention_seq2seq, decoding

BOUNDARY, LONGEST, WIDTH = 1, 4, 3
TOKENS = tf.constant([[2, 3, 4, 5, 0, 0], [2, 3, 4, 5, 2, 3], [0] * 6, [5, 0, 0, 0, 0, 0]])


@pytest.fixture(scope="module")
def parts():
    keras.utils.set_random_seed(1)
    model = attention_seq2seq(num_source_symbols=6, num_target_symbols=5, embedding_dim=8, units=16)
    # Three times the start's weights: answers that differ from source to source.
    model.set_weights([3 * weight for weight in model.get_weights()])
    return decoding.FastParts(model)()


def test_what_follows_on_the_longest_source_is_left_out(parts):
    for found in (
        decoding.greedy_answers(parts, TOKENS, BOUNDARY, LONGEST),
        decoding.best_answers(parts, TOKENS, BOUNDARY, LONGEST, WIDTH),
    ):
        for tensor in found.values():
            np.testing.assert_array_equal(tensor[0], tensor[1])
        assert not np.array_equal(found["symbols"][0], found["symbols"][3])
        assert found["symbols"].shape[-1] <= 2 * LONGEST + 10


def test_an_empty_source_has_an_empty_answer(parts):
    greedy = decoding.greedy_answers(parts, TOKENS, BOUNDARY, LONGEST)
    best = decoding.best_answers(parts, TOKENS, BOUNDARY, LONGEST, WIDTH)
    for tensor in (*greedy.values(), best["symbols"]):
        assert not np.any(tensor[2])
    np.testing.assert_array_equal(best["score"][2], [0, -np.inf, -np.inf])


def test_real_sources_are_answered_as_the_searches_answer(parts):
    source, steps = TOKENS[:, :LONGEST], 2 * LONGEST + 10
    greedy = decoding.greedy_search(parts, source, BOUNDARY, steps)
    found = decoding.greedy_answers(parts, TOKENS, BOUNDARY, LONGEST)
    best = decoding.beam_search(parts, source, BOUNDARY, steps, WIDTH, 0.5)
    k_best = decoding.best_answers(parts, TOKENS, BOUNDARY, LONGEST, WIDTH, 0.5)
    for row in (0, 3):
        np.testing.assert_array_equal(found["symbols"][row], greedy["symbols"][row])
        np.testing.assert_allclose(found["score"][row], greedy["log_probability"][row])
        np.testing.assert_allclose(found["attention"][row], greedy["attention"][row])
        np.testing.assert_array_equal(k_best["symbols"][row], best["symbols"][row])
        np.testing.assert_allclose(k_best["score"][row], best["score"][row])
