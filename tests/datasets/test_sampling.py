"""Strings sampled from those of a data set."""

import string

import numpy as np
import pytest

from keras_refs.datasets import sampling

WORDS = ("station", "stations", "nation", "national", "rational", "ration", "stately", "lately", "relation")


def windows(strings):
    """Return every character with those that it depends on, the end of a string included."""
    padded = [[""] * sampling.ORDER + [*string, ""] for string in strings]
    return {tuple(row[end - sampling.ORDER : end + 1]) for row in padded for end in range(sampling.ORDER, len(row))}


def test_sampled_strings_are_new_and_have_only_what_the_given_have():
    sampled = sampling.sample_strings(WORDS, tries=500, seed=0)
    assert "relational" in sampled
    assert not set(sampled) & set(WORDS)
    assert len(set(sampled)) == len(sampled)
    assert windows(sampled) <= windows(WORDS)


def test_a_character_follows_on_others_as_often_as_in_the_given():
    given = [f"{letter}aaaa{'y' if letter < 'u' else 'z'}{letter}" for letter in string.ascii_lowercase]
    sampled = sampling.sample_strings(given, tries=400, seed=0)
    assert len(sampled) > 200
    assert np.mean(["aaaay" in word for word in sampled]) == pytest.approx(20 / 26, abs=0.1)


def test_a_seed_says_what_is_sampled():
    first, again, other = (sampling.sample_strings(WORDS, tries=20, seed=seed) for seed in (0, 0, 1))
    assert first == again != other


def test_one_string_alone_gives_no_other():
    assert sampling.sample_strings(["word"], tries=20, seed=0) == []
