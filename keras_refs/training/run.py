"""A training run: the folders it writes, the device it computes on, and the steps that all recipes share."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_refs import export, settings, storage
from keras_refs.errors import UserError, WorkerDoneError
from keras_refs.training import compute, loop, private
from keras_refs.training.checkpoints import Checkpoints, History
from keras_refs.training.environment import environment
from keras_refs.training.workdir import check_workdir, file_of, recorded_precision
from keras_refs.training.workers import Workers, join

if TYPE_CHECKING:
    import keras


class Run:
    """A training run in its own directory, in which nothing is written before `fit`.

    It holds `config.json` (settings, what they ran on, and the checksum of a user's file), `checkpoints/`, `logs/` (for
    TensorBoard), and at the end `metrics.json` and `figures/`.

    Args:
        name: Name of the recipe, and of the folder of its exports.
        config: The recipe's `Config`, with the groups `training` and `compute`.
        workdir: The directory; created if it does not exist.
        export_dir: Folder of models; the SavedModel becomes `<export_dir>/<name>/<next version>/`.
        resume: Whether to go on with the run that the directory holds, if it holds one.
        family: Which kind of network it is, one of `training.compute.FAMILIES`.

    Attributes:
        figures: Folder of the figures.
        shard: The `datasets.Shard` of every training batch that this process reads: all, unless it is one of several
            workers.

    Raises:
        UserError: If a directory cannot be written to, or `workdir` holds anything but a run to resume, so configured;
            if other workers cannot be reached, or are not alike; if the other settings do not allow `--private`.
    """

    def __init__(
        self, name: str, config: Any, workdir: str | Path, export_dir: str | Path, resume: bool, family: str
    ) -> None:
        self.figures = Path(workdir) / "figures"
        self._name, self._config, self._workdir, self._export_dir = name, config, Path(workdir), Path(export_dir)
        settings.check_privacy(config)
        connected = join(name, config)
        if connected.is_chief:
            check_workdir(workdir, name, config, resume)
            storage.require_writable(workdir, "--workdir")
            storage.require_writable(export_dir, "--export-dir")
        device, asked = compute.detect_device(), config.compute
        # Of several workers only the chief has the record, and all choose the same without.
        recorded = recorded_precision(workdir) if connected.count == 1 else None
        self._plan = compute.choose_compute(device, family, asked.precision, asked.jit, connected.count, recorded)
        print(f"{device.count} x {device.name}. {self._plan.describe()}")
        # Before the data are read: threads can only be set before TensorFlow's first operation.
        compute.prepare_process(self._plan, asked.seed, asked.deterministic)
        self._workers = Workers(connected, device.count)
        connected.require_same("the precision", self._plan.precision)
        self.shard = self._workers.shard
        self._strategy = compute.strategy(asked.distribute, config.training.batch_size)
        self._ran_on = {"device": device.name, "precision": self._plan.precision, **environment()}

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Build and compile inside the `with`, in the precision and for the devices of the run.

        Raises:
            UserError: If a builder refuses an argument.
        """
        with self._strategy.scope(), self._plan.scope():
            try:
                yield
            except ValueError as error:
                raise UserError(str(error)) from error

    def steps_per_epoch(self, examples: int, batch_size: int | None = None) -> int:
        """Return the training steps of an epoch, of batches as in the settings or of another size.

        What does not fill a batch is left out.

        Raises:
            UserError: If there are fewer examples than a batch has, or workers cannot share a batch equally.
        """
        batch_size = batch_size or self._config.training.batch_size or examples
        if batch_size % self.shard.count:
            raise UserError(f"--batch-size must be divisible by the {self.shard.count} workers. Received: {batch_size}")
        if batch_size > examples:
            raise UserError(
                f"--batch-size must be at most {examples}, the number of training examples. Received: {batch_size}"
            )
        return examples // batch_size

    def compile_options(self, steps_per_epoch: int, most_steps_per_execution: int = 16) -> dict[str, Any]:
        """Return the arguments of `compile` that decide how fast a step is, and nothing else."""
        return {
            "jit_compile": self._plan.jit_compile,
            # Several with messages to other workers in between are more than TensorFlow can compile.
            "steps_per_execution": 1
            if self._workers.are_several
            else loop.steps_per_execution(steps_per_epoch, most_steps_per_execution),
        }

    def fit(
        self,
        model: keras.Model,
        batches: Callable[[int, int], Any],
        steps_per_epoch: int,
        validation: Any,
        *,
        monitor: str,
        mode: str,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        privacy: private.PrivacyPlan | None = None,
    ) -> Any:
        """Train a compiled model, or go on with the run, and leave it at its best epoch.

        Args:
            model: Compiled in `scope()`.
            batches: As `training.fit` takes them.
            steps_per_epoch: Steps an epoch.
            validation: As `training.fit` takes it.
            monitor: Metric that the best epoch is chosen by, such as `"val_loss"`.
            mode: `"min"` or `"max"`, which of its values is the best.
            callbacks: As `training.fit` takes them.
            privacy: The `PrivacyPlan` of a private training, which says how many epochs its budget allows.

        Returns:
            The `History` of all epochs.

        Raises:
            WorkerDoneError: In a worker that is not the chief, once the chief has called `finish`.
        """
        workers, history = self._workers, History(monitor, mode)
        workers.peers.require_same("the number of steps per epoch", steps_per_epoch)
        with self._strategy.scope():
            checkpoints = Checkpoints(self._workdir / "checkpoints", model, steps_per_epoch, history, workers)
        if workers.is_chief:
            storage.require_writable(self._workdir, "--workdir", storage.REQUIRED_BYTES + checkpoints.bytes)
            self.record(self._ran_on)
        print(f"{model.count_params():,} parameters, {steps_per_epoch:,} steps per epoch.")
        workers.average_gradients(model, checkpoints.optimizers)
        for message in checkpoints.restore_latest():
            print(message)
        training, logs = self._config.training, self._workdir / "logs"
        if privacy:
            training = settings.override(training, epochs=privacy.epochs)
            callbacks = [*callbacks, private.SpentPrivacy(privacy)]
        with workers.peers.explained(tf.errors.OpError):
            loop.fit(model, batches, steps_per_epoch, training, validation, checkpoints, logs, callbacks, workers)
        if not workers.is_chief:
            workers.peers.close()
            raise WorkerDoneError
        for message in checkpoints.restore_best():
            print(message)
        return history

    def unfinished_export(self) -> contextlib.AbstractContextManager[Path]:
        """Return the context of a new version folder: a temporary one, until `finish`."""
        return export.unfinished_version(self._export_dir / self._name)

    def finish(
        self,
        folder: Path,
        network: keras.Model,
        history: Any,
        data: Any,
        scores: dict[str, Any],
        format_scores: Callable[[dict[str, Any]], str],
        card: dict[str, Any],
        cross_validation: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Write the model card and `metrics.json`, and make the temporary folder the next version.

        Args:
            folder: The folder of `unfinished_export`, with the SavedModel in it.
            network: The exported network.
            history: What `fit` returned.
            data: The data set: `train`, `validation` and `test`, which have lengths, `name`, `homepage` and `citation`.
                Of a user's file the checksum goes onto the card, and no summary, which is of a recipe's own data.
            scores: Of the export, plain numbers by name.
            format_scores: Function that returns scores as text; the last line is the one that counts.
            card: `summary` (its first line), `signatures` and `limits` (Markdown), `scored_on`, any other plain values;
                in `settings` those that the data decided.
            cross_validation: Scores in cross-validation, if there are any.

        Returns:
            The content of `metrics.json`: `test` (the scores), `history`, `best_epoch`, `parameters`, `seconds` of
            training, `cross_validation` and `export`, the version folder.
        """
        metrics = {
            "test": scores,
            "best_epoch": history.best_epoch() + 1,
            "parameters": network.count_params(),
            "seconds": round(sum(epoch["seconds"] for epoch in history.epochs), 1),
            "history": history.epochs,
            "cross_validation": cross_validation,
        }
        shutil.copytree(self.figures, folder / "figures")
        splits = {split: len(getattr(data, split)) for split in ("train", "validation", "test")}
        facts = {
            "name": self._name,
            "date": datetime.now(UTC).date().isoformat(),
            "settings": self._settings_on_card(),
            "ran_on": self._ran_on,
            "epochs": len(history.epochs),
            **{key: metrics[key] for key in ("best_epoch", "parameters", "seconds", "test", "cross_validation")},
            "dataset": {"name": data.name, "homepage": data.homepage, "citation": data.citation, "examples": splits},
        }
        facts["dataset"] |= self._file
        texts = {f"Scores {card['scored_on']}": format_scores(scores)}
        if cross_validation:
            texts["Scores in cross-validation"] = format_scores(cross_validation)
        card = {**card, "summary": card["summary"].splitlines()[0]}
        card["settings"] = facts["settings"] | card.get("settings", {})
        if self._file:
            card["summary"] = f"The model that the recipe {self._name} of keras_refs trained on {data.name}."
        export.write_model_card(folder, {**facts, **card}, texts)
        metrics["export"] = str(export.publish(folder))
        # Marks the run as finished.
        storage.write_json(self._workdir / "metrics.json", metrics)
        self._workers.peers.close()
        return metrics

    def record(self, ran_on: dict[str, Any]) -> None:
        """Make the folders and `config.json`, as `fit` does; call it for weights that were trained elsewhere.

        Args:
            ran_on: The `device`, the `versions` of packages by name, and the `precision`, which a resumed run keeps.
        """
        self._workdir.mkdir(parents=True, exist_ok=True)
        path = self._workdir / "config.json"
        if not path.exists():
            content = {"recipe": self._name, **settings.flatten(self._config)}
            storage.write_json(path, {"settings": content, "ran_on": ran_on, **file_of(self._config)})
        for folder in ("checkpoints", "logs", "figures"):
            (self._workdir / folder).mkdir(exist_ok=True)
        recorded = json.loads(path.read_text(encoding="utf-8"))
        self._ran_on, self._file = recorded["ran_on"], recorded.get("file", {})

    def _settings_on_card(self):
        """Return the settings by name; of a user's file no folder, as nobody else has it, and no TFDS data set."""
        values = settings.flatten(self._config)
        if not self._file:
            return values
        return {name: value for name, value in values.items() if name != "dataset"} | {"data": self._file["name"]}


def limits_on(config: Any, limits: str) -> str:
    """Return for the model card the limits of a model: of one of a recipe's own data those that it names.

    Of a user's file nobody can say more than that it is all that was measured.
    """
    if config.data.data is None:
        return limits
    return (
        f"Nothing was measured but the scores above, on {Path(config.data.data).resolve().name}. Other data than those "
        "lie outside\nwhat was measured, and the model predicts something for them, too."
    )
