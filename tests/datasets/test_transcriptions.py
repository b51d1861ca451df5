import itertools

import numpy as np
import pytest
import tensorflow as tf

from keras_refs import datasets
from keras_refs.errors import UserError

PHONEMES = datasets.Symbols.of(["K AE T", "HH AH L OW"], " ")
LETTERS = datasets.Symbols.of(["cat", "Hello"], lower_case=True)


def test_strings_and_tokens_round_trip():
    assert PHONEMES.symbols == ("AE", "AH", "HH", "K", "L", "OW", "T")
    assert PHONEMES.size == 9
    for symbols, strings in ((PHONEMES, ["K AE T", "OW", ""]), (LETTERS, ["cat", "o", ""])):
        tokens = symbols.tokens(strings)
        assert [string.decode() for string in symbols.strings(tokens).numpy()] == strings
        assert [symbols.lookup(row) for row in tokens.numpy()] == [tuple(symbols.split(string)) for string in strings]


def test_tokens_are_padded_and_end_at_the_boundary():
    tokens = LETTERS.tokens(["cat", "lo", ""], boundary=True)
    c, a, t, lower_l, o = (LETTERS.symbols.index(letter) + 2 for letter in "catlo")
    np.testing.assert_array_equal(tokens, [[c, a, t, 1], [lower_l, o, 1, 0], [1, 0, 0, 0]])
    assert tokens.dtype == tf.int32


@pytest.mark.parametrize("text", ["c-a t", "\N{LATIN SMALL LETTER C WITH CEDILLA}cat", "cat!", "CA\xc9T"])
def test_unknown_characters_are_left_out_and_upper_case_is_read_as_lower(text):
    np.testing.assert_array_equal(LETTERS.tokens([text]), LETTERS.tokens(["cat"]))


def test_without_lower_case_upper_case_is_another_symbol():
    symbols = datasets.Symbols.of(["Cat"])
    assert symbols.symbols == ("C", "a", "t")
    np.testing.assert_array_equal(symbols.tokens(["CcaT"]), symbols.tokens(["Ca"]))


def test_there_is_always_a_step():
    np.testing.assert_array_equal(LETTERS.tokens(["", "?"]), [[0], [0]])
    assert LETTERS.tokens(tf.constant([], tf.string)).shape == (0, 1)


def test_the_decoder_reads_the_target_one_step_late():
    inputs, targets = datasets.teacher_forcing(tf.constant([[2, 0]]), tf.constant([[3, 4, 1, 0]]), num_target_symbols=5)
    np.testing.assert_array_equal(inputs["source"], [[2, 0]])
    np.testing.assert_array_equal(inputs["target"], [[1, 3, 4, 0]])
    np.testing.assert_array_equal(targets, [[*np.eye(5)[[3, 4, 1]], np.zeros(5)]])


def test_probabilities_are_learned_in_place_of_the_target():
    given = np.full((1, 4, 5), 0.2, "float16")
    tokens = tf.constant([[2, 0]]), tf.constant([[3, 4, 1, 0]])
    inputs, targets = datasets.teacher_forcing(*tokens, given, num_target_symbols=5)
    np.testing.assert_array_equal(inputs["target"], [[1, 3, 4, 0]])
    np.testing.assert_array_equal(targets, np.float32(given) * [[[1], [1], [1], [0]]])


def without_stress(phonemes):
    return phonemes.translate(str.maketrans("", "", "012"))


@pytest.fixture(scope="module")
def words():
    splits = {"train_split": "validation", "validation_split": "test[:1%]"}
    return datasets.load_transcriptions("cmudict", **splits, separator=" ", simplify=without_stress)


def test_every_pair_counts_and_equal_targets_count_once(words):
    targets = dict(zip(words.test.sources, words.test.targets, strict=True))
    assert targets["read"] == ("R EH D", "R IY D")
    # In the dictionary as IH2 N S AY1 D and as IH1 N S AY2 D.
    assert targets["inside"] == ("IH N S AY D",)
    sources, pair_targets = words.test.pairs()
    assert len(sources) == len(pair_targets) == sum(map(len, targets.values())) > len(targets)
    assert (len(words.train), len(words.validation), len(words.test)) == (5_924, 119, 11_869)
    split = datasets.load_transcription_split("cmudict", split="test", simplify=without_stress)
    assert split == words.test


def test_pairs_become_tokens_of_the_training_symbols(words):
    assert words.source_symbols.size == 26 + 2
    assert words.target_symbols.size == 39 + 2
    sources, targets = words.token_pairs(words.validation)
    assert len(sources) == len(targets) == len(words.validation.pairs()[0])
    assert words.source_symbols.strings(sources)[0] == words.validation.sources[0]
    assert words.target_symbols.strings(targets)[0] == words.validation.targets[0][0]
    assert ((targets == 1).sum(axis=1) == 1).all()


def test_says_what_kind_of_data_set_it_wants():
    with pytest.raises(UserError, match=r"not one text and one sequence of texts. It has: article"):
        datasets.load_transcriptions("udhr_languages")
    with pytest.raises(UserError, match="no examples in 'nowhere'"):
        datasets.load_transcription_split("cmudict", split="nowhere")


@pytest.fixture(scope="module")
def arrays():
    """Numbers from which example and step follow, padded; two arrays of similar lengths."""
    rng = np.random.default_rng(0)
    first = rng.integers(2, 20, 1003)
    lengths = [first, first + rng.integers(-1, 2, 1003)]
    numbers = np.arange(1003)[:, None] * 100 + np.arange(20) + 1
    return [numbers * (np.arange(20) < length[:, None]) for length in lengths]


def bucketed(arrays, first, last, seed=0, **options):
    batches = datasets.bucketed_batches(arrays, 16, seed, first, last, **options)
    return [[part.numpy() for part in batch] for batch in batches]


def test_the_parts_of_all_processes_are_the_batches_of_one(arrays):
    """Each as wide as the whole, also where its own sequences are shorter."""
    parts = [bucketed(arrays, 0, 10, shard=datasets.Shard(index, 4)) for index in range(4)]
    for whole, *shards in zip(bucketed(arrays, 0, 10), *parts, strict=True):
        *shards, weights = zip(*shards, strict=True)
        for values, of_shards in zip(whole, shards, strict=True):
            np.testing.assert_array_equal(values, np.concatenate(of_shards))
        # The mean over tokens of the whole is the mean of the means over those of each part, weighted.
        targets = whole[-1].astype("float64")
        means = [
            part_weights[0, 0] * part.sum() / np.count_nonzero(part)
            for part, part_weights in zip(shards[-1], weights, strict=True)
        ]
        assert np.mean(means) == pytest.approx(targets.sum() / np.count_nonzero(targets))
        assert weights[0].shape == shards[-1][0].shape


def test_an_epoch_of_buckets_visits_every_example_once_and_whole(arrays):
    steps, orders = 1003 // 16, []
    batches = bucketed(arrays, 0, 2 * steps)
    for epoch in (batches[:steps], batches[steps:]):
        orders.append(np.concatenate([batch[0][:, 0] // 100 for batch in epoch]))
        assert len(set(orders[-1])) == steps * 16
        for batch in epoch:
            examples = batch[0][:, 0] // 100
            for part, array in zip(batch, arrays, strict=True):
                np.testing.assert_array_equal(part, array[examples, : part.shape[1]])
                assert part.shape[1] == np.count_nonzero(array[examples], axis=1).max()
    assert not np.array_equal(*orders)


def test_few_positions_of_buckets_are_padding(arrays):
    parts = [part for batch in bucketed(arrays, 0, 1003 // 16) for part in batch]
    assert sum(map(np.count_nonzero, parts)) > 0.9 * sum(part.size for part in parts)


def test_buckets_follow_from_seed_and_step_alone(arrays):
    whole = bucketed(arrays, 0, 130)
    for first, last in ((5, 9), (60, 70), (62, 130), (129, 130)):
        for batch, expected in zip(bucketed(arrays, first, last), whole[first:last], strict=True):
            for part, expected_part in zip(batch, expected, strict=True):
                np.testing.assert_array_equal(part, expected_part)
    assert not np.array_equal(bucketed(arrays, 0, 1, seed=1)[0][0], whole[0][0])


def test_buckets_come_in_any_order(arrays):
    """Not short ones first: the steps of an epoch should not drift."""
    longest = [batch[1].shape[1] for batch in bucketed(arrays, 0, 1003 // 16)]
    assert abs(np.corrcoef(longest, range(len(longest)))[0, 1]) < 0.5


def test_labels_go_with_their_sequences(arrays):
    tokens, labels = arrays[0], arrays[0][:, 0] // 100
    for batch, batch_labels in bucketed((tokens, labels), 0, 20):
        np.testing.assert_array_equal(batch[:, 0] // 100, batch_labels)
        assert batch.shape == (16, np.count_nonzero(tokens[batch_labels], axis=1).max())


def test_vectors_go_with_the_steps_of_their_sequences(arrays):
    vectors = np.stack([arrays[1], -arrays[1]], axis=-1)
    for shard in (datasets.Shard(0, 1), datasets.Shard(1, 4)):
        for _, tokens, parts, *weights in bucketed((*arrays, vectors), 0, 20, shard=shard):
            np.testing.assert_array_equal(parts, np.stack([tokens, -tokens], axis=-1))
            assert all(weight.shape == tokens.shape for weight in weights)


def transcriptions(sources, targets, **options):
    split = datasets.Transcriptions(tuple(sources), tuple((target,) for target in targets))
    about = {"name": "", "citation": "", "homepage": ""}
    return datasets.TranscriptionDataset(train=split, validation=split, test=split, **about, **options)


def test_aligned_targets_say_where_the_next_character_is_read():
    sources = ["ab", "ba", "axb", *map("".join, itertools.product("abx", repeat=3))]
    targets = [" ".join({"a": "A", "b": "B", "x": "K S"}[letter] for letter in source) for source in sources]
    data = transcriptions(sources, targets, separator=" ", aligned=True)
    assert data.target_symbols.symbols == ("A", "B", "K", "S", "")
    _, targets = data.token_pairs(data.train)
    a, b, k, s, move = range(2, 7)
    np.testing.assert_array_equal(targets[:2, :5], [[a, move, b, 1, 0], [b, move, a, 1, 0]])
    np.testing.assert_array_equal(targets[2, :7], [a, move, k, s, move, b, 1])
    strings = [string.decode() for string in data.target_symbols.strings(targets).numpy()]
    assert strings == [target for (target,) in data.train.targets]


def test_blanks_count_once():
    assert PHONEMES.split(" K  AE T ") == ["K", "AE", "T"]
    np.testing.assert_array_equal(PHONEMES.tokens([" K  AE T "]), PHONEMES.tokens(["K AE T"]))


E_ACUTE, ACUTE, CIRCUMFLEX, TILDE = "\u00e9", "\u0301", "\u0302", "\u0303"


@pytest.mark.parametrize(
    "text", [E_ACUTE, "e" + ACUTE, "E" + ACUTE, "\u00c9"], ids=["composed", "decomposed", "upper case", "both"]
)
def test_what_looks_the_same_is_read_the_same(text):
    letters = datasets.Symbols.of(["e" + ACUTE], lower_case=True)
    assert letters.symbols == (E_ACUTE,)
    np.testing.assert_array_equal(letters.tokens([text]), [[2]])


def test_two_marks_are_composed_and_those_that_have_no_composition_are_kept():
    letters = datasets.Symbols.of(["\u1ebf", "\u025b" + TILDE])
    assert letters.symbols == ("\u025b", TILDE, "\u1ebf")
    np.testing.assert_array_equal(letters.tokens(["e" + CIRCUMFLEX + ACUTE, "\u025b" + TILDE]), [[4, 0], [2, 3]])


def test_symbols_must_be_separated():
    with pytest.raises(UserError, match="must be separated by ' ', as in 'K AE T'. Received: 'k\u0254\u02d0tn'"):
        transcriptions(["cat", "courten"], ["k\u00e6t", "k\u0254\u02d0tn"], separator=" ")
    for targets in (["A", "AA1"], ["K AE", "k\u0254\u02d0tn"]):
        transcriptions(["a", "b"], targets, separator=" ")
    transcriptions(["a"], ["long"])
