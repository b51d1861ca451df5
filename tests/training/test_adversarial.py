import copy
import math
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_refs import gan_discriminator, gan_generator, settings, training
from keras_refs.training import adversarial
from tests.checks import POLICIES, built_under
from tests.conftest import REPOSITORY

SHAPE = (8, 8, 1)


def networks():
    keras.utils.set_random_seed(0)
    generator = gan_generator(6, SHAPE, hidden_units=(), base_filters=4, filters=(3,), kernel_size=3)
    return generator, gan_discriminator(SHAPE, filters=(4, 8), kernel_size=3)


def build(generator_rate=1e-3, discriminator_rate=1e-3, **options):
    model = training.AdversarialModel(*networks(), **options)
    model.compile(
        keras.optimizers.Adam(generator_rate, use_ema=True, ema_momentum=0.9),
        keras.optimizers.Adam(discriminator_rate),
    )
    return model


def real_images(count=16):
    return np.random.default_rng(0).uniform(-1, 1, (count, *SHAPE)).astype("float32")


def batches(steps, size=16):
    return tf.data.Dataset.from_tensors(real_images(size)).repeat(steps)


def weights_of(model):
    return [weight.copy() for weight in model.get_weights()]


def moved(model, before):
    return any(np.abs(weight - earlier).max() > 0 for weight, earlier in zip(model.get_weights(), before, strict=True))


@pytest.mark.parametrize("loss", adversarial.LOSSES)
def test_both_networks_move(loss):
    model = build(loss=loss)
    before = weights_of(model.generator), weights_of(model.discriminator)
    logs = model.fit(batches(2), verbose=0).history
    assert moved(model.generator, before[0])
    assert moved(model.discriminator, before[1])
    assert set(logs) == {"discriminator_loss", "generator_loss", "real_accuracy", "generated_accuracy"}
    assert np.isfinite([values[-1] for values in logs.values()]).all()


@pytest.mark.parametrize(("rates", "resting"), [((0.0, 1e-2), "generator"), ((1e-2, 0.0), "discriminator")])
def test_the_update_of_one_network_leaves_the_others_weights_alone(rates, resting):
    """With a learning rate of 0 a network stays as it is, apart from the statistics of batch normalisation."""
    model = build(*rates)
    network = getattr(model, resting)
    before = [variable.numpy() for variable in network.trainable_variables]
    model.fit(batches(3), verbose=0)
    for variable, earlier in zip(network.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable, earlier)


def test_the_networks_have_opposite_objectives():
    """Trained alone, the discriminator separates real and generated images; trained alone, the generator fools it."""
    model = build(0.0, 1e-2)
    logs = model.fit(batches(60), verbose=0).history
    assert logs["discriminator_loss"][-1] < 0.6
    model = build(1e-2, 0.0)
    first = model.fit(batches(5), verbose=0).history["generator_loss"][-1]
    assert model.fit(batches(60), verbose=0).history["generator_loss"][-1] < first


def test_an_undecided_discriminator_costs_log_2():
    undecided = tf.zeros([5, 1])
    for loss in adversarial.non_saturating_losses(undecided, undecided):
        assert float(loss) == pytest.approx(math.log(2))


def test_losses_equal_their_formulas():
    real, generated = np.array([[2.0], [0.5]]), np.array([[-1.0], [0.25]])
    s = 1 / (1 + np.exp(-np.array([real, generated])))
    for smoothing in (0.0, 0.1):
        on_real = (1 - smoothing) * np.log(s[0]) + smoothing * np.log(1 - s[0])
        expected = -(on_real.mean() + np.log(1 - s[1]).mean()) / 2, -np.log(s[1]).mean()
        np.testing.assert_allclose(adversarial.non_saturating_losses(real, generated, smoothing), expected, rtol=1e-5)
    np.testing.assert_allclose(adversarial.hinge_losses(real, generated), ((0.25 + 1.25 / 2) / 2, 0.375), rtol=1e-6)
    np.testing.assert_allclose(adversarial.wasserstein_losses(real, generated), (-0.375 - 1.25, 0.375), rtol=1e-6)


def test_gradient_penalty_of_a_linear_discriminator_has_a_closed_form():
    """The gradient of a linear function is its weights, at every point between the images."""
    dense = keras.layers.Dense(1)
    discriminator = keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), dense])
    norm = np.linalg.norm(dense.get_weights()[0])
    real = tf.constant(real_images(4))
    places = tf.random.stateless_uniform([len(real), 1, 1, 1], [0, 0])
    penalty = adversarial.gradient_penalty(real, real[::-1], discriminator, places)
    assert float(penalty) == pytest.approx((norm - 1) ** 2, rel=1e-4)


def test_the_penalty_is_part_of_the_wasserstein_loss():
    """With both networks at rest, its factor alone makes the difference."""
    losses = []
    for factor in (0.0, 1.0, 3.0):
        model = build(0.0, 0.0, loss="wasserstein", gradient_penalty=factor)
        model.run_eagerly = True
        losses += model.fit(batches(1), verbose=0).history["discriminator_loss"]
    assert losses[1] > losses[0]
    assert losses[2] - losses[0] == pytest.approx(3 * (losses[1] - losses[0]), rel=1e-4)


def conditional():
    keras.utils.set_random_seed(0)
    generator = gan_generator(6, SHAPE, (), 8, (8,), 3, num_classes=2)
    discriminator = gan_discriminator(SHAPE, (8,), 3, num_classes=2)
    model = training.AdversarialModel(generator, discriminator, num_classes=2)
    model.compile(keras.optimizers.Adam(3e-3, beta_1=0.5), keras.optimizers.Adam(3e-3, beta_1=0.5))
    return model


def test_images_are_of_the_class_of_their_latents():
    """Dark images are of class 0, light ones of class 1; an unconditional generator learns no such relation."""
    classes = np.arange(32) % 2
    images = np.broadcast_to(np.where(classes, 0.7, -0.7).reshape(-1, 1, 1, 1), (32, *SHAPE)).astype("float32")
    model = conditional()
    model.fit(tf.data.Dataset.from_tensors((images, classes)).repeat(150), verbose=0)
    latents = np.random.default_rng(0).normal(size=(50, 6)).astype("float32")
    light = model(latents).numpy().mean(axis=(1, 2, 3)) > 0
    np.testing.assert_array_equal(light, latents[:, 1] > latents[:, 0])


def test_a_conditional_model_needs_classes_and_goes_on_when_loaded(tmp_path):
    with pytest.raises(ValueError, match="must come with their classes, from 0 to 1"):
        conditional().fit(batches(1), verbose=0)
    conditional().save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    logs = loaded.fit(tf.data.Dataset.from_tensors((real_images(), np.zeros(16))).repeat(2), verbose=0).history
    assert np.isfinite(logs["generator_loss"]).all()


@pytest.mark.parametrize("steps_per_execution", [1, 4])
def test_one_step_is_traced_for_all_batches_of_a_shape(steps_per_execution):
    model, traces = build(), []
    model.steps_per_execution = steps_per_execution
    step = model.train_step

    def counted(images):
        traces.append(images.shape)
        return step(images)

    model.train_step = counted
    model.fit(batches(8), epochs=2, verbose=0)
    model.fit(batches(4), verbose=0)
    assert len(traces) == 1


@pytest.mark.parametrize("policy", POLICIES)
def test_precisions(policy):
    model = built_under(policy, build)
    scaled = [
        isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        for optimizer in (model.generator_optimizer, model.discriminator_optimizer)
    ]
    assert scaled == [policy == "mixed_float16"] * 2
    logs = model.fit(batches(3), verbose=0).history
    assert np.isfinite([values[-1] for values in logs.values()]).all()


def test_a_loaded_model_goes_on_as_the_saved_one_would(tmp_path):
    model = build(loss="hinge", seed=3)
    model.fit(batches(3), verbose=0)
    model.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    latents = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")
    np.testing.assert_array_equal(loaded(latents), model(latents))
    for trained in (model, loaded):
        trained.fit(batches(2), verbose=0)
    for weight, expected in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(weight, expected, atol=1e-6)


def test_a_config_stays_as_it_is_when_a_model_is_built_from_it():
    model = build(seed=3)
    config = model.get_config()
    before = copy.deepcopy(config)
    rebuilt = training.AdversarialModel.from_config(config)
    assert config == before
    assert rebuilt.count_params() == model.count_params()
    assert rebuilt.get_config()["seed"] == 3


def test_the_generators_moving_average_follows_its_formula():
    """Read between two steps, it leaves the generator as it is."""
    model, expected = build(), None
    for _ in range(3):
        model.fit(batches(1), verbose=0)
        weights = weights_of(model.generator)
        averaged = model.averaged_generator_weights()
        assert not moved(model.generator, weights)
        expected = expected or weights
        for variable, weight, average, earlier in zip(
            model.generator.weights, weights, averaged, expected, strict=True
        ):
            formula = 0.9 * earlier + 0.1 * weight if variable.trainable else weight
            np.testing.assert_allclose(average, formula, rtol=1e-4, atol=1e-6)
        expected = averaged
    assert any(np.abs(average - weight).max() > 0 for average, weight in zip(averaged, weights, strict=True))


def test_without_a_moving_average_the_weights_are_the_generators_own():
    model = training.AdversarialModel(*networks())
    model.compile("adam", "adam")
    model.fit(batches(1), verbose=0)
    for averaged, weight in zip(model.averaged_generator_weights(), weights_of(model.generator), strict=True):
        np.testing.assert_array_equal(averaged, weight)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"loss": "least_squares"}, "'non_saturating', 'hinge', 'wasserstein'"),
        ({"label_smoothing": 1.0}, r"\[0, 1\)"),
        ({"loss": "hinge", "label_smoothing": 0.1}, "0 for other losses"),
        ({"gradient_penalty": -1}, "at least 0"),
    ],
)
def test_bad_arguments(options, match):
    with pytest.raises(ValueError, match=match) as raised:
        training.AdversarialModel(*networks(), **options)
    assert "Received: " in str(raised.value)


class Run:
    """A small GAN with everything `fit` needs, in a folder of its own."""

    STEPS = 3

    def __init__(self, folder, model=None):
        folder.mkdir(exist_ok=True)
        self.folder, self.model = folder, model or build()
        self.history = training.History("distance", "min")
        self.checkpoints = training.Checkpoints(folder, self.model, self.STEPS, self.history)

    def batches(self, first_step, last_step):
        steps = tf.data.Dataset.range(first_step, last_step)
        return steps.map(lambda step: real_images() * tf.cast(step, tf.float32) / 9)

    def fit(self, epochs):
        def measure(epoch, logs):
            logs["distance"] = abs(epoch - 1.0)

        options = settings.Training(epochs=epochs, batch_size=16, learning_rate=1e-3, patience=100)
        callbacks = [keras.callbacks.LambdaCallback(on_epoch_end=measure)]
        logs = self.folder / "logs"
        training.fit(self.model, self.batches, self.STEPS, options, None, self.checkpoints, logs, callbacks)

    def state(self):
        optimizers = [optimizer for optimizer, _ in self.model.optimized]
        variables = [*self.model.variables, *(variable for optimizer in optimizers for variable in optimizer.variables)]
        return [np.asarray(variable) for variable in variables]


def test_a_run_that_goes_on_ends_like_an_unbroken_one(tmp_path):
    unbroken = Run(tmp_path / "unbroken")
    unbroken.fit(3)
    Run(tmp_path / "broken").fit(1)
    resumed = Run(tmp_path / "broken")
    assert resumed.checkpoints.restore_latest() == []
    assert resumed.history.step == Run.STEPS
    resumed.fit(3)
    for value, expected in zip(resumed.state(), unbroken.state(), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)
    assert resumed.history.best_epoch() == 1
    assert [epoch["distance"] for epoch in resumed.history.epochs] == [1, 0, 1]


def test_the_best_epoch_comes_back_with_the_generators_average(tmp_path):
    run = Run(tmp_path / "run")
    run.fit(3)
    before = weights_of(run.model.generator)
    assert run.checkpoints.restore_best() == []
    assert int(run.model.generator_optimizer.iterations) == 2 * Run.STEPS
    assert moved(run.model.generator, before)
    restored = weights_of(run.model.generator)
    for weight, average in zip(restored, run.model.averaged_generator_weights(), strict=True):
        np.testing.assert_array_equal(weight, average)


def test_steps_that_overflow_in_float16_count(tmp_path):
    """The optimizers pass over them; the run knows all the same which epoch is the best, and where to go on."""

    def overflowing():
        model = training.AdversarialModel(*networks())
        model.compile(
            *(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(), initial_scale=2.0**40) for _ in range(2))
        )
        return model

    run = Run(tmp_path / "run", built_under("mixed_float16", overflowing))
    run.fit(3)
    assert all(int(optimizer.iterations) < 3 * Run.STEPS for optimizer, _ in run.model.optimized)
    assert run.history.step == 3 * Run.STEPS
    assert run.checkpoints.restore_best() == []
    resumed = Run(tmp_path / "run", built_under("mixed_float16", overflowing))
    assert resumed.checkpoints.restore_latest() == []
    resumed.fit(4)
    assert [epoch["epoch"] for epoch in resumed.history.epochs] == [1, 2, 3, 4]


MIRRORED = """
import sys, numpy as np, keras, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from tests.training import test_adversarial as the

def step(strategy):
    with strategy.scope():
        model = the.training.AdversarialModel(*the.networks())
        for variable in model.generator.trainable_variables:
            variable.assign(0 * variable)
        model.compile(keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.5))
    model.fit(the.batches(1), verbose=0)
    return model.discriminator.get_weights()

mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert mirrored.num_replicas_in_sync == 2
one, two = step(tf.distribute.get_strategy()), step(mirrored)
for weight, expected in zip(two, one):
    np.testing.assert_allclose(weight, expected, atol=1e-6)

with mirrored.scope():
    model = the.build()
seeds = mirrored.experimental_local_results(tf.function(lambda: mirrored.run(model._next_seed))())
assert not np.array_equal(*seeds), "both replicas draw the same latents"
before = the.weights_of(model.generator), the.weights_of(model.discriminator)
model.fit(the.batches(3), verbose=0)
assert the.moved(model.generator, before[0]) and the.moved(model.discriminator, before[1])
weights, averaged = the.weights_of(model.generator), model.averaged_generator_weights()
assert not the.moved(model.generator, weights)
assert the.moved(model.generator, averaged), "the average is the weights themselves"
"""


def test_two_replicas_do_together_what_one_device_does():
    """Two logical CPUs stand for two GPUs. A generator of zeros generates the same image from all latents."""
    subprocess.run([sys.executable, "-c", MIRRORED], cwd=REPOSITORY, check=True)
