"""The calendar, which is known in advance, so that a forecast may use it."""

import dataclasses
import math
from difflib import get_close_matches
from typing import Literal

import numpy as np
import tensorflow as tf

from keras_refs.errors import UserError
from keras_refs.preprocessing import NEAR_DAYS

MINUTES_AN_HOUR, HOURS_A_DAY, DAYS_A_WEEK, MONTHS_A_YEAR = 60, 24, 7, 12
MINUTES_A_DAY = HOURS_A_DAY * MINUTES_AN_HOUR
YEARS = range(1960, 2060)
Unit = Literal["minute", "hour", "day", "month"]
CLOCK_WIDTHS = {"minute": DAYS_A_WEEK + HOURS_A_DAY + 2, "hour": DAYS_A_WEEK + HOURS_A_DAY, "day": DAYS_A_WEEK}
CLOCK_WIDTHS |= {"month": MONTHS_A_YEAR}


@dataclasses.dataclass(frozen=True)
class Calendar:
    """Computes a network's features of times, int64 minutes since 1970-01-01T00:00 of the local clock.

    Attributes:
        unit: Which differences between times matter, `"minute"`, `"hour"`, `"day"` or `"month"`; see `clock`.
        holidays: Days since 1970-01-01, sorted, for each kind of holiday.
    """

    unit: Unit
    holidays: tuple[np.ndarray, ...]

    def clock(self, times: tf.Tensor) -> tf.Tensor:
        """Return where in the week, or in the year, times are: float32 `(batch, width)`.

        It is the month, January first, as one-hot `(batch, 12)`, or the weekday, Monday first, `(batch, 7)`, followed,
        of hours and minutes, by the hour, one-hot `(batch, 24)`, and, of minutes, by sine and cosine of the time of
        day.
        """
        days = times // MINUTES_A_DAY
        if self.unit == "month":
            return tf.one_hot(_month(days), MONTHS_A_YEAR)
        # 1970-01-01 was a Thursday.
        parts = [tf.one_hot((days + 3) % DAYS_A_WEEK, DAYS_A_WEEK)]
        if self.unit in ("minute", "hour"):
            parts.append(tf.one_hot(times // MINUTES_AN_HOUR % HOURS_A_DAY, HOURS_A_DAY))
        if self.unit == "minute":
            angle = tf.cast(times % MINUTES_A_DAY, tf.float32)[:, tf.newaxis] * (2 * math.pi / MINUTES_A_DAY)
            parts += [tf.sin(angle), tf.cos(angle)]
        return tf.concat(parts, axis=1)

    def features(self, times: tf.Tensor) -> tf.Tensor:
        """Return the clock and whether each near day is a holiday of each kind: float32 `(batch, width)`."""
        days = times[:, tf.newaxis] // MINUTES_A_DAY + tf.constant(list(NEAR_DAYS), tf.int64)
        flags = [tf.reduce_any(days[..., tf.newaxis] == holidays, axis=-1) for holidays in self.holidays]
        return tf.concat([self.clock(times), *(tf.cast(flag, tf.float32) for flag in flags)], axis=1)

    @property
    def width(self) -> int:
        """Length of the vector of features."""
        return CLOCK_WIDTHS[self.unit] + len(NEAR_DAYS) * len(self.holidays)


def _month(days):
    """Return the months, 0 for January, that days since 1970-01-01 are in."""
    # Counted from a 1st of March, so that leap days end the years, the fourth years and the centuries.
    day_of_era = (days + 719468) % 146097
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    return ((5 * day_of_year + 2) // 153 + 2) % MONTHS_A_YEAR


def load_calendar(holidays: str, unit: Unit) -> Calendar:
    """Return the calendar of a country or of a financial market, with the holidays of the `holidays` library.

    It has those of the years 1960 to 2059, of two kinds: all holidays, and those on which nearly everything is closed,
    Christmas and New Year's Day. `holidays` is the ISO code of a country, such as `"PT"`, or of a market, such as
    `"XNYS"`, or empty for no holidays; `unit` is that of `Calendar`.

    Raises:
        UserError: If the library has no such country or market.
    """
    if not holidays:
        return Calendar(unit, ())
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
    return Calendar(unit, tuple(np.array(kind, "datetime64[D]").astype("int64") for kind in (days, closed)))
