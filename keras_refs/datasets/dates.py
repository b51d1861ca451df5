"""A generated data set: dates as people write them in seven languages, and in ISO 8601."""

import datetime
import functools
import itertools

import babel.dates
import numpy as np

from keras_refs.datasets.catalogue import split_of
from keras_refs.datasets.transcriptions import TranscriptionDataset, Transcriptions

LANGUAGES = ("de", "en", "es", "fr", "it", "nl", "pt")
FIRST, LAST = datetime.date(1969, 1, 1), datetime.date(2068, 12, 31)
"""A hundred years, so that two digits stand for one of them, by POSIX's rule."""

# Each separator stands for one order of day and month as numbers: 3.4. is in April, 3/4 in March. A year that comes
# first has four digits.
_WITH_NAME = ("{d} {m} {y}", "{d}. {m} {y}", "{d}-{m}-{y}", "{d}/{m}/{y}", "{d} {m}, {y}")
_WITH_NAME += ("{m} {d}, {y}", "{m} {d} {y}", "{m}-{d}-{y}", "{m}/{d}/{y}")
_WITH_NUMBER = ("{d}.{m}.{y}", "{d}. {m}. {y}", "{d}-{m}-{y}", "{m}/{d}/{y}")
_YEAR_FIRST = ("{y} {m} {d}", "{y}-{m}-{d}", "{y}/{m}/{d}", "{y}.{m}.{d}")
_WEEKDAYS = ("", "EEE, ", "EEEE, ", "EEEE ")

_split_of = functools.partial(split_of, test=15, validation=10)


def date_formats(split: str) -> list[str]:
    """Return the patterns of a split, in the notation of Unicode's locale data; no two splits share one."""
    names, numbers, days, years = ("MMM", "MMMM"), ("M", "MM"), ("d", "dd"), ("y", "yy")
    combinations = itertools.chain(
        itertools.product(_WEEKDAYS, _WITH_NAME, names, days, years),
        itertools.product(_WEEKDAYS, _WITH_NUMBER, numbers, days, years),
        itertools.product(_WEEKDAYS, _YEAR_FIRST, names + numbers, days, ("y",)),
    )
    patterns = [weekday + form.format(m=month, d=day, y=year) for weekday, form, month, day, year in combinations]
    return [pattern for pattern in patterns if _split_of(pattern) == split]


def generate_dates(
    train_examples: int = 20_000, validation_examples: int = 2_000, test_examples: int = 5_000
) -> TranscriptionDataset:
    """Return a `TranscriptionDataset` of dates, whose splits share no day and no format.

    A source is a day of the years 1969 to 2068 as it is written in one of `LANGUAGES`; its one target is such as
    `"2026-03-03"`. Each argument is the number of examples of a split, which depend on it alone.
    """
    counts = {"train": train_examples, "validation": validation_examples, "test": test_examples}
    numbered = enumerate(counts.items())
    splits = {split: _generate(split, count, np.random.default_rng([i, count])) for i, (split, count) in numbered}
    citation = "Generated with Babel, from Unicode's Common Locale Data Repository."
    return TranscriptionDataset(name="dates", **splits, citation=citation, homepage="https://babel.pocoo.org")


def _generate(split, count, rng):
    days = [FIRST + datetime.timedelta(number) for number in range((LAST - FIRST).days + 1)]
    choices = [day for day in days if _split_of(day.isoformat()) == split], date_formats(split), LANGUAGES
    drawn = [[values[index] for index in rng.integers(len(values), size=count)] for values in choices]
    sources = tuple(itertools.starmap(babel.dates.format_date, zip(*drawn, strict=True)))
    return Transcriptions(sources, tuple((day.isoformat(),) for day in drawn[0]))
