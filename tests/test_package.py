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
        "from keras_refs import recipes, settings as s; s.override(recipes.load('conv_classifier').Config(), epochs=3)",
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


def imports_of(source):
    """Return the dotted names that a module imports, at its top or within functions."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            # `from a import b` may import the module `a.b`, or a name of the module `a`.
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def imports_at_the_top(source):
    return imports_of(ast.unparse([node for node in ast.parse(source).body if "import" in type(node).__name__.lower()]))


def is_within(name, packages):
    """Return whether a dotted name is one of the packages or something in them."""
    return any(f"{name}.".startswith(f"{package}.") for package in packages)


def imports_other_than(source, allowed):
    return sorted(name for name in imports_of(source) if not is_within(name, allowed))


def imports_among(source, forbidden):
    return sorted(name for name in imports_of(source) if is_within(name, forbidden))


ALLOWED_IN_MODELS = ("keras", "keras_refs.models", "lazy_loader", *sys.stdlib_module_names)
FORBIDDEN_IN_SUBPACKAGES = [
    f"keras_refs.{path.stem}"
    for path in [PACKAGE / "recipes", PACKAGE / "commands.py", *PACKAGE.glob("*.py")]
    if path.stem in ("recipes", "commands") or "def main(" in path.read_text()
]
SUBPACKAGES = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


@pytest.mark.parametrize("path", sorted((PACKAGE / "models").glob("*.py")), ids=lambda path: path.stem)
def test_builders_import_keras_alone(path):
    allowed = ALLOWED_IN_MODELS
    if path.name == "weights.py":
        # The one way to trained models, only taken when weights are asked for.
        allowed = (*allowed, "keras_refs.errors", "keras_refs.trained")
        assert imports_at_the_top(path.read_text()) <= {"os", "keras"}
    assert imports_other_than(path.read_text(), allowed) == []


@pytest.mark.parametrize("subpackage", [name for name in SUBPACKAGES if name != "recipes"])
def test_subpackages_import_no_recipes_and_no_commands(subpackage):
    for path in (PACKAGE / subpackage).rglob("*.py"):
        assert imports_among(path.read_text(), FORBIDDEN_IN_SUBPACKAGES) == [], path


@pytest.mark.parametrize(
    ("statement", "imported"),
    [
        ("import keras_refs.datasets", "keras_refs.datasets"),
        ("from keras_refs import models, training", "keras_refs.training"),
        ("def build():\n    from keras_refs.training import loop", "keras_refs.training.loop"),
        ("import keras, tensorflow as tf", "tensorflow"),
        ("import keras_hub", "keras_hub"),
        ("from keras_refs import *", "keras_refs.*"),
    ],
)
def test_the_check_of_builders_finds_other_imports(statement, imported):
    allowed = "import math\nimport keras\nfrom keras import layers\nfrom keras_refs.models import heads\n"
    assert imports_other_than(allowed, ALLOWED_IN_MODELS) == []
    assert imports_other_than(allowed + statement, ALLOWED_IN_MODELS) == [imported]


@pytest.mark.parametrize(
    ("statement", "imported"),
    [
        ("from keras_refs import serve", "keras_refs.serve"),
        ("from keras_refs.explain import main", "keras_refs.explain.main"),
        ("import keras_refs.recipes.gan", "keras_refs.recipes.gan"),
    ],
)
def test_the_check_of_subpackages_finds_recipes_and_commands(statement, imported):
    allowed = "from keras_refs import serving\nfrom keras_refs.training import loop\n"
    assert imports_among(allowed, FORBIDDEN_IN_SUBPACKAGES) == []
    assert imports_among(allowed + statement, FORBIDDEN_IN_SUBPACKAGES) == [imported]


def test_every_builder_is_listed_and_found():
    assert keras_refs.list_models() == [
        "attention_seq2seq",
        "bert_classifier",
        "bert_encoder",
        "conv_classifier",
        "gan_discriminator",
        "gan_generator",
        "linear_regression",
        "logistic_regression",
        "lstm_classifier",
        "lstm_regressor",
        "mlp",
        "rnn_text_classifier",
        "self_attention_classifier",
        "self_attention_regressor",
        "simple_rnn_regressor",
    ]
    assert all(callable(getattr(keras_refs, name)) for name in keras_refs.list_models())


def test_builds_by_name():
    assert keras_refs.build("conv_classifier", num_classes=7).output_shape == (None, 7)
    assert keras_refs.build("mlp", name="small").name == "small", "every builder has an argument `name` of its own"
    with pytest.raises(ValueError, match="nearest are conv_classifier"):
        keras_refs.build("conv_clasifier")
