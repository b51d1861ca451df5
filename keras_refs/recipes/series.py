"""What the recipes for series share: windows of a series and the calendar in, the change to a naive forecast out."""

import dataclasses
import functools

import lazy_loader

from keras_refs import datasets, evaluation, export
from keras_refs.errors import UserError
from keras_refs.recipes import settings
from keras_refs.recipes.recipe import Recipe

# On first use: a tenth of a second, which `--help` need not wait for.
np = lazy_loader.load("numpy")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeriesSettings(settings.DataSettings):
    """Settings of every recipe that forecasts a series."""

    target: str
    """Name of the number to forecast."""
    window: settings.Count
    """Steps to forecast from."""
    horizon: settings.Count
    """Steps to forecast."""
    season: settings.Count
    """Steps after which the series repeats; the network learns the change to the value one season before."""
    steps_per_reading: settings.Count = 1
    """Steps of the series that the network reads at once; the window must be a multiple of them."""
    holidays: str
    """Whose holidays to know, the ISO code of a country or a market such as PT or XNYS; empty for none."""
    train_split: str = "train"
    """TFDS split or slice to train on."""
    test_split: str = "test"
    """TFDS split or slice to score on, once, at the end; it must follow on the other."""
    validation_fraction: settings.Fraction = 0.15
    """Share of the training split, its end, that is held out to choose the best epoch."""
    units: tuple[settings.Count, ...]
    """Width of each recurrent layer."""
    dropout: settings.Rate = 0.0
    """Share of every layer's inputs dropped, but for the first layer's."""

    def __post_init__(self):
        """Check also what the lengths must have to do with each other."""
        super().__post_init__()
        if self.window % self.steps_per_reading:
            raise UserError(
                f"--window must be a multiple of --steps-per-reading, {self.steps_per_reading}. Received: {self.window}"
            )
        if self.season > self.window:
            raise UserError(f"--season must be at most --window, {self.window}. Received: {self.season}")


class SeriesRecipe(Recipe):
    """A recurrent network that forecasts one number of a series from a window of all its numbers.

    The network reads the window, standardised by the training split, and at every step the calendar of the first step
    to forecast. It answers with the change to the naive forecast, the value one season before: where nothing is to be
    known beyond that, it need only answer 0.

    Attributes:
        hourly: Whether the steps are hours, or days.
        longest_step: Hours that may lie between two steps; more are a gap.
    """

    family = "recurrent"
    hourly: bool
    longest_step: int
    limits = (
        "It forecasts what follows from the series' own past and the calendar. What it has not seen, a new regime or "
        "an\nevent, it does not foresee, and it gives no margin of error. Its scores are of the years right after "
        "those it learned from."
    )

    @property
    def signatures(self):
        """What the export takes and returns, as Markdown."""
        config, names = self.config, self.data.value_names
        return (
            f"- `serving_default`: `series`, float32 `[batch, {config.window}, {len(names)}]`, the last "
            f"{config.window} steps of {', '.join(names)}, raw; and\n  `time`, string `[batch]`, the first step to "
            "forecast, as `2014-12-25T18:00` or `2014-12-25`, by the local clock\n"
            "- `numeric`: without strings; `series` and, instead of the time, `hours`, int64 `[batch]`, those since "
            "1970-01-01T00:00 by the local clock\n\n"
            f"Both return `forecast`, float32 `[batch, {config.horizon}]`, the next {config.horizon} of "
            f"`{config.target}`, in the units of the data."
        )

    def load_data(self):
        """Return the `datasets.SeriesDataset` the settings name."""
        config = self.config
        # An unknown place is to be found before anything is written.
        _ = self.calendar
        return datasets.load_series(
            config.dataset,
            config.data_dir,
            config.target,
            config.window,
            config.horizon,
            self.longest_step,
            config.validation_fraction,
            config.train_split,
            config.test_split,
        )

    @functools.cached_property
    def calendar(self):
        """The calendar the network sees."""
        return datasets.load_calendar(self.config.holidays, self.hourly)

    @functools.cached_property
    def value_scale(self):
        """Mean and deviation of every number in the training windows."""
        return datasets.Standardization.of(self.data.train.values)

    @functools.cached_property
    def change_scale(self):
        """Deviation of the change that is to be forecast, from the training windows; its mean stays."""
        train = self.data.train
        changes = train.targets - train.values[:, self._season_before, self._column]
        return np.sqrt(np.mean(np.square(changes, dtype="float64"))).astype("float32")

    @property
    def _column(self):
        """Where among the numbers the one to forecast stands."""
        return self.data.value_names.index(self.config.target)

    @property
    def _season_before(self):
        """Where in the window the values one season before those to forecast stand."""
        config = self.config
        return config.window - config.season + np.arange(config.horizon) % config.season

    @property
    def input_shape(self):
        """`(steps, numbers)` of what the network reads."""
        reading = self.config.steps_per_reading
        return self.config.window // reading, len(self.data.value_names) * reading + self.calendar.width

    def naive(self, values):
        """Return the values one season before those to forecast, `(batch, horizon)`."""
        import tensorflow as tf

        return tf.gather(values[:, :, self._column], self._season_before, axis=1)

    def network_inputs(self, values, times):
        """Return what the network reads of raw windows and the times, int64 hours, of what they are to forecast."""
        import tensorflow as tf

        steps, numbers = self.input_shape
        readings = tf.reshape(self.value_scale.apply(values), [-1, steps, numbers - self.calendar.width])
        calendar = self.calendar.features(times)[:, tf.newaxis]
        return tf.concat([readings, tf.repeat(calendar, steps, axis=1)], axis=2)

    def _prepare(self, values, times, targets):
        return self.network_inputs(values, times), (targets - self.naive(values)) / self.change_scale

    def training_batches(self, first_step, last_step):
        """Return shuffled `(inputs, scaled changes)`."""
        train, config = self.data.train, self.config
        return datasets.shuffled_batches(
            (train.values, train.times, train.targets),
            config.batch_size,
            config.seed,
            first_step,
            last_step,
            lambda _, *batch: self._prepare(*batch),
        )

    def validation_batches(self):
        """Return `(inputs, scaled changes)` of the validation windows."""
        held_out = self.data.validation
        return datasets.ordered_batches((held_out.values, held_out.times, held_out.targets), 1000, self._prepare)

    def write_export(self, model, folder):
        """Write the SavedModel, which takes raw values and the time of the first step to forecast."""
        import tensorflow as tf

        def forecast(series, hours):
            return {"forecast": self._forecast(model, series, hours)}

        series = {"series": (tf.float32, (self.config.window, len(self.data.value_names)))}
        export.write_function(
            lambda series, time: forecast(series, datasets.parse_times(time)),
            {**series, "time": (tf.string, ())},
            folder,
            numeric=(forecast, {**series, "hours": (tf.int64, ())}),
        )

    def _forecast(self, model, values, times):
        """Return what a network makes of raw windows, in the units of the data."""
        changes = model(self.network_inputs(values, times), training=False)
        return self.naive(values) + self.change_scale * changes

    def examples(self):
        """Return the first test window."""
        test = self.data.test
        return {
            "serving_default": {"series": test.values[:1], "time": self._test_times()[:1]},
            "numeric": {"series": test.values[:1], "hours": test.times[:1]},
        }

    def _test_times(self):
        return np.datetime_as_string(self.data.test.times.astype("datetime64[h]"), unit="m")

    def score(self, folder):
        """Return the scores of the export on the test windows beside those of the references, and the forecasts."""
        test = self.data.test
        forecasts = export.SavedFunction(folder).predict(series=test.values, time=self._test_times())["forecast"]
        references = self.reference_forecasts()
        scores = evaluation.regression_metrics(test.targets, forecasts, references)
        return scores, {self.name: forecasts, **references}

    def reference_forecasts(self):
        """Return the forecasts of the test windows that a model must beat, by name.

        Beside the naive ones these are ridge regressions of the same windows, alone, with the clock, and with the whole
        calendar.
        """
        import tensorflow as tf

        parts = self.data.train, self.data.validation, self.data.test
        values = self.data.test.values[:, :, self._column]
        references = {"persistence": np.repeat(values[:, -1:], self.config.horizon, axis=1)}
        if self.config.season > 1:
            references[f"{self.config.season} steps before"] = values[:, self._season_before]
        windows = [self.value_scale.apply(part.values).reshape(len(part), -1) for part in parts]
        clocks, calendars = (
            [np.hstack([window, known(tf.constant(part.times))]) for window, part in zip(windows, parts, strict=True)]
            for known in (self.calendar.clock, self.calendar.features)
        )
        for name, inputs in {"ridge": windows, "ridge, clock": clocks, "ridge, calendar": calendars}.items():
            train, validation = ((inputs[part], parts[part].targets) for part in range(2))
            references[name] = evaluation.ridge_predictions(train, validation, inputs[2])
        return references

    def format_scores(self, scores):
        """Return the scores of the references, then the model's."""
        return evaluation.format_regression_metrics(scores)

    def draw(self, history, scores, predictions, folder):
        """Draw the learning curve, forecasts beside the references', and the residuals."""
        figures, config, test = evaluation.figures, self.config, self.data.test
        figures.save_learning_curves(history, folder / "learning_curves.png", {"loss": self.loss.replace("_", " ")})
        shown = {name: forecast for name, forecast in predictions.items() if "," not in name}
        figures.save_forecasts(test.times, test.targets, shown, config.target, folder / "forecasts.png")
        figures.save_predictions(test.targets, predictions[self.name], folder / "residuals.png")
        if config.horizon > 1:
            figures.save_error_by_step(test.targets, predictions, config.target, folder / "error_by_step.png")

    def explain(self, folder, figures, texts=()):
        """Draw how much each number of the window counts for each step of what is added to the naive forecast.

        That is the mean over test windows of the absolute derivative, times the number's deviation. The naive forecast
        depends on one step alone, and the calendar is no part of the window: both are left out.
        """
        model, test, horizon = self.read_model(folder), self.data.test, self.config.horizon
        some = test.take(slice(None, None, 1 + len(test) // 300))

        def answer(values):
            return self._forecast(model, values, some.times) - self.naive(values)

        gradients = [
            evaluation.input_gradients(answer, some.values, np.full(len(some), step)) for step in range(horizon)
        ]
        influence = np.mean(np.abs(gradients), axis=1) * self.value_scale.deviation
        label = f"{self.config.target}, change\nfor one deviation"
        evaluation.explanations.save_influence(
            influence.transpose(2, 0, 1), self.data.value_names, label, figures / "influence.png"
        )
