"""The folder of models that is served, and what became of each version in it."""

import concurrent.futures
import dataclasses
import os
import threading
from pathlib import Path

from keras_refs.errors import first_line
from keras_refs.serving.rest import RequestError
from keras_refs.serving.servable import Servable


@dataclasses.dataclass
class Version:
    """A version of a model: its files when they were read, and then what they hold or why they cannot be loaded."""

    stamp: tuple
    servable: Servable | None = None
    error: str | None = None

    @property
    def state(self):
        """TensorFlow Serving's word for it."""
        if self.servable:
            return "AVAILABLE"
        return "LOADING" if self.error is None else "END"


class Repository:
    """Models as `<root>/<name>/<version>/`, loaded when their folders appear and forgotten when these go.

    Every version is served, the newest by default. What cannot be loaded is tried again when its files change; the
    others go on answering meanwhile, and while a version is being loaded.

    Args:
        root: Folder of models. A version that is, or holds, a link to a place outside it is not loaded.
        names: Models to serve; all by default.
        batching: A `Batching`, or `None` to compute every request alone.
    """

    def __init__(self, root, names=None, batching=None):
        self._root = Path(root).resolve()
        self._names = names
        self._batching = batching
        self._models = {}
        self._updating = threading.Lock()

    @property
    def names(self):
        """Names of the models with any version."""
        return sorted(self._models)

    def update(self):
        """Look at the folder once, load what is new, forget what is gone, and return whether there was any."""
        with self._updating:
            found, new = self._scan(), []
            gone = _pairs(self._models) - _pairs(found)
            for name, number in gone:
                del self._models[name][number]
            for name in self._models.keys() - found.keys():
                del self._models[name]
            for name, folders in sorted(found.items()):
                versions = self._models.setdefault(name, {})
                # The newest first: it is what clients ask for.
                for number in sorted(folders, reverse=True):
                    known = versions.get(number)
                    if known and known.servable:
                        continue
                    stamp = _stamp(folders[number])
                    if known is None or known.stamp != stamp:
                        versions[number] = Version(stamp)
                        new.append((versions[number], folders[number]))
            if new:
                with concurrent.futures.ThreadPoolExecutor(os.cpu_count(), "load") as threads:
                    list(threads.map(self._load, *zip(*new, strict=True)))
            return bool(new or gone)

    def _scan(self):
        models = {}
        for folder in sorted(self._root.iterdir()) if self._root.is_dir() else []:
            if folder.is_dir() and (self._names is None or folder.name in self._names):
                versions = {
                    int(path.name): path for path in folder.iterdir() if path.name.isdecimal() and path.is_dir()
                }
                if versions:
                    models[folder.name] = versions
        return models

    def _load(self, version, folder):
        try:
            self._require_inside(folder)
            version.servable = Servable(folder, self._batching)
        # Whatever is wrong with one folder must not keep the others from being served.
        except Exception as error:
            version.error = first_line(error)

    def _require_inside(self, folder):
        for path in (folder, *folder.rglob("*")):
            if not path.resolve().is_relative_to(self._root):
                raise ValueError(f"{path.relative_to(self._root)} is a link to a place outside the folder of models")

    def find(self, name, number=None):
        """Return number and `Servable` of a version, by default the newest that is available.

        Raises:
            RequestError: If there is none, with status 404, or 503 while it is being loaded.
        """
        versions = self._versions(name, number)
        available = {number: version.servable for number, version in versions.items() if version.servable}
        if available:
            newest = max(available)
            return newest, available[newest]
        newest = max(versions)
        if versions[newest].state == "LOADING":
            raise RequestError(f"Version {newest} of model {name!r} is being loaded.", 503)
        raise RequestError(f"Version {newest} of model {name!r} cannot be served: {versions[newest].error}", 404)

    def status(self, name, number=None):
        """Return what TensorFlow Serving's model status says of a model's versions, newest first.

        Raises:
            RequestError: If there are none, with status 404.
        """
        return [
            {
                "version": str(number),
                "state": version.state,
                "status": {
                    "error_code": "OK" if version.error is None else "UNKNOWN",
                    "error_message": version.error or "",
                },
            }
            for number, version in sorted(self._versions(name, number).items(), reverse=True)
        ]

    def _versions(self, name, number):
        # Copies: another thread may be adding versions.
        versions = dict(self._models.get(name, {}))
        if number is not None:
            versions = {number: versions[number]} if number in versions else {}
        if not versions:
            which = f"version {number} of model {name!r}" if number is not None else f"model {name!r}"
            raise RequestError(f"There is no {which}. Models are: {', '.join(self.names) or 'none yet'}.", 404)
        return versions


def _pairs(models):
    """Return name and number of all versions."""
    return {(name, number) for name, versions in models.items() for number in versions}


def _stamp(folder):
    """Return what changes when any file of a version does."""
    found = []
    for path in sorted(folder.rglob("*")):
        try:
            status = path.stat()
        except OSError:
            continue
        found.append((str(path), status.st_mtime_ns, status.st_size))
    return tuple(found)
