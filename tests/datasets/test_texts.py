import numpy as np
import pytest

from keras_refs import datasets
from keras_refs.datasets.texts import PADDING, UNKNOWN


def test_pieces_end_between_words():
    texts = datasets.Texts(("one two three four", "incomprehensibilities are", ""), np.array([3, 5, 6]))
    pieces = texts.pieces(8)
    # "four" has half of eight characters, "are" has fewer.
    assert pieces.texts == ("one two", "three", "four", "incomprehensibilities")
    assert pieces.labels.tolist() == [3, 3, 3, 5]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_tokens_are_a_character_with_those_before_it(n):
    tokens = datasets.NgramTokens.of(["abcab"], n, size=100)
    assert tokens.size == len({(" " * (n - 1) + "abcab")[i : i + n] for i in range(5)}) + 2
    characters = tokens.characters(["abcab", "ab", "", "xyab"], 6)
    assert characters.shape == (4, 6 + n - 1)
    read = tokens.tokens(characters).numpy()
    assert read.dtype == np.int32
    assert (read[0, :5] > UNKNOWN).all()
    assert read[0, 5] == PADDING
    np.testing.assert_array_equal(read[1], [*read[0, :2], 0, 0, 0, 0])
    np.testing.assert_array_equal(read[2], np.zeros(6))
    assert (read[3, :2] == UNKNOWN).all()
    assert (read[3, 3] > UNKNOWN) == (n < 3)
    assert read.max() < tokens.size


def test_the_vocabulary_keeps_the_most_frequent():
    tokens = datasets.NgramTokens.of(["aaabbc"], 1, size=4)
    read = tokens.tokens(tokens.characters(["abc"], 3)).numpy()[0]
    assert sorted(read[:2]) == [2, 3]
    assert read[2] == UNKNOWN


def test_bytes_that_are_no_text_are_unknown_not_fatal():
    tokens = datasets.NgramTokens.of(["ab"], 1, size=9)
    read = tokens.tokens(tokens.characters([b"a\xff\xfeb", "a\N{GRINNING FACE}b"], 5)).numpy()
    assert (read[:, 0] > UNKNOWN).all()
    assert UNKNOWN in read[0]
    assert read[1, 1] == UNKNOWN


def test_languages_are_split_by_article():
    data = datasets.load_texts("udhr_languages")
    assert len(data.class_names) == 40
    assert [len(part) for part in (data.train, data.validation, data.test)] == [1733, 280, 360]
    assert not set(data.train.texts) & set(data.test.texts)
