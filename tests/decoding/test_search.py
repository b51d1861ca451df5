import functools
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_refs import attention_seq2seq, decoding, models

SYMBOLS, BOUNDARY, MAX_STEPS = 5, 1, 5


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    model = attention_seq2seq(
        num_source_symbols=6, num_target_symbols=SYMBOLS, embedding_dim=8, units=16, return_attention=True
    )
    # Three times the start's weights: answers that differ from source to source.
    model.set_weights([3 * weight for weight in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def source():
    lengths = np.arange(24)[:, None] % 6 + 1
    tokens = np.random.default_rng(0).integers(1, 6, (24, 6))
    return tf.constant(tokens * (np.arange(6) < lengths), tf.int32)


@pytest.fixture(scope="module")
def search(model):
    """Return a function that runs a search in a graph and returns arrays."""
    parts = models.seq2seq_parts(model)

    def run(method, source, *options, max_steps=MAX_STEPS):
        function = tf.function(
            lambda source: method(parts, source, BOUNDARY, max_steps, *options),
            input_signature=[tf.TensorSpec([None, None], tf.int32)],
        )
        return {name: tensor.numpy() for name, tensor in function(source).items()}

    return run


def log_probability_of(model, source, sequences):
    """Return the log-probability of sequences of symbols, the last of which may be the boundary, by the whole model."""
    before = np.zeros((len(sequences), MAX_STEPS), "int32")
    for row, sequence in enumerate(sequences):
        before[row, : len(sequence)] = (BOUNDARY, *sequence[:-1])
    # The end is no padding: it has been answered, not read.
    probabilities = model({"source": np.repeat(source[None], len(sequences), axis=0), "target": before})
    logs = np.log(probabilities["probabilities"])
    return np.array([logs[row, range(len(sequence)), sequence].sum() for row, sequence in enumerate(sequences)])


def with_end(symbols, max_steps=MAX_STEPS):
    """Return symbols without padding, with the boundary where they ended."""
    shown = tuple(int(symbol) for symbol in symbols if symbol)
    return (*shown, BOUNDARY) if len(shown) < max_steps else shown


def test_greedy_takes_the_likeliest_symbol_at_every_step(model, source, search):
    found = search(decoding.greedy_search, source)
    lengths = set()
    for row, tokens in enumerate(source.numpy()[:18]):
        sequence = with_end(found["symbols"][row])
        lengths.add(len(sequence))
        before = np.array([[BOUNDARY, *sequence[:-1]]], "int32")
        answer = model({"source": tokens[None], "target": before})
        likeliest = answer["probabilities"].numpy()[0, :, 1:].argmax(axis=1) + 1
        np.testing.assert_array_equal(sequence, likeliest)
        np.testing.assert_allclose(found["attention"][row, : len(sequence)], answer["attention"][0], atol=1e-6)
        assert (found["attention"][row, len(sequence) :] == 0).all()
        assert found["length"][row] == len(sequence)
        assert found["log_probability"][row] == pytest.approx(
            log_probability_of(model, tokens, [sequence])[0], abs=1e-5
        )
    assert len(lengths) > 2, "the sources' answers end at different steps"


def test_a_beam_of_one_is_the_greedy_search(source, search):
    greedy, beam = search(decoding.greedy_search, source), search(decoding.beam_search, source, 1, 0.7)
    np.testing.assert_array_equal(beam["symbols"][:, 0], greedy["symbols"])
    np.testing.assert_allclose(beam["log_probability"][:, 0], greedy["log_probability"], atol=1e-6)
    np.testing.assert_allclose(
        beam["score"][:, 0], greedy["log_probability"] / greedy["length"].astype("float32") ** 0.7, atol=1e-5
    )


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_a_beam_is_never_worse_than_greedy_and_often_better(source, search, length_penalty):
    greedy = search(decoding.greedy_search, source)
    greedy_score = greedy["log_probability"] / greedy["length"].astype("float32") ** length_penalty
    best = greedy_score
    for width in (2, 4, 16):
        found = search(decoding.beam_search, source, width, length_penalty)
        assert (found["score"][:, 0] >= greedy_score - 1e-5).all()
        assert (np.diff(found["score"], axis=1) <= 0).all()
        best = np.maximum(best, found["score"][:, 0])
    assert np.mean(best > greedy_score + 1e-3) > 0.2


@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0])
def test_a_wide_beam_finds_what_trying_all_finds(model, source, search, length_penalty):
    shown = range(BOUNDARY + 1, SYMBOLS)
    everything = [
        *((*sequence, BOUNDARY) for steps in range(MAX_STEPS) for sequence in itertools.product(shown, repeat=steps)),
        *itertools.product(shown, repeat=MAX_STEPS),
    ]
    lengths = np.array([len(sequence) for sequence in everything])
    found = search(decoding.beam_search, source[:6], 300, length_penalty)
    for row, tokens in enumerate(source.numpy()[:6]):
        scores = log_probability_of(model, tokens, everything) / lengths**length_penalty
        order = np.argsort(-scores)
        assert with_end(found["symbols"][row, 0]) == everything[order[0]]
        np.testing.assert_allclose(found["score"][row, :20], scores[order[:20]], atol=1e-5)


def test_scores_of_a_beam_are_those_of_its_sequences(model, source, search):
    found = search(decoding.beam_search, source, 4, 0.0)
    for row in range(6):
        sequences = [with_end(symbols) for symbols in found["symbols"][row]]
        assert len(set(sequences)) == 4
        expected = log_probability_of(model, source.numpy()[row], sequences)
        np.testing.assert_allclose(found["log_probability"][row], expected, atol=1e-5)


def test_there_may_be_fewer_sequences_than_places(source, search):
    found = search(decoding.beam_search, source, 9, 0.0, max_steps=1)
    assert (np.isfinite(found["score"]).sum(axis=1) == 4).all(), "the boundary, or one of three symbols"
    assert (found["score"][:, 4:] == -np.inf).all()


@pytest.mark.parametrize("method", [decoding.greedy_search, functools.partial(decoding.beam_search, width=3)])
def test_more_padding_gives_the_same_answer(source, search, method):
    found, padded = search(method, source), search(method, tf.pad(source, [[0, 0], [0, 4]]))
    np.testing.assert_array_equal(padded["symbols"], found["symbols"])
    np.testing.assert_allclose(padded["log_probability"], found["log_probability"], atol=1e-5)


@pytest.mark.parametrize("method", [decoding.greedy_search, functools.partial(decoding.beam_search, width=3)])
def test_company_changes_nothing(source, search, method):
    """An answer does not depend on the other sources of the batch, and there may be none at all."""
    together, alone = search(method, source), search(method, source[3:4])
    steps = alone["symbols"].shape[-1]
    np.testing.assert_array_equal(together["symbols"][3, ..., :steps], alone["symbols"][0])
    assert search(method, source[:0])["symbols"].shape[0] == 0


def test_a_batch_costs_as_many_calls_as_its_longest_answer_has_steps(source, model):
    encoder, step = models.seq2seq_parts(model)
    calls = []

    def counted(inputs):
        calls.append(inputs["symbol"].shape)
        return step(inputs)

    # Not in a graph, where the calls could not be counted.
    found = decoding.greedy_search((encoder, counted), source, BOUNDARY, MAX_STEPS)
    assert len(calls) == tf.reduce_max(found["length"])
    assert set(calls) == {(24,)}
