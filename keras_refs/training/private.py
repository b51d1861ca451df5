"""Training with differential privacy, DP-SGD: Abadi et al. 2016, "Deep learning with differential privacy".

Each example is in a batch with the same probability, independently of others; its gradient is clipped to an L2 norm;
the sum of them gets normal noise. What a model then tells of any one example is bounded by epsilon and delta.
"""

import bisect
import dataclasses
import functools
import secrets
from typing import Any

import keras
import tensorflow as tf

from keras_refs.errors import UserError
from keras_refs.training.checkpoints import History
from keras_refs.training.clipped_gradients import clipped_sum

DELTA = 1e-5
ACROSS_EXAMPLES = (keras.layers.BatchNormalization, keras.layers.SpectralNormalization)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrivacyPlan:
    """How a run is private.

    Attributes:
        noise_multiplier: Standard deviation of the noise, over the clipping norm.
        clip: L2 norm that the gradient of an example is clipped to.
        batch_size: Expected examples per step.
        sampling_rate: Probability that an example is in a batch.
        steps_per_epoch: Steps an epoch.
        epochs: Epochs to train, as many as the budget allows.
    """

    noise_multiplier: float
    clip: float
    batch_size: int
    sampling_rate: float
    steps_per_epoch: int
    epochs: int

    def epsilon(self, steps: int) -> float:
        """Return the epsilon that so many steps spend at `DELTA`."""
        return epsilon(self.noise_multiplier, self.sampling_rate, steps)


def plan_privacy(config: Any, model: keras.Model, examples: int, steps_per_epoch: int) -> PrivacyPlan | None:
    """Return the `PrivacyPlan` of a recipe's settings; `None` if they are not private.

    Args:
        config: The recipe's `Config`, with the groups `privacy` and `training`.
        model: The compiled model to train.
        examples: Number of training examples.
        steps_per_epoch: Steps an epoch.

    Raises:
        UserError: If the model cannot be trained so, or the budget is too small for an epoch.
    """
    wanted, training = config.privacy, config.training
    if not wanted.private:
        return None
    # First, as choosing the noise takes seconds.
    _check_model(model)
    batch_size = training.batch_size or examples
    plan = PrivacyPlan(
        noise_multiplier=wanted.noise_multiplier,
        clip=wanted.clip,
        batch_size=batch_size,
        sampling_rate=batch_size / examples,
        steps_per_epoch=steps_per_epoch,
        epochs=training.epochs,
    )
    if not plan.noise_multiplier:
        noise = _smallest_noise(plan.sampling_rate, plan.epochs * steps_per_epoch, wanted.epsilon)
        plan = dataclasses.replace(plan, noise_multiplier=noise)
    if wanted.epsilon:
        plan = dataclasses.replace(plan, epochs=_epochs_within(plan, wanted.epsilon))
    spent = plan.epsilon(plan.epochs * steps_per_epoch)
    print(f"Private: noise multiplier {plan.noise_multiplier:.4f}, epsilon {spent:.3f} after {plan.epochs} epochs.")
    return plan


def epsilon(noise_multiplier: float, sampling_rate: float, steps: int) -> float:
    """Return the epsilon that steps of DP-SGD spend at `DELTA`, for data sets that differ in one example more or less.

    Args:
        noise_multiplier: Standard deviation of the noise, over the clipping norm.
        sampling_rate: Probability that an example is in a batch.
        steps: Number of steps.

    Raises:
        UserError: If `dp_accounting` is not installed.
    """
    if not steps:
        return 0.0
    accountant = _accounting().pld.PLDAccountant()
    accountant.compose(_event(noise_multiplier, sampling_rate, steps))
    return float(accountant.get_epsilon(DELTA))


def _accounting():
    try:
        import dp_accounting.pld
    except ImportError as error:
        raise UserError("--private needs dp_accounting: pip install 'keras_refs[private]'") from error
    return dp_accounting


def _event(noise_multiplier, sampling_rate, steps):
    accounting = _accounting()
    step = accounting.PoissonSampledDpEvent(sampling_rate, accounting.GaussianDpEvent(noise_multiplier))
    return accounting.SelfComposedDpEvent(step, steps)


def _smallest_noise(sampling_rate, steps, budget):
    """Return the noise multiplier, rounded up to a thousandth, with which so many steps spend no more than a budget."""
    accounting = _accounting()
    return accounting.calibrate_dp_mechanism(
        accounting.pld.PLDAccountant,
        lambda noise: _event(noise, sampling_rate, steps),
        budget,
        DELTA,
        accounting.LowerEndpointAndGuess(0.3, 1.0),
        tol=1e-3,
    )


def _epochs_within(plan, budget):
    epochs = bisect.bisect_right(
        range(1, plan.epochs + 1), budget, key=lambda number: plan.epsilon(number * plan.steps_per_epoch)
    )
    if not epochs:
        first = plan.epsilon(plan.steps_per_epoch)
        raise UserError(f"The first epoch spends an epsilon of {first:.3f}, more than --epsilon {budget:g}.")
    return epochs


def make_private(model: keras.Model, plan: PrivacyPlan | None, seed: int | None = None) -> None:
    """Give a compiled model of one output the training step of DP-SGD, on batches that are sampled by chance.

    Args:
        model: The model. Its loss and metrics, dropout, the optimizer, its clipping and its moving average stay as they
            are; examples of a step share their dropout masks, if not all layers with weights are dense.
        plan: The `PrivacyPlan`; `None` leaves the model as it is.
        seed: Seed of the noise, for tests. By default it is drawn from the operating system's secure generator.

    Raises:
        UserError: If a layer mixes examples, or the loss is scaled.
    """
    if plan is None:
        return
    _check_model(model)
    # Batches differ in size, for each of which XLA would compile the step again.
    model.jit_compile = False
    model.train_step = functools.partial(_train_step, model, plan, secrets.randbits(62) if seed is None else seed)


def _check_model(model):
    for layer in model._flatten_layers():
        if isinstance(layer, ACROSS_EXAMPLES):
            raise UserError(
                f"The layer {layer.name} mixes the examples of a batch, so that no gradient is of one example alone: "
                f"leave {type(layer).__name__} out with --private."
            )
    if isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer):
        raise UserError("--private needs gradients that are not scaled: choose --precision float32.")


def batch_seed(plan: PrivacyPlan | None, seed: int) -> int:
    """Return the seed of the batches: of a private training a secret one, so that nobody can tell who is in a batch."""
    return seed if plan is None else secrets.randbits(62)


def _train_step(model, plan, seed, batch):
    sums = clipped_sum(model, *batch, plan.clip)
    step_seed = tf.stack([tf.constant(seed, tf.int64), tf.cast(model.optimizer.iterations.value, tf.int64)])
    deviation = plan.noise_multiplier * plan.clip
    noised = []
    for number, total in enumerate(sums):
        own_seed = tf.random.experimental.stateless_fold_in(step_seed, number)
        noise = tf.random.stateless_normal(tf.shape(total), own_seed, stddev=deviation)
        noised.append((total + noise) / plan.batch_size)
    model.optimizer.apply(noised, model.trainable_variables)
    for layer in model._flatten_layers():
        if generator := getattr(layer, "seed_generator", None):
            generator.next()
    return model.get_metrics_result()


class SpentPrivacy(keras.callbacks.Callback):
    """Add the epsilon that is spent to the metrics of every epoch, those before a resume included."""

    def __init__(self, plan: PrivacyPlan) -> None:
        super().__init__()
        self._plan = plan

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Add it."""
        logs["epsilon"] = self._plan.epsilon((epoch + 1) * self._plan.steps_per_epoch)
        print(f"Epsilon {logs['epsilon']:.3f} at delta {DELTA:g}.")


def with_privacy(card: dict[str, Any], plan: PrivacyPlan | None, history: History) -> dict[str, Any]:
    """Return a model card with what the training spent, if it was private."""
    if plan is None:
        return card
    spent = plan.epsilon(history.step)
    told = (
        f"\n\nTrained with differential privacy (DP-SGD): epsilon {spent:.3f} at delta {DELTA:g} for each example "
        f"of the\ntraining split, by noise of {plan.noise_multiplier:.4f} times the clipping norm {plan.clip:g} in "
        f"{history.step:,} steps with a sampling rate of\n{plan.sampling_rate:.5f}. Not covered are the validation "
        "split, curves and scores of training examples, and what is\ncomputed from the data before the training, such "
        "as scales and vocabularies."
    )
    privacy = {"epsilon": spent, "delta": DELTA, **dataclasses.asdict(plan), "steps": history.step}
    return {**card, "limits": card["limits"] + told, "privacy": privacy}
