"""Train a recipe: `python -m keras_refs.train NAME`."""

import dataclasses
import inspect
import shlex
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import tyro

from keras_refs import commands, recipes
from keras_refs.errors import UserError

USAGE = """\
usage: python -m keras_refs.train NAME [options]

  NAME           a recipe: {names}
  --list         list the recipes with what they reach
  NAME --help    list the options of a recipe
"""


@dataclasses.dataclass(frozen=True)
class Folders:
    """Where a run writes."""

    workdir: Path | None = None
    """Folder of the run; by default a new one, runs/NAME/DATE-TIME."""
    export_dir: Path = Path("saved_models")
    """Folder of models; the export becomes EXPORT_DIR/NAME/VERSION."""
    resume: bool = False
    """Go on with the run in the workdir; without --workdir, with the newest in runs/NAME."""


def main(arguments=None):
    """Parse, check and train; return the exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments == ["--list"]:
        for name in recipes.NAMES:
            print(f"{name}\n{_indented(inspect.getdoc(recipes.load(name)))}")
        return 0
    if not arguments or arguments[0].startswith("-"):
        print(USAGE.format(names=", ".join(recipes.NAMES)), end="")
        return 0 if arguments in (["--help"], ["-h"]) else 2
    name, *options = arguments
    resume_command = []
    return commands.run(_train, (name, options, resume_command), resume_command)


def _train(name, options, resume_command):
    recipe = recipes.load(name)
    config, folders = _parse(recipe, name, options)
    task = recipe.Recipe(config)
    task.require_known_data()
    workdir = folders.workdir or _default_workdir(name, folders.resume)
    resume_command.append(_resume_command(name, options, workdir if folders.workdir is None else None))
    print(f"Run in {workdir}", flush=True)
    commands.import_tensorflow_quietly()
    metrics = task.train_and_evaluate(workdir, folders.export_dir, folders.resume)
    if metrics["cross_validation"]:
        print(f"In cross-validation: {task.headline(metrics['cross_validation'])}")
    print(
        f"{task.scored_on.capitalize()}: {task.headline(metrics['test'])}, after "
        f"{len(metrics['history'])} epochs and {metrics['seconds']:.0f} s of training (best epoch "
        f"{metrics['best_epoch']}).\nMetrics and figures: {workdir}\nSavedModel: {metrics['export']}"
    )


def _parse(recipe, name, options):
    def both(
        config: Annotated[recipe.Config, tyro.conf.arg(name="")],
        folders: Annotated[Folders, tyro.conf.arg(name="")],
    ):
        return config, folders

    return tyro.cli(both, prog=f"python -m keras_refs.train {name}", description=recipe.__doc__, args=options)


def _default_workdir(name, resume):
    runs = Path("runs") / name
    if not resume:
        return runs / datetime.now().strftime("%Y%m%d-%H%M%S")
    earlier = sorted(folder for folder in runs.glob("*") if (folder / "config.json").exists())
    if not earlier:
        raise UserError(f"--resume found no run in {runs}; name one with --workdir.")
    return earlier[-1]


def _resume_command(name, options, chosen_workdir):
    kept = [option for option in options if option != "--resume"]
    where = ["--workdir", str(chosen_workdir)] if chosen_workdir else []
    return "python -m keras_refs.train " + shlex.join([name, *kept, *where, "--resume"])


def _indented(text):
    return "\n".join(f"    {line}" if line else "" for line in text.splitlines())


if __name__ == "__main__":
    sys.exit(main())
