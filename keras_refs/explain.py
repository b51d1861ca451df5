"""Draw what an exported model looks at: `python -m keras_refs.explain saved_models/conv_classifier`."""

import sys
from pathlib import Path

import tyro

from keras_refs import commands
from keras_refs.errors import UserError


def main(arguments=None):
    """Parse, check and draw; return the exit code."""
    command = tyro.cli(_prepare, prog="python -m keras_refs.explain", description=__doc__, args=arguments)
    return commands.run(_explain, command)


def _prepare(
    model: tyro.conf.Positional[Path],
    words: tuple[str, ...] = (),
    data_dir: str | None = None,
    output: Path = Path("explanations"),
):
    """Take the command line apart.

    Args:
        model: Folder of a SavedModel, or of its versions, of which the newest is taken.
        words: Texts to explain the answers to, for a model that takes texts; by default some of the data's.
        data_dir: TFDS data folder; by default the package's own for the data sets that come with it.
        output: Folder of explanations; the pictures go into OUTPUT/NAME/NUMBER, the next free one.
    """
    return model, words, data_dir, output


def _explain(model, words, data_dir, output):
    from keras_refs import export, storage

    folder, card = commands.read_export(model)
    recipe = commands.recipe_on(card, data_dir=data_dir)
    if words and not recipe.explains_texts:
        raise UserError(f"{recipe.name} takes no texts; --words is not for it.")
    storage.require_writable(output, "--output")
    commands.import_tensorflow_quietly()
    with export.new_version(output / recipe.name) as pictures:
        recipe.explain(folder, pictures.path, words)
    for path in sorted(pictures.path.iterdir()):
        print(path)


if __name__ == "__main__":
    sys.exit(main())
