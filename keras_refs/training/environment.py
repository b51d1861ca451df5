"""What a result depends on beside its settings: versions, platform, code and data."""

import hashlib
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from keras_refs import settings
from keras_refs.datasets import catalogue, files

_READ_OF_A_FILE = 2**16


def environment() -> dict[str, Any]:
    """Return versions, platform and git revision (`None` outside a checkout)."""
    packages = ("keras_refs", "keras", "tensorflow", "tensorflow-datasets", "numpy")
    versions = {"python": platform.python_version()}
    versions |= {package: importlib.metadata.version(package) for package in packages}
    return {"versions": versions, "platform": platform.platform(), "git_revision": _git_revision()}


def _git_revision():
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def data_checksum(config: Any) -> str | None:
    """Return a checksum of the data that a recipe's `Config` names, `None` if it names none or they are not there yet.

    Of a TFDS data set, which may be large, it is of the names, the sizes and the first 64 KiB of its files.
    """
    values = settings.flatten(config)
    if values.get("data") is not None:
        return files.checksum(values["data"])
    if "dataset" not in values:
        return None
    name = values["dataset"]
    default = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    folder = (
        Path(catalogue.data_dir_of(name, values["data_dir"]) or default).expanduser() / name.split("/")[0].split(":")[0]
    )
    digest, paths = hashlib.sha256(), files.files_in(folder) if folder.is_dir() else []
    for path in paths:
        with path.open("rb") as file:
            digest.update(f"{path.relative_to(folder)} {path.stat().st_size} ".encode() + file.read(_READ_OF_A_FILE))
    return digest.hexdigest() if paths else None
