"""Version folders as TensorFlow Serving reads them: `<model>/<integer>/`."""

import contextlib
import shutil
import tempfile
from pathlib import Path

from keras_refs.errors import UserError


@contextlib.contextmanager
def new_version(model_dir):
    """Yield a temporary folder that becomes the model's next version when the `with` ends without an error.

    The folder lies next to its target and is renamed in one step, so that a server that watches the model
    never sees half a version, and an existing version is never touched.

    Args:
        model_dir: Folder of the model's versions; created if it does not exist.

    Yields:
        A `VersionFolder`; its `path` changes from the temporary folder to the version's at the end.
    """
    model_dir = Path(model_dir)
    model_dir.mkdir(parents=True, exist_ok=True)
    version = VersionFolder(Path(tempfile.mkdtemp(dir=model_dir, prefix=".unfinished-")))
    try:
        # Readable for the server's user, too: `mkdtemp` makes the folder private.
        version.path.chmod(0o755)
        yield version
        version.path = _rename_to_next_version(version.path, model_dir)
    finally:
        shutil.rmtree(model_dir / version.temporary_name, ignore_errors=True)


class VersionFolder:
    """Where a version is at the moment."""

    def __init__(self, path):
        self.path = path
        self.temporary_name = path.name


def newest_version(path):
    """Return the folder of a SavedModel.

    Args:
        path: A version folder, or a model's folder, of which the version with the highest number is taken.

    Raises:
        UserError: If there is no SavedModel.
    """
    path = Path(path)
    if (path / "saved_model.pb").exists():
        return path
    versions = [number for number in _version_numbers(path) if (path / str(number) / "saved_model.pb").exists()]
    if not versions:
        raise UserError(
            f"{path} is no SavedModel: expected saved_model.pb in it, or in a version folder such as {path / '1'}."
        )
    return path / str(max(versions))


def _version_numbers(model_dir):
    if not model_dir.is_dir():
        return []
    return [int(folder.name) for folder in model_dir.iterdir() if folder.name.isdecimal()]


def _rename_to_next_version(folder, model_dir):
    while True:
        target = model_dir / str(max(_version_numbers(model_dir), default=0) + 1)
        try:
            return folder.rename(target)
        except OSError:
            # Another export may have taken the number in the meantime; anything else is an error.
            if not target.exists():
                raise
