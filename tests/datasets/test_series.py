import numpy as np
import pytest

from keras_refs import datasets
from keras_refs.errors import UserError
from tests.conftest import prepare

OPTIONS = {"target": "value", "window": 4, "horizon": 2, "longest_step": 1, "validation_fraction": 0.25}


def prepared(folder, values, times=None):
    """A series whose last ten steps are the test split."""
    import tensorflow_datasets as tfds

    values = np.asarray(values, "float32")
    if times is None:
        times = np.datetime64("2020-01-01T00") + np.arange(len(values))
    rows = [{"time": f"{time}:00", "value": value} for time, value in zip(times.astype(str), values, strict=True)]
    features = {"time": tfds.features.Text(), "value": tfds.features.Scalar(dtype=np.float32)}
    return prepare(folder, "series", features, rows[:-10], rows[-10:])


def test_windows_lie_where_all_they_forecast_lies(tmp_path):
    """Steps 0..39 with their number as value: 30 of training, whose last quarter validates, and 10 of test."""
    data = datasets.load_series("series", prepared(tmp_path, range(40)), **OPTIONS)
    np.testing.assert_array_equal(data.train.values[0, :, 0], [0, 1, 2, 3])
    np.testing.assert_array_equal(data.train.targets[0], [4, 5])
    for part, first, last in ((data.train, 4, 21), (data.validation, 22, 29), (data.test, 30, 39)):
        np.testing.assert_array_equal(
            part.targets, np.column_stack([np.arange(first, last), np.arange(first, last) + 1])
        )
        np.testing.assert_array_equal(part.values[:, -1, 0], part.targets[:, 0] - 1)
        np.testing.assert_array_equal(part.times - part.targets[:, 0], np.datetime64("2020-01-01T00").astype("int64"))
        assert part.values.dtype == part.targets.dtype == np.float32
        assert part.times.dtype == np.int64


def test_missing_numbers_are_named(tmp_path):
    values = np.arange(40.0)
    values[[7, 33]] = np.nan
    with pytest.raises(
        UserError, match="2 values that are no finite numbers; the first is 'value' at 2020-01-01T07:00"
    ):
        datasets.load_series("series", prepared(tmp_path, values), **OPTIONS)


def test_gaps_are_named(tmp_path):
    times = np.datetime64("2020-01-01T00") + np.arange(40)
    times[20:] += 5
    match = "1 gaps or steps back in time; the first is from 2020-01-01T19:00 to 2020-01-02T01:00. .* at most 1 hours"
    with pytest.raises(UserError, match=match):
        datasets.load_series("series", prepared(tmp_path, range(40), times), **OPTIONS)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"window": 30}, "The training part .* has 22 steps; --window 30 and --horizon 2 need 32 there."),
        ({"horizon": 9}, "The validation part .* has 8 steps; --window 4 and --horizon 9 need 9 there."),
        ({"horizon": 11, "validation_fraction": 0.5}, "'test' of the data set 'series' has fewer than --horizon 11"),
        ({"target": "load"}, "--target must be one of value. Received: load"),
    ],
)
def test_series_that_are_too_short(tmp_path, changed, sentence):
    with pytest.raises(UserError, match=sentence):
        datasets.load_series("series", prepared(tmp_path, range(40)), **{**OPTIONS, **changed})


def test_the_bundled_series_have_no_gap():
    nyse = datasets.load_series("nyse", None, "log_volume", 5, 1, longest_step=7 * 24, validation_fraction=0.15)
    assert nyse.value_names == ("DJ_return", "log_volume", "log_volatility")
    assert len(nyse.train) + len(nyse.validation) == 4281 - 5
    assert len(nyse.test) == 1770
    hourly = datasets.load_series("hourly_electricity", None, "load", 168, 24, longest_step=1, validation_fraction=0.15)
    assert len(hourly.test) == 5261 - 23
