"""Dates as people write them, and as ISO 8601 does: a generated data set."""

import datetime
import hashlib
import itertools

import babel.dates
import numpy as np

from keras_refs.datasets.transcriptions import TranscriptionDataset, Transcriptions

LANGUAGES = ("de", "en", "es", "fr", "it", "nl", "pt")
FIRST, LAST = datetime.date(1969, 1, 1), datetime.date(2068, 12, 31)
"""A hundred years, so that two digits name one of them; which ones is POSIX's rule."""

# Of a number with two places each only one order is written with each sign: 3.4. is in April, 3/4 in March. What starts
# with the year has four digits for it.
_WITH_NAME = ("{d} {m} {y}", "{d}. {m} {y}", "{d}-{m}-{y}", "{d}/{m}/{y}", "{d} {m}, {y}")
_WITH_NAME += ("{m} {d}, {y}", "{m} {d} {y}", "{m}-{d}-{y}", "{m}/{d}/{y}")
_WITH_NUMBER = ("{d}.{m}.{y}", "{d}. {m}. {y}", "{d}-{m}-{y}", "{m}/{d}/{y}")
_YEAR_FIRST = ("{y} {m} {d}", "{y}-{m}-{d}", "{y}/{m}/{d}", "{y}.{m}.{d}")
_WEEKDAYS = ("", "EEE, ", "EEEE, ", "EEEE ")


def date_formats(split):
    """Return the patterns of a split, in the notation of Unicode's locale data; no two splits share one."""
    names, numbers, days, years = ("MMM", "MMMM"), ("M", "MM"), ("d", "dd"), ("y", "yy")
    filled = itertools.chain(
        itertools.product(_WEEKDAYS, _WITH_NAME, names, days, years),
        itertools.product(_WEEKDAYS, _WITH_NUMBER, numbers, days, years),
        itertools.product(_WEEKDAYS, _YEAR_FIRST, names + numbers, days, ("y",)),
    )
    patterns = [weekday + form.format(m=month, d=day, y=year) for weekday, form, month, day, year in filled]
    return [pattern for pattern in patterns if _split_of(pattern) == split]


def generate_dates(train_examples=20_000, validation_examples=2_000, test_examples=5_000):
    """Generate dates in the splits `train`, `validation` and `test`, which share no day and no format.

    Args:
        train_examples: Number of examples to train on.
        validation_examples: Number of examples to validate on.
        test_examples: Number of examples to score on.

    Returns:
        A `TranscriptionDataset`: a day of the years 1969 to 2068 as it is written in one of `LANGUAGES`, and its one
        target, such as `"2026-03-03"`. The same numbers give the same examples.
    """
    days = [FIRST + datetime.timedelta(number) for number in range((LAST - FIRST).days + 1)]
    parts = []
    for split, examples in (("train", train_examples), ("validation", validation_examples), ("test", test_examples)):
        rng = np.random.default_rng([len(parts), examples])
        options = [day for day in days if _split_of(day.isoformat()) == split], date_formats(split), LANGUAGES
        drawn = [[known[place] for place in rng.integers(len(known), size=examples)] for known in options]
        written = tuple(
            babel.dates.format_date(day, form, language) for day, form, language in zip(*drawn, strict=True)
        )
        parts.append(Transcriptions(written, tuple((day.isoformat(),) for day in drawn[0])))
    citation = "Generated with Babel, from Unicode's Common Locale Data Repository."
    return TranscriptionDataset("dates", *parts, citation, "https://babel.pocoo.org")


def _split_of(string):
    remainder = int(hashlib.sha256(string.encode()).hexdigest(), 16) % 100
    if remainder < 15:
        return "test"
    return "validation" if remainder < 25 else "train"
