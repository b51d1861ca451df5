"""Dates and times as strings, in TensorFlow's own operations: which exist, and the minutes they stand for."""

import numpy as np
import tensorflow as tf

from keras_refs.datasets.iso8601 import FORM, TIME, ZONE

DAYS_OF_MONTHS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], "int64")
SECONDS_A_DAY = 24 * 60 * 60


def is_date(strings: tf.Tensor) -> tf.Tensor:
    """Return which strings are a date of the proleptic Gregorian calendar, written as `2014-12-25`; runs in a graph.

    They go from 0001-01-01 to 9999-12-31. A string tensor of any shape gives a bool tensor of the same shape.
    """
    has_form = tf.strings.regex_full_match(strings, r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")
    # What has another form need not be long enough to be parsed.
    year, month, day = _numbers(tf.where(has_form, strings, "2000-01-01"), ((0, 4), (5, 2), (8, 2)))
    is_leap_year = (year % 4 == 0) & (year % 100 != 0) | (year % 400 == 0)
    days = tf.gather(DAYS_OF_MONTHS, month - 1) + tf.cast(is_leap_year & (month == 2), tf.int64)
    return has_form & (year > 0) & (day <= days)


def is_time(strings: tf.Tensor) -> tf.Tensor:
    """Return which strings are a time as ISO 8601 writes it, in a bool tensor of their shape; runs in a graph.

    These are a date, as `is_date` has it, with or without a clock, and a month or a year for its first day. Between
    date and clock stands a `T` or a blank. Minutes, seconds, their fractions and a zone, `Z` or `+01:00`, may be left
    out.
    """
    has_form = tf.strings.regex_full_match(strings, FORM)
    return is_date(tf.strings.substr(_with_day(tf.where(has_form, strings, "2000")), 0, 10)) & has_form


def parse_times(strings: tf.Tensor) -> tf.Tensor:
    """Return int64 minutes since 1970-01-01T00:00 of string tensors that `is_time` is true for; runs in a graph.

    They are those of the local clock, the one that was written: a zone changes nothing. Seconds are cut off.

    Raises:
        tf.errors.InvalidArgumentError: If some are no times; the message has the first three.
    """
    return parse_seconds(strings) // 60


def parse_seconds(strings: tf.Tensor) -> tf.Tensor:
    """Return what `parse_times` does, in seconds, of which fractions are cut off."""
    valid = is_time(strings)
    message = f"a time must be {TIME}; these are not:"
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(valid), [message, strings[~valid]])]):
        complete = _with_day(strings)
    clock = tf.strings.substr(tf.strings.regex_replace(complete, ZONE + "$", ""), 10, 9)
    # What the clock lacks of its nine characters.
    length = tf.strings.length(clock)
    clock += tf.strings.substr(tf.fill(tf.shape(clock), "T00:00:00"), length, 9 - length)
    year, month, day = _numbers(complete, ((0, 4), (5, 2), (8, 2)))
    hour, minute, second = _numbers(clock, ((1, 2), (4, 2), (7, 2)))
    # A year that begins in March has its leap day at the end, so that the days before a month are 153 / 5 of it.
    year, month = year - tf.cast(month < 3, tf.int64), (month + 9) % 12
    days = 365 * year + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day - 1 - 719468
    return days * SECONDS_A_DAY + hour * 3600 + minute * 60 + second


def _with_day(strings):
    """Return times whose months and years are written as their first day."""
    months = tf.strings.regex_replace(strings, r"^(\d{4})$", r"\1-01")
    return tf.strings.regex_replace(months, r"^(\d{4}-\d\d)$", r"\1-01")


def _numbers(strings, positions):
    """Return the int64 numbers at these positions, `(start, length)`, of strings."""
    return [tf.strings.to_number(tf.strings.substr(strings, start, length), tf.int64) for start, length in positions]
