import numpy as np
import pytest
import tensorflow as tf

from keras_refs import datasets, settings
from keras_refs.datasets.texts import PADDING, UNKNOWN, text_batches


def test_pieces_end_between_words():
    texts = datasets.Texts(
        ("one two three four", "incomprehensibilities are", "", "a bcdefgh a"), np.array([3, 5, 6, 7])
    )
    pieces = texts.pieces(8)
    # "four" has half of eight characters; "are" and the last "a" have fewer, and end their texts.
    assert list(pieces.texts) == ["one two", "three", "four", "incomprehensibilities", "a", "bcdefgh"]
    assert pieces.labels.tolist() == [3, 3, 3, 5, 7, 7]


def test_an_example_begins_at_every_word_but_those_near_the_end():
    texts = datasets.Texts(("one  two\nthree four", "a", ""), np.array([3, 5, 6]))
    examples = texts.from_every_word(12)
    assert list(examples.texts) == ["one two thre", "two three fo", "three four", "a"]
    assert examples.labels.tolist() == [3, 3, 3, 5]
    assert examples.labels.dtype == np.int64


@pytest.mark.parametrize("n", [1, 2, 3])
def test_tokens_are_a_character_with_those_before_it(n):
    tokens = datasets.NgramTokens.of(["abcab"], n, size=100)
    assert tokens.size == len({(" " * (n - 1) + "abcab")[i : i + n] for i in range(5)}) + 2
    encoded = tokens.encode(["abcab", "ab", "", "xyab"], 6).numpy()
    assert encoded.shape == (4, 6)
    assert encoded.dtype == np.int32
    assert (encoded[0, :5] > UNKNOWN).all()
    assert encoded[0, 5] == PADDING
    np.testing.assert_array_equal(encoded[1], [*encoded[0, :2], 0, 0, 0, 0])
    np.testing.assert_array_equal(encoded[2], np.zeros(6))
    assert (encoded[3, :2] == UNKNOWN).all()
    assert (encoded[3, 3] > UNKNOWN) == (n < 3)
    assert encoded.max() < tokens.size


def test_tokens_are_those_of_their_ngrams():
    tokens = datasets.NgramTokens.of(["one \N{CJK UNIFIED IDEOGRAPH-4E2D}\N{GRINNING FACE}"], 3, size=100)
    assert tokens.ngrams()[tokens.encode(["one"], 3).numpy()[0, 2] - 2] == "one"
    again = datasets.NgramTokens.from_ngrams(tokens.ngrams())
    assert again.n == 3
    np.testing.assert_array_equal(again.vocabulary, tokens.vocabulary)


def test_the_vocabulary_keeps_the_most_frequent():
    tokens = datasets.NgramTokens.of(["aaabbc"], 1, size=4)
    assert tokens.ngrams() == ["a", "b"]
    assert tokens.encode(["abc"], 3).numpy().tolist() == [[2, 3, UNKNOWN]]


def test_bytes_that_are_no_text_are_unknown_not_fatal():
    tokens = datasets.NgramTokens.of(["ab"], 1, size=9)
    encoded = tokens.encode([b"a\xff\xfeb", "a\N{GRINNING FACE}b"], 5).numpy()
    assert (encoded[:, 0] > UNKNOWN).all()
    assert UNKNOWN in encoded[0]
    assert encoded[1, 1] == UNKNOWN


def test_batches_have_random_lengths_and_unknown_tokens():
    tokens, labels = np.tile(np.arange(2, 12, dtype="int32"), (400, 1)), np.arange(400)
    (batch, kept), *_ = text_batches(tokens, labels, 400, 0, 0, 1, shortest=3, token_dropout=0.25)
    batch = batch.numpy()
    assert sorted(kept.numpy()) == list(range(400))
    lengths = (batch != PADDING).sum(axis=1)
    assert set(lengths) == set(range(3, 11))
    # Padding is at the end, and whatever is not unknown stands where it stood.
    read = np.arange(10) < lengths[:, np.newaxis]
    assert ((batch != PADDING) == read).all()
    assert ((batch == tokens) | (batch == UNKNOWN) | ~read).all()
    assert np.mean(batch[read] == UNKNOWN) == pytest.approx(0.25, abs=0.03)


def test_batches_follow_from_seed_and_step():
    def batches(seed, first_step):
        arrays = np.full((9, 20), 5, "int32"), np.arange(9)
        return list(text_batches(*arrays, 4, seed, first_step, 3, token_dropout=0.5).as_numpy_iterator())

    for resumed, unbroken in zip(batches(1, first_step=1), batches(1, first_step=0)[1:], strict=True):
        for part, same_part in zip(resumed, unbroken, strict=True):
            np.testing.assert_array_equal(part, same_part)
    assert not np.array_equal(batches(1, 0)[0][0], batches(1, 0)[1][0])
    assert not np.array_equal(batches(1, 0)[0][0], batches(2, 0)[0][0])


def test_the_parts_of_all_processes_are_the_batches_of_one():
    """Lengths and unknown tokens are drawn for the whole batch."""
    arrays = np.full((9, 20), 5, "int32"), np.arange(9)

    def batches(shard):
        steps = text_batches(*arrays, 4, 0, 0, 3, token_dropout=0.5, shard=shard)
        return list(steps.as_numpy_iterator())

    parts = [batches(datasets.Shard(index, 2)) for index in range(2)]
    for whole, *shards in zip(batches(datasets.Shard()), *parts, strict=True):
        for values, *of_shards in zip(whole, *shards, strict=True):
            np.testing.assert_array_equal(values, np.concatenate(of_shards))


def test_padding_is_not_dropped():
    (batch, _), *_ = text_batches(np.zeros((4, 9), "int32"), np.arange(4), 4, 0, 0, 1, token_dropout=0.9)
    assert (batch.numpy() == PADDING).all()


def test_languages_are_split_by_article():
    data = datasets.load_texts(**vars(settings.SequenceData(dataset="udhr_languages")))
    assert len(data.class_names) == 40
    assert [len(part) for part in (data.train, data.validation, data.test)] == [1733, 280, 360]
    assert not set(data.train.texts) & set(data.test.texts)


CHANNELS = datasets.NgramChannels.of(["ab ab", "b"], n=3, size=100)


def test_channels_are_the_ngrams_that_end_with_each_character():
    tokens = CHANNELS.encode(["ab", "xab"], length=4).numpy()
    assert tokens.shape == (2, 4, 3)
    assert tokens.dtype == np.int32
    # Padding at the end, in all channels.
    assert not tokens[0, 2:].any()
    assert not tokens[1, 3:].any()
    assert tokens[:, :2].all()
    # A character is the same token wherever it stands; longer n-grams depend on what is before.
    assert tokens[0, 0, 0] == tokens[1, 1, 0]
    assert tokens[0, 1, 1] == tokens[1, 2, 1]
    assert tokens[0, 1, 2] != tokens[1, 2, 2]
    # What no text has is unknown: x, the n-grams with it, and nothing else.
    assert (tokens[1] == 1).tolist() == [[True] * 3, [False, True, True], [False, False, True], [False] * 3]


def test_channels_keep_the_most_frequent_ngrams():
    every = CHANNELS.vocabulary
    # a, b, space; " a", "ab", "b ", " b"; "  a", " ab", "ab ", "b a", "  b".
    assert len(every) == 12
    assert CHANNELS.size == 14
    few = datasets.NgramChannels.of(["ab ab", "b"], n=3, size=3)
    assert few.vocabulary[0] == CHANNELS.vocabulary[CHANNELS.encode(["b"], 1).numpy()[0, 0, 0] - 2]
    assert few.encode(["ab"], 2).numpy()[..., 0].tolist() == [[1, 2]]


def test_channels_are_the_same_within_a_graph_and_take_any_text():
    texts = ["ab", "", "\N{GRINNING FACE}\N{CJK UNIFIED IDEOGRAPH-4E2D}", b"\xffab", "ab " * 100]
    eager = CHANNELS.encode(texts, 5)
    graph = tf.function(lambda strings: CHANNELS.encode(strings, 5))(tf.constant(texts))
    np.testing.assert_array_equal(graph, eager)
    assert not eager.numpy()[1].any()
    assert CHANNELS.encode(tf.constant([], tf.string), 5).shape == (0, 5, 3)


def test_batches_of_several_channels_are_cut_and_dropped_alike():
    tokens = np.full((8, 10, 3), 7, "int32")
    tokens[:, 8:] = 0
    (batch, labels), *_ = datasets.text_batches(tokens, np.arange(8), 8, 0, 0, 1, shortest=3, token_dropout=0.5)
    batch = batch.numpy()
    assert set(np.unique(batch)) == {0, 1, 7}
    is_token = batch != 0
    # The same length in all channels, but each token is dropped by itself.
    assert (is_token == is_token[..., :1]).all()
    lengths = is_token[..., 0].sum(axis=1)
    assert (lengths >= 3).all()
    assert lengths.max() <= 8
    assert len(set(lengths)) > 1
    assert (batch == 1).any(axis=-1).sum() > (batch == 1).all(axis=-1).sum()
    assert sorted(labels.numpy()) == list(range(8))


def test_takes_some_texts_of_each_class():
    texts = datasets.Texts(tuple("abcdefgh"), np.array([0, 0, 0, 0, 0, 1, 1, 2]))
    few = texts.per_class(2, seed=0)
    assert np.bincount(few.labels).tolist() == [2, 2, 1]
    assert all(texts.labels["abcdefgh".index(text)] == label for text, label in zip(few.texts, few.labels, strict=True))
    assert few.texts == texts.per_class(2, seed=0).texts
    assert any(few.texts != texts.per_class(2, seed=seed).texts for seed in range(1, 5))
