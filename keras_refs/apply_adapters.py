"""Export a fine-tuned BERT from its adapters: `python -m keras_refs.apply_adapters adapters/bert_classifier`."""

import sys
from collections.abc import Sequence
from pathlib import Path

import tyro

from keras_refs import commands, pretrained
from keras_refs.recipes import bert_classifier


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, check and export; return the exit code."""
    command = tyro.cli(_prepare, prog="python -m keras_refs.apply_adapters", description=__doc__, args=arguments)
    return commands.run(_apply, command)


def _prepare(
    adapters: tyro.conf.Positional[Path],
    weights: Path = pretrained.FOLDER,
    export_dir: Path = Path("saved_models"),
):
    """Parse the command-line arguments.

    Args:
        adapters: Folder with adapters.npz and the model card.
        weights: Folder of the weights that the adapters were trained on, as `python -m keras_refs.fetch` fetches them.
        export_dir: Folder to export into, as `bert_classifier/1`, or the next number.
    """
    return adapters, weights, export_dir


def _apply(adapters, weights, export_dir):
    commands.require_training_packages()
    commands.import_tensorflow_quietly()
    print(f"Exported to {bert_classifier.apply_adapters(adapters, weights, export_dir)}")


if __name__ == "__main__":
    sys.exit(main())
