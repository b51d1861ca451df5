import numpy as np
import pytest

from keras_refs.datasets.steps import find_step


def minutes(times):
    return np.asarray(times).astype("datetime64[m]").astype("int64")


DAYS = np.arange("2016-01-01", "2018-03-13", dtype="datetime64[D]")
SERIES = {
    "1 minute": np.arange("1969-12-31T20:00", "1970-01-02T00:00", dtype="datetime64[m]"),
    "15 minutes": np.arange("2020-01-01T00:05", "2020-01-03T00:05", 15, dtype="datetime64[m]"),
    "1 hour": np.arange("2020-01-01", "2020-01-13", dtype="datetime64[h]"),
    "6 hours": np.arange("2020-01-01T03", "2020-01-13T03", 6, dtype="datetime64[h]"),
    "1 day": DAYS,
    "business days": DAYS[np.is_busday(DAYS)],
    "1 week": DAYS[::7],
    "4 weeks": DAYS[::28],
    "13 weeks": np.arange("2000-01-01", "2018-03-13", 91, dtype="datetime64[D]"),
    "1 month": np.arange("1962-03", "1990-03", dtype="datetime64[M]"),
    "3 months": np.arange("1962-03", "1990-03", 3, dtype="datetime64[M]"),
    "1 year": np.arange("1949", "1990", dtype="datetime64[Y]"),
}
UNITS = dict.fromkeys(SERIES, "month") | {"1 minute": "minute", "15 minutes": "minute", "1 hour": "hour"}
UNITS |= {"6 hours": "hour", "1 day": "day", "business days": "day"}


@pytest.mark.parametrize("name", SERIES)
def test_the_step_is_found_and_counts(name):
    times = minutes(SERIES[name])
    step = find_step(times)
    assert str(step) == name
    assert step.calendar_unit == UNITS[name]
    positions, between = step.positions(times)
    np.testing.assert_array_equal(positions - positions[0], np.arange(len(times)))
    assert not between.any()
    np.testing.assert_array_equal(step.times(positions), times)
    # Without one of its times it is the same, and that one is missing, but business days may be holidays.
    less = np.delete(times, 7)
    assert str(find_step(less)) == name
    expected = np.zeros(len(less) - 1)
    expected[6] = name != "business days"
    np.testing.assert_array_equal(find_step(less).missing(less), expected)


def test_months_may_be_given_by_their_ends():
    ends = np.arange("2015-02", "2019-02", dtype="datetime64[M]").astype("datetime64[D]") - 1
    step = find_step(minutes(ends))
    assert str(step) == "1 month"
    assert not step.missing(minutes(ends)).any()
    filled = step.times(np.arange(len(ends))).astype("datetime64[m]").astype("datetime64[M]")
    np.testing.assert_array_equal(filled, ends.astype("datetime64[M]"))


def test_a_week_without_business_days_is_a_gap():
    days = SERIES["business days"]
    less = minutes(np.delete(days, np.arange(20, 26)))
    step = find_step(less)
    assert step.missing(less).nonzero()[0].tolist() == [19]
    assert step.missing(less)[19] == 6
    np.testing.assert_array_equal(step.times(step.positions(less)[0][19] + np.arange(1, 7)), minutes(days[20:26]))


def test_times_between_two_steps_are_marked():
    times = minutes(SERIES["15 minutes"])
    times[5] += 1
    assert find_step(times).positions(times)[1].nonzero()[0].tolist() == [5]
