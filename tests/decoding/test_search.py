import functools
import itertools

import numpy as np
import pytest
import tensorflow as tf

from keras_refs import decoding, models
from tests.models.seq2seq import SOURCES, TARGETS, fresh

BOUNDARY, MAX_STEPS = 1, 5
either_search = pytest.mark.parametrize(
    "method", [decoding.greedy_search, functools.partial(decoding.beam_search, width=3)]
)


@pytest.fixture(scope="module", params=[("plain", 1), ("hard", 7)])
def model(request):
    variant, seed = request.param
    return fresh(variant, seed=seed, embedding_dim=8, units=16, return_attention=True)


@pytest.fixture(scope="module")
def source():
    lengths = np.arange(24)[:, None] % 6 + 1
    tokens = np.random.default_rng(0).integers(1, SOURCES, (24, 6))
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


def decoder_inputs(sequences):
    """Return what the decoder reads: the boundary, and each sequence up to the previous step."""
    inputs = np.zeros((len(sequences), MAX_STEPS), "int32")
    for row, sequence in enumerate(sequences):
        inputs[row, : len(sequence)] = (BOUNDARY, *sequence[:-1])
    return inputs


def log_probability_of(model, source, sequences):
    """Return the log-probability of sequences of symbols, the last of which may be the boundary, by the whole model."""
    sources = np.broadcast_to(source, (len(sequences), source.shape[-1]))
    logs = np.log(model({"source": sources, "target": decoder_inputs(sequences)})["probabilities"])
    return np.array([logs[row, range(len(sequence)), sequence].sum() for row, sequence in enumerate(sequences)])


def with_end(symbols):
    """Return symbols without padding, with the boundary where they ended."""
    sequence = tuple(int(symbol) for symbol in symbols if symbol)
    return (*sequence, BOUNDARY) if len(sequence) < MAX_STEPS else sequence


def lengths_of(symbols):
    """Return the lengths of sequences, the boundary included where they ended."""
    return np.minimum((symbols > 0).sum(axis=-1) + 1, MAX_STEPS)


def test_greedy_takes_the_most_probable_symbol_at_every_step(model, source, search):
    result = search(decoding.greedy_search, source)
    sequences = [with_end(symbols) for symbols in result["symbols"]]
    outputs = model({"source": source.numpy(), "target": decoder_inputs(sequences)})
    most_probable = outputs["probabilities"].numpy()[:, :, 1:].argmax(axis=2) + 1
    for row, sequence in enumerate(sequences):
        steps = len(sequence)
        np.testing.assert_array_equal(sequence, most_probable[row, :steps])
        np.testing.assert_allclose(result["attention"][row, :steps], outputs["attention"][row, :steps], atol=1e-6)
        assert (result["attention"][row, steps:] == 0).all()
    expected = log_probability_of(model, source.numpy(), sequences)
    np.testing.assert_allclose(result["log_probability"], expected, atol=1e-5)
    assert len(set(lengths_of(result["symbols"]))) > 2, "the outputs end at different steps"


def test_a_beam_of_one_is_the_greedy_search(source, search):
    greedy, beam = search(decoding.greedy_search, source), search(decoding.beam_search, source, 1, 0.7)
    np.testing.assert_array_equal(beam["symbols"][:, 0], greedy["symbols"])
    np.testing.assert_allclose(beam["log_probability"][:, 0], greedy["log_probability"], atol=1e-6)
    score = greedy["log_probability"] / lengths_of(greedy["symbols"]) ** 0.7
    np.testing.assert_allclose(beam["score"][:, 0], score, atol=1e-5)


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_a_beam_is_never_worse_than_greedy_and_often_better(source, search, length_penalty):
    greedy = search(decoding.greedy_search, source)
    greedy_score = greedy["log_probability"] / lengths_of(greedy["symbols"]) ** length_penalty
    best = greedy_score
    for width in (2, 4, 16):
        result = search(decoding.beam_search, source, width, length_penalty)
        assert (result["score"][:, 0] >= greedy_score - 1e-5).all()
        assert (np.diff(result["score"], axis=1) <= 0).all()
        best = np.maximum(best, result["score"][:, 0])
    assert np.mean(best > greedy_score + 1e-3) > 0.1


@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0])
def test_a_wide_beam_equals_an_exhaustive_search(model, source, search, length_penalty):
    symbols = range(BOUNDARY + 1, TARGETS)
    everything = [
        *((*sequence, BOUNDARY) for steps in range(MAX_STEPS) for sequence in itertools.product(symbols, repeat=steps)),
        *itertools.product(symbols, repeat=MAX_STEPS),
    ]
    lengths = np.array([len(sequence) for sequence in everything])
    result = search(decoding.beam_search, source[:6], 300, length_penalty)
    for row, tokens in enumerate(source.numpy()[:6]):
        scores = log_probability_of(model, tokens, everything) / lengths**length_penalty
        order = np.argsort(-scores)
        assert with_end(result["symbols"][row, 0]) == everything[order[0]]
        np.testing.assert_allclose(result["score"][row, :20], scores[order[:20]], atol=1e-5)


def test_scores_of_a_beam_are_those_of_its_sequences(model, source, search):
    result = search(decoding.beam_search, source, 4, 0.0)
    for row in range(6):
        sequences = [with_end(symbols) for symbols in result["symbols"][row]]
        assert len(set(sequences)) == 4
        expected = log_probability_of(model, source.numpy()[row], sequences)
        np.testing.assert_allclose(result["log_probability"][row], expected, atol=1e-5)


def test_there_may_be_fewer_sequences_than_the_beam_is_wide(source, search):
    result = search(decoding.beam_search, source, 9, 0.0, max_steps=1)
    assert (np.isfinite(result["score"]).sum(axis=1) == 4).all(), "the boundary, or one of three symbols"
    assert (result["score"][:, 4:] == -np.inf).all()


@either_search
def test_more_padding_gives_the_same_output(source, search, method):
    result, padded = search(method, source), search(method, tf.pad(source, [[0, 0], [0, 4]]))
    np.testing.assert_array_equal(padded["symbols"], result["symbols"])
    np.testing.assert_allclose(padded["log_probability"], result["log_probability"], atol=1e-5)


@either_search
def test_an_output_does_not_depend_on_the_batch(source, search, method):
    together, alone = search(method, source), search(method, source[3:4])
    steps = alone["symbols"].shape[-1]
    np.testing.assert_array_equal(together["symbols"][3, ..., :steps], alone["symbols"][0])
    assert search(method, source[:0])["symbols"].shape[0] == 0, "a batch may be empty"


def test_a_batch_costs_as_many_calls_as_its_longest_output_has_steps(source, model):
    encoder, step = models.seq2seq_parts(model)
    shapes = []

    def counted(inputs):
        shapes.append(inputs["symbol"].shape)
        return step(inputs)

    # Not in a graph, where the calls could not be counted.
    result = decoding.greedy_search((encoder, counted), source, BOUNDARY, MAX_STEPS)
    assert len(shapes) == lengths_of(result["symbols"].numpy()).max()
    assert set(shapes) == {(24,)}
