import os
import signal
import tempfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_refs import settings, training
from keras_refs.errors import TrainingDivergedError, UserError
from keras_refs.training.fused_adam import FusedAdam
from tests.checks import built_under

STEPS = 5


class Task:
    """A small model with dropout, its data, and everything `fit` needs, in a folder of its own."""

    def __init__(self, folder, learning_rate=0.01):
        keras.utils.set_random_seed(0)
        layers = [keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dropout(0.5)]
        self.model = keras.Sequential([*layers, keras.layers.Dense(2, "softmax", dtype="float32")])
        self.learning_rate = learning_rate
        self.model.compile(
            FusedAdam(learning_rate, use_ema=True, ema_momentum=0.9),
            "categorical_crossentropy",
            metrics=["accuracy"],
        )
        self.folder = folder
        self.history = training.History("val_accuracy", "max")
        self.checkpoints = training.Checkpoints(folder, self.model, STEPS, self.history)
        inputs = tf.random.stateless_normal([30, 4], [0, 0])
        self.inputs, self.targets = inputs, tf.one_hot(tf.cast(inputs[:, 0] > 0, tf.int32), 2)

    def batches(self, first_step, last_step):
        def batch(step):
            start = step % STEPS * 6
            return self.inputs[start : start + 6], self.targets[start : start + 6]

        return tf.data.Dataset.range(first_step, last_step).map(batch)

    def fit(self, epochs, patience=100, callbacks=()):
        options = settings.Training(epochs=epochs, batch_size=6, learning_rate=self.learning_rate, patience=patience)
        validation = tf.data.Dataset.from_tensors((self.inputs, self.targets))
        # The logs are not what is looked at here.
        with tempfile.TemporaryDirectory() as logs:
            training.fit(self.model, self.batches, STEPS, options, validation, self.checkpoints, logs, callbacks)

    def state(self):
        variables = [*self.model.variables, *self.model.optimizer.variables]
        return [np.asarray(variable) for variable in variables]

    @property
    def steps(self):
        return sorted(int(path.stem[5:]) for path in self.folder.glob("*.index"))


def assert_same(state, other):
    for one, another in zip(state, other, strict=True):
        np.testing.assert_array_equal(one, another)


@pytest.fixture
def unbroken(tmp_path):
    (tmp_path / "unbroken").mkdir()
    task = Task(tmp_path / "unbroken")
    task.fit(4)
    return task


@pytest.fixture
def broken_folder(tmp_path):
    (tmp_path / "broken").mkdir()
    return tmp_path / "broken"


def test_resumed_equals_unbroken(unbroken, broken_folder):
    Task(broken_folder).fit(2)
    resumed = Task(broken_folder)
    assert resumed.checkpoints.restore_latest() == []
    resumed.fit(4)
    assert_same(resumed.state(), unbroken.state())
    losses = [[epoch["loss"] for epoch in task.history.epochs] for task in (resumed, unbroken)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", [8, 10])
def test_signal_saves_and_resumed_equals_unbroken(unbroken, broken_folder, signum, step):
    """In the middle of an epoch (step 8 of 5 an epoch) and at its last step."""
    stopped = Task(broken_folder)

    def send_signal(batch, logs):
        # The step that ends is counted after it.
        if stopped.history.step == step - 1:
            os.kill(os.getpid(), signum)

    with pytest.raises(training.Interrupted) as raised:
        stopped.fit(4, callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=send_signal)])
    assert raised.value.signum == signum
    assert stopped.steps[-1] == step
    resumed = Task(broken_folder)
    resumed.checkpoints.restore_latest()
    resumed.fit(4)
    assert_same(resumed.state(), unbroken.state())
    assert [epoch["epoch"] for epoch in resumed.history.epochs] == [1, 2, 3, 4]


def test_keeps_the_newest_two_and_the_best(unbroken):
    accuracies = [0.5, 0.9, 0.7, 0.6]
    for epoch, accuracy in zip(unbroken.history.epochs, accuracies, strict=True):
        epoch["val_accuracy"] = accuracy
    unbroken.history.step = 25
    (unbroken.folder / "step-00000010.index").write_bytes(b"")
    unbroken.checkpoints.save()
    assert unbroken.steps == [10, 20, 25]
    assert {path.name.split(".")[0] for path in unbroken.folder.iterdir()} == {f"step-000000{n}" for n in (10, 20, 25)}


def damage(folder, step):
    (data,) = folder.glob(f"step-{step:08d}.data*")
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 255
    data.write_bytes(content)


@pytest.mark.parametrize("how", ["flipped bits", "cut off", "missing"])
def test_damaged_checkpoint_falls_back_to_the_one_before(unbroken, how):
    (data,) = unbroken.folder.glob("step-00000020.data*")
    if how == "flipped bits":
        damage(unbroken.folder, 20)
    elif how == "cut off":
        data.write_bytes(data.read_bytes()[:100])
    else:
        data.unlink()
    resumed = Task(unbroken.folder)
    (message,) = resumed.checkpoints.restore_latest()
    assert "step-00000020 is damaged" in message
    assert "trying the next one" in message
    assert resumed.history.step == 15
    resumed.fit(4)
    assert_same(resumed.state(), unbroken.state())


def test_nothing_is_guessed_when_all_checkpoints_are_damaged(unbroken):
    for step in unbroken.steps:
        damage(unbroken.folder, step)
    before = {path: path.read_bytes() for path in unbroken.folder.iterdir()}
    with pytest.raises(UserError, match="None of the checkpoints in .* can be read"):
        Task(unbroken.folder).checkpoints.restore_latest()
    assert {path: path.read_bytes() for path in unbroken.folder.iterdir()} == before


def test_divergence_stops_and_keeps_the_last_good_checkpoint(broken_folder):
    task = Task(broken_folder)
    task.fit(1)
    task.checkpoints.restore_latest()
    good = task.state()
    task.targets = tf.where(tf.range(30)[:, None] == 20, np.nan, task.targets)
    with pytest.raises(TrainingDivergedError, match="became nan at step 4"):
        task.fit(2)
    assert task.steps == [STEPS]
    restored = Task(broken_folder)
    restored.checkpoints.restore_latest()
    assert_same(restored.state(), good)


def test_stops_early_also_when_resumed(broken_folder):
    task = Task(broken_folder, learning_rate=1e-12)
    task.fit(10, patience=2)
    assert len(task.history.epochs) == 3
    task.fit(10, patience=2)
    assert len(task.history.epochs) == 3


def test_restores_the_best_epochs_average_and_keeps_the_history(broken_folder):
    task = Task(broken_folder)
    averages = []
    for epoch in (1, 2, 3, 4):
        task.fit(epoch)
        # What `fit` leaves in the model is the average; training went on from the others, which are in the checkpoint.
        averages.append(task.model.get_weights())
        task.checkpoints.restore_latest()
        task.history.epochs[-1]["val_accuracy"] = 2.0 if epoch == 2 else 0.5
        task.checkpoints.save()
    assert task.steps == [2 * STEPS, 3 * STEPS, 4 * STEPS]
    assert task.checkpoints.restore_best() == []
    assert_same(task.model.get_weights(), averages[1])
    assert len(task.history.epochs) == 4
    damage(broken_folder, 2 * STEPS)
    assert "step-00000010 is damaged" in task.checkpoints.restore_best()[0]
    assert_same(task.model.get_weights(), averages[3])


def test_adam_follows_the_settings():
    options = settings.Training(epochs=3, batch_size=6, learning_rate=0.01, average_epochs=2, clip_norm=1.0)
    optimizer = training.adam(options, steps_per_epoch=50, beta_1=0.5)
    rates = [float(optimizer._learning_rate(step)) for step in (0, 50, 100, 150)]
    np.testing.assert_allclose(rates, [0.001, 0.01, 0.005, 0.0], atol=1e-8)
    config = optimizer.get_config()
    expected = {"use_ema": True, "ema_momentum": 0.99, "clipnorm": 1.0, "beta_1": 0.5}
    assert {name: config[name] for name in expected} == expected


@pytest.mark.parametrize(("steps", "expected"), [(1, 1), (445, 5), (448, 16), (13, 13), (17, 1), (390, 15)])
def test_executions_do_not_cross_an_epochs_end(steps, expected):
    assert training.steps_per_execution(steps) == expected


@pytest.mark.parametrize(("mode", "best"), [("max", 1), ("min", 2)])
def test_the_mode_says_which_value_is_the_best(mode, best):
    history = training.History("val_auc", mode)
    history.epochs = [{"val_auc": value} for value in (0.5, 0.9, 0.4, 0.9, 0.4)]
    assert history.best_epoch() == best
    assert history.has_stalled(4 - best)
    assert not history.has_stalled(5 - best)


def test_another_mode_is_refused():
    with pytest.raises(ValueError, match="`mode` must be 'min' or 'max'. Received: mode='auto'"):
        training.History("val_loss", "auto")


def half_precision_task(folder):
    """A task whose first steps overflow: Keras halves the scale of the loss then, and skips the update."""
    task = built_under("mixed_float16", lambda: Task(folder))
    task.model.optimizer.dynamic_scale.assign(2.0**40)
    return task


def test_steps_that_overflow_are_counted(broken_folder):
    task = half_precision_task(broken_folder)
    task.fit(3)
    assert int(task.model.optimizer.iterations) < 3 * STEPS == task.history.step
    assert task.steps[-1] == 3 * STEPS
    assert task.checkpoints.restore_best() == []


def test_resumed_after_overflows_equals_unbroken(tmp_path, broken_folder):
    (tmp_path / "unbroken").mkdir()
    unbroken = half_precision_task(tmp_path / "unbroken")
    unbroken.fit(4)
    half_precision_task(broken_folder).fit(2)
    resumed = half_precision_task(broken_folder)
    assert resumed.checkpoints.restore_latest() == []
    resumed.fit(4)
    assert_same(resumed.state(), unbroken.state())
    assert [epoch["epoch"] for epoch in resumed.history.epochs] == [1, 2, 3, 4]


def test_files_of_others_stay(broken_folder):
    names = ("model.h5", "step-final.index", "step-00000001.index.backup", "keep")
    for name in names[:3]:
        (broken_folder / name).write_text("somebody's")
    (broken_folder / "keep").mkdir()
    (broken_folder / "step-00000003_temp").mkdir()
    Task(broken_folder).fit(2)
    assert {path.name for path in broken_folder.iterdir() if not path.name.startswith("step-000000")} >= set(names) - {
        "step-00000001.index.backup"
    }
    assert (broken_folder / "step-00000001.index.backup").read_text() == "somebody's"
    # What a killed process left half-written is ours.
    assert not (broken_folder / "step-00000003_temp").exists()
