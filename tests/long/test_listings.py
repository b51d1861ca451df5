"""With a listing's fault put back, the test that `docs/listings.md` names for it fails."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY
from tests.test_listings import ROWS

TESTS = {row[0]: row[-1].strip("`") for row in ROWS}
MODELS, TESTS_OF_MODELS = "keras_refs/models", "tests/models"
NO_INTERCEPT = (f"{MODELS}/linear.py", "layers.Dense(num_outputs, ", "layers.Dense(num_outputs, use_bias=False, ")
FAULTS = {
    "A1": NO_INTERCEPT,
    "A2": (f"{MODELS}/linear.py", "include_top, kernel", "include_top, use_bias=False, kernel"),
    # Images that are too small are not refused.
    "A3": (f"{MODELS}/convnet.py", "if min(height, width) < 1:", "if False:"),
    # The head is a hyperbolic tangent.
    "A4": (
        f"{MODELS}/recurrent.py",
        "SimpleRNN, x, units, dropout)\n        model = keras.Model(series, _forecast(x, num_outputs)",
        "SimpleRNN, x, units, dropout)\n        model = keras.Model(series, keras.ops.tanh(_forecast(x, num_outputs))",
    ),
    # No step attends to another.
    "A5": (
        f"{MODELS}/transformer.py",
        'x = x + _dropout(y, dropout, f"{name}_att',
        'x = x + _dropout(query, dropout, f"{name}_att',
    ),
    # Training stops before convergence.
    "B1": (f"{TESTS_OF_MODELS}/test_linear.py", "steps=3000", "steps=100"),
    # Nothing is trained.
    "C1": (
        f"{MODELS}/convnet.py",
        "keras.Model(images, outputs, name=name)",
        "keras.Model(images, outputs, name=name, trainable=False)",
    ),
    # Padding is not masked.
    "C2": (f"{MODELS}/recurrent.py", "if mask_value is None else layers.Masking", "if True else layers.Masking"),
    # Padding is attended to.
    "C3": (
        f"{MODELS}/seq2seq.py",
        "attended = attended or head",
        "masks = [None, None]\n    attended = attended or head",
    ),
    # Generator and discriminator minimise the same loss.
    "C4": (
        "keras_refs/training/adversarial.py",
        "return discriminator_loss, cross_entropy(generated, 1)",
        "return discriminator_loss, discriminator_loss",
    ),
    "D1": NO_INTERCEPT,
    # There is no sigmoid in training.
    "D2": (f"{MODELS}/linear.py", "features, num_classes, classifier_activation", "features, num_classes, None"),
    # Hidden layers have no activation, and so no derivative of it in the backward pass.
    "D3": (f"{MODELS}/perceptron.py", "layers.Activation(activation, name", "layers.Activation(None, name"),
    # Targets are random numbers.
    "D4": (
        f"{TESTS_OF_MODELS}/test_convnet.py",
        "TARGETS = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2]]",
        "TARGETS = np.random.default_rng(0).random((6, 3))",
    ),
    # The LSTM of the classifier has a ReLU.
    "D5": (
        f"{MODELS}/recurrent.py",
        "x = _recurrent(layers.LSTM, x, units, dropout, use_cudnn=heads.cudnn(use_cudnn))\n        outputs =",
        "x = _recurrent(layers.LSTM, x, units, dropout, activation='relu')\n        outputs =",
    ),
    # The logits have a ReLU.
    "E1": (
        f"{MODELS}/convnet.py",
        "num_classes, classifier_activation, include",
        "num_classes, classifier_activation or 'relu', include",
    ),
    # Padding is read as the last step.
    "E2": (f"{MODELS}/recurrent.py", "mask_zero=True", "mask_zero=False"),
    # There is no head.
    "E3": (f"{MODELS}/bert.py", "classifier_activation, include_top", "classifier_activation, False"),
}


@pytest.fixture
def copy(tmp_path):
    """Return a folder with copies of the package and its tests."""
    for name in ("keras_refs", "tests"):
        ignored = shutil.ignore_patterns("prepared", "__pycache__")
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=ignored)
    return tmp_path


def run_tests(folder, *tests):
    """Run tests of a copy of the repository, up to the first failure."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-x", "-q", *tests],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_row_has_a_fault():
    assert FAULTS.keys() == TESTS.keys()


def test_the_named_tests_pass_without_the_faults(copy):
    result = run_tests(copy, *sorted(set(TESTS.values())))
    assert result.returncode == pytest.ExitCode.OK, result.stdout


@pytest.mark.parametrize("listing", FAULTS)
def test_the_named_test_fails_with_the_fault(listing, copy):
    path, correct, faulty = FAULTS[listing]
    source = (copy / path).read_text(encoding="utf-8")
    assert source.count(correct) == 1, f"{path} must have the line that the fault replaces, once"
    (copy / path).write_text(source.replace(correct, faulty), encoding="utf-8")
    result = run_tests(copy, TESTS[listing])
    # Not an error in importing or collecting.
    assert result.returncode == pytest.ExitCode.TESTS_FAILED, result.stdout
