import numpy as np
import pytest
import tensorflow as tf

from keras_refs import datasets
from keras_refs.errors import UserError


def minutes(*times):
    return tf.constant(np.array(times, "datetime64[m]").astype("int64"))


def test_features_are_weekday_hour_and_near_holidays():
    """Christmas 2014 was a Thursday; two days before it, it stands two days ahead, and New Year's Day too far."""
    calendar = datasets.load_calendar("PT", unit="hour")
    features = calendar.features(minutes("2014-12-23T18")).numpy()[0]
    assert features.shape == (calendar.width,) == (7 + 24 + 2 * 11,)
    assert np.flatnonzero(features[:31]).tolist() == [1, 7 + 18]
    assert np.flatnonzero(features[31:]).tolist() == [7 + 2, 11 + 7 + 2]
    # Freedom Day is a holiday, but not one on which nearly everything is closed.
    freedom = calendar.features(minutes("2014-04-25T00")).numpy()[0, 31:]
    assert freedom[7] == 1
    assert freedom[11:].sum() == 0


def test_a_market_has_holidays_of_its_own():
    calendar = datasets.load_calendar("XNYS", unit="day")
    assert calendar.width == 7 + 2 * 11
    thanksgiving = calendar.features(minutes("1985-11-27")).numpy()[0]
    assert thanksgiving[2] == thanksgiving[7 + 7 + 1] == 1


def test_without_holidays_the_features_are_the_clock():
    calendar = datasets.load_calendar("", unit="day")
    np.testing.assert_array_equal(calendar.features(minutes("1970-01-01")), np.eye(7)[[3]])


def test_an_unknown_country_is_refused():
    with pytest.raises(UserError, match="--holidays must be the code of a country .* or empty. Received: Portugal"):
        datasets.load_calendar("Portugal", unit="hour")


def test_minutes_have_the_time_of_day_beside_weekday_and_hour():
    calendar = datasets.load_calendar("", unit="minute")
    features = calendar.features(minutes("2014-12-23T18:00", "2014-12-23T18:45")).numpy()
    assert features.shape == (2, calendar.width) == (2, 7 + 24 + 2)
    np.testing.assert_array_equal(features[0, :31], features[1, :31])
    angles = 2 * np.pi * np.array([18, 18.75]) / 24
    np.testing.assert_allclose(features[:, 31:], np.column_stack([np.sin(angles), np.cos(angles)]), atol=1e-6)


def test_months_are_those_of_numpy():
    calendar = datasets.load_calendar("", unit="month")
    days = np.arange("1890-02-25", "2101-03-05", dtype="datetime64[D]")
    months = days.astype("datetime64[M]").astype("int64") % 12
    np.testing.assert_array_equal(calendar.features(minutes(*days)), np.eye(12)[months])
