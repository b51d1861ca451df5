import numpy as np
import pytest

from keras_refs import datasets, settings
from keras_refs.datasets.texts import PADDING, UNKNOWN, text_batches


def test_pieces_end_between_words():
    texts = datasets.Texts(
        ("one two three four", "incomprehensibilities are", "", "a bcdefgh a"), np.array([3, 5, 6, 7])
    )
    pieces = texts.pieces(8)
    # "four" has half of eight characters; "are" and the last "a" have fewer, and end their texts.
    assert pieces.texts == ("one two", "three", "four", "incomprehensibilities", "a", "bcdefgh")
    assert pieces.labels.tolist() == [3, 3, 3, 5, 7, 7]


def test_an_example_begins_at_every_word_but_those_near_the_end():
    texts = datasets.Texts(("one  two\nthree four", "a", ""), np.array([3, 5, 6]))
    examples = texts.from_every_word(12)
    assert examples.texts == ("one two thre", "two three fo", "three four", "a")
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


def test_padding_is_not_dropped():
    (batch, _), *_ = text_batches(np.zeros((4, 9), "int32"), np.arange(4), 4, 0, 0, 1, token_dropout=0.9)
    assert (batch.numpy() == PADDING).all()


def test_languages_are_split_by_article():
    data = datasets.load_texts(**vars(settings.SequenceData(dataset="udhr_languages")))
    assert len(data.class_names) == 40
    assert [len(part) for part in (data.train, data.validation, data.test)] == [1733, 280, 360]
    assert not set(data.train.texts) & set(data.test.texts)
