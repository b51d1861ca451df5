"""One file a recipe: the whole story of one training run, from the data to the scores of the exported model.

A recipe is a module. Importing it does not import TensorFlow. Its docstring begins with what it does, in one sentence,
and it has

- `Config`, a frozen dataclass with the settings in groups, see `keras_refs.settings`;
- `config_for(data)`, if its defaults depend on the amount of data: the `Config` for those of a group such as
  `settings.SequenceData`. Options of the command take precedence over it;
- `build(config, data)`, which returns the network, a `keras.Model`;
- `train_and_evaluate(config, workdir, export_dir="saved_models", resume=False, *, build, optimizer, loss, callbacks)`,
  which trains in the folder `workdir`, writes `config.json`, `checkpoints/`, `logs/`, `figures/` and `metrics.json`
  there and the SavedModel with its model card to `<export_dir>/<name>/<next version>/`, and returns what `metrics.json`
  says: `test` (the scores of the export), `history`, `best_epoch`, `parameters`, `seconds`, `cross_validation` and
  `export`. With `resume` it goes on with the run in `workdir`. Another function to build the network, another
  optimizer, another loss and further callbacks take the place of the recipe's own; the GAN has an optimizer for each of
  its networks. It raises `UserError` if a setting does not fit the data or a folder cannot be used, and, on several
  machines, `WorkerDoneError` at the end in every worker but the chief;
- `evaluate(folder, config)`, which returns the scores of an export, and `SCORED_ON`, what they are scores of;
- maybe `OTHER_DATA`, defaults by name for data that are not its own, where what is tuned for those fits no others;
- maybe `PRIVATE`, defaults by name for a training with `--private`, which other settings suit;
- maybe `calibration_examples(folder, config)`, the inputs by name of some examples of the training split, each a batch
  of one, where an export can be quantized by them: not one with loops, on which LiteRT's calibrator crashes;
- `format_scores(scores)`, which returns the scores as text to print; the last line is the one that counts;
- `explain(folder, config, figures)`, which draws what the predictions of an export depend on into a folder; with
  `texts=()` as a further argument where it takes texts.
"""

import importlib
from difflib import get_close_matches
from typing import Any

from keras_refs.errors import UserError

NAMES = (
    "adding_problem",
    "bert_classifier",
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
    "self_attention_classifier",
    "simple_rnn_regressor",
)


def load(name: str) -> Any:
    """Return the module of a recipe.

    Raises:
        UserError: If there is no recipe of that name; the nearest names are offered.
    """
    if name not in NAMES:
        near = get_close_matches(name, NAMES) or NAMES
        raise UserError(f"No recipe is called {name!r}. The nearest names are: {', '.join(near)}.")
    return importlib.import_module(f"{__name__}.{name}")
