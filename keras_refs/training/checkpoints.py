"""Checkpoints that hold all a run needs to go on bit for bit."""

import json
import shutil
from pathlib import Path

import tensorflow as tf

from keras_refs.errors import UserError, first_line


class History(tf.train.experimental.PythonState):
    """One dictionary of metrics for each finished epoch, kept inside the checkpoint.

    What follows from it, such as the best epoch, is computed and never stored beside it.

    Attributes:
        epochs: The dictionaries, in order.
        monitor: Metric that the best epoch is chosen by: the highest value of an accuracy, the lowest of anything
            else, and the first epoch of several.
    """

    def __init__(self, monitor):
        self.epochs = []
        self.monitor = monitor

    def serialize(self):
        """Return the epochs as a JSON string."""
        return json.dumps(self.epochs)

    def deserialize(self, string_value):
        """Take the epochs from a JSON string."""
        self.epochs = json.loads(string_value)

    def best_epoch(self):
        """Return the index of the best epoch in `epochs`; `None` before any."""
        values = [epoch[self.monitor] for epoch in self.epochs]
        if not values:
            return None
        return values.index(max(values) if self.monitor.endswith("accuracy") else min(values))


class Checkpoints:
    """The checkpoints of one run: the newest two, so that a damaged one has another behind it, and the best.

    TensorFlow's `CheckpointManager` can keep only the newest. A checkpoint is complete once its `.index` exists,
    which TensorFlow writes last; what a killed process left half-written is removed with the next save.

    Args:
        directory: Folder of the checkpoints; it must exist.
        model: A compiled model. Its weights, the states of its random generators, its optimizers and `history` are
            saved. A model of several optimizers lists them in `optimized`, as `AdversarialModel` does.
        steps_per_epoch: Steps an epoch; steps are counted by the first optimizer.
        monitor: Metric of the validation that the best epoch is chosen by, as `History` says.
    """

    def __init__(self, directory, model, steps_per_epoch, monitor):
        self.directory = Path(directory)
        self.history = History(monitor)
        self._optimized = getattr(model, "optimized", None) or [(model.optimizer, model.trainable_variables)]
        self._steps_per_epoch = steps_per_epoch
        for optimizer, trained in self._optimized:
            optimizer.build(trained)
        # Not `model=model`: that would miss the generators' states, which Dropout draws its masks from.
        variables = {
            "model": [variable.value for variable in _state(model)],
            "optimizer": [variable.value for optimizer, _ in self._optimized for variable in optimizer.variables],
        }
        self._variables = tf.train.Checkpoint(**variables)
        self._everything = tf.train.Checkpoint(**variables, history=self.history)

    @property
    def step(self):
        """Training steps done so far."""
        return int(self._optimized[0][0].iterations.value.numpy())

    def save(self):
        """Write a checkpoint of this step and remove those no longer needed."""
        self._everything.write(str(self._path(self.step)))
        steps = self._saved_steps()
        best = self.history.best_epoch()
        keep = {*steps[-2:]} if best is None else {*steps[-2:], (best + 1) * self._steps_per_epoch}
        names = tuple(self._path(step).name + "." for step in keep)
        for path in self.directory.iterdir():
            if not path.name.startswith(names):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def restore_latest(self):
        """Restore the newest checkpoint that can be read.

        Returns:
            A sentence for each damaged checkpoint that was passed over.

        Raises:
            UserError: If there are checkpoints and none can be read.
        """
        return self._restore_first(reversed(self._saved_steps()), self._everything)

    def restore_best(self):
        """Restore the model to the best epoch, or to the newest that can be read, with its averaged weights if any.

        The history stays as it is. Returns and raises as `restore_latest` does.
        """
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
        return sorted(int(path.stem.removeprefix("step-")) for path in self.directory.glob("step-*.index"))

    def _path(self, step):
        return self.directory / f"step-{step:08d}"


def _read(checkpoint, path):
    """Restore one checkpoint; return what is wrong with it, if anything."""
    try:
        status = checkpoint.read(str(path))
        status.assert_existing_objects_matched()
        status.expect_partial()
    except (tf.errors.OpError, AssertionError, IndexError, RuntimeError, ValueError, OSError) as error:
        return first_line(error)
    return None


def _state(model):
    """Return the model's weights and the states of its random generators, without the metrics' variables."""
    metrics = {id(variable) for metric in model.metrics for variable in metric.variables}
    return [variable for variable in model.variables if id(variable) not in metrics]
