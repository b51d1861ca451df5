"""Score an exported model: `python -m keras_refs.evaluate saved_models/conv_classifier`."""

import dataclasses
import sys
from pathlib import Path

import tyro

from keras_refs import commands, recipes
from keras_refs.errors import UserError


def main(arguments=None):
    """Parse, check and score; return the exit code."""
    command = tyro.cli(_prepare, prog="python -m keras_refs.evaluate", description=__doc__, args=arguments)
    return commands.run(_evaluate, command)


def _prepare(
    model: tyro.conf.Positional[Path],
    dataset: str | None = None,
    data_dir: str | None = None,
    output: Path | None = None,
):
    """Take the command line apart.

    Args:
        model: Folder of a SavedModel, or of its versions, of which the newest is taken.
        dataset: TFDS name of the data set to score on; by default the one on the model card.
        data_dir: TFDS data folder; by default the package's own for the data sets that come with it.
        output: JSON file to write the metrics to; it must not exist.
    """
    return model, dataset, data_dir, output


def _evaluate(model, dataset, data_dir, output):
    from keras_refs import export, storage

    folder = export.newest_version(model)
    card = export.read_model_card(folder)
    if not card:
        raise UserError(f"{folder} has no model card, which says what its model is for and how it is scored.")
    if output is not None and output.exists():
        raise UserError(f"--output {output} exists; name a file that does not.")
    recipe = recipe_on(card, dataset, data_dir)
    recipe.require_known_data()
    commands.import_tensorflow_quietly()
    scores, _ = recipe.score(folder)
    scored_on = dataset or card["dataset"]["name"]
    print(f"{folder}, {scored_on}, {recipe.scored_on}:\n{recipe.format_scores(scores)}")
    if scored_on == card["dataset"]["name"]:
        print(f"Its model card claims {recipe.headline(card['test'])}.")
    if output is not None:
        storage.write_json(output, scores)


def recipe_on(card, dataset=None, data_dir=None):
    """Return the recipe a model was trained by, with the settings on its card and, if named, other data."""
    module = recipes.load(card["name"])
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in card["settings"].items()}
    if unknown := settings.keys() - {field.name for field in dataclasses.fields(module.Config)}:
        raise UserError(
            f"The model card names settings that {card['name']} does not have: {', '.join(sorted(unknown))}. "
            f"Score the model with keras_refs {card['ran_on']['versions']['keras_refs']}."
        )
    if "dataset" in settings:
        # Where the data lay on the machine that trained is of no use here.
        settings |= {"data_dir": data_dir, "dataset": dataset or settings["dataset"]}
    elif dataset or data_dir:
        raise UserError(f"{card['name']} makes its own data; --dataset and --data-dir are not for it.")
    return module.Recipe(module.Config(**settings))


if __name__ == "__main__":
    sys.exit(main())
