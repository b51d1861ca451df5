"""Which file it was: its name, its size, and a checksum of what is in it."""

import hashlib
from pathlib import Path
from typing import Any


def checksum(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes or of a folder, 64 hexadecimal digits.

    That of a folder is of the names, relative to it and sorted, and the contents of all files in it that are not
    hidden: wherever the folder lies, and whatever its own name is.
    """
    path = Path(path)
    if not path.is_dir():
        return _digest(path)
    lines = [f"{_digest(file)} {file.relative_to(path).as_posix()}\n" for file in files_in(path)]
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def describe(path: str | Path) -> dict[str, Any]:
    """Return what a model card says of a file or folder: its `name`, `sha256`, `bytes`, and number of `files`."""
    path = Path(path).resolve()
    files = files_in(path) if path.is_dir() else [path]
    return {"name": path.name, "sha256": checksum(path), "bytes": size(path), "files": len(files)}


def size(path: str | Path) -> int:
    """Return the bytes of a file, or of all files in a folder that are not hidden."""
    path = Path(path)
    return sum(file.stat().st_size for file in (files_in(path) if path.is_dir() else [path]))


def files_in(folder: str | Path) -> list[Path]:
    """Return the paths of all files below a folder, sorted, without hidden ones and those in hidden folders."""
    folder = Path(folder)
    paths = (path for path in folder.rglob("*") if not _is_hidden(path.relative_to(folder)) and path.is_file())
    return sorted(paths, key=lambda path: path.relative_to(folder).as_posix())


def _is_hidden(path):
    return any(part.startswith(".") for part in path.parts)


def _digest(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
