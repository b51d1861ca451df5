import numpy as np

from keras_refs.datasets import alignment, splicing
from tests.datasets.test_alignment import MOVE, padded

SEPARATE = [[2, 3, 4, 5], [6, 3, 4, 7]]
SHARING = [[2, 3, 4, 5, 6], [7, 3, 4, 5, 8]]
"""Sources without and with three letters in common."""


def pairs_of(sources, written=lambda letter: [letter]):
    aligned = [
        [*written(source[0]), *(token for x in source[1:] for token in (MOVE, *written(x))), 1] for source in sources
    ]
    return padded(sources).astype("int32"), padded(aligned).astype("int32")


def test_words_go_on_as_others_with_the_same_letters():
    sources, aligned = splicing.with_spliced(*pairs_of(SHARING), MOVE, tries=50, seed=0)
    new = {tuple(row[row > 0]) for row in sources[2:]}
    assert new == {(2, 3, 4, 5, 8), (7, 3, 4, 5, 6)}
    np.testing.assert_array_equal(sources[:2], SHARING)
    # Every letter is still written as it was.
    np.testing.assert_array_equal(aligned, pairs_of(sources.tolist())[1])
    assert sources.dtype == aligned.dtype == np.int32


def test_nothing_is_spliced_where_nothing_is_shared():
    for pairs in (pairs_of(SEPARATE), pairs_of([[2], [3, 4]]), pairs_of([SHARING[0], SHARING[0]])):
        for found, given in zip(splicing.with_spliced(*pairs, MOVE, tries=20, seed=0), pairs, strict=True):
            np.testing.assert_array_equal(found, given)


def test_what_is_written_otherwise_is_not_shared():
    sources, aligned = pairs_of(SHARING)
    aligned[1, 4] = 9 + 1
    found, _ = splicing.with_spliced(sources, aligned, MOVE, tries=20, seed=0)
    assert len(found) == 2


def test_the_seed_decides():
    rng = np.random.default_rng(0)
    pairs = pairs_of(rng.integers(2, 5, (30, 6)).tolist(), lambda letter: [letter] * (letter % 3))
    first, again, other = (splicing.with_spliced(*pairs, MOVE, tries=40, seed=seed)[1] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or (first != other).any()
    assert len(first) > 30
    assert alignment.BOUNDARY in first[-1]
