"""The training loop: `model.fit` with saving, stopping and resuming."""

from __future__ import annotations

import math
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from keras_refs.errors import TrainingDivergedError
from keras_refs.training.fused_adam import FusedAdam
from keras_refs.training.interruption import Interrupted, collected
from keras_refs.training.workers import Workers

if TYPE_CHECKING:
    from keras_refs.settings import Training
    from keras_refs.training.checkpoints import Checkpoints


def adam(settings: Training, steps_per_epoch: int, **options: Any) -> keras.optimizers.Optimizer:
    """Return Adam as the settings say, to train in epochs of so many steps.

    Args:
        settings: A `settings.Training`: `learning_rate`, the peak after a linear warm-up over the first epoch, before a
            cosine decay to zero; `epochs`; `clip_norm`; and `average_epochs`, the horizon of the EMA of the weights.
        steps_per_epoch: Steps an epoch.
        **options: Arguments of `keras.optimizers.Adam`, which take precedence.
    """
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=settings.learning_rate / 10,
        warmup_target=settings.learning_rate,
        warmup_steps=steps_per_epoch,
        decay_steps=max(1, (settings.epochs - 1) * steps_per_epoch),
    )
    usual = {
        "learning_rate": schedule,
        "clipnorm": settings.clip_norm or None,
        "use_ema": settings.average_epochs > 0,
        "ema_momentum": 1 - 1 / max(1, settings.average_epochs * steps_per_epoch),
    }
    return FusedAdam(**{**usual, **options})


def fit(
    model: keras.Model,
    batches: Callable[[int, int], Any],
    steps_per_epoch: int,
    settings: Training,
    validation: Any,
    checkpoints: Checkpoints,
    log_dir: str | Path,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    workers: Workers | None = None,
) -> Any:
    """Train from the step the checkpoints were restored to, until the last epoch or early stopping.

    Args:
        model: Compiled model.
        batches: Function of `(first_step, last_step)` that returns the `tf.data.Dataset` of these steps.
        steps_per_epoch: Steps an epoch.
        settings: A `settings.Training`, of which `epochs` (those before a resume included) and `patience` count.
        validation: `tf.data.Dataset` that every epoch is validated on; `None` if a callback does it.
        checkpoints: `Checkpoints` of the run, restored if it is resumed.
        log_dir: Folder for TensorBoard's logs.
        callbacks: Further Keras callbacks. What one adds to the `logs` of `on_epoch_end` is a metric of the epoch.
        workers: `Workers` whose part of the batches `batches` returns; the chief alone validates, logs and calls the
            further callbacks. By default this process is the only one.

    Raises:
        TrainingDivergedError: If the loss becomes NaN or infinite; the last good checkpoint is kept.
        Interrupted: If SIGINT or SIGTERM came; a checkpoint of that step is saved.
    """
    history, workers = checkpoints.history, workers or Workers()
    with collected() as received:
        writing = [*callbacks, keras.callbacks.TensorBoard(log_dir, write_graph=False)] if workers.is_chief else []
        all_callbacks = [
            _StopOnDivergence(),
            *_shared(writing, workers.peers),
            _Progress(checkpoints, settings.patience),
            _StopOnSignal(checkpoints, received, steps_per_epoch, workers),
        ]
        if model.optimizer and getattr(model.optimizer, "inner_optimizer", model.optimizer).use_ema:
            as_the_chief = validation is not None and not workers.is_chief
            all_callbacks.append(_SwapAsTheChief() if as_the_chief else keras.callbacks.SwapEMAWeights())

        def fit_until(last_epoch):
            epoch, steps_done = divmod(history.step, steps_per_epoch)
            if epoch >= last_epoch or history.has_stalled(settings.patience):
                return
            model.fit(
                batches(history.step, last_epoch * steps_per_epoch),
                initial_epoch=epoch,
                epochs=last_epoch,
                steps_per_epoch=steps_per_epoch - steps_done,
                validation_data=validation if workers.is_chief else None,
                callbacks=all_callbacks,
                # The batches come shuffled.
                shuffle=False,
                verbose=0 if not workers.is_chief else "auto" if sys.stdout.isatty() else 2,
            )

        if history.step % steps_per_epoch:
            fit_until(history.step // steps_per_epoch + 1)
            # A fit that ends leaves the averaged weights in the model, where training must go on with the others.
            checkpoints.restore_latest()
        fit_until(settings.epochs)


def _shared(callbacks, peers):
    """Return callbacks that change the metrics of an epoch, and what makes them the same on all workers."""
    return [_MeanMetrics(peers), *callbacks, _ChiefsMetrics(peers)] if peers.count > 1 else callbacks


def steps_per_execution(steps_per_epoch: int, at_most: int = 16) -> int:
    """Return how many steps one call of the compiled function shall do: the largest divisor of the epoch.

    Fewer calls from Python make small models faster; a divisor keeps executions from crossing an epoch's end.
    """
    return max(steps for steps in range(1, at_most + 1) if steps_per_epoch % steps == 0)


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


class _SwapAsTheChief(keras.callbacks.SwapEMAWeights):
    """Do to the weights what the chief's validation does: Keras swaps them by sums and differences, which round."""

    def on_epoch_end(self, epoch, logs=None):
        self.on_test_begin()
        self.on_test_end()


class _MeanMetrics(keras.callbacks.Callback):
    """Take the mean over all workers of the metrics of their equal parts of the training batches."""

    def __init__(self, peers):
        super().__init__()
        self._peers = peers

    def on_epoch_end(self, epoch, logs=None):
        every = self._peers.exchange(logs)
        # The chief has more, those of the validation.
        logs.update({name: sum(each[name] for each in every) / len(every) for name in every[-1]})


class _ChiefsMetrics(keras.callbacks.Callback):
    """Take the chief's metrics of an epoch, and its decision to stop."""

    def __init__(self, peers):
        super().__init__()
        self._peers = peers

    def on_epoch_end(self, epoch, logs=None):
        chiefs, stop_training = self._peers.exchange([logs, self.model.stop_training])[0]
        logs.update(chiefs)
        self.model.stop_training = stop_training


class _Progress(keras.callbacks.Callback):
    """Count the steps, save every epoch, and stop early by the saved history (`EarlyStopping` forgets it)."""

    def __init__(self, checkpoints, patience):
        super().__init__()
        self._checkpoints, self._history, self._patience = checkpoints, checkpoints.history, patience

    def on_epoch_begin(self, epoch, logs=None):
        self._began, self._steps_before = time.monotonic(), self._history.step

    def on_train_batch_end(self, batch, logs=None):
        # `batch` is the last step of an execution, counted from 0 in this epoch and `fit`.
        self._history.step = self._steps_before + batch + 1

    def on_epoch_end(self, epoch, logs=None):
        seconds = round(time.monotonic() - self._began, 2)
        self._history.epochs.append({"epoch": epoch + 1, "seconds": seconds, **logs})
        self._checkpoints.save()
        if self._history.has_stalled(self._patience):
            self.model.stop_training = True


class _StopOnSignal(keras.callbacks.Callback):
    def __init__(self, checkpoints, received, steps_per_epoch, workers):
        super().__init__()
        self._checkpoints, self._received, self._steps_per_epoch = checkpoints, received, steps_per_epoch
        self._workers = workers

    def on_train_batch_end(self, batch, logs=None):
        # The last step of an epoch is saved with the epoch's validation.
        if self._workers.asked_to_stop(self._received) and self._checkpoints.history.step % self._steps_per_epoch:
            self._checkpoints.save()
            self._stop()

    def on_epoch_end(self, epoch, logs=None):
        if self._workers.asked_to_stop(self._received):
            self._stop()

    def _stop(self):
        # The others may have received none.
        self._workers.peers.close()
        raise Interrupted(self._received[0] if self._received else signal.SIGTERM)
