import numpy as np
import pytest
import tensorflow as tf

from keras_refs import datasets
from keras_refs.errors import UserError
from tests.conftest import prepare

OPTIONS = {"target": "value", "window": 4, "horizon": 2, "longest_step": 1, "validation_fraction": 0.25}


def prepared(folder, values, times=None):
    """A series whose last ten steps are the test split; its times are datetimes, or strings."""
    import tensorflow_datasets as tfds

    values = np.asarray(values, "float32")
    if times is None:
        times = np.datetime64("2020-01-01T00") + np.arange(len(values))
    strings = times if isinstance(times, list) else [f"{time}:00" for time in times]
    rows = [{"time": time, "value": value} for time, value in zip(strings, values, strict=True)]
    features = {"time": tfds.features.Text(), "value": tfds.features.Scalar(dtype=np.float32)}
    return prepare(folder, "series", features, rows[:-10], rows[-10:])


def random_series(holidays=""):
    """Windows of four steps, of which the columns `a` and `b` are known, to forecast three steps of `b`."""
    rng, examples = np.random.default_rng(0), 50
    parts = [
        datasets.Windows(
            values=rng.normal(scale, scale, (examples, 4, 2)).astype("float32"),
            times=np.arange(examples, dtype="int64") + 16_000 * 24,
            targets=rng.normal(scale, scale, (examples, 3)).astype("float32"),
        )
        for scale in (3, 5, 7)
    ]
    calendar = datasets.load_calendar(holidays, hourly=True)
    return series_dataset(parts, value_names=("a", "b"), target="b", calendar=calendar)


def series_dataset(parts, **options):
    train, validation, test = parts
    about = {"name": "random", "citation": "", "homepage": ""}
    return datasets.SeriesDataset(train=train, validation=validation, test=test, **about, **options)


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
        (
            {"horizon": 11, "validation_fraction": 0.5},
            "The test part .* has 10 steps; --window 4 and --horizon 11 need 11 there.",
        ),
        ({"target": "load"}, "--target must be one of value. Received: load"),
    ],
)
def test_series_that_are_too_short(tmp_path, changed, sentence):
    with pytest.raises(UserError, match=sentence):
        datasets.load_series("series", prepared(tmp_path, range(40)), **{**OPTIONS, **changed})


def test_times_that_do_not_exist_are_named(tmp_path):
    """A series of days with a leap day too many."""
    strings = [f"2021-02-{day:02}" for day in range(1, 30)] + [f"2021-03-{day:02}" for day in range(1, 12)]
    match = "The data set 'series' has 1 times that are not an hour or a day that exists.*; the first is '2021-02-29'"
    with pytest.raises(UserError, match=match):
        datasets.load_series("series", prepared(tmp_path, range(40), strings), **OPTIONS)


def test_an_unknown_calendar_is_refused_first():
    with pytest.raises(UserError, match="--holidays must be"):
        datasets.load_series("nowhere", None, **OPTIONS, holidays="Portugal")


def test_times_are_written_as_they_are_parsed():
    test = random_series().test
    assert test.iso_times[0] == "2013-10-22T00:00"
    np.testing.assert_array_equal(datasets.parse_times(tf.constant(test.iso_times)), test.times)


def test_the_naive_forecast_repeats_the_last_season():
    windows = datasets.Windows(np.zeros((2, 72, 1)), np.arange(2), np.zeros((2, 30)))
    series = series_dataset([windows] * 3, value_names=("value",), target="value", calendar=None)
    encoder = datasets.SeriesEncoder.fit(series, season=24)
    values = np.arange(72, dtype="float32").reshape(1, 72, 1)
    np.testing.assert_array_equal(encoder.naive(values)[0], [*range(48, 72), *range(48, 54)])


def test_statistics_come_from_the_training_windows_alone():
    data = random_series()
    encoder = datasets.SeriesEncoder.fit(data, season=2)
    values = data.train.values.reshape(-1, 2)
    np.testing.assert_allclose(encoder.scaler.mean_, values.mean(axis=0, dtype="float64"), atol=1e-6)
    np.testing.assert_allclose(encoder.scaler.scale_, values.std(axis=0, dtype="float64"), rtol=1e-5)
    residuals = data.train.targets - data.train.values[:, [2, 3, 2], 1]
    assert encoder.residual_scale == pytest.approx(np.sqrt(np.mean(residuals**2)))


def test_inputs_are_standardised_readings_and_the_calendar_of_the_first_step():
    data = random_series(holidays="PT")
    encoder = datasets.SeriesEncoder.fit(data, season=2, steps_per_reading=2)
    values, times = data.test.values, data.test.times
    inputs = encoder.inputs(values, times).numpy()
    assert inputs.shape == (50, 2, 2 * 2 + 7 + 24 + 2 * 11)
    expected = (values - encoder.scaler.mean_) / encoder.scaler.scale_
    # The second reading is of the third step, then of the fourth.
    np.testing.assert_allclose(inputs[:, 1, :4], expected[:, 2:].reshape(50, 4), atol=1e-5)
    for reading in (0, 1):
        np.testing.assert_array_equal(inputs[:, reading, 4:], data.calendar.features(tf.constant(times)))


def test_right_outputs_give_the_targets_as_forecast():
    data = random_series()
    encoder, test = datasets.SeriesEncoder.fit(data, season=3), data.test
    outputs = encoder.targets(test.values, test.targets)
    forecast = encoder.forecast(lambda inputs, training: outputs, test.values, test.times)
    np.testing.assert_allclose(forecast, test.targets, rtol=1e-5, atol=1e-5)
    # And an output of 0 is the naive forecast.
    naive = encoder.forecast(lambda inputs, training: 0 * outputs, test.values, test.times)
    np.testing.assert_array_equal(naive, test.values[:, 1:, 1])


def test_a_perfectly_seasonal_series_leaves_targets_of_zero(tmp_path):
    options = {**OPTIONS, "window": 6}
    data = datasets.load_series("series", prepared(tmp_path, np.tile([1, 5, 3], 20)), **options)
    encoder = datasets.SeriesEncoder.fit(data, season=3)
    assert encoder.residual_scale == 1
    for part in (data.train, data.test):
        np.testing.assert_array_equal(encoder.targets(part.values, part.targets), np.zeros_like(part.targets))


def test_a_constant_column_is_centred():
    data = random_series()
    data.train.values[..., 0] = 8
    encoder = datasets.SeriesEncoder.fit(data, season=1)
    inputs = encoder.inputs(data.train.values, data.train.times).numpy()
    np.testing.assert_array_equal(inputs[..., 0], 0)
    assert np.isfinite(inputs).all()


def test_the_bundled_series_have_no_gap():
    nyse = datasets.load_series("nyse", None, "log_volume", 5, 1, longest_step=7 * 24, validation_fraction=0.15)
    assert nyse.value_names == ("DJ_return", "log_volume", "log_volatility")
    assert len(nyse.train) + len(nyse.validation) == 4281 - 5
    assert len(nyse.test) == 1770
    hourly = datasets.load_series("hourly_electricity", None, "load", 168, 24, longest_step=1, validation_fraction=0.15)
    assert len(hourly.test) == 5261 - 23
