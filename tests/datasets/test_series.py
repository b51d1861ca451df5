import numpy as np
import pytest
import tensorflow as tf

from keras_refs import datasets
from keras_refs.datasets.steps import Step
from keras_refs.errors import UserError
from tests.conftest import prepare

HOUR = Step(60, "minute", 0)
CUTTING = {"target": "value", "window": 4, "horizon": 2, "validation_fraction": 0.25, "test_fraction": 0.25}


def load(folder, **options):
    """The data set `prepared` in a folder; options are those of `cut_windows`."""
    return datasets.cut_windows(datasets.read_series("series", folder, "value"), **{**CUTTING, **options})


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
            times=np.arange(examples, dtype="int64") * 60 + 16_000 * 24 * 60,
            targets=rng.normal(scale, scale, (examples, 3)).astype("float32"),
        )
        for scale in (3, 5, 7)
    ]
    calendar = datasets.load_calendar(holidays, unit="hour")
    return series_dataset(parts, value_names=("a", "b"), target="b", calendar=calendar, step=HOUR)


def series_dataset(parts, **options):
    train, validation, test = parts
    about = {"name": "random", "citation": "", "homepage": ""}
    return datasets.SeriesDataset(train=train, validation=validation, test=test, **about, **options)


def test_windows_lie_where_all_they_forecast_lies(tmp_path):
    """Steps 0..39 with their number as value: 30 of training, whose last quarter validates, and 10 of test."""
    data = load(prepared(tmp_path, range(40)))
    np.testing.assert_array_equal(data.train.values[0, :, 0], [0, 1, 2, 3])
    np.testing.assert_array_equal(data.train.targets[0], [4, 5])
    for part, first, last in ((data.train, 4, 21), (data.validation, 22, 29), (data.test, 30, 39)):
        np.testing.assert_array_equal(
            part.targets, np.column_stack([np.arange(first, last), np.arange(first, last) + 1])
        )
        np.testing.assert_array_equal(part.values[:, -1, 0], part.targets[:, 0] - 1)
        start = np.datetime64("2020-01-01T00:00").astype("int64")
        np.testing.assert_array_equal(part.times, start + 60 * part.targets[:, 0])
        assert part.values.dtype == part.targets.dtype == np.float32
        assert part.times.dtype == np.int64


def test_missing_numbers_are_named(tmp_path):
    values = np.arange(40.0)
    values[[7, 33]] = np.nan
    match = (
        r"the data set 'series', example 7 of 'train', 'value': the value is missing. .* value \(2, up to 1 in a row\)"
    )
    with pytest.raises(UserError, match=match):
        load(prepared(tmp_path, values))


def test_gaps_are_named(tmp_path):
    times = np.datetime64("2020-01-01T00") + np.arange(40)
    times[20:] += 5
    match = "example 20 of 'train': 2020-01-02T01:00 comes after 2020-01-01T19:00, and the step is 1 hour: 5 missing"
    with pytest.raises(UserError, match=match):
        load(prepared(tmp_path, range(40), times))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"window": 30}, "The training part .* has 22 steps; --window 30 and --horizon 2 need 32 there."),
        ({"horizon": 9}, "The validation part .* has 8 steps; --window 4 and --horizon 9 need 9 there."),
        (
            {"horizon": 11, "validation_fraction": 0.5},
            "The test part .* has 10 steps; --window 4 and --horizon 11 need 11 there.",
        ),
    ],
)
def test_series_that_are_too_short(tmp_path, changed, sentence):
    with pytest.raises(UserError, match=sentence):
        load(prepared(tmp_path, range(40)), **changed)


def test_times_that_do_not_exist_are_named(tmp_path):
    """A series of days with a leap day too many."""
    strings = [f"2021-02-{day:02}" for day in range(1, 30)] + [f"2021-03-{day:02}" for day in range(1, 12)]
    match = "the data set 'series', example 28 of 'train': '2021-02-29' is no time. A time is a date that exists"
    with pytest.raises(UserError, match=match):
        load(prepared(tmp_path, range(40), strings))


def test_an_unknown_calendar_and_target_are_refused(tmp_path):
    with pytest.raises(UserError, match="--holidays must be"):
        load(prepared(tmp_path, range(40)), holidays="Portugal")
    with pytest.raises(UserError, match="--target must be one of value. Received: load"):
        datasets.read_series("series", tmp_path, "load")


def test_times_are_written_as_they_are_parsed():
    test = random_series().test
    assert test.iso_times[0] == "2013-10-22T00:00"
    np.testing.assert_array_equal(datasets.parse_times(tf.constant(test.iso_times)), test.times)


def test_the_naive_forecast_repeats_the_last_season():
    windows = datasets.Windows(np.zeros((2, 72, 1)), np.arange(2), np.zeros((2, 30)))
    series = series_dataset([windows] * 3, value_names=("value",), target="value", calendar=None, step=HOUR)
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
    outputs = encoder.targets(*test.arrays)
    forecast = encoder.forecast(lambda inputs, training: outputs, test.values, test.times)
    np.testing.assert_allclose(forecast, test.targets, rtol=1e-5, atol=1e-5)
    # And an output of 0 is the naive forecast.
    naive = encoder.forecast(lambda inputs, training: 0 * outputs, test.values, test.times)
    np.testing.assert_array_equal(naive, test.values[:, 1:, 1])


def test_a_perfectly_seasonal_series_leaves_targets_of_zero(tmp_path):
    data = load(prepared(tmp_path, np.tile([1, 5, 3], 20)), window=6)
    encoder = datasets.SeriesEncoder.fit(data, season=3)
    assert encoder.residual_scale == 1
    for part in (data.train, data.test):
        np.testing.assert_array_equal(encoder.targets(*part.arrays), np.zeros_like(part.targets))


def test_a_constant_column_is_centred():
    data = random_series()
    data.train.values[..., 0] = 8
    encoder = datasets.SeriesEncoder.fit(data, season=1)
    inputs = encoder.inputs(data.train.values, data.train.times).numpy()
    np.testing.assert_array_equal(inputs[..., 0], 0)
    assert np.isfinite(inputs).all()


def test_the_bundled_series_have_no_gap():
    series = datasets.read_series("nyse", None, "log_volume")
    nyse = datasets.cut_windows(series, "log_volume", 5, 1, validation_fraction=0.15, test_fraction=0.15)
    assert str(nyse.step) == "business days"
    assert nyse.value_names == ("DJ_return", "log_volume", "log_volatility")
    assert len(nyse.train) + len(nyse.validation) == 4281 - 5
    assert len(nyse.test) == 1770
    series = datasets.read_series("hourly_electricity", None, "load")
    hourly = datasets.cut_windows(series, "load", 168, 24, validation_fraction=0.15, test_fraction=0.15)
    assert str(hourly.step) == "1 hour"
    assert len(hourly.test) == 5261 - 23
    assert hourly.calendar.unit == "hour"


def test_batches_are_those_of_the_windows_in_memory(tmp_path):
    train = load(prepared(tmp_path, range(40))).train
    assert np.shares_memory(train.values, train.targets), "the windows are views of one series"
    options = {"batch_size": 4, "seed": 3, "first_step": 2, "last_step": 9}
    expected = list(datasets.shuffled_batches(train.arrays, **options))
    gathered = list(datasets.window_batches(train, **options, prepare=lambda *arrays: arrays))
    assert len(expected) == len(gathered) == 7
    ordered = zip(
        datasets.ordered_window_batches(train, 5, lambda *arrays: arrays),
        datasets.ordered_batches(train.arrays, 5),
        strict=True,
    )
    for one, other in (*zip(expected, gathered, strict=True), *ordered):
        for a, b in zip(one, other, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


def test_of_too_many_windows_not_all_are_cut(tmp_path, monkeypatch):
    """34 windows in all: one every 4 steps would be few enough, but would never begin at some hours of the day."""
    folder = prepared(tmp_path, range(40))
    monkeypatch.setattr("keras_refs.datasets.series.MAX_WINDOWS", 10)
    data = load(folder, window=5)
    assert data.every == 11
    assert [part.targets[:, 0].tolist() for part in (data.train, data.validation, data.test)] == [[5, 16], [22], [30]]
    monkeypatch.setattr("keras_refs.datasets.series.MAX_WINDOWS", 34)
    assert load(folder, window=5).every == 1


@pytest.fixture
def shuffled(tmp_path):
    """A series of columns of its own, two floats and an integer, in the order that TFDS shuffles them to."""
    import tensorflow_datasets as tfds

    names = {"a": tfds.features.Scalar(np.float32), "b": tfds.features.Scalar(np.float64)}
    features = tfds.features.FeaturesDict(
        {"when": tfds.features.Text(), **names, "count": tfds.features.Scalar(np.int64)}
    )
    start = np.datetime64("2020-01-01T00:00")
    rows = [(i, {"when": f"{start + 15 * i}", "a": i, "b": -i, "count": 2 * i}) for i in range(200)]
    tfds.dataset_builders.store_as_tfds_dataset(
        name="shuffled",
        version="1.0.0",
        features=features,
        split_datasets={"train": rows[:150], "test": rows[150:]},
        data_dir=tmp_path,
    )
    return tmp_path


def test_order_is_restored_and_columns_may_stand_alone(shuffled):
    series = datasets.read_series("shuffled", shuffled, "a")
    assert str(series.step) == "15 minutes"
    numbers = np.arange(200.0)
    assert series.names == ("a", "b", "count")
    np.testing.assert_array_equal(series.values, np.column_stack([numbers, -numbers, 2 * numbers]))
    np.testing.assert_array_equal(series.parts, np.repeat([0, 2], [150, 50]))
    assert datasets.read_series("shuffled", shuffled, "a", inputs=("count",)).names == ("count", "a")


def test_slices_of_shuffled_examples_overlap_in_time(shuffled):
    options = {"train_split": "train[:80%]", "test_split": "train[80%:]"}
    with pytest.raises(UserError, match="The splits of the data set 'shuffled' overlap in time: .* is of 2020-01-0"):
        datasets.read_series("shuffled", shuffled, "a", **options)


def test_a_target_that_never_changes_is_refused(tmp_path):
    with pytest.raises(
        UserError, match="The target 'value' of the data set 'series' is 7 at all 22 steps of the train"
    ):
        load(prepared(tmp_path, [7] * 30 + [8] * 10))


def test_windows_are_read_in_parts():
    steps = np.arange(2500, dtype="int64")
    windows = datasets.Windows(steps[:, np.newaxis, np.newaxis].astype("float32"), steps, steps[:, np.newaxis])
    assert [len(part) for part in windows.parts()] == [1000, 1000, 500]
    np.testing.assert_array_equal(np.concatenate([part.times for part in windows.parts()]), steps)
    some = np.concatenate([part.times for part in windows.parts(step=3)])
    assert len(some) == 834
    np.testing.assert_array_equal(some, datasets.one_in(3, 2500))
