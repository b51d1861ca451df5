"""What every recipe does in the same way: train, choose the best epoch, export, score the export, write it all down."""

import abc
import dataclasses
import functools
import inspect
import shutil
from datetime import UTC, datetime
from pathlib import Path

from keras_refs import export, storage, training
from keras_refs.datasets import catalogue
from keras_refs.errors import UserError
from keras_refs.recipes import settings


class Recipe(abc.ABC):
    """One model on its data with its settings.

    A recipe says what its data, model, export and scores are, and inherits how they come together. The best epoch is
    chosen on examples that are held out of the training split; the test split is read once, by the exported model.

    Attributes:
        name: Name of the recipe and of its folder of exported models.
        family: Which kind of network it is for `training.choose_compute`.
        loss: Keras loss to train with.
        metrics: Keras metrics to report beside it.
        monitor: Metric of the validation that chooses the best epoch.
        most_steps_per_execution: Training steps that one call of the compiled function may do.
        scored_on: What its scores are of: the test split, or the rows it was fitted to.
        signatures: Markdown for the model card: what the export takes and returns.
        limits: Markdown for the model card: what the model is not for.
        explains_texts: Whether `explain` takes texts.
        config: The settings, a `settings.Settings`.
    """

    name: str
    family: str
    loss: str
    metrics: tuple = ()
    monitor = "val_loss"
    most_steps_per_execution = 16
    scored_on = "on the test split"
    explains_texts = False
    signatures: str
    limits: str

    def __init__(self, config):
        self.config = config

    @property
    def summary(self):
        """What the recipe does, in one sentence: the first of its module's docstring, or of its own."""
        return (inspect.getdoc(inspect.getmodule(type(self))) or inspect.getdoc(type(self))).splitlines()[0]

    def require_known_data(self):
        """Check, before TensorFlow is imported, that there is a data set of the name in the settings.

        Raises:
            UserError: If there is none; the nearest names are offered.
        """
        if isinstance(self.config, settings.DataSettings):
            catalogue.data_dir_of(self.config.dataset, self.config.data_dir)

    @functools.cached_property
    def data(self):
        """The data set: `train`, `validation` and `test` splits, `name`, `homepage` and `citation`."""
        return self.load_data()

    @functools.cached_property
    def steps_per_epoch(self):
        """Training steps an epoch."""
        return self._steps_per_epoch(len(self.data.train))

    def _steps_per_epoch(self, examples):
        if self.config.batch_size > examples:
            raise UserError(
                f"--batch-size must be at most {examples}, the number of training examples. "
                f"Received: {self.config.batch_size}"
            )
        return examples // self.config.batch_size

    @abc.abstractmethod
    def load_data(self):
        """Return the data set the settings name."""

    @abc.abstractmethod
    def build_model(self):
        """Return the network for these data, in Keras's current dtype policy."""

    def build_export_model(self):
        """Return the network to export, which must have the same weights and run on any device."""
        return self.build_model()

    def exported_part(self, model):
        """Return the part of a trained model whose weights are exported."""
        return model

    def after_epoch(self, model, run):
        """Return a function of the epoch that returns further metrics of it; `None` for none."""
        return

    @abc.abstractmethod
    def training_batches(self, first_step, last_step):
        """Return the `tf.data.Dataset` of these training steps, counted over all epochs."""

    @abc.abstractmethod
    def validation_batches(self):
        """Return the `tf.data.Dataset` that every epoch is validated on."""

    @abc.abstractmethod
    def write_export(self, model, folder):
        """Write the trained model, rebuilt in float32, as a SavedModel."""

    @abc.abstractmethod
    def examples(self):
        """Return the inputs of an example by name, for each signature of the export by name."""

    @abc.abstractmethod
    def score(self, folder):
        """Return the scores of an exported model on the test split, and its predictions there."""

    @abc.abstractmethod
    def format_scores(self, scores):
        """Return the scores as text to print; the last line is the one that counts."""

    @abc.abstractmethod
    def draw(self, history, scores, predictions, folder):
        """Draw the figures of a finished run, whose epochs are in a `training.History`, into a folder."""

    def explain(self, folder, figures, texts=()):
        """Draw what an exported model looks at.

        Args:
            folder: The version folder.
            figures: An existing folder to draw into.
            texts: Strings to explain the answers to, where `explains_texts` says so; some of the data's if empty.

        Raises:
            UserError: If there is nothing to draw, or the export was not made with these settings.
        """
        raise UserError(f"Nothing is known to draw of what {self.name} looks at.")

    def read_model(self, folder):
        """Return the network of an export, rebuilt with its weights.

        Raises:
            UserError: If the export was not made with these settings.
        """
        model = self.build_export_model()
        export.read_weights(folder, model, self.write_export, self.examples()["serving_default"])
        return model

    def headline(self, scores):
        """Return the line of the scores that counts."""
        return self.format_scores(scores).splitlines()[-1]

    def cross_validate(self, plan):
        """Return scores of examples that the model which answered had not seen; `None` where a test split has them."""
        return

    def train_and_evaluate(self, workdir, export_dir="saved_models", resume=False):
        """Train, choose the best epoch on the validation split, export it and score the export on the test split.

        Args:
            workdir: Directory of the run, as `training.Run` describes it.
            export_dir: Folder of models; the SavedModel becomes `<export_dir>/<name>/<next version>/`.
            resume: Whether to go on with the run in `workdir`.

        Returns:
            What `metrics.json` says: `test` (the scores of the export), `history`, `best_epoch`, `parameters`,
            `seconds` of training and `export`, the version folder.

        Raises:
            UserError: If a setting does not fit the data, or a folder cannot be used.
        """
        run = training.Run(workdir, self.name, self.config, resume)
        if finished := run.metrics:
            print(f"This run is finished; its model is {finished['export']}.")
            return finished
        storage.require_writable(export_dir, "--export-dir")
        device = training.detect_device()
        plan = training.choose_compute(device, self.family, self.config.precision, self.config.jit)
        print(f"{device.count} x {device.name}. {plan.describe()}")
        training.prepare_process(plan, self.config.seed, self.config.deterministic)
        # Reads the data, too: settings that fit neither them nor each other are found before anything is written.
        with training.strategy(self.config.distribute, self.config.batch_size).scope():
            model = self.compiled_model(plan)
            checkpoints = training.Checkpoints(run.checkpoints, model, self.steps_per_epoch, self.monitor)
        ran_on = run.record(device.name)["ran_on"]
        self._train(model, checkpoints, run)
        history = checkpoints.history
        with export.new_version(Path(export_dir) / self.name) as version:
            # In float32: clients may lack the hardware that the training's precision wants.
            export_model = self.build_export_model()
            export_model.set_weights(self.exported_part(model).get_weights())
            self.write_export(export_model, version.path)
            export.write_warm_up(version.path, self.name, self.examples())
            scores, predictions = self.score(version.path)
            metrics = {
                "test": scores,
                "best_epoch": history.best_epoch() + 1,
                "parameters": export_model.count_params(),
                "seconds": round(sum(epoch["seconds"] for epoch in history.epochs), 1),
                "history": history.epochs,
                "cross_validation": self.cross_validate(plan),
            }
            self.draw(history, scores, predictions, run.figures)
            shutil.copytree(run.figures, version.path / "figures")
            texts = {"Scores " + self.scored_on: self.format_scores(scores)}
            if metrics["cross_validation"]:
                texts["Scores in cross-validation"] = self.format_scores(metrics["cross_validation"])
            export.write_model_card(version.path, self._card(metrics, ran_on), texts)
        metrics["export"] = str(version.path)
        run.write_metrics(metrics)
        return metrics

    def _train(self, model, checkpoints, run):
        """Train the model and leave it at its best epoch."""
        print(f"{len(self.data.train)} training examples, {model.count_params():,} parameters.")
        for message in checkpoints.restore_latest():
            print(message)
        training.fit(
            model,
            self.training_batches,
            self.steps_per_epoch,
            self.config.epochs,
            validation=self.validation_batches(),
            checkpoints=checkpoints,
            patience=self.config.patience,
            log_dir=run.logs,
            after_epoch=self.after_epoch(model, run),
        )
        for message in checkpoints.restore_best():
            print(message)

    def compiled_model(self, plan):
        """Return the network, compiled for training as a `ComputePlan` says."""
        with plan.scope():
            try:
                model = self.build_model()
            except ValueError as error:
                raise UserError(str(error)) from error
        options = {
            "jit_compile": plan.jit_compile,
            "steps_per_execution": training.steps_per_execution(self.steps_per_epoch, self.most_steps_per_execution),
        }
        self._compile(model, **options)
        return model

    def _compile(self, model, **options):
        model.compile(self._optimizer(), self.loss, metrics=list(self.metrics), **options)

    def _optimizer(self, **options):
        """Return Adam with the settings' learning rate, its schedule, limit and average; `options` take precedence."""
        import keras

        config = self.config
        learning_rate = options.pop("learning_rate", config.learning_rate)
        schedule = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=learning_rate / 10,
            warmup_target=learning_rate,
            warmup_steps=self.steps_per_epoch,
            decay_steps=max(1, (config.epochs - 1) * self.steps_per_epoch),
        )
        usual = {
            "clipnorm": config.clip_norm or None,
            "use_ema": config.average_epochs > 0,
            "ema_momentum": training.ema_momentum(config.average_epochs, self.steps_per_epoch),
        }
        return keras.optimizers.Adam(schedule, **{**usual, **options})

    def _card(self, metrics, ran_on):
        return {
            "name": self.name,
            "summary": self.summary,
            "date": datetime.now(UTC).date().isoformat(),
            "settings": dataclasses.asdict(self.config),
            "ran_on": ran_on,
            "epochs": len(metrics["history"]),
            **{key: metrics[key] for key in ("best_epoch", "parameters", "seconds", "test", "cross_validation")},
            "signatures": self.signatures,
            "limits": self.limits,
            "dataset": {
                "name": self.data.name,
                "homepage": self.data.homepage,
                "citation": self.data.citation,
                "examples": {split: len(getattr(self.data, split)) for split in ("train", "validation", "test")},
            },
        }
