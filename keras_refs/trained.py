"""Trained models by name: those in the working directory's `saved_models`, and those that come with the package."""

import contextlib
import dataclasses
import json
import os
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_refs import remote
from keras_refs.errors import UserError, first_line

if TYPE_CHECKING:
    import keras

    from keras_refs import preprocessing

SAVED_MODELS = "saved_models"


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """What there is to know of a trained model before it is loaded.

    Attributes:
        name: Name to load it by.
        task: What it does, a sentence.
        dataset: Name of the data set that it was trained on.
        score: Its scores there, as text.
        parameters: Number of its weights.
        megabytes: Size of its version folder.
        folder: The newest version.
    """

    name: str
    task: str
    dataset: str
    score: str
    parameters: int
    megabytes: float
    folder: Path


def list_trained_models() -> list[TrainedModel]:
    """Return a `TrainedModel` for each trained model that `find` finds by name, sorted by name."""
    from keras_refs.export.version import read_model_card

    folders = {name: find(name) for name in sorted(_names())}
    cards = {name: read_model_card(folder) for name, folder in folders.items()}
    return [_describe(name, folders[name], card) for name, card in cards.items() if card]


def find(name: str | os.PathLike) -> Path:
    """Return the version folder of a trained model, or its compressed file.

    Args:
        name: A path, of a version folder, of a compressed file in one, or of a model's folder, of which the newest
            version is taken; or the name of a model in `saved_models`, first that of the working directory, then the
            package's own. Of a path elsewhere that `tf.io.gfile` knows, such as `gs://bucket/mlp`, the version is
            copied for as long as the process runs.

    Raises:
        UserError: If there is none; the nearest names are offered.
    """
    from keras_refs.export.version import newest_version

    if remote.is_remote(name):
        return newest_version(remote.fetch(name))
    if Path(name).is_file():
        return Path(name)
    if Path(name).is_dir():
        return newest_version(name)
    parts = Path(name).parts
    below = Path(*parts[1:]) if parts[:1] == (SAVED_MODELS,) else name
    for folder in _folders():
        if (folder / below).is_dir():
            return newest_version(folder / below)
    near = get_close_matches(str(name), _names(), n=3) or sorted(_names())
    raise UserError(f"There is no model or folder {str(name)!r}. The nearest names are: {', '.join(near) or 'none'}.")


def load_weights(model: "keras.Model", weights: str | os.PathLike, builder: str) -> None:
    """Give a model that a builder has built the weights of a trained one; see `export.copy_weights`.

    Args:
        model: The model.
        weights: Name of the data set of a trained model; or the path of a version folder, of a model's folder or of a
            `.keras` file, also elsewhere.
        builder: Name of the builder.

    Raises:
        UserError: If there is no such model, it cannot be read, or its weights do not fit; the model is as it was.
    """
    from keras_refs import export

    is_path = remote.is_remote(weights) or str(weights).endswith(".keras") or Path(weights).is_dir()
    trained = _read(weights) if is_path else _trained_on(str(weights), builder, model)
    export.copy_weights(model, trained)


def _read(path):
    """Return the model of an export's folder or of a `.keras` file."""
    from keras_refs import export

    if not str(path).endswith(".keras"):
        return export.load_model(find(path))
    import keras

    file = remote.fetch(path) if remote.is_remote(path) else Path(path)
    if not file.is_file():
        raise UserError(f"There is no file {str(path)!r}.")
    try:
        return keras.saving.load_model(file, compile=False)
    except Exception as error:
        # Whatever is in a damaged file, Keras's readers of zip, JSON and HDF5 have exceptions of their own for it.
        raise UserError(f"{path} cannot be read as a Keras model: {first_line(error)}") from error


def _trained_on(dataset, builder, model):
    """Return a trained model that a builder has built, of those for a data set the first that fits a new model."""
    from keras_refs import export

    datasets = _datasets()
    chosen = [folder for folder, name in datasets.items() if name == dataset]
    of_builder = [folder for folder in chosen if builder in _networks(folder)]
    # A network in a model of several may have another name.
    for folder in of_builder or chosen:
        trained = export.load_model(folder)
        if export.fits(model, trained):
            return trained
    if of_builder:
        return trained
    known = sorted({name for folder, name in datasets.items() if name and builder in _networks(folder)})
    near = get_close_matches(dataset, known, n=3) or known
    there = f"there are ones trained on: {', '.join(near)}" if near else "none comes with the package"
    raise UserError(
        f"There is no {builder} trained on {dataset!r}, and no folder or `.keras` file of that name; {there}."
    )


def _datasets():
    """Return the name of the data set that each trained model has on its card, by the model's folder."""
    datasets = {}
    for name in sorted(_names()):
        # What else lies in the folder, or is damaged, is none of those to choose from.
        with contextlib.suppress(UserError):
            datasets[find(name)] = model_card(name).get("dataset", {}).get("name")
    return datasets


def _networks(folder):
    """Return the names of the networks in an export, without building them."""
    from keras_refs.export.keras_model import ARCHITECTURE

    try:
        config = json.loads((folder / ARCHITECTURE).read_text(encoding="utf-8"))["config"]
    except (OSError, ValueError, KeyError):
        return set()
    inner = {layer["config"]["name"] for layer in config["layers"] if layer["class_name"] == "Functional"}
    return {config["name"], *inner}


def model_card(name: str | os.PathLike) -> dict[str, Any]:
    """Return the model card of a trained model, plain values by name; `export.write_model_card` says which.

    Args:
        name: As `find` takes it.

    Raises:
        UserError: If there is no such model, or it has no card.
    """
    from keras_refs.export.version import CARD, read_model_card

    folder = find(name)
    card = read_model_card(folder)
    if not card:
        raise UserError(f"{folder} has no {CARD}.")
    return card


def labels(name: str | os.PathLike) -> tuple[str, ...]:
    """Return the class names of a trained classifier, in the order of its outputs; no names for another model.

    Arguments and errors are those of `model_card`.
    """
    return tuple(model_card(name).get("test", {}).get("per_class", ()))


def load_preprocessor(name: str | os.PathLike) -> "preprocessing.Preprocessor":
    """Return what turns texts, tables or series into the inputs of a trained model, as its export does, in NumPy.

    It is an object of `keras_refs.preprocessing`, which is called with what the signature takes:

    >>> tokenize = load_preprocessor("rnn_text_classifier")
    >>> tokenize(["Alle Menschen sind frei"]).shape
    (1, 40)

    Args:
        name: As `find` takes it.

    Raises:
        UserError: If there is no such model, or its export does not say how it reads its inputs.
    """
    from keras_refs import preprocessing

    return preprocessing.read(find(name))


def folder_of_models() -> Path:
    """Return the folder of models to serve: `saved_models` of the working directory or, without it, the package's.

    Raises:
        UserError: If there is neither.
    """
    for folder in _folders():
        return folder
    raise UserError(f"There is no folder {SAVED_MODELS} here, and none comes with this installation.")


def _folders():
    # In a checkout they stand beside the package, in an installed one within it.
    package = Path(__file__).parent
    candidates = (Path.cwd() / SAVED_MODELS, package / SAVED_MODELS, package.parent / SAVED_MODELS)
    return [folder for folder in dict.fromkeys(candidates) if folder.is_dir()]


def _names():
    return {path.name for folder in _folders() for path in folder.iterdir() if path.is_dir() and path.name[0] != "."}


def _describe(name, folder, card):
    from keras_refs import recipes

    has_scores = card.get("test") and card["name"] in recipes.NAMES
    score = recipes.load(card["name"]).format_scores(card["test"]).splitlines()[-1] if has_scores else ""
    return TrainedModel(
        name=name,
        task=card.get("summary", ""),
        dataset=card.get("dataset", {}).get("name", ""),
        score=score,
        parameters=card.get("parameters", 0),
        megabytes=round(sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6, 1),
        folder=folder,
    )
