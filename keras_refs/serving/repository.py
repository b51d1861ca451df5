"""The folder of models that is served, and the state of each version in it."""

import dataclasses
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_refs.errors import UserError, first_line
from keras_refs.serving import limits
from keras_refs.serving.options import ServerOptions
from keras_refs.serving.rest import RequestError
from keras_refs.serving.servable import Servable

log = logging.getLogger(__name__)


@dataclasses.dataclass(eq=False)
class Version:
    """A version of a model: its folder, its files when they were read, and the loaded model or the error."""

    folder: Path
    stamp: list | None = None
    state: str = "LOADING"
    servable: Servable | None = None
    error: str = ""


class Repository:
    """Models as `<root>/<name>/<version>/`, loaded when their folders appear and dropped when these are removed.

    Every version is served, the newest by default. A version that cannot be loaded is tried again when its files
    change. Each folder is read, and each version loaded, by a thread of its own: one that hangs keeps no other from
    being served.

    Args:
        root: Folder of models. A version that is, or contains, a link to a path outside it is not loaded.
        options: `ServerOptions`; the defaults if not given.

    Attributes:
        root: The folder, as an absolute path.
        options: The options.

    Raises:
        UserError: If the folder cannot be read, or has no folder of a name in the options.
    """

    def __init__(self, root: str | Path, options: ServerOptions | None = None):
        self.options = options or ServerOptions()
        self.root = Path(root).resolve()
        # By name the versions by number, the newest first. Replaced at every change: other threads read it.
        self._models: dict[str, dict[int, Version]] = {}
        self._threads: dict[Any, Any] = {}
        self._unreadable: dict[Any, Any] = {}
        self._lock = threading.Lock()
        self._changed = False
        try:
            there = sorted(path.name for path in self.root.iterdir())
        except OSError as error:
            raise UserError(f"The folder of models cannot be read: {error}") from error
        if missing := sorted(set(self.options.models) - set(there)):
            raise UserError(f"{root} has no model {', '.join(missing)}. It has: {', '.join(there) or 'nothing'}.")

    @property
    def names(self) -> list[str]:
        """Names of the models with any version."""
        return sorted(self._models)

    @property
    def is_ready(self) -> bool:
        """Whether every model has a version that is served, or only such as cannot be."""
        # First the scans: what one has found is among the models when it ends.
        scans = [key for key, thread in list(self._threads.items()) if isinstance(key, str) and thread.is_alive()]
        if not self._models.keys() >= set(scans):
            return False
        states = [{version.state for version in versions.values()} for versions in self._models.values()]
        return all("AVAILABLE" in each or "LOADING" not in each for each in states)

    def update(self, seconds: float | None = None) -> bool:
        """Scan the folder once, load new versions, and drop removed ones.

        Args:
            seconds: Maximum time to wait for them, after which they are still being loaded; by default the options'.

        Returns:
            Whether there was any change since the last call.

        Raises:
            OSError: If the folder itself cannot be read.
        """
        end = time.monotonic() + (self.options.load_seconds if seconds is None else seconds)
        served = self.options.models
        names = [path.name for path in self.root.iterdir() if not served or path.name in served]
        for name in self._models.keys() - names:
            self._replace(name, {})
        for name in names:
            self._start(name, self._scan, name)
        # Scans start threads that load.
        while running := [thread for thread in list(self._threads.values()) if thread.is_alive()]:
            if (left := end - time.monotonic()) <= 0:
                break
            running[0].join(min(left, 0.1))
        changed, self._changed = self._changed, False
        return changed

    def _start(self, key, function: Callable, *arguments) -> None:
        """Call a function in a thread, unless the last one of this key is still running."""
        with self._lock:
            last = self._threads.get(key)
            if last is None or not last.is_alive():
                thread = threading.Thread(target=function, args=arguments, name=f"load {key}", daemon=True)
                self._threads[key] = thread
                thread.start()

    def _scan(self, name):
        """Find the versions of a model, and have those loaded that are not."""
        versions = self._models.get(name, {})
        try:
            folders = {int(path.name): path for path in (self.root / name).iterdir() if path.name.isdecimal()}
        except (FileNotFoundError, NotADirectoryError):
            folders = {}
        except OSError as error:
            # What is loaded goes on being served: a disk may come back.
            if self._unreadable.get(name) != str(error):
                log.warning("The folder of model %s cannot be read: %s", name, error)
            self._unreadable[name] = str(error)
            return
        self._unreadable.pop(name, None)
        for number in versions.keys() - folders:
            log.info("Version %d of model %s is dropped: its folder was removed.", number, name)
        if versions.keys() != folders.keys():
            newest_first = sorted(folders.items(), reverse=True)
            self._replace(name, {number: versions.get(number) or Version(folder) for number, folder in newest_first})
        for number, version in self._models.get(name, {}).items():
            if not version.servable:
                self._start((name, number), self._load, name, number, version)

    def _replace(self, name, versions):
        with self._lock:
            others = {other: kept for other, kept in self._models.items() if other != name}
            self._models = {**others, name: versions} if versions else others
            self._threads = {key: thread for key, thread in self._threads.items() if thread.is_alive()}
            self._changed = True

    def _load(self, name, number, version):
        start = time.monotonic()
        # An error in one folder must not keep the others from being served.
        try:
            stamp = _stamp(version.folder)
            if stamp == version.stamp:
                return
            version.stamp, version.state, version.error = stamp, "LOADING", ""
            self._check(version.folder)
            version.servable, version.state = Servable(version.folder, self.options), "AVAILABLE"
            log.info("Version %d of model %s is loaded, after %.1f s.", number, name, time.monotonic() - start)
        except Exception as error:
            if (reason := first_line(error)) == version.error:
                return
            version.error, version.state = reason, "END"
            log.warning("Version %d of model %s cannot be served: %s", number, name, reason)
        self._changed = True

    def _check(self, folder):
        """Read all files of a version once, so that a disk that hangs does so here, where no other version waits.

        Raises:
            OSError: If a file cannot be read.
            ValueError: If one is a link to a path outside the folder of models, or they are too large.
        """
        paths = [folder, *folder.rglob("*")]
        for path in paths:
            if not path.resolve().is_relative_to(self.root):
                raise ValueError(f"{path.relative_to(self.root)} is a link to a path outside the folder of models")
        files = [path for path in paths if not path.is_dir()]
        # Loaded, it takes at least as much as its files.
        size, left = sum(path.stat().st_size for path in files), limits.memory_left(self.options)
        if size > left:
            raise ValueError(f"it takes at least {size:,} bytes of memory, of which {max(0, left):,.0f} are left")
        for path in files:
            with path.open("rb") as file:
                while file.read(2**20):
                    pass

    def find(self, name: str, number: int | None = None) -> tuple[int, Servable]:
        """Return number and `Servable` of a version, by default the newest that is available.

        Raises:
            RequestError: If there is none, with status 404, or 503 while it is being loaded.
        """
        versions = self._select(name, number)
        for candidate, version in versions.items():
            if servable := version.servable:
                return candidate, servable
        newest, version = next(iter(versions.items()))
        if not version.error:
            raise RequestError(f"Version {newest} of model {name!r} is being loaded.", 503)
        raise RequestError(f"Version {newest} of model {name!r} cannot be served: {version.error}", 404)

    def status(self, name: str, number: int | None = None) -> list[dict]:
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
        status = path.lstat()
        files.append((str(path), status.st_mtime_ns, status.st_size))
    return files
