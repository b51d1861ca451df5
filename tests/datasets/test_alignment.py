import itertools

import numpy as np
import pytest

from keras_refs.datasets import alignment

MOVE = 9
"""Token of no symbol."""


def padded(rows):
    width = max(map(len, rows))
    return np.array([[*row, *[0] * (width - len(row))] for row in rows])


def draw_pairs(count, written, seed=0):
    """Sources of 1 to 6 tokens, what these write by `written`, and the same aligned."""
    rng = np.random.default_rng(seed)
    sources = [rng.integers(2, 5, rng.integers(1, 7)) for _ in range(count)]
    targets = [[*itertools.chain(*(written[x] for x in source)), 1] for source in sources]
    aligned = [
        [*written[source[0]], *itertools.chain(*([MOVE, *written[x]] for x in source[1:])), 1] for source in sources
    ]
    return padded(sources), padded(targets), padded(aligned)


@pytest.mark.parametrize("of_4", [[], [4, 5]])
def test_finds_what_each_symbol_is_written_for(of_4):
    sources, targets, aligned = draw_pairs(500, {2: [2], 3: [3], 4: of_4})
    logs = alignment.fit_alignment(sources, targets, 5, 6)
    np.testing.assert_allclose(np.exp(logs).sum(axis=2), 1)
    found = alignment.align(sources, targets, logs, MOVE)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, aligned)


def test_padding_and_company_change_nothing():
    sources, targets, _ = draw_pairs(100, {2: [2], 3: [3, 4], 4: []}, seed=2)
    logs = np.log(np.random.default_rng(1).dirichlet(np.ones(5), (2, 5)))
    together = alignment.align(sources, targets, logs, MOVE)
    for source, target, row in zip(sources, targets, together, strict=True):
        (alone,) = alignment.align(source[None, source > 0], target[None, target > 0], logs, MOVE)
        np.testing.assert_array_equal(alone, row[row > 0])


def test_an_empty_source_is_written_without_moves():
    logs = np.log(np.full((2, 5, 5), 0.2))
    sources, targets = np.array([[0, 0], [2, 3], [2, 0]]), np.array([[2, 3, 1], [1, 0, 0], [4, 1, 0]])
    found = alignment.align(sources, targets, logs, MOVE)
    np.testing.assert_array_equal(found, [[2, 3, 1], [MOVE, 1, 0], [4, 1, 0]])


def test_the_alignment_is_the_most_probable_one():
    """Against all alignments of a pair, one by one."""
    logs = np.log(np.random.default_rng(1).dirichlet(np.ones(6), (2, 5)))
    source, target = [2, 3, 4, 3], [2, 3, 3, 4, 5]

    def aligned_and_score(steps):
        row, score = [], 0
        for i, x in enumerate(source):
            written = [y for y, step in zip(target, steps, strict=True) if step == i]
            row += [*written, MOVE]
            score += sum(logs[min(number, 1), x, y] for number, y in enumerate([*written, 1]))
        return [*row[:-1], 1], score

    every = itertools.combinations_with_replacement(range(len(source)), len(target))
    best, _ = max(map(aligned_and_score, every), key=lambda pair: pair[1])
    np.testing.assert_array_equal(alignment.align(padded([source]), padded([[*target, 1]]), logs, MOVE), [best])
