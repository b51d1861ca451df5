"""Fetch the weights of all-MiniLM-L6-v2, 91 MB: `python -m keras_refs.fetch`."""

import sys
from collections.abc import Sequence
from pathlib import Path

import tyro

from keras_refs import commands, pretrained


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, check and fetch; return the exit code."""
    command = tyro.cli(_prepare, prog="python -m keras_refs.fetch", description=__doc__, args=arguments)
    return commands.run(_fetch, command)


def _prepare(folder: tyro.conf.Positional[Path] = pretrained.FOLDER):
    """Parse the command-line arguments.

    Args:
        folder: Folder to write the files into, which is created if it is missing.
    """
    return (folder,)


def _fetch(folder):
    written = pretrained.fetch(folder)
    print(f"{folder} is complete; fetched: {', '.join(written) or 'nothing, all of it was there'}.")


if __name__ == "__main__":
    sys.exit(main())
