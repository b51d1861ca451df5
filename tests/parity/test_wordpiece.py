"""The same tokens as Hugging Face's, which `keras_refs.datasets.uncased` follows to the Unicode of its tables."""

import collections
import random
import sys
import unicodedata

import pytest
import tensorflow as tf
from tokenizers import BertWordPieceTokenizer

from keras_refs import datasets, settings
from keras_refs.datasets import WordPiece

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
CHARACTERS = [chr(code) for code in range(sys.maxunicode + 1)]
CHARACTERS = [c for c in CHARACTERS if unicodedata.category(c) not in ("Cn", "Co", "Cs")]
LENGTH = 10_000


def check_parity(vocabulary, texts, length=LENGTH, batch_size=256):
    twin = BertWordPieceTokenizer({token: number for number, token in enumerate(vocabulary)}, lowercase=True)
    twin.enable_truncation(length)
    encode = tf.function(
        lambda texts: tokens.encode(texts, length), input_signature=[tf.TensorSpec([None], tf.string)], autograph=False
    )
    tokens = WordPiece(vocabulary)
    for start in range(0, len(texts), batch_size):
        batch = texts[start : start + batch_size]
        for text, row, expected in zip(batch, encode(batch).numpy(), twin.encode_batch(batch), strict=True):
            assert row[row != 0].tolist() == expected.ids, repr(text)


@pytest.fixture(scope="module")
def spelling():
    """Every character as a token, so that it is seen what each becomes."""
    return SPECIAL + [token for character in CHARACTERS for token in (character, f"##{character}")]


@pytest.fixture(scope="module")
def texts():
    data = datasets.load_texts(**vars(settings.SequenceData(dataset="udhr_languages")))
    return [text for split in (data.train, data.validation, data.test) for text in split.texts]


@pytest.fixture(scope="module")
def vocabulary(texts):
    """Letters and frequent parts of words, but not all: many words are unknown."""
    counts = collections.Counter()
    for text in texts:
        for word in unicodedata.normalize("NFD", text).lower().split():
            parts = {(start, word[start:end]) for start in range(len(word)) for end in range(start + 1, start + 8)}
            counts.update(part if not start else f"##{part}" for start, part in parts)
    return SPECIAL + [token for token, _ in counts.most_common(20_000)]


def test_every_character(spelling):
    """Alone, between letters, and at the end of a word."""
    words = [f"{character} a{character}b ab{character}" for character in CHARACTERS]
    check_parity(spelling, [" ".join(words[start : start + 16]) for start in range(0, len(words), 16)])


@pytest.mark.parametrize("length", [8, 64, LENGTH])
def test_languages(vocabulary, texts, length):
    check_parity(vocabulary, texts, length)


def test_random_characters(spelling, vocabulary):
    rng = random.Random(0)
    # Mn: accents, which are dropped. Of those that are not, Hugging Face sorts some.
    scripts = [c for c in CHARACTERS if unicodedata.category(c) != "Mn"], CHARACTERS[:3000], CHARACTERS[:128]
    for characters in scripts:
        texts = ["".join(rng.choices(characters, k=rng.randrange(100))) for _ in range(2000)]
        check_parity(spelling, texts)
        check_parity(vocabulary, texts)


def test_random_words(vocabulary):
    """Of pieces, so that most have tokens; up to some hundred letters."""
    rng = random.Random(0)
    pieces = [token.removeprefix("##") for token in vocabulary[4:]]
    texts = [
        " ".join("".join(rng.choices(pieces, k=rng.randrange(1, 80 if rng.random() < 0.1 else 6))) for _ in range(9))
        for _ in range(2000)
    ]
    check_parity(vocabulary, texts)


def test_special_tokens_in_texts_are_text():
    """There, Hugging Face's are special ones."""
    vocabulary = [*SPECIAL, "[", "]", "cls"]
    twin = BertWordPieceTokenizer({token: number for number, token in enumerate(vocabulary)}, lowercase=True)
    assert twin.encode("[CLS]").ids == [2, 2, 3]
    assert WordPiece(vocabulary).encode(["[CLS]"], 9).numpy().tolist() == [[2, 4, 6, 5, 3]]
