"""One file a model: this builder, on these data, trained so, exported with this signature.

A recipe is a module with `Config`, a frozen dataclass of all its settings, and `Recipe`, whose
`train_and_evaluate(workdir, export_dir, resume)` does what the command line does. Importing one does not import
TensorFlow.
"""

import importlib
from difflib import get_close_matches

from keras_refs.errors import UserError

NAMES = (
    "adding_problem",
    "conv_classifier",
    "date_normalisation",
    "g2p",
    "gan",
    "linear_regression",
    "logistic_regression",
    "lstm_classifier",
    "lstm_regressor",
    "mlp",
    "rnn_text_classifier",
    "simple_rnn_regressor",
)


def load(name):
    """Return the module of a recipe.

    Raises:
        UserError: If there is no recipe of that name; the nearest names are offered.
    """
    if name not in NAMES:
        near = get_close_matches(name, NAMES) or NAMES
        raise UserError(f"No recipe is called {name!r}. The nearest names are: {', '.join(near)}.")
    return importlib.import_module(f"{__name__}.{name}")
