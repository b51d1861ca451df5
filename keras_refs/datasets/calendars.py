"""The calendar, which is known in advance, so that a forecast may use it; and dates and times as strings."""

import dataclasses
from difflib import get_close_matches

import numpy as np
import tensorflow as tf

from keras_refs.errors import UserError

HOURS_A_DAY, DAYS_A_WEEK = 24, 7
DAYS_OF_MONTHS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], "int64")
TIME = "an hour or a day that exists, written as 2014-12-25T18:00 or 2014-12-25"
YEARS = range(1960, 2060)
NEAR_DAYS = range(-7, 4)
"""Days around the one in question whose holidays matter: a week back, and the next three, over a weekend."""


@dataclasses.dataclass(frozen=True)
class Calendar:
    """Computes a network's features of times, int64 hours since 1970-01-01T00:00 of the local clock.

    Attributes:
        hourly: Whether the hour of the day matters.
        holidays: Days since 1970-01-01, sorted, for each kind of holiday.
    """

    hourly: bool
    holidays: tuple[np.ndarray, ...]

    def clock(self, times):
        """Return the weekday, Monday first, and the hour, each one-hot: float32 `(batch, 7)`, or `(batch, 31)`."""
        # 1970-01-01 was a Thursday.
        weekday = tf.one_hot((times // HOURS_A_DAY + 3) % DAYS_A_WEEK, DAYS_A_WEEK)
        return tf.concat([weekday, tf.one_hot(times % HOURS_A_DAY, HOURS_A_DAY)], axis=1) if self.hourly else weekday

    def features(self, times):
        """Return the clock and whether each near day is a holiday of each kind: float32 `(batch, width)`."""
        days = times[:, tf.newaxis] // HOURS_A_DAY + tf.constant(list(NEAR_DAYS), tf.int64)
        flags = [tf.reduce_any(days[..., tf.newaxis] == holidays, axis=-1) for holidays in self.holidays]
        return tf.concat([self.clock(times), *(tf.cast(flag, tf.float32) for flag in flags)], axis=1)

    @property
    def width(self):
        """Length of the vector of features."""
        return DAYS_A_WEEK + HOURS_A_DAY * self.hourly + len(NEAR_DAYS) * len(self.holidays)


def load_calendar(holidays, hourly):
    """Return the calendar of a country or of a financial market, with the holidays of the `holidays` library.

    It has those of the years 1960 to 2059, of two kinds: all holidays, and those on which nearly everything is closed,
    Christmas and New Year's Day. `holidays` is the ISO code of a country, such as `"PT"`, or of a market, such as
    `"XNYS"`, or empty for no holidays; `hourly` says whether the hour of the day matters.

    Raises:
        UserError: If the library has no such country or market.
    """
    if not holidays:
        return Calendar(hourly, ())
    # Takes a quarter of a second.
    import holidays as library

    countries, markets = library.list_supported_countries(), library.list_supported_financial()
    if holidays not in {**countries, **markets}:
        near = get_close_matches(holidays.upper(), [*countries, *markets]) or ["PT", "US", "XNYS"]
        raise UserError(
            f"--holidays must be the code of a country or of a financial market, such as {', '.join(near)}, or "
            f"empty. Received: {holidays}"
        )
    load = library.country_holidays if holidays in countries else library.financial_holidays
    days = sorted(load(holidays, years=YEARS))
    closed = [day for day in days if (day.month, day.day) in ((1, 1), (12, 25))]
    return Calendar(hourly, tuple(np.array(kind, "datetime64[D]").astype("int64") for kind in (days, closed)))


def is_date(strings):
    """Return which strings are a date of the proleptic Gregorian calendar, written as `2014-12-25`; runs in a graph.

    They go from 0001-01-01 to 9999-12-31. A string tensor of any shape gives a bool tensor of the same shape.
    """
    has_form = tf.strings.regex_full_match(strings, r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")
    # What has another form need not be long enough to be parsed.
    year, month, day = _parse(tf.where(has_form, strings, "2000-01-01"), ((0, 4), (5, 2), (8, 2)))
    is_leap_year = (year % 4 == 0) & (year % 100 != 0) | (year % 400 == 0)
    days = tf.gather(DAYS_OF_MONTHS, month - 1) + tf.cast(is_leap_year & (month == 2), tf.int64)
    return has_form & (year > 0) & (day <= days)


def is_time(strings):
    """Return which strings are a date, as `is_date` has it, or a full hour of one, such as `2014-12-25T18:00`."""
    return is_date(tf.strings.regex_replace(strings, r"T([01]\d|2[0-3]):00$", ""))


def parse_times(strings):
    """Return int64 hours since 1970-01-01T00:00 of string tensors such as `2014-12-25T18:00` or `2014-12-25`.

    Runs in a graph. A time zone is refused, and minutes other than 00.

    Raises:
        tf.errors.InvalidArgumentError: If some are no date and no hour of one; the message has the first three.
    """
    valid = is_time(strings)
    message = f"a time must be {TIME}; these are not:"
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(valid), [message, strings[~valid]])]):
        complete = strings + "T00:00"
    year, month, day, hour = _parse(complete, ((0, 4), (5, 2), (8, 2), (11, 2)))
    # A year that begins in March has its leap day at the end, so that the days before a month are 153 / 5 of it.
    year, month = year - tf.cast(month < 3, tf.int64), (month + 9) % 12
    days = 365 * year + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day - 1 - 719468
    return days * HOURS_A_DAY + hour


def _parse(strings, positions):
    """Return the int64 numbers at these positions, `(start, length)`, of strings."""
    return [tf.strings.to_number(tf.strings.substr(strings, start, length), tf.int64) for start, length in positions]
