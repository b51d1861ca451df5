"""The directory of a run: what it may hold before, and what a finished run left there."""

import json
from pathlib import Path
from typing import Any

from keras_refs import settings
from keras_refs.datasets import files
from keras_refs.errors import UserError


def check_workdir(workdir: str | Path, name: str, config: Any, resume: bool) -> None:
    """Require that a directory is empty, new, or holds a run of a recipe with these settings that is to be resumed.

    Raises:
        UserError: If it does not; what is in it stays as it is.
    """
    path = Path(workdir) / "config.json"
    if not path.exists():
        if Path(workdir).is_dir() and any(Path(workdir).iterdir()):
            raise UserError(f"--workdir {workdir} is not empty and holds no run. Choose a new folder or an empty one.")
        return
    try:
        recorded = json.loads(path.read_text(encoding="utf-8"))
        earlier = recorded["settings"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not the record of a run. Choose another --workdir.") from error
    # Through JSON, as the other side went: tuples are lists there.
    wanted = json.loads(json.dumps({"recipe": name, **settings.flatten(config)}))
    different = [
        f"{key} was {earlier.get(key)!r} and is now {wanted.get(key)!r}"
        for key in sorted({*earlier, *wanted})
        if earlier.get(key) != wanted.get(key)
    ]
    if different:
        raise UserError(
            f"--workdir {workdir} holds a run with other settings: {'; '.join(different)}. "
            "Use the same settings with --resume, or another --workdir."
        )
    if "file" in recorded and recorded["file"]["sha256"] != file_of(config)["file"]["sha256"]:
        raise UserError(
            f"--workdir {workdir} holds a run on other data: {recorded['file']['name']} has another content than when "
            "the run began. Train on it in another --workdir."
        )
    if not resume:
        raise UserError(
            f"--workdir {workdir} already holds a run with these settings. "
            "Add --resume to go on with it, or choose another --workdir."
        )


def recorded_precision(workdir: str | Path) -> str | None:
    """Return the precision that the run in a directory began with, `None` if there is none or it is not recorded."""
    path = Path(workdir) / "config.json"
    recorded = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return recorded.get("ran_on", {}).get("precision")


def file_of(config: Any) -> dict[str, Any]:
    """Return what is recorded of the user's file that a run is trained on; nothing if there is none."""
    path = settings.flatten(config).get("data")
    return {"file": files.describe(path)} if path is not None else {}


def finished(workdir: str | Path) -> dict[str, Any] | None:
    """Return what a finished run wrote into `metrics.json`; `None` if there is none."""
    path = Path(workdir) / "metrics.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
