import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_refs
from tests.backends import cases
from tests.conftest import REPOSITORY

TOLERANCE = 1e-5


@pytest.fixture(scope="session")
def references():
    """The folder that `references.py` wrote."""
    return REPOSITORY / os.environ["REFERENCES"]


def check_outputs(outputs, references, name):
    expected = np.load(references / f"{name}.outputs.npz")
    assert set(outputs) == set(expected.files)
    for key in expected.files:
        np.testing.assert_allclose(outputs[key], expected[key], rtol=TOLERANCE, atol=TOLERANCE, err_msg=key)


def test_tensorflow_is_absent():
    assert importlib.util.find_spec("tensorflow") is None
    assert keras.backend.backend() == os.environ["KERAS_BACKEND"] != "tensorflow"


def test_every_builder_has_a_case():
    assert {case.partition("-")[0] for case in cases.CASES} == set(keras_refs.list_models())


@pytest.mark.parametrize("case", cases.CASES)
def test_builder_has_the_outputs_of_tensorflow_and_trains_and_saves(case, references, tmp_path):
    model, inputs = cases.build(case), dict(np.load(references / f"{case}.inputs.npz"))
    model.load_weights(references / f"{case}.keras")
    outputs = cases.predict(model, inputs)
    check_outputs(outputs, references, case)

    # Not `output + 1` alone: probabilities add up to one, so that a step towards it has no gradient.
    targets = {name: 2 * output + 1 for name, output in outputs.items()}
    targets = targets.get("output", targets)
    model.compile("adam", "mse")
    # Without biases: that of an attention's keys has no gradient.
    kernels = [weight for weight in model.trainable_variables if weight.name != "bias"]
    before = [keras.ops.convert_to_numpy(kernel).copy() for kernel in kernels]
    assert np.all(np.isfinite(model.train_on_batch(cases.as_argument(inputs), targets)))
    for kernel, old in zip(kernels, before, strict=True):
        assert (keras.ops.convert_to_numpy(kernel) != old).any(), kernel.path

    model.save(tmp_path / "model.keras")
    trained, copy = cases.predict(model, inputs), keras.saving.load_model(tmp_path / "model.keras")
    for name, output in cases.predict(copy, inputs).items():
        np.testing.assert_allclose(output, trained[name], atol=1e-6)


@pytest.mark.parametrize("builder", ["lstm_regressor", "lstm_classifier", "attention_seq2seq"])
def test_lstm_layers_leave_what_jax_has_in_float32_alone(builder):
    """cuDNN's kernel, with which JAX fails in bfloat16, though not before a GPU compiles it."""
    for dtype, expected in (("float32", "auto"), ("mixed_bfloat16", False)):
        layers = keras_refs.build(builder, dtype=dtype)._flatten_layers()
        found = {layer.use_cudnn for layer in layers if isinstance(layer, keras.layers.LSTM)}
        assert found == {expected if keras.backend.backend() == "jax" else "auto"}


KERAS_ALONE = """
import sys
sys.modules["keras_refs"] = None
import keras, numpy as np
for case in sys.argv[2:]:
    model = keras.saving.load_model(f"{sys.argv[1]}/{case}.keras")
    inputs = dict(np.load(f"{sys.argv[1]}/{case}.inputs.npz"))
    outputs = model.predict(inputs if len(inputs) > 1 else next(iter(inputs.values())), verbose=0)
    np.savez(f"{case}.npz", **(outputs if isinstance(outputs, dict) else {"output": outputs}))
"""


def test_files_of_tensorflow_load_in_a_process_with_keras_alone(references, tmp_path):
    command = [sys.executable, "-c", KERAS_ALONE, str(references), *cases.CASES]
    subprocess.run(command, cwd=tmp_path, check=True)
    for case in cases.CASES:
        check_outputs(np.load(tmp_path / f"{case}.npz"), references, case)


@pytest.mark.parametrize("name", sorted(folder.name for folder in (REPOSITORY / "saved_models").iterdir()))
def test_trained_models_have_the_outputs_of_tensorflow(name, references):
    inputs = dict(np.load(references / f"trained-{name}.inputs.npz"))
    check_outputs(cases.predict(keras_refs.load_model(name), inputs), references, f"trained-{name}")


def test_trained_models_are_listed():
    assert all(model.score and model.task for model in keras_refs.list_models(trained=True))


@pytest.mark.parametrize("command", ["train conv_classifier", "evaluate mlp", "explain mlp"])
def test_commands_that_need_more_say_what_to_install(command, tmp_path):
    module, name = command.split()
    answer = subprocess.run(
        [sys.executable, "-m", f"keras_refs.{module}", name], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr == "keras_refs: This command needs more packages: pip install 'keras_refs[train]'\n"
    assert list(tmp_path.iterdir()) == []
