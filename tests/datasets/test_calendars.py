import datetime
import itertools

import numpy as np
import pytest
import tensorflow as tf

from keras_refs import datasets
from keras_refs.errors import UserError


def hours(time):
    return tf.constant([np.datetime64(time, "h").astype("int64")], tf.int64)


def test_times_are_parsed_as_numpy_does():
    days = np.arange("1890-02-25", "2101-03-05", 37, dtype="datetime64[D]")
    leap = np.array(["2000-02-29", "1900-03-01", "2024-12-31", "1970-01-01"], "datetime64[D]")
    for values in (days, leap):
        expected = values.astype("datetime64[h]").astype("int64")
        np.testing.assert_array_equal(datasets.parse_times(tf.constant(values.astype(str))), expected)
    assert datasets.parse_times(tf.constant(["2014-12-25T18:00"])).numpy() == hours("2014-12-25T18")


def exists(string):
    """Whether Python knows a date that is written as `is_date` wants it."""
    try:
        return datetime.date.fromisoformat(string).isoformat() == string
    except ValueError:
        return False


def test_dates_are_those_of_the_calendar():
    numbers = itertools.product(range(1896, 2105), range(14), range(33))
    strings = [f"{year:04}-{month:02}-{day:02}" for year, month, day in numbers]
    expected = [exists(string) for string in strings]
    assert sum(expected) == (datetime.date(2105, 1, 1) - datetime.date(1896, 1, 1)).days
    np.testing.assert_array_equal(datasets.is_date(tf.constant(strings)), expected)
    assert datasets.is_date(tf.constant([["0001-01-01"], ["9999-12-31"]])).numpy().tolist() == [[True], [True]]


@pytest.mark.parametrize(
    "string",
    [
        "",
        "0000-01-01",
        "2014-1-01",
        "2014-001-1",
        "20140101",
        "+014-01-01",
        "2014-02-28T00:00",
        "2014-01-01\n",
        b"\xff",
    ],
)
def test_other_strings_are_no_dates(string):
    assert not datasets.is_date(tf.constant(string))


TIMES = ["2014-12-25T18:30", "25.12.2014", "", "2014-12-25 18:00", "2014-12-25T18:00Z", "2014-12-25T18:00T18:00"]
TIMES += ["2014-02-31", "2014-13-45T99:00", "1900-02-29T10:00", "2014-12-25T24:00", "2014-00-10", "2014-01-00T00:00"]


@pytest.mark.parametrize("time", TIMES)
def test_what_is_no_time_is_refused_and_named(time):
    parse = tf.function(datasets.parse_times, input_signature=[tf.TensorSpec([None], tf.string)])
    with pytest.raises(tf.errors.InvalidArgumentError) as raised:
        parse(tf.constant(["2014-12-25", time, "2000-02-29T23:00"]))
    message = "a time must be an hour or a day that exists, written as 2014-12-25T18:00 or 2014-12-25; these are not:"
    assert f"[{message}] [{time}]" in raised.value.message


def test_features_are_weekday_hour_and_near_holidays():
    """Christmas 2014 was a Thursday; two days before it, it stands two days ahead, and New Year's Day too far."""
    calendar = datasets.load_calendar("PT", hourly=True)
    features = calendar.features(hours("2014-12-23T18")).numpy()[0]
    assert features.shape == (calendar.width,) == (7 + 24 + 2 * 11,)
    assert np.flatnonzero(features[:31]).tolist() == [1, 7 + 18]
    assert np.flatnonzero(features[31:]).tolist() == [7 + 2, 11 + 7 + 2]
    # Freedom Day is a holiday, but not one on which nearly everything is closed.
    freedom = calendar.features(hours("2014-04-25T00")).numpy()[0, 31:]
    assert freedom[7] == 1
    assert freedom[11:].sum() == 0


def test_a_market_has_holidays_of_its_own():
    calendar = datasets.load_calendar("XNYS", hourly=False)
    assert calendar.width == 7 + 2 * 11
    thanksgiving = calendar.features(hours("1985-11-27")).numpy()[0]
    assert thanksgiving[2] == thanksgiving[7 + 7 + 1] == 1


def test_without_holidays_the_features_are_the_clock():
    calendar = datasets.load_calendar("", hourly=False)
    np.testing.assert_array_equal(calendar.features(hours("1970-01-01")), np.eye(7)[[3]])


def test_an_unknown_country_is_refused():
    with pytest.raises(UserError, match="--holidays must be the code of a country .* or empty. Received: Portugal"):
        datasets.load_calendar("Portugal", hourly=True)
