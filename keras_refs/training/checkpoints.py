"""Checkpoints that hold all a run needs to go on bit for bit."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_refs.errors import UserError, first_line
from keras_refs.training.workers import Workers

if TYPE_CHECKING:
    import keras

_OURS = re.compile(r"(step-\d{8})(\.index|\.data-\d{5}-of-\d{5}|_temp)(\.tempstate\d+)?")


class History(tf.train.experimental.PythonState):
    """How many steps are done, and a dictionary of metrics for each finished epoch; kept inside the checkpoint.

    What follows from it, such as the best epoch, is computed and never stored beside it.

    Attributes:
        step: Training steps done. An optimizer that scales the loss does not count those with an overflow of float16.
        epochs: The dictionaries, in order.
        monitor: Metric that the best epoch is chosen by, the first one of several equal ones.
        mode: `"max"` or `"min"`, which of its values is the best.
    """

    def __init__(self, monitor: str, mode: str) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"`mode` must be 'min' or 'max'. Received: mode={mode!r}")
        self.step = 0
        self.epochs: list[dict[str, Any]] = []
        self.monitor, self.mode = monitor, mode

    def serialize(self) -> str:
        """Return step and epochs as a JSON string."""
        return json.dumps({"step": self.step, "epochs": self.epochs})

    def deserialize(self, string_value: str) -> None:
        """Take step and epochs from a JSON string."""
        content = json.loads(string_value)
        self.step, self.epochs = content["step"], content["epochs"]

    def best_epoch(self) -> int | None:
        """Return the index of the best epoch in `epochs`; `None` before any."""
        values = [epoch[self.monitor] for epoch in self.epochs]
        if not values:
            return None
        return values.index(max(values) if self.mode == "max" else min(values))

    def has_stalled(self, patience: int) -> bool:
        """Tell whether the best epoch is `patience` epochs ago, or more."""
        best = self.best_epoch()
        return best is not None and len(self.epochs) - 1 - best >= patience


class Checkpoints:
    """The checkpoints of one run: the newest two, so that a damaged one has another behind it, and the best.

    A checkpoint is complete once its `.index` exists, which TensorFlow writes last; what a killed process left
    half-written is removed with the next save. Files of other names are left alone.

    Args:
        directory: Folder of the checkpoints; it must exist when the first one is saved.
        model: A compiled model. Its weights, the states of its random generators, its optimizers and `history` are
            saved. A model of several optimizers lists them in `optimized`, as `AdversarialModel` does.
        steps_per_epoch: Steps an epoch.
        history: The `History` of the run.
        workers: The `Workers` of the run; the chief alone writes and reads, and shares what it read.

    Attributes:
        bytes: Disk space that the checkpoints of the run take at most.
    """

    def __init__(
        self,
        directory: str | Path,
        model: keras.Model,
        steps_per_epoch: int,
        history: History,
        workers: Workers | None = None,
    ) -> None:
        self.directory, self.history = Path(directory), history
        self._model, self._workers = model, workers or Workers()
        self._optimized = getattr(model, "optimized", None) or [(model.optimizer, model.trainable_variables)]
        self._steps_per_epoch = steps_per_epoch
        for optimizer, trained in self._optimized:
            optimizer.build(trained)
        # Not `model=model`: that would miss the generators' states, which Dropout draws its masks from.
        variables = {
            "model": [variable.value for variable in _state(model)],
            "optimizer": [variable.value for optimizer, _ in self._optimized for variable in optimizer.variables],
        }
        # The newest two, the best, and the one that is being written.
        self.bytes = 4 * sum(v.shape.num_elements() * v.dtype.size for part in variables.values() for v in part)
        self._parts, self._variables = variables, tf.train.Checkpoint(**variables)
        self._everything = tf.train.Checkpoint(**variables, history=history)

    @property
    def optimizers(self) -> list[Any]:
        """All optimizers of the model."""
        return [optimizer for optimizer, _ in self._optimized]

    def save(self) -> None:
        """Write a checkpoint of this step and remove those no longer needed."""
        if not self._workers.is_chief:
            return
        self._everything.write(str(self._path(self.history.step)))
        steps, best = self._saved_steps(), self.history.best_epoch()
        keep = {*steps[-2:]} if best is None else {*steps[-2:], (best + 1) * self._steps_per_epoch}
        for path in self.directory.iterdir():
            ours = _OURS.fullmatch(path.name)
            if ours and ours[1] not in {self._path(step).name for step in keep}:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def restore_latest(self) -> list[str]:
        """Restore the newest checkpoint that can be read; return a sentence for each damaged one before it.

        Raises:
            UserError: If there are checkpoints and none can be read.
        """
        steps = reversed(self._saved_steps()) if self._workers.is_chief else ()
        passed_over = self._restore_first(steps, self._everything)
        self._workers.share([variable for part in self._parts.values() for variable in part], self._model)
        self.history.deserialize(self._workers.peers.exchange(self.history.serialize())[0])
        return passed_over

    def restore_best(self) -> Any:
        """As `restore_latest`, but the best epoch first, with averaged weights if any; the history stays as it is."""
        best = (self.history.best_epoch() + 1) * self._steps_per_epoch
        passed_over = self._restore_first([best, *reversed(self._saved_steps())], self._variables)
        for optimizer, trained in self._optimized:
            optimizer.finalize_variable_values(trained)
        return passed_over

    def _restore_first(self, steps, checkpoint):
        passed_over = []
        for step in steps:
            problem = _read(checkpoint, self._path(step))
            if problem is None:
                return passed_over
            passed_over.append(f"The checkpoint {self._path(step)} is damaged ({problem}); trying the next one.")
        if passed_over:
            raise UserError(
                f"None of the checkpoints in {self.directory} can be read. Remove the folder, or choose another "
                "--workdir, to start again."
            )
        return passed_over

    def _saved_steps(self):
        names = (_OURS.fullmatch(path.name) for path in self.directory.glob("step-*.index"))
        return sorted(int(name[1].removeprefix("step-")) for name in names if name)

    def _path(self, step):
        return self.directory / f"step-{step:08d}"


def _read(checkpoint, path):
    """Restore one checkpoint; return what is wrong with it, if anything."""
    try:
        status = checkpoint.read(str(path))
        status.assert_existing_objects_matched()
        status.expect_partial()
    except (tf.errors.OpError, AssertionError, IndexError, KeyError, RuntimeError, ValueError, OSError) as error:
        return first_line(error)
    return None


def _state(model):
    """Return the model's weights and the states of its random generators, without the metrics' variables."""
    metrics = {id(variable) for metric in model.metrics for variable in metric.variables}
    return [variable for variable in model.variables if id(variable) not in metrics]
