"""Writing so that nothing is lost: checked before the work, and all or nothing after it."""

import json
import os
import shutil
import tempfile
from pathlib import Path

from keras_refs.errors import UserError

REQUIRED_BYTES = 100_000_000
"""Free space a run asks for before it begins; the default run leaves about 10 MB."""


def require_writable(folder, option):
    """Create a folder and prove that it can be written to and has room.

    Args:
        folder: Path of the folder.
        option: The command-line option that names it, for the message.

    Raises:
        UserError: If it is no folder, cannot be written to, or its disk is nearly full.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"{option} {folder} must be a folder that can be written to: {error.strerror}.") from error
    free = shutil.disk_usage(folder).free
    if free < REQUIRED_BYTES:
        raise UserError(
            f"{option} {folder} needs {REQUIRED_BYTES // 10**6} MB of free disk space; "
            f"{free // 10**6} MB are left there."
        )


def write_json(path, content):
    """Write a JSON file; a reader sees the old file or the new one, never half of it."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)
