"""The training loop: `model.fit` with saving, stopping and resuming."""

import math
import sys
import time

import keras

from keras_refs.errors import TrainingDivergedError
from keras_refs.training.interruption import Interrupted, collected


class _StopOnDivergence(keras.callbacks.Callback):
    """Raise before anything of a diverged model is saved."""

    def on_train_batch_end(self, batch, logs=None):
        self._check(logs, f"step {batch + 1}")

    def on_epoch_end(self, epoch, logs=None):
        self._check(logs, f"the end of epoch {epoch + 1}")

    def _check(self, logs, when):
        bad = [name for name, value in logs.items() if not math.isfinite(value)]
        if bad:
            raise TrainingDivergedError(f"{bad[0]} became {logs[bad[0]]} at {when}")


class _MeasureEveryEpoch(keras.callbacks.Callback):
    def __init__(self, measure):
        super().__init__()
        self._measure = measure

    def on_epoch_end(self, epoch, logs=None):
        # The callbacks that follow are given the same dictionary.
        logs.update(self._measure(epoch))


class _SaveEveryEpoch(keras.callbacks.Callback):
    def __init__(self, checkpoints):
        super().__init__()
        self._checkpoints = checkpoints

    def on_epoch_begin(self, epoch, logs=None):
        self._began = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        seconds = round(time.monotonic() - self._began, 2)
        self._checkpoints.history.epochs.append({"epoch": epoch + 1, "seconds": seconds, **logs})
        self._checkpoints.save()


class _StopEarly(keras.callbacks.Callback):
    """Keras's `EarlyStopping` forgets when a run is resumed; this one reads the saved history."""

    def __init__(self, history, patience):
        super().__init__()
        self._history = history
        self._patience = patience

    def on_epoch_end(self, epoch, logs=None):
        if _has_stalled(self._history, self._patience):
            self.model.stop_training = True


class _StopOnSignal(keras.callbacks.Callback):
    def __init__(self, checkpoints, received, steps_per_epoch):
        super().__init__()
        self._checkpoints = checkpoints
        self._received = received
        self._steps_per_epoch = steps_per_epoch

    def on_train_batch_end(self, batch, logs=None):
        # The last step of an epoch is saved with the epoch's validation.
        if self._received and self._checkpoints.step % self._steps_per_epoch:
            self._checkpoints.save()
            raise Interrupted(self._received[0])

    def on_epoch_end(self, epoch, logs=None):
        if self._received:
            raise Interrupted(self._received[0])


def fit(model, batches, steps_per_epoch, epochs, validation, checkpoints, patience, log_dir, after_epoch=None):
    """Train from the step the checkpoints were restored to, until the last epoch or early stopping.

    Args:
        model: Compiled model.
        batches: Function of `(first_step, last_step)` that returns the `tf.data.Dataset` of these steps.
        steps_per_epoch: Steps an epoch.
        epochs: Epochs in all, those of before a resume included.
        validation: `tf.data.Dataset` that every epoch is validated on; `None` if `after_epoch` does it.
        checkpoints: `Checkpoints` of the run, restored if it is resumed.
        patience: Epochs without a better validation score after which training stops.
        log_dir: Folder for TensorBoard's logs.
        after_epoch: Function of the epoch, counted from 0, that returns further metrics of it.

    Raises:
        TrainingDivergedError: If the loss becomes NaN or infinite; the last good checkpoint is kept.
        Interrupted: If SIGINT or SIGTERM came; a checkpoint of that step is saved.
    """
    with collected() as received:
        callbacks = [
            _StopOnDivergence(),
            *([_MeasureEveryEpoch(after_epoch)] if after_epoch else []),
            _SaveEveryEpoch(checkpoints),
            _StopEarly(checkpoints.history, patience),
            _StopOnSignal(checkpoints, received, steps_per_epoch),
            keras.callbacks.TensorBoard(log_dir, write_graph=False),
        ]
        if model.optimizer and averages_weights(model.optimizer):
            callbacks.append(keras.callbacks.SwapEMAWeights())

        def fit_until(last_epoch):
            epoch, steps_done = divmod(checkpoints.step, steps_per_epoch)
            if epoch >= last_epoch or _has_stalled(checkpoints.history, patience):
                return
            model.fit(
                batches(checkpoints.step, last_epoch * steps_per_epoch),
                initial_epoch=epoch,
                epochs=last_epoch,
                steps_per_epoch=steps_per_epoch - steps_done,
                validation_data=validation,
                callbacks=callbacks,
                # The batches come shuffled.
                shuffle=False,
                verbose="auto" if sys.stdout.isatty() else 2,
            )

        if checkpoints.step % steps_per_epoch:
            fit_until(checkpoints.step // steps_per_epoch + 1)
            # A fit that ends leaves the averaged weights in the model, where training must go on with the others.
            checkpoints.restore_latest()
        fit_until(epochs)


def steps_per_execution(steps_per_epoch, at_most=16):
    """Return how many steps one call of the compiled function shall do: the largest divisor of the epoch.

    Fewer calls from Python make small models faster; a divisor keeps executions from crossing an epoch's end.
    """
    return max(steps for steps in range(1, at_most + 1) if steps_per_epoch % steps == 0)


def ema_momentum(average_epochs, steps_per_epoch):
    """Return the momentum of a moving average of the weights that reaches back about so many epochs."""
    return 1 - 1 / max(1, average_epochs * steps_per_epoch)


def averages_weights(optimizer):
    """Tell whether an optimizer, or the one it scales the loss for, keeps a moving average of the weights."""
    return getattr(optimizer, "inner_optimizer", optimizer).use_ema


def _has_stalled(history, patience):
    best = history.best_epoch()
    return best is not None and len(history.epochs) - 1 - best >= patience
