"""Writing so that nothing is lost: checked before the work, and all or nothing after it."""

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from keras_refs.errors import UserError

REQUIRED_BYTES = 100_000_000
"""Free space for logs, figures and the export of a run; its checkpoints need more, the larger the model is."""


def require_writable(folder: str | Path, option: str, required_bytes: int = REQUIRED_BYTES) -> None:
    """Prove that a folder can be written to and has room, or can be created where it is to be; nothing is left there.

    Args:
        folder: Path of the folder.
        option: The command-line option that names it, for the message.
        required_bytes: Free space that is needed.

    Raises:
        UserError: If it is no folder, cannot be written to, or its disk is nearly full.
    """
    folder = Path(folder)
    try:
        existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise UserError(f"{option} {folder} must be a folder that can be written to: {error.strerror}.") from error
    free = shutil.disk_usage(existing).free
    if free < required_bytes:
        needed, left = required_bytes // 10**6, free // 10**6
        raise UserError(f"{option} {folder} needs {needed} MB of free disk space; {left} MB are left there.")


def write_json(path: str | Path, content: Any) -> None:
    """Write a JSON file; a reader sees the old file or the new one, never half of it."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)
