"""The folder of models that is served, and the state of each version in it."""

import concurrent.futures
import contextlib
import dataclasses
import os
import threading
from pathlib import Path

from keras_refs.errors import first_line
from keras_refs.serving.options import ServerOptions
from keras_refs.serving.rest import RequestError
from keras_refs.serving.servable import Servable


@dataclasses.dataclass
class Version:
    """A version of a model: its folder, its files when they were read, and the loaded model or the error."""

    folder: Path
    stamp: list
    state: str = "LOADING"
    servable: Servable | None = None
    error: str = ""


class Repository:
    """Models as `<root>/<name>/<version>/`, loaded when their folders appear and dropped when these are removed.

    Every version is served, the newest by default. A version that cannot be loaded is tried again when its files
    change. Loaded versions serve requests while others are being loaded.

    Args:
        root: Folder of models. A version that is, or contains, a link to a path outside it is not loaded.
        options: `ServerOptions`, kept as an attribute; the defaults if not given.
    """

    def __init__(self, root, options=None):
        self.options = options or ServerOptions()
        self._root = Path(root).resolve()
        # By name the versions by number, the newest first. Replaced at every change: other threads read it.
        self._models = {}
        self._updating = threading.Lock()

    @property
    def names(self):
        """Names of the models with any version."""
        return sorted(self._models)

    def update(self):
        """Scan the folder once, load new versions, drop removed ones, and return whether there was any change."""
        with self._updating:
            models, new = {}, []
            for name, number, folder in self._scan():
                version = self._models.get(name, {}).get(number)
                if version is None or (not version.servable and version.stamp != _stamp(folder)):
                    version = Version(folder, _stamp(folder))
                    new.append(version)
                models.setdefault(name, {})[number] = version
            changed, self._models = models != self._models, models
            with concurrent.futures.ThreadPoolExecutor(os.cpu_count(), "load") as threads:
                list(threads.map(self._load, new))
            return changed

    def _scan(self):
        """Return name, number and folder of every version, the newest first."""
        folders = [path for path in self._root.glob("*/*") if path.name.isdecimal() and path.is_dir()]
        versions = [(path.parent.name, int(path.name), path) for path in folders]
        served = self.options.models
        return sorted((version for version in versions if not served or version[0] in served), reverse=True)

    def _load(self, version):
        try:
            for path in (version.folder, *version.folder.rglob("*")):
                if not path.resolve().is_relative_to(self._root):
                    raise ValueError(f"{path.relative_to(self._root)} is a link to a path outside the folder of models")
            version.servable, version.state = Servable(version.folder, self.options), "AVAILABLE"
        # An error in one folder must not keep the others from being served.
        except Exception as error:
            version.error, version.state = first_line(error), "END"

    def find(self, name, number=None):
        """Return number and `Servable` of a version, by default the newest that is available.

        Raises:
            RequestError: If there is none, with status 404, or 503 while it is being loaded.
        """
        versions = self._select(name, number)
        for candidate, version in versions.items():
            if version.servable:
                return candidate, version.servable
        newest, version = next(iter(versions.items()))
        if not version.error:
            raise RequestError(f"Version {newest} of model {name!r} is being loaded.", 503)
        raise RequestError(f"Version {newest} of model {name!r} cannot be served: {version.error}", 404)

    def status(self, name, number=None):
        """Return the versions of a model, newest first, in the format of TensorFlow Serving's model status.

        Raises:
            RequestError: If there are none, with status 404.
        """
        return [
            {
                "version": str(number),
                "state": version.state,
                "status": {"error_code": "UNKNOWN" if version.error else "OK", "error_message": version.error},
            }
            for number, version in self._select(name, number).items()
        ]

    def _select(self, name, number):
        versions = self._models.get(name, {})
        if number is not None:
            versions = {number: versions[number]} if number in versions else {}
        if not versions:
            which = f"model {name!r}" if number is None else f"version {number} of model {name!r}"
            raise RequestError(f"There is no {which}. Models are: {', '.join(self.names) or 'none yet'}.", 404)
        return versions


def _stamp(folder):
    """Return a value that changes when any file of a version does."""
    files = []
    for path in sorted(folder.rglob("*")):
        # A link to nowhere, or a file that is removed meanwhile.
        with contextlib.suppress(OSError):
            status = path.stat()
            files.append((str(path), status.st_mtime_ns, status.st_size))
    return files
