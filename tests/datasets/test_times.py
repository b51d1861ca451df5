import datetime
import itertools

import numpy as np
import pytest
import tensorflow as tf

from keras_refs import datasets


def test_times_are_parsed_as_numpy_does():
    days = np.arange("1890-02-25", "2101-03-05", 37, dtype="datetime64[D]")
    leap = np.array(["2000-02-29", "1900-03-01", "2024-12-31", "1970-01-01"], "datetime64[D]")
    for values in (days, leap):
        expected = values.astype("datetime64[m]").astype("int64")
        np.testing.assert_array_equal(datasets.parse_times(tf.constant(values.astype(str))), expected)


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


SAME = ["2014-12-25T18:30", "2014-12-25 18:30", "2014-12-25 18:30:00", "2014-12-25T18:30:59.125", "2014-12-25T18:30Z"]
SAME += ["2014-12-25 18:30:00+01:00", "2014-12-25T18:30:00.000-0530"]


def test_a_time_may_be_written_in_several_ways():
    """With a blank, with seconds, which are cut off, and with a zone, which changes nothing."""
    parse = tf.function(datasets.parse_times, input_signature=[tf.TensorSpec([None], tf.string)])
    expected = np.datetime64("2014-12-25T18:30").astype("int64")
    np.testing.assert_array_equal(parse(tf.constant(SAME)), [expected] * len(SAME))
    strings, starts = ["2014-12-25T18", "2014-12-25", "2014-12", "2014", "1969-12-31T23:59"], "2014-12-25T18 2014-12-25"
    starts = [*starts.split(), "2014-12-01", "2014-01-01", "1969-12-31T23:59"]
    expected = [np.datetime64(start, "m").astype("int64") for start in starts]
    np.testing.assert_array_equal(parse(tf.constant(strings)), expected)
    assert parse(tf.constant([], tf.string)).shape == (0,)


NO_TIMES = ["25.12.2014", "", "2014-12-25T18:00T18:00", "2014-12-25Z", "2014-12-25T18+01:00", "2014-12-25  18:00"]
NO_TIMES += ["2014-02-31", "2014-13-45T99:00", "1900-02-29T10:00", "2014-12-25T24:00", "2014-00-10", "2014-01-00T00:00"]
NO_TIMES += ["2014-13", "20141", "0000", "2014-12-25T18:60", "2014-12-25T18:00:60", "2014-12-25T18:00:00."]


@pytest.mark.parametrize("time", NO_TIMES)
def test_what_is_no_time_is_refused_and_named(time):
    parse = tf.function(datasets.parse_times, input_signature=[tf.TensorSpec([None], tf.string)])
    with pytest.raises(tf.errors.InvalidArgumentError) as raised:
        parse(tf.constant(["2014-12-25", time, "2000-02-29T23:00"]))
    assert "a time must be a date that exists, with or without a time, as 2014-12-25T18:00," in raised.value.message
    assert f"these are not:] [{time}]" in raised.value.message
