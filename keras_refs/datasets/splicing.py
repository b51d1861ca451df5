"""More pairs from few: the beginning of one word and the end of another, which meet in letters that they share.

How a letter is written depends mostly on those next to it. Where two words have the same three letters, of which the
middle one is written the same, the one is cut behind it and goes on as the other (data recombination: Jia & Liang 2016,
"Data recombination for neural semantic parsing"). Joint n-gram models assume as much; a network has to be shown.
"""

import collections

import numpy as np

from keras_refs.datasets.alignment import BOUNDARY


def with_spliced(
    sources: np.ndarray, aligned: np.ndarray, move: int, tries: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return sources and aligned targets with spliced pairs after them, int32 tokens padded at the end.

    Args:
        sources: int tokens `(pairs, source steps)`, padded at the end with 0.
        aligned: Their targets, as `alignment.align` returns them.
        move: The token that it was given.
        tries: Number of pairs to splice; those whose source is among the given ones are left out.
        seed: Seed of what is spliced.
    """
    rng = np.random.default_rng(seed)
    words = [_with_written(*pair, move) for pair in zip(sources, aligned, strict=True)]
    known = {tuple(letter for letter, _ in word) for word in words}
    meetings = [places for places in _places(words).values() if len(places) > 1]
    rows = [
        (list(source[source > 0]), list(target[target > 0])) for source, target in zip(sources, aligned, strict=True)
    ]
    chances = np.array([len(places) for places in meetings]) / max(1, sum(map(len, meetings)))
    for index in rng.choice(len(meetings), tries, p=chances) if meetings else ():
        (first, i), (second, j) = (meetings[index][k] for k in rng.choice(len(meetings[index]), 2, replace=False))
        word = [*words[first][:i], *words[second][j:]]
        source = [letter for letter, _ in word]
        if tuple(source) not in known:
            target = [token for _, written in word for token in (*written, move)]
            rows.append((source, [*target[:-1], BOUNDARY]))
    return tuple(map(_padded, zip(*rows, strict=True)))


def _with_written(source, aligned, move):
    """Return each letter of a pair with the tuple of what is written at it."""
    written = [[]]
    for token in aligned[(aligned > 0) & (aligned != BOUNDARY)]:
        if token == move:
            written.append([])
        else:
            written[-1].append(token)
    return [(letter, tuple(tokens)) for letter, tokens in zip(source[source > 0], written, strict=False)]


def _places(words):
    """Return where words can be cut, a list of words and places in them by what they have to share there."""
    places = collections.defaultdict(list)
    for number, word in enumerate(words):
        for i in range(1, len(word) - 1):
            (before, _), (letter, written), (after, _) = word[i - 1 : i + 2]
            places[before, letter, after, written].append((number, i + 1))
    return places


def _padded(rows):
    padded = np.zeros((len(rows), max(map(len, rows))), np.int32)
    for row, tokens in zip(padded, rows, strict=True):
        row[: len(tokens)] = tokens
    return padded
