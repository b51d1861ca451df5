"""What the commands share: which recipe a model is of, and how they end."""

import contextlib
import importlib.util
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from keras_refs import recipes, settings, trained
from keras_refs.datasets import catalogue
from keras_refs.errors import TrainingDivergedError, UserError
from keras_refs.training import interruption


def read_export(model: str | Path) -> tuple[Path, dict[str, Any]]:
    """Return the folder of an exported model, a path or a name as `trained.find` takes it, and its model card.

    Raises:
        UserError: If there is none.
    """
    from keras_refs import export

    folder = trained.find(model)
    card = export.read_model_card(folder)
    if not card:
        raise UserError(f"{folder} has no model card, which says what its model is for and how it is scored.")
    return folder, card


def recipe_of(
    card: dict[str, Any],
    dataset: str | None = None,
    data_dir: str | Path | None = None,
    data: str | Path | None = None,
    needs_data: bool = True,
) -> tuple[Any, Any]:
    """Return the recipe that trained a model, and its `Config` with the settings on the card and, if named, other data.

    Raises:
        UserError: If the card does not fit the recipe, the recipe makes its own data, there are none of the name, or
            the model was trained on a file and none is named, although it `needs_data`.
    """
    recipe = recipes.load(card["name"])
    values, config = card["settings"], recipe.Config()
    known = settings.flatten(config)
    if unknown := values.keys() - known.keys():
        raise UserError(
            f"The model card names settings that {card['name']} does not have: {', '.join(sorted(unknown))}. "
            f"Use the model with keras_refs {card['ran_on']['versions']['keras_refs']}."
        )
    if "dataset" in known:
        if card["settings"].get("data") is not None and needs_data and not (dataset or data):
            name = card["dataset"]["name"]
            raise UserError(f"The model was trained on the file or folder {name}: name it, or another, with --data.")
        values = _with_data(values, dataset, data_dir, data)
    elif dataset or data_dir or data:
        raise UserError(f"{card['name']} makes its own data; --dataset, --data-dir and --data are not for it.")
    config = settings.override(config, **values)
    require_known_data(config)
    return recipe, config


def _with_data(values, dataset, data_dir, data):
    """Return the settings of a card with the data named, and without where they lay on the machine that trained."""
    if data is not None and (dataset or data_dir):
        raise UserError("--data takes the place of --dataset and --data-dir: leave one of them out.")
    of_tfds = ("dataset", "data_dir", "train_split", "validation_split", "test_split")
    of_file = ("data", "text", "label", "source", "inputs", "time")
    if data is not None:
        return {name: value for name, value in values.items() if name not in of_tfds} | {"data": data}
    if values.get("data") is not None:
        values = {name: value for name, value in values.items() if name not in of_file}
    return values | {"data_dir": data_dir} | ({"dataset": dataset} if dataset else {})


def note_on_file(card: dict[str, Any], data: str | Path | None) -> str:
    """Return a sentence if a file is not the one that a model was trained on; empty if it is, or there was none."""
    from keras_refs.datasets import files

    trained_on = card["dataset"]
    if data is None or "sha256" not in trained_on or files.checksum(data) == trained_on["sha256"]:
        return ""
    return f"{data} is not the {trained_on['name']} that the model was trained on: it has another content."


def require_known_data(config: Any) -> None:
    """Check, before TensorFlow is imported, that there are the data that a recipe's settings name.

    Raises:
        UserError: If there is no file or folder, or no data set of the name; the nearest names are offered.
    """
    values = settings.flatten(config)
    if values.get("data") is not None:
        if not Path(values["data"]).exists():
            raise UserError(f"--data must be an existing file or folder. Received: {values['data']}")
    elif "dataset" in values:
        catalogue.data_dir_of(values["dataset"], values["data_dir"])


def require_training_packages() -> None:
    """Check that the packages are installed which training, scoring and explaining need, and the builders do not.

    Raises:
        UserError: If they are not.
    """
    if not all(map(importlib.util.find_spec, ("tensorflow", "tensorflow_datasets"))):
        raise UserError("This command needs more packages: pip install 'keras_refs[train]'")


def run(command: Callable[..., Any], arguments: Sequence[Any]) -> int:
    """Call a command's function and return the process's exit code, with a sentence in place of a traceback.

    Args:
        command: Function to call; a note on an exception that it raises is the command line that goes on where it was.
        arguments: Its positional arguments.

    Returns:
        0; 1 if a training diverged; 2 for a mistake of the user or a full disk; 128 + signal number if stopped.
    """
    try:
        with interruption.raised_as_exceptions():
            command(*arguments)
    except UserError as error:
        return _fail(exit_code(error), str(error))
    except TrainingDivergedError as error:
        return _fail(
            exit_code(error),
            f"Training stopped: {error}. The last good checkpoint is kept; a lower --learning-rate helps.",
        )
    except interruption.Interrupted as interrupted:
        name = signal.Signals(interrupted.signum).name
        return _fail(exit_code(interrupted), f"Stopped by {name}. {_go_on(interrupted)}")
    except Exception as error:
        # TensorFlow reports a full disk as a ResourceExhaustedError of its own.
        if not _is_full_disk(error):
            raise
        return _fail(exit_code(error), f"The disk is full; free some space. {_go_on(error)}")
    return 0


def exit_code(error: BaseException) -> int:
    """Return the exit code of a process that an exception ends, as `run` says; 1 for an unexpected one."""
    if isinstance(error, interruption.Interrupted):
        return 128 + error.signum
    return 2 if isinstance(error, UserError) or _is_full_disk(error) else 1


def _is_full_disk(error):
    return "No space left on device" in str(error)


def _go_on(error):
    notes = getattr(error, "__notes__", ())
    return f"To go on: {notes[0]}" if notes else "Nothing was started."


def _fail(code, message):
    print(f"keras_refs: {message}", file=sys.stderr)
    return code


def import_tensorflow_quietly() -> None:
    """Import TensorFlow and keep its start-up messages off the terminal.

    They bypass Python and TensorFlow's log level. Set `TF_CPP_MIN_LOG_LEVEL` to see why a GPU is not used, for example.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    with quiet():
        import tensorflow as tf

        tf.config.list_physical_devices()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep off the terminal what is written to standard error, by libraries in C++, too."""
    standard_error = os.dup(2)
    try:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(standard_error, 2)
        os.close(standard_error)
