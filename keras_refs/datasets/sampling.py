"""Strings like those of a data set, which have no transcriptions yet."""

import collections
import random
from collections.abc import Iterable

ORDER = 4
"""Characters that the next one depends on."""


def sample_strings(strings: Iterable[str], tries: int, seed: int) -> list[str]:
    """Return new strings from a Markov chain: each character follows on the four before as often as in given ones.

    Args:
        strings: The given strings.
        tries: Number of strings to sample; those that are given, or were sampled before, are left out.
        seed: Seed of what is sampled.
    """
    given = set(strings)
    followers = collections.defaultdict(list)
    for string in sorted(given):
        # An empty string stands before the first character and after the last.
        characters = [*[""] * ORDER, *string, ""]
        for end in range(ORDER, len(characters)):
            followers[tuple(characters[end - ORDER : end])].append(characters[end])
    rng = random.Random(seed)
    sampled = dict.fromkeys(_sample(followers, rng) for _ in range(tries))
    return [string for string in sampled if string not in given]


def _sample(followers, rng):
    characters = [""] * ORDER
    while len(characters) == ORDER or characters[-1]:
        characters.append(rng.choice(followers[tuple(characters[-ORDER:])]))
    return "".join(characters)
