import numpy as np
import pytest
import tensorflow as tf

from keras_refs import datasets
from keras_refs.datasets import opening
from keras_refs.errors import UserError

PHONEMES = datasets.Symbols.of(["K AE T", "HH AH L OW"], " ")
LETTERS = datasets.Symbols.of(["cat", "hello"])


def test_vocabulary_round_trip():
    assert PHONEMES.symbols == ("AE", "AH", "HH", "K", "L", "OW", "T")
    assert PHONEMES.size == 9
    for symbols, strings in ((PHONEMES, ["K AE T", "OW", ""]), (LETTERS, ["cat", "o", ""])):
        tokens = symbols.tokens(tf.constant(strings))
        assert [string.decode() for string in symbols.strings(tokens).numpy()] == strings


def test_tokens_are_padded_and_end_at_the_boundary():
    tokens, lengths = datasets.to_arrays(LETTERS, ["cat", "lo", ""], boundary=True)
    c, a, t, lower_l, o = (LETTERS.symbols.index(letter) + 2 for letter in "catlo")
    np.testing.assert_array_equal(tokens, [[c, a, t, 1], [lower_l, o, 1, 0], [1, 0, 0, 0]])
    np.testing.assert_array_equal(lengths, [4, 3, 1])
    assert tokens.dtype == np.int32


@pytest.mark.parametrize("text", ["c-a t", "\N{LATIN SMALL LETTER C WITH CEDILLA}cat", "cat!", "CcaTt"])
def test_unknown_characters_are_left_out(text):
    np.testing.assert_array_equal(LETTERS.tokens(tf.constant([text])), LETTERS.tokens(tf.constant(["cat"])))


def test_there_is_always_a_step():
    np.testing.assert_array_equal(LETTERS.tokens(tf.constant(["", "?"])), [[0], [0]])
    assert LETTERS.tokens(tf.constant([], tf.string)).shape == (0, 1)


def test_every_pair_counts_and_equal_targets_count_once():
    def without_stress(phonemes):
        return phonemes.translate(str.maketrans("", "", "012"))

    found = datasets.load_transcriptions("cmudict", splits=("validation", "test[:1%]", "test"), simplify=without_stress)
    known = dict(zip(found.test.sources, found.test.targets, strict=True))
    assert known["read"] == ("R EH D", "R IY D")
    # In the dictionary as IH2 N S AY1 D and as IH1 N S AY2 D.
    assert known["inside"] == ("IH N S AY D",)
    sources, targets = found.test.pairs()
    assert len(sources) == len(targets) == sum(map(len, known.values()))
    assert (len(found.train), len(found.validation), len(found.test)) == (5_924, 119, 11_869)


def test_says_what_kind_of_data_set_it_wants():
    with pytest.raises(UserError, match=r"not one text and one sequence of texts. It has: article"):
        datasets.load_transcriptions("udhr_languages")
    with pytest.raises(UserError, match="no examples in 'nowhere'"):
        opening.open_split(opening.open_builder("cmudict", None, require=lambda builder: None), "nowhere")
