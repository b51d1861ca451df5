"""Export a BERT as a model from texts to vectors, or search by it: `python -m keras_refs.sentence_embeddings`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from keras_refs import commands, pretrained
from keras_refs.errors import UserError
from keras_refs.pretrained import sentence_embeddings

SHOWN = 5
"""Lines that are printed for each query."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, check, export and search; return the exit code."""
    program = "python -m keras_refs.sentence_embeddings"
    command = tyro.cli(_prepare, prog=program, description=__doc__, args=arguments)
    return commands.run(_run, command)


def _prepare(
    weights: Path = pretrained.FOLDER,
    export_dir: Path = Path("saved_models"),
    precision: Literal["float32", "float16", "int8"] = "float32",
    search: Annotated[tuple[str, ...], tyro.conf.arg(metavar="FILE QUERY [QUERY ...]")] = (),
):
    """Parse the command-line arguments.

    Args:
        weights: Folder or file of the checkpoint, with config.json and vocab.txt beside it; by default the one that
            `python -m keras_refs.fetch` fetches.
        export_dir: Folder to export into, as `sentence_embeddings/1`, or the next number.
        precision: What the weights are stored as, all-MiniLM-L6-v2's in 91, 45 or 23 MB. Every request turns those of
            float16 and int8 into float32 first, so they save space, not time.
        search: Print the lines of a text file that are closest to each query, by the newest export, which is made if
            there is none.
    """
    return weights, export_dir, precision, search


def _run(weights, export_dir, precision, search):
    commands.require_training_packages()
    lines = _read_lines(search) if search else []
    folder = _newest(export_dir / sentence_embeddings.NAME) if search else None
    if folder is None:
        sentence_embeddings.require_exportable(weights, export_dir)
        commands.import_tensorflow_quietly()
        folder = sentence_embeddings.export_sentence_embeddings(weights, export_dir, precision)
        print(f"Exported to {folder}")
    if search:
        commands.import_tensorflow_quietly()
        _print_nearest(folder, lines, search[1:])


def _read_lines(search):
    """Return the lines of the file to search that are not empty, with their numbers."""
    if len(search) < 2:
        raise UserError(f"--search needs a file and at least one query. Received: {' '.join(search)}")
    try:
        content = Path(search[0]).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UserError(f"--search {search[0]} must be a text file: {error.strerror}.") from error
    lines = [(number, line.strip()) for number, line in enumerate(content.split("\n"), start=1) if line.strip()]
    if not lines:
        raise UserError(f"--search {search[0]} must hold a line that is not empty.")
    return lines


def _newest(model_dir):
    from keras_refs import export

    try:
        return export.newest_version(model_dir)
    except UserError:
        return None


def _print_nearest(folder, lines, queries):
    """Print for each query the closest lines, with their cosines and numbers."""
    import numpy as np

    from keras_refs import export

    model = export.SavedFunction(folder)
    texts = [line for _, line in lines]
    cosines = sentence_embeddings.embed(model, queries) @ sentence_embeddings.embed(model, texts).T
    for query, row in zip(queries, cosines, strict=True):
        print(query)
        for index in np.argsort(-row, kind="stable")[:SHOWN]:
            number, line = lines[index]
            print(f"  {row[index]:.4f}  line {number}: {line[:100]}")


if __name__ == "__main__":
    sys.exit(main())
