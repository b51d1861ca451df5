"""Score an exported model: `python -m keras_refs.evaluate saved_models/conv_classifier`."""

import sys
from collections.abc import Sequence
from pathlib import Path

import tyro

from keras_refs import commands
from keras_refs.errors import UserError


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, check and score; return the exit code."""
    command = tyro.cli(_prepare, prog="python -m keras_refs.evaluate", description=__doc__, args=arguments)
    return commands.run(_evaluate, command)


def _prepare(
    model: tyro.conf.Positional[Path],
    dataset: str | None = None,
    data_dir: str | None = None,
    data: str | None = None,
    output: Path | None = None,
):
    """Parse the command-line arguments.

    Args:
        model: Name of a trained model, or folder of a SavedModel, or of its versions, of which the newest is taken.
        dataset: TFDS name of the data set to score on; by default the one on the model card.
        data_dir: TFDS data folder; by default the package's own for the data sets that come with it.
        data: File or folder to score on in place of a TFDS data set.
        output: JSON file to write the metrics to, which must not exist; its folder is created if it is missing.
    """
    return model, dataset, data_dir, data, output


def _evaluate(model, dataset, data_dir, data, output):
    from keras_refs import storage

    commands.require_training_packages()
    folder, card = commands.read_export(model)
    if output is not None:
        if output.exists():
            raise UserError(f"--output {output} exists; name a file that does not.")
        storage.require_writable(output.parent, "The folder of --output", required_bytes=0)
    recipe, config = commands.recipe_of(card, dataset, data_dir, data)
    note = commands.note_on_file(card, data)
    commands.import_tensorflow_quietly()
    scores = recipe.evaluate(folder, config)
    scored_on = data or dataset or card["dataset"]["name"]
    # Of a table from TFDS all rows are scored, of a file those of its test split.
    rows = "on the test split" if data else card["scored_on"]
    print(f"{folder}, {scored_on}, {rows}:\n{recipe.format_scores(scores)}")
    if note:
        print(note)
    elif "sha256" in card["dataset"] if data else scored_on == card["dataset"]["name"]:
        print(f"Its model card claims {recipe.format_scores(card['test']).splitlines()[-1]}.")
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        storage.write_json(output, scores)


if __name__ == "__main__":
    sys.exit(main())
