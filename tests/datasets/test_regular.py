import numpy as np
import pytest

from keras_refs.datasets.regular import Rows, regular_series
from keras_refs.errors import UserError


def rows(times, values, parts=None):
    """Rows of two columns: the values, and their negatives."""
    values = np.asarray(values, "float32")
    return Rows(
        name="x.csv",
        about={},
        times=np.asarray(times).astype("datetime64[m]").astype("int64"),
        values=np.column_stack([values, -values]),
        names=("a", "b"),
        parts=parts,
        place=lambda row, name=None: f"row {row}" + (f" of {name}" if name else ""),
    )


HOURS = np.arange("2020-10-24T12:00", "2020-10-26T12:00", 60, dtype="datetime64[m]")
DAYS = np.arange("2020-10-24", "2020-11-26", dtype="datetime64[D]")


def test_rows_come_in_any_order():
    order = np.random.default_rng(0).permutation(len(HOURS))
    series = regular_series(rows(HOURS[order], order, parts=np.repeat([0, 2], 24).astype("int8")[order]))
    np.testing.assert_array_equal(series.values[:, 0], np.arange(48))
    np.testing.assert_array_equal(series.times, HOURS.astype("int64"))
    np.testing.assert_array_equal(series.parts, np.repeat([0, 2], 24))
    assert series.notes == ()


def without(times, *numbers):
    return rows(np.delete(times, numbers), np.delete(np.arange(len(times)), numbers))


@pytest.mark.parametrize("times", [HOURS, DAYS])
def test_gaps_are_refused_or_filled_on_lines(times):
    gapped = without(times, 5, 8, 9)
    with pytest.raises(UserError, match="row 5: .* comes after .*: 1 missing. Gaps in x.csv: 2, the longest of 2"):
        regular_series(gapped)
    with pytest.raises(UserError, match="row 7: .* comes after .*: 2 missing. .* --fill-gaps 2 fills them"):
        regular_series(gapped, fill_gaps=1)
    series = regular_series(gapped, fill_gaps=2)
    np.testing.assert_array_equal(series.values[:, 0], np.arange(len(times)))
    np.testing.assert_array_equal(series.times, times.astype("datetime64[m]").astype("int64"))
    assert series.notes == ("Filled on lines between their neighbours: missing steps 3.",)


def test_gaps_of_months_and_of_business_days_are_filled():
    for times in (np.arange("2001-03", "2009-01", dtype="datetime64[M]"), DAYS[np.is_busday(DAYS)]):
        series = regular_series(without(times, *range(6, 12)), fill_gaps=6)
        np.testing.assert_array_equal(series.values[:, 0], np.arange(len(times)))
        np.testing.assert_array_equal(series.times, times.astype("datetime64[m]").astype("int64"))


def test_missing_values_are_refused_or_filled():
    values = np.arange(48.0)
    values[[3, 20, 21]] = np.nan
    holes = rows(HOURS, values)
    message = (
        r"row 3 of a: the value is missing. Missing are values of a \(3, up to 2 in a row\), b \(3, .* --fill-gaps 2"
    )
    with pytest.raises(UserError, match=message):
        regular_series(holes)
    with pytest.raises(UserError, match="row 20 of a: the value is missing."):
        regular_series(holes, fill_gaps=1)
    series = regular_series(holes, fill_gaps=2)
    np.testing.assert_array_equal(series.values, np.column_stack([np.arange(48), -np.arange(48)]))
    assert series.notes == ("Filled on lines between their neighbours: missing values 6.",)
    with pytest.raises(UserError, match="row 0 of a: .* but none at the first or the last time"):
        regular_series(rows(HOURS, np.where(np.arange(48) < 1, np.nan, values)), fill_gaps=2)


def test_a_doubled_hour_is_refused_or_averaged():
    order = np.sort([*range(48), 13])
    doubled = rows(HOURS[order], order + np.where(np.arange(49) == 14, 1, 0))
    message = "row 14: 2020-10-25T01:00 is the time, or in the step, of row 13, too. Rows that repeat a time: 1. A cha"
    with pytest.raises(UserError, match=message):
        regular_series(doubled)
    series = regular_series(doubled, fill_gaps=1)
    assert series.values[13].tolist() == [13.5, -13.5]
    np.testing.assert_array_equal(np.delete(series.values[:, 0], 13), np.delete(np.arange(48), 13))
    assert series.notes == ("Averaged, as a change of the clock doubled them: steps 1.",)


def test_an_hour_of_quarters_is_doubled():
    quarters = np.arange("2020-10-25T00:00", "2020-10-25T12:00", 15, dtype="datetime64[m]")
    order = np.sort([*range(48), *range(8, 12)])
    series = regular_series(rows(quarters[order], order), fill_gaps=1)
    np.testing.assert_array_equal(series.values[:, 0], np.arange(48))


@pytest.mark.parametrize("times", [np.repeat(HOURS, 2), np.repeat(HOURS, 3), np.sort([*DAYS, DAYS[4]])])
def test_several_series_in_one_table_are_no_clock(times):
    with pytest.raises(UserError, match="A table has one series: write those of several places"):
        regular_series(rows(times, np.arange(len(times))), fill_gaps=5)


def test_irregular_times_are_refused():
    times = HOURS.copy()
    times[7] += 20
    match = "row 7: 2020-10-24T19:20 is between two steps. Times that are: 1. The most frequent step is 1 hour"
    with pytest.raises(UserError, match=match):
        regular_series(rows(times, range(48)))
    with pytest.raises(UserError, match="x.csv has one time, 2020-10-24T12:00; a series has several."):
        regular_series(rows(HOURS[:1], [1]))
    with pytest.raises(UserError, match="x.csv has steps of 2 years; they may be from a minute to a year long."):
        regular_series(rows(np.arange("1950", "2020", 2, dtype="datetime64[Y]"), range(35)))


def test_splits_follow_on_each_other():
    parts = np.array([0] * 40 + [2] * 8, "int8")
    parts[7] = 2
    match = "The splits of x.csv overlap in time: row 7 is of 2020-10-24T19:00 and in test, row 8 of .* and in train"
    with pytest.raises(UserError, match=match):
        regular_series(rows(HOURS, range(48), parts))
