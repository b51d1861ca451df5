"""Trained models by name: those in the working directory's `saved_models`, and those that come with the package."""

import dataclasses
from difflib import get_close_matches
from pathlib import Path

from keras_refs.errors import UserError

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


def list_trained_models():
    """Return a `TrainedModel` for each trained model that `find` finds by name, sorted by name."""
    from keras_refs.export.version import read_model_card

    folders = {name: find(name) for name in sorted(_names())}
    cards = {name: read_model_card(folder) for name, folder in folders.items()}
    return [_describe(name, folders[name], card) for name, card in cards.items() if card]


def find(name):
    """Return the version folder of a trained model.

    Args:
        name: A path, of a version folder or of a model's folder, of which the newest version is taken; or the name of a
            model in `saved_models`, first that of the working directory, then the package's own.

    Raises:
        UserError: If there is none; the nearest names are offered.
    """
    from keras_refs.export.version import newest_version

    if Path(name).is_dir():
        return newest_version(name)
    parts = Path(name).parts
    below = Path(*parts[1:]) if parts[:1] == (SAVED_MODELS,) else name
    for folder in _folders():
        if (folder / below).is_dir():
            return newest_version(folder / below)
    near = get_close_matches(str(name), _names(), n=3) or sorted(_names())
    raise UserError(f"There is no model or folder {str(name)!r}. The nearest names are: {', '.join(near) or 'none'}.")


def folder_of_models():
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
