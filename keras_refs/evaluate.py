"""Score an exported model: `python -m keras_refs.evaluate saved_models/conv_classifier`."""

import sys
from pathlib import Path

import tyro

from keras_refs import commands
from keras_refs.datasets import catalogue
from keras_refs.errors import UserError


def main(arguments=None):
    """Parse, check and score; return the exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
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
        dataset: TFDS name of the data set to score on; by default the one in the model card.
        data_dir: TFDS data folder; by default the package's own for the data sets that come with it.
        output: JSON file to write the metrics to; it must not exist.
    """
    return model, dataset, data_dir, output


def _evaluate(model, dataset, data_dir, output):
    from keras_refs import export, storage

    folder = export.newest_version(model)
    card = export.read_model_card(folder)
    dataset = dataset or card.get("dataset", {}).get("name")
    if dataset is None:
        raise UserError(f"{folder} has no model card that names its data set; name one with --dataset.")
    if output is not None and output.exists():
        raise UserError(f"--output {output} exists; name a file that does not.")
    catalogue.data_dir_of(dataset, data_dir)
    commands.import_tensorflow_quietly()
    metrics = _score(folder, card, dataset, data_dir)
    _report(folder, card, dataset, metrics)
    if output is not None:
        storage.write_json(output, metrics)


def _score(folder, card, dataset, data_dir):
    from keras_refs import datasets, evaluation, export

    model = export.SavedImageClassifier(folder)
    split = card.get("dataset", {}).get("test_split", "test")
    image_size = model.image_shape[0] if card.get("settings", {}).get("image_size") else 0
    test, class_names = datasets.load_image_split(dataset, data_dir, split, image_size)
    if len(class_names) != model.num_classes:
        raise UserError(
            f"The model has {model.num_classes} classes and the data set {dataset!r} has {len(class_names)}; "
            "score it on a data set with the classes it was trained on."
        )
    return evaluation.classification_metrics(test.labels, model.predict(test.images), class_names)


def _report(folder, card, dataset, metrics):
    from keras_refs import evaluation

    print(f"{folder} on the test split of {dataset}:")
    print(evaluation.format_classification_metrics(metrics))
    if card.get("dataset", {}).get("name") == dataset:
        print(f"Its model card claims {card['test']['accuracy']:.4f}.")


if __name__ == "__main__":
    sys.exit(main())
