"""A run and its working directory."""

import dataclasses
import importlib.metadata
import json
import platform
import subprocess
from pathlib import Path

from keras_refs import storage
from keras_refs.errors import UserError


class Run:
    """A training run in its own directory.

    The directory holds `config.json` (what was asked for and what it ran on), `checkpoints/`, `logs/` (for
    TensorBoard), and at the end `metrics.json` and `figures/`.

    Args:
        workdir: The directory; created if it does not exist.
        recipe: Name of the recipe.
        config: The recipe's frozen dataclass.
        resume: Whether to go on with the run that the directory holds, if it holds one.

    Raises:
        UserError: If the directory cannot be written to, holds a run and `resume` is false, or holds a run with
            other settings.
    """

    def __init__(self, workdir, recipe, config, resume=False):
        self.workdir = Path(workdir)
        self.checkpoints = self.workdir / "checkpoints"
        self.logs = self.workdir / "logs"
        self.figures = self.workdir / "figures"
        self._settings = {"recipe": recipe, **dataclasses.asdict(config)}
        self._config_file = self.workdir / "config.json"
        storage.require_writable(self.workdir, "--workdir")
        if self._config_file.exists():
            self._require_same_settings(resume)
        for folder in (self.checkpoints, self.logs, self.figures):
            folder.mkdir(exist_ok=True)

    def record(self, device_name):
        """Write `config.json`, unless this is a resumed run, and return what it says."""
        if not self._config_file.exists():
            content = {"settings": self._settings, "ran_on": {"device": device_name, **environment()}}
            storage.write_json(self._config_file, content)
        return json.loads(self._config_file.read_text(encoding="utf-8"))

    @property
    def metrics(self):
        """What a finished run wrote into `metrics.json`; `None` for one that is not finished."""
        path = self.workdir / "metrics.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def write_metrics(self, metrics):
        """Write `metrics.json`, which marks the run as finished."""
        storage.write_json(self.workdir / "metrics.json", metrics)

    def _require_same_settings(self, resume):
        try:
            earlier = json.loads(self._config_file.read_text(encoding="utf-8"))["settings"]
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{self._config_file} is not the record of a run. Choose another --workdir.") from error
        # Through JSON, as the other side went: tuples are lists there.
        settings = json.loads(json.dumps(self._settings))
        different = [
            f"{name} was {earlier.get(name)!r} and is now {settings.get(name)!r}"
            for name in sorted({*earlier, *settings})
            if earlier.get(name) != settings.get(name)
        ]
        if different:
            raise UserError(
                f"--workdir {self.workdir} holds a run with other settings: {'; '.join(different)}. "
                "Use the same settings with --resume, or another --workdir."
            )
        if not resume:
            raise UserError(
                f"--workdir {self.workdir} already holds a run with these settings. "
                "Add --resume to go on with it, or choose another --workdir."
            )


def environment():
    """Return what else a result depends on: versions, platform and git revision (`None` outside a checkout)."""
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
