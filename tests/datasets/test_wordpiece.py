import subprocess
import sys
import unicodedata

import numpy as np
import pytest
import tensorflow as tf

from keras_refs.datasets import WordPiece, wordpiece
from keras_refs.errors import UserError

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
# fmt: off
PIECES = [
    "un", "##aff", "##able", "##ab", "a", "##a", "b", "##b", "##bi", "c", "##c", "cafe", "##s", "!", "[", "]", "cls",
    "i", "\u4e2d", "\u1100", "##\u1161", "\u03c3", "##\u03c3",
]
# fmt: on
TOKENS = WordPiece([*SPECIAL, *PIECES])


def pieces(text, tokens=TOKENS, length=300):
    """Return the tokens of a text as strings, without those that every text has."""
    first, *encoded, last = (tokens.vocabulary[token] for token in tokens.encode([text], length).numpy()[0])
    assert (first, last) == ("[CLS]", "[SEP]")
    return encoded


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("unaffable", "un ##aff ##able"),
        # The longest piece first, and there is no second try with "##a" and "##bi".
        ("aab abi", "a ##ab a ##bi"),
        ("aabi", "[UNK]"),
        # A part that is no piece makes all of a word unknown, and no other word.
        ("a unaffordable b", "a [UNK] b"),
        ("ax xa x", "[UNK] [UNK] [UNK]"),
        ("", ""),
        (" \t\n\r\u00a0\u2028\u3000", ""),
        ("Caf\u00c9s!!", "cafe ##s ! !"),
        ("cafe\u0301s", "cafe ##s"),
        ("\u4e2da\u4e2d\u4e2d", "\u4e2d a \u4e2d \u4e2d"),
        # Each is a word, also one that no token has.
        ("a\u56fd\u56fd?a", "a [UNK] [UNK] [UNK] a"),
        # Hangul is spelt in its letters.
        ("\uac00\uac00", "[UNK]"),
        ("\uac00 \uac00", "\u1100 ##\u1161 \u1100 ##\u1161"),
        # No final sigma.
        ("\u03a3\u03a3", "\u03c3 ##\u03c3"),
        # This capital has its dot as an accent.
        ("\u0130", "i"),
        # Nothing is left of controls, joiners and what is no text.
        ("a\x00b\x7f\u200db\u00ad\ufffdb\ue000\ufeff", "a ##b ##b ##b"),
        (b"a\xff\xfeb \xed\xa0\x80", "a ##b"),
        ("[CLS] [UNK] [cls]", "[ cls ] [ [UNK] ] [ cls ]"),
        ("a##b", "a [UNK] [UNK] b"),
    ],
)
def test_pieces(text, expected):
    assert pieces(text) == expected.split()


def test_longer_words_are_unknown():
    # Accents do not count.
    assert pieces("a\u0301" * 100) == ["a", *["##a"] * 99]
    assert pieces("b " + "a" * 101 + " b") == ["b", "[UNK]", "b"]
    assert pieces("x" * 101 + "!") == ["[UNK]", "!"]


def test_a_batch_is_as_long_as_its_longest_text():
    expected = [
        ["[CLS]", "a", "##b", "b", "[SEP]"],
        ["[CLS]", "[SEP]"] + ["[PAD]"] * 3,
        ["[CLS]", "!", "[SEP]"] + ["[PAD]"] * 2,
    ]
    encoded = TOKENS.encode(np.array(["ab b", "", "!"]), 300)
    assert encoded.dtype == tf.int32
    assert [[TOKENS.vocabulary[token] for token in row] for row in encoded.numpy()] == expected
    padded = TOKENS.encode(["ab b", "", "!"], 7, pad_to_length=True).numpy()
    np.testing.assert_array_equal(padded, np.pad(encoded, [[0, 0], [0, 2]]))
    assert TOKENS.encode([], 7).shape[0] == 0
    assert TOKENS.encode([], 7, pad_to_length=True).shape == (0, 7)


@pytest.mark.parametrize(("length", "expected"), [(2, ""), (3, "un"), (4, "un ##aff"), (6, "un ##aff ##able a")])
def test_longer_texts_are_cut_before_their_last_token(length, expected):
    assert pieces("unaffable ab b", length=length) == expected.split()


def test_only_the_beginning_of_a_huge_text_is_read():
    assert pieces("a " * 5_000_000, length=6) == ["a"] * 4
    assert pieces(" " * 10_000_000 + "a", length=6) == []
    # At the cut, half a character is none.
    limit = wordpiece.BYTES_PER_TOKEN * 6
    assert pieces("a" + " " * (limit - 2) + "\u4e2d", length=6) == ["a"]
    assert pieces("a" + " " * (limit - 4) + "\u4e2d", length=6) == ["a", "\u4e2d"]


def test_a_text_has_the_same_tokens_in_every_batch():
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("abcus! \u00e9\u4e2d\uac00"), rng.integers(30))) for _ in range(40)]
    texts[::10] = ["", "a" * 150, " ", "!"]
    for row, text in zip(TOKENS.encode(texts, 20).numpy(), texts, strict=True):
        np.testing.assert_array_equal(row[row != 0], TOKENS.encode([text], 20)[0], err_msg=repr(text))


def test_every_character_is_read():
    """Alone, each is nothing, a space, known or unknown."""
    letters = "".join(map(chr, range(ord("a"), ord("z") + 1)))
    tokens = WordPiece([*SPECIAL, *letters, *("##" + letter for letter in letters)])
    characters = [chr(code) for code in range(0x30000) if not 0xD800 <= code < 0xE000]
    encoded = tokens.encode(characters, 5, pad_to_length=True).numpy()
    read = dict(zip(characters, (encoded[:, 1:] > 3).sum(axis=1) + 9 * (encoded[:, 1] == 1), strict=True))
    assert {c for c, number in read.items() if number == 1 and c.isascii()} == {*letters, *letters.upper()}
    assert {unicodedata.normalize("NFD", c)[0].lower() for c, number in read.items() if number == 1} == set(letters)
    assert {c for c, number in read.items() if number == 0 and c.isascii()} == {*map(chr, range(33)), "\x7f"}
    assert max(read.values()) == 9


def test_a_saved_model_needs_tensorflow_alone(tmp_path):
    texts = ["Unaffable caf\u00c9s!", "\u4e2d\u4e2dx \uac00", "", "a" * 101]
    encode = tf.function(
        lambda texts: {"tokens": TOKENS.encode(texts, 12)}, input_signature=[tf.TensorSpec([None], tf.string, "texts")]
    )
    tf.saved_model.save(tf.Module(), str(tmp_path), signatures=encode.get_concrete_function())
    program = (
        "import sys, tensorflow as tf; sys.modules['keras_refs'] = None\n"
        "encode = tf.saved_model.load(sys.argv[1]).signatures['serving_default']\n"
        f"print(encode(texts=tf.constant({texts!a}))['tokens'].numpy().tolist())"
    )
    run = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(TOKENS.encode(texts, 12).numpy().tolist())


def test_within_a_pipeline():
    texts = tf.data.Dataset.from_tensor_slices(["a", "ab b", "!"]).batch(2)
    batches = list(texts.map(lambda texts: TOKENS.encode(texts, 9)))
    assert [batch.shape for batch in batches] == [(2, 5), (1, 3)]


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_vocabulary_of_a_file(tmp_path, end):
    path = tmp_path / "vocab.txt"
    path.write_bytes("\n".join([*SPECIAL, "a", "\u2028", "\u00e9"]).encode() + end.encode())
    assert WordPiece.from_file(path).vocabulary == (*SPECIAL, "a", "\u2028", "\u00e9")
    path.write_bytes("\r\n".join([*SPECIAL, "a"]).encode() + end.encode())
    assert WordPiece.from_file(path) == WordPiece([*SPECIAL, "a"])
    assert WordPiece.from_file(path).size == 5


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([], r"must hold .* Received: no \[PAD\]"),
        (["[PAD]", "[CLS]", "[SEP]"], r"must hold .* Received: no \[UNK\]"),
        (["a", *SPECIAL], r"Token 0 .* must be \[PAD\]\. Received: 'a'"),
        ([*SPECIAL, "a", "b", "a"], "once .* Received: 'a' 2 times"),
        ([*SPECIAL, "a", "", "b"], "not be empty.* Received: '' as token 5"),
    ],
)
def test_what_is_no_vocabulary(tokens, message, tmp_path):
    with pytest.raises(UserError, match=message):
        WordPiece(tokens)
    path = tmp_path / "vocab.txt"
    path.write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8")
    with pytest.raises(UserError, match="Received"):
        WordPiece.from_file(path)


def test_what_is_no_file(tmp_path):
    path = tmp_path / "vocab.txt"
    with pytest.raises(UserError, match=r"text file in UTF-8\. Received: .*vocab\.txt .*No such file"):
        WordPiece.from_file(path)
    path.write_bytes("\n".join([*SPECIAL, "\u00e9"]).encode("latin-1"))
    with pytest.raises(UserError, match=r"text file in UTF-8\. Received: .*vocab\.txt .*decode"):
        WordPiece.from_file(path)
    with pytest.raises(UserError, match="directory"):
        WordPiece.from_file(tmp_path)


def test_length_must_hold_the_special_tokens():
    with pytest.raises(UserError, match="at least 2.*Received: 1"):
        TOKENS.encode(["a"], 1)
