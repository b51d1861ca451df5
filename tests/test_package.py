import ast
import subprocess
import sys

import pytest

import keras_refs
from tests.conftest import REPOSITORY

PACKAGE = REPOSITORY / "keras_refs"
HEAVY = ("tensorflow", "keras", "tensorflow_datasets", "matplotlib", "sklearn", "holidays")


@pytest.mark.parametrize(
    "statement",
    [
        "import keras_refs",
        "import keras_refs.recipes.conv_classifier as recipe; recipe.Config(epochs=3)",
        "from keras_refs.train import main; main(['--list'])",
        "from keras_refs.train import main; assert main(['conv_clasifier']) == 2",
        "from keras_refs.train import main; assert main(['conv_classifier', '--epochs', '0']) == 2",
        "from keras_refs.train import main; assert main(['conv_classifier', '--dataset', 'fashion']) == 2",
        "from keras_refs.evaluate import main; assert main(['nowhere']) == 2",
    ],
)
def test_does_not_load_what_takes_seconds(statement):
    program = f"{statement}\nimport sys; print([name for name in {HEAVY} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "[]"


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", sorted((PACKAGE / "models").glob("*.py")), ids=lambda path: path.stem)
def test_builders_need_only_keras(path):
    allowed = ("keras", "keras_refs.models", "lazy_loader", "math", "numbers")
    assert [name for name in imports_of(path) if not name.startswith(allowed) and name != "keras_refs"] == []


@pytest.mark.parametrize("room", ["datasets", "decoding", "evaluation", "export", "training", "models"])
def test_nothing_below_imports_recipes_or_commands(room):
    forbidden = tuple(f"keras_refs.{name}" for name in ("recipes", "train.", "evaluate.", "commands"))
    for path in (PACKAGE / room).glob("*.py"):
        assert [name for name in imports_of(path) if f"{name}.".startswith(forbidden)] == [], path


def test_every_builder_is_listed_and_found():
    assert keras_refs.list_models() == [
        "attention_seq2seq",
        "conv_classifier",
        "gan_discriminator",
        "gan_generator",
        "linear_regression",
        "logistic_regression",
        "lstm_classifier",
        "lstm_regressor",
        "mlp",
        "rnn_text_classifier",
        "simple_rnn_regressor",
    ]
    assert all(callable(getattr(keras_refs, name)) for name in keras_refs.list_models())
