"""Draw what a model's predictions depend on: `python -m keras_refs.explain saved_models/conv_classifier`."""

import inspect
import sys
from collections.abc import Sequence
from pathlib import Path

import tyro

from keras_refs import commands
from keras_refs.errors import UserError


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, check and draw; return the exit code."""
    command = tyro.cli(_prepare, prog="python -m keras_refs.explain", description=__doc__, args=arguments)
    return commands.run(_explain, command)


def _prepare(
    model: tyro.conf.Positional[Path],
    words: tuple[str, ...] = (),
    data_dir: str | None = None,
    data: str | None = None,
    output: Path = Path("explanations"),
):
    """Parse the command-line arguments.

    Args:
        model: Name of a trained model, or folder of a SavedModel, or of its versions, of which the newest is taken.
        words: Texts whose predictions to explain, for a model that takes texts; by default some of the data's.
        data_dir: TFDS data folder; by default the package's own for the data sets that come with it.
        data: File or folder to take examples from in place of a TFDS data set.
        output: Folder of explanations; the figures go into OUTPUT/NAME/NUMBER, the next free one.
    """
    return model, words, data_dir, data, output


def _explain(model, words, data_dir, data, output):
    from keras_refs import export, storage

    commands.require_training_packages()
    folder, card = commands.read_export(model)
    recipe, config = commands.recipe_of(card, data_dir=data_dir, data=data, needs_data=not words)
    texts = {"texts": words} if "texts" in inspect.signature(recipe.explain).parameters else {}
    if words and not texts:
        raise UserError(f"{card['name']} takes no texts; --words is not for it.")
    storage.require_writable(output, "--output")
    if note := commands.note_on_file(card, data):
        print(note)
    commands.import_tensorflow_quietly()
    with export.unfinished_version(output / card["name"]) as figures:
        recipe.explain(folder, config, figures, **texts)
        published = export.publish(figures)
    for path in sorted(published.iterdir()):
        print(path)


if __name__ == "__main__":
    sys.exit(main())
