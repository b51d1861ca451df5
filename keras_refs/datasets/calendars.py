"""What the calendar says of a time: known before it comes, so that a forecast may use it."""

import dataclasses
from difflib import get_close_matches

import numpy as np
import tensorflow as tf

from keras_refs.errors import UserError

HOURS_A_DAY, DAYS_A_WEEK = 24, 7
YEARS = range(1960, 2060)
NEAR_DAYS = range(-7, 4)
"""Days around the one in question whose holidays matter: a week back, and the next three, over a weekend."""


@dataclasses.dataclass(frozen=True)
class Calendar:
    """Turns times, int64 hours since 1970-01-01T00:00 of the local clock, into numbers a network can use.

    Attributes:
        hourly: Whether the hour of the day matters.
        holidays: Days since 1970-01-01, sorted, for each kind of holiday.
    """

    hourly: bool
    holidays: tuple[np.ndarray, ...]

    def clock(self, times):
        """Return the weekday, Monday first, and the hour, each as one of its classes: float32 `(batch, 7 or 31)`."""
        # 1970-01-01 was a Thursday.
        weekday = tf.one_hot((times // HOURS_A_DAY + 3) % DAYS_A_WEEK, DAYS_A_WEEK)
        return tf.concat([weekday, tf.one_hot(times % HOURS_A_DAY, HOURS_A_DAY)], axis=1) if self.hourly else weekday

    def features(self, times):
        """Return the clock and whether each near day is a holiday of each kind: float32 `(batch, width)`."""
        days = times[:, tf.newaxis] // HOURS_A_DAY + tf.constant(list(NEAR_DAYS), tf.int64)
        flags = [
            tf.reduce_any(days[..., tf.newaxis] == tf.constant(holidays, tf.int64), axis=-1)
            for holidays in self.holidays
        ]
        return tf.concat([self.clock(times), *(tf.cast(flag, tf.float32) for flag in flags)], axis=1)

    @property
    def width(self):
        """Length of the vector of features."""
        return DAYS_A_WEEK + HOURS_A_DAY * self.hourly + len(NEAR_DAYS) * len(self.holidays)


def load_calendar(place, hourly):
    """Return the calendar of a country or of a financial market, with the holidays of the `holidays` library.

    It knows those of the years 1960 to 2059. There are two kinds of holiday: all of them, and those on which nearly
    everything rests, Christmas and New Year's Day.

    Args:
        place: ISO code of a country, such as `"PT"`, or of a market, such as `"XNYS"`; empty for no holidays.
        hourly: Whether the hour of the day matters.

    Raises:
        UserError: If the library knows no such place.
    """
    if not place:
        return Calendar(hourly, ())
    import holidays

    countries, markets = holidays.list_supported_countries(), holidays.list_supported_financial()
    if place not in {**countries, **markets}:
        near = get_close_matches(place.upper(), [*countries, *markets]) or ["PT", "US", "XNYS"]
        raise UserError(
            f"--holidays must be the code of a country or of a financial market, such as {', '.join(near)}, or "
            f"empty. Received: {place}"
        )
    load = holidays.country_holidays if place in countries else holidays.financial_holidays
    days = np.array(sorted(load(place, years=YEARS)), "datetime64[D]")
    of_year = days - days.astype("datetime64[Y]")
    of_month = days - days.astype("datetime64[M]")
    months = days.astype("datetime64[M]").astype("int64") % 12
    rest = (of_year.astype("int64") == 0) | ((months == 11) & (of_month.astype("int64") == 24))
    return Calendar(hourly, (days.astype("int64"), days[rest].astype("int64")))


def parse_times(strings):
    """Return hours since 1970-01-01T00:00, int64, of ISO strings as `2014-12-25T18:00` or `2014-12-25`.

    Runs in a graph. A time zone is not taken; minutes must be 00.

    Args:
        strings: String tensor `(batch,)`.
    """
    is_time = tf.strings.regex_full_match(strings, r"\d{4}-\d\d-\d\d(T\d\d:00)?")
    message = "a time must be written as 2014-12-25T18:00, or 2014-12-25; these are not:"
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(is_time), [message, strings[~is_time]])]):
        complete = strings + "T00:00"
    year, month, day, hour = (
        tf.strings.to_number(tf.strings.substr(complete, start, length), tf.int64)
        for start, length in ((0, 4), (5, 2), (8, 2), (11, 2))
    )
    # A year that begins in March has its leap day at the end, so that the days before a month are 153 / 5 of it.
    year, month = year - tf.cast(month < 3, tf.int64), (month + 9) % 12
    days = 365 * year + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day - 1 - 719468
    return days * HOURS_A_DAY + hour
