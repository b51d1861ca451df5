import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_refs.training.fused_adam import FusedAdam
from tests.conftest import REPOSITORY

OPTIONS = {
    "usual": {"clipnorm": 0.05, "use_ema": True, "ema_momentum": 0.9},
    "not clipped": {"clipnorm": 100.0},
    "other moments": {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3, "use_ema": True, "ema_momentum": 0.5},
    "amsgrad": {"amsgrad": True},
}


def build():
    """Return a model with a sparse gradient, in which rows come several times, and dense ones."""
    keras.utils.set_random_seed(0)
    tokens = keras.Input((4,), dtype="int32")
    embedded = keras.layers.Embedding(50, 3)(tokens)
    outputs = keras.layers.Dense(2)(keras.layers.Flatten()(embedded))
    return keras.Model(tokens, outputs)


def train(optimizer, **options):
    """Train for seven steps; return the weights, and what the optimizer knows."""
    model = build()
    model.compile(optimizer, "mse", **options)
    random = np.random.default_rng(0)
    tokens, targets = random.integers(0, 20, (56, 4)), random.normal(size=(56, 2))
    model.fit(tokens, targets, batch_size=8, shuffle=False, verbose=0)
    return [np.asarray(variable) for variable in [*model.variables, *optimizer.variables]]


def check_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_it_does_what_keras_does(options):
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    check_same(train(FusedAdam(schedule, **options)), train(keras.optimizers.Adam(schedule, **options)))


MIRRORED = """
import keras, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from tests.training import test_fused_adam as the

def train(optimizer_class):
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        return the.train(optimizer_class(0.1, **the.OPTIONS["usual"]))

the.check_same(train(the.FusedAdam), train(keras.optimizers.Adam))
"""


def test_it_does_what_keras_does_on_several_devices():
    subprocess.run([sys.executable, "-c", MIRRORED], cwd=REPOSITORY, check=True)


def test_it_does_what_keras_does_where_the_loss_is_scaled():
    def scaled(optimizer_class):
        optimizer = optimizer_class(0.1, **OPTIONS["usual"])
        return train(keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=2.0**129))

    # The first steps overflow and change nothing.
    check_same(scaled(FusedAdam), scaled(keras.optimizers.Adam))


def test_it_compiles_with_xla():
    options = OPTIONS["usual"]
    check_same(train(FusedAdam(0.1, **options), jit_compile=True), train(keras.optimizers.Adam(0.1, **options)))


def test_it_is_restored_from_its_configuration():
    optimizer = FusedAdam(0.1, beta_1=0.5, clipnorm=1.0)
    copy = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert isinstance(copy, FusedAdam)
    assert copy.get_config() == optimizer.get_config()
