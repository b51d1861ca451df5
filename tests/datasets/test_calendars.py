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


@pytest.mark.parametrize("time", ["2014-12-25T18:30", "25.12.2014", "", "2014-12-25 18:00"])
def test_what_is_no_time_is_refused(time):
    with pytest.raises(tf.errors.InvalidArgumentError, match="a time must be written as 2014-12-25T18:00, or"):
        datasets.parse_times(tf.constant(["2014-12-25", time]))


def test_features_say_weekday_hour_and_near_holidays():
    """Christmas 2014 was a Thursday; two days before it, it stands two days ahead, and New Year's Day too far."""
    calendar = datasets.load_calendar("PT", hourly=True)
    features = calendar.features(hours("2014-12-23T18")).numpy()[0]
    assert features.shape == (calendar.width,) == (7 + 24 + 2 * 11,)
    assert np.flatnonzero(features[:31]).tolist() == [1, 7 + 18]
    assert np.flatnonzero(features[31:]).tolist() == [7 + 2, 11 + 7 + 2]
    # Freedom Day is a holiday, but not one on which everything rests.
    freedom = calendar.features(hours("2014-04-25T00")).numpy()[0, 31:]
    assert freedom[7] == 1
    assert freedom[11:].sum() == 0


def test_a_market_has_holidays_of_its_own():
    calendar = datasets.load_calendar("XNYS", hourly=False)
    assert calendar.width == 7 + 2 * 11
    thanksgiving = calendar.features(hours("1985-11-27")).numpy()[0]
    assert thanksgiving[2] == thanksgiving[7 + 7 + 1] == 1


def test_without_holidays_the_clock_is_left():
    calendar = datasets.load_calendar("", hourly=False)
    np.testing.assert_array_equal(calendar.features(hours("1970-01-01")), np.eye(7)[[3]])


def test_an_unknown_place_is_refused():
    with pytest.raises(UserError, match="--holidays must be the code of a country .* or empty. Received: Portugal"):
        datasets.load_calendar("Portugal", hourly=True)
