"""Checks that every builder and every export must pass; a model's own tests say only what is special to it."""

import atexit
import functools
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_refs.datasets.pipelines import without_autotune

POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
XOR = np.array([[1, 0], [0, 1], [0, 0], [1, 1]], "float32"), np.array([[1], [1], [0], [0]], "float32")
"""Inputs and labels of listing A2."""


def check_shapes(model, inputs, output_shape, parameters):
    assert model(inputs).shape == output_shape
    assert model.count_params() == parameters


def check_refuses(build, argument, value, match):
    """The message must name the argument, what is allowed, and what was received."""
    with pytest.raises(ValueError, match=match) as raised:
        build(**{argument: value})
    assert argument in str(raised.value)
    assert "Received: " in str(raised.value)


def check_config_round_trip(model, inputs):
    copy = keras.Model.from_config(model.get_config())
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy(inputs), model(inputs))
    assert [layer.name for layer in copy.layers] == [layer.name for layer in model.layers]


def check_save_and_reload(model, inputs, folder):
    path = folder / "model.keras"
    model.save(path)
    np.testing.assert_allclose(keras.saving.load_model(path)(inputs), model(inputs), atol=1e-6)


def built_under(policy, build):
    """Return what `build` builds under a dtype policy; outside all is as before."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        return build()
    finally:
        keras.config.set_dtype_policy(before)


def check_dtype_policies(build, inputs, computes=True):
    """Under every policy the variables and the output are float32, and the output is close to float32's.

    `computes` says whether the model has layers that compute in the policy's lower precision.
    """
    reference = build()
    for policy in POLICIES:
        model = built_under(policy, build)
        model.set_weights(reference.get_weights())
        outputs = model(inputs)
        assert outputs.dtype == tf.float32, policy
        assert {variable.dtype for variable in model.trainable_variables} == {"float32"}, policy
        computed = {layer.compute_dtype for layer in model.layers if layer.weights}
        assert (keras.DTypePolicy(policy).compute_dtype in computed) == (computes or policy == "float32"), policy
        # Processors that know bfloat16 round more of what is between the layers than others do.
        rtol = 0.03 if policy == "mixed_bfloat16" else 0
        np.testing.assert_allclose(outputs, reference(inputs), rtol=rtol, atol=0.05, err_msg=policy)


def check_every_weight_gets_a_gradient(model, inputs, targets, loss):
    with tf.GradientTape() as tape:
        value = loss(targets, model(inputs, training=True))
    gradients = tape.gradient(value, [variable.value for variable in model.trainable_variables])
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None, f"{variable.path} gets no gradient"
        assert np.any(tf.convert_to_tensor(gradient) != 0), f"{variable.path} gets a gradient of zeros"


def check_overfits_one_batch(model, inputs, targets, loss, steps=150, learning_rate=0.01):
    model.compile(keras.optimizers.Adam(learning_rate), loss)
    before = model.evaluate(inputs, targets, verbose=0)
    train_on_one_batch(model, inputs, targets, steps)
    after = model.evaluate(inputs, targets, verbose=0)
    assert after < 0.05 * before, f"loss went from {before} to {after}"


def train_on_one_batch(model, inputs, targets, steps):
    """Let a compiled model make so many steps on the same batch."""
    # Most of the time of a small model's step is the call.
    model.steps_per_execution = 50
    dataset = tf.data.Dataset.from_tensors((inputs, targets)).repeat(steps)
    model.fit(without_autotune(dataset), verbose=0)


CLEAN_PROCESS = """
import sys
sys.modules["keras_refs"] = sys.modules["keras"] = None
import numpy as np, tensorflow as tf
for line in sys.stdin:
    folder, signature, inputs_path, outputs_path = line.rstrip("\\n").split("\\t")
    inputs = np.load(inputs_path, allow_pickle=True)
    model = tf.saved_model.load(folder)
    outputs = model.signatures[signature](**{name: tf.constant(inputs[name]) for name in inputs.files})
    np.savez(outputs_path, **{name: value.numpy() for name, value in outputs.items()})
    print("answered", flush=True)
"""


@functools.cache
def clean_process():
    """A process that can import neither this package nor Keras; one for all tests, as starting it takes seconds."""
    process = subprocess.Popen(
        [sys.executable, "-c", CLEAN_PROCESS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    atexit.register(process.kill)
    return process


def check_answers_in_a_clean_process(folder, signature, inputs, outputs, tmp_path, rtol=1e-7):
    """Load an export where this package cannot be imported, call a signature and compare all its outputs."""
    np.savez(tmp_path / "inputs.npz", **inputs)
    process = clean_process()
    paths = str(tmp_path / "inputs.npz"), str(tmp_path / "outputs.npz")
    process.stdin.write("\t".join([str(folder), signature, *paths]) + "\n")
    process.stdin.flush()
    assert process.stdout.readline() == "answered\n"
    answered = np.load(tmp_path / "outputs.npz", allow_pickle=True)
    assert set(answered.files) == set(outputs)
    for name, expected in outputs.items():
        if np.asarray(expected).dtype.kind == "f":
            np.testing.assert_allclose(answered[name], expected, atol=1e-6, rtol=rtol)
        else:
            np.testing.assert_array_equal(answered[name], expected)
