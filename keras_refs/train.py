"""Train a recipe: `python -m keras_refs.train NAME`."""

import dataclasses
import shlex
import sys
import textwrap
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import tyro

from keras_refs import commands, recipes, settings
from keras_refs.errors import TrainingDivergedError, UserError, WorkerDoneError

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


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, check and train; return the exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments == ["--list"]:
        for name in recipes.NAMES:
            print(f"{name}\n{textwrap.indent(recipes.load(name).__doc__, '    ')}")
        return 0
    if not arguments or arguments[0].startswith("-"):
        print(USAGE.format(names=", ".join(recipes.NAMES)), end="")
        return 0 if arguments in (["--help"], ["-h"]) else 2
    name, *options = arguments
    return commands.run(_train, (name, options))


def _train(name, options):
    recipe = recipes.load(name)
    commands.require_training_packages()
    config, folders = _parse(recipe, name, options)
    _require_one_source(options)
    commands.require_known_data(config)
    settings.check_privacy(config)
    if config.compute.distribute == "workers" and folders.workdir is None:
        raise UserError(
            "--distribute workers needs --workdir, so that it can be resumed; the chief alone writes there."
        )
    workdir = folders.workdir or _default_workdir(name, folders.resume)
    print(f"Run in {workdir}", flush=True)
    commands.import_tensorflow_quietly()
    if hasattr(recipe, "config_for"):
        config = _config_for_data(recipe, name, options, config)
    from keras_refs import training

    peers = training.join(name, config)
    try:
        metrics = _finished(training, peers, workdir, name, config, folders.resume)
        metrics = metrics or recipe.train_and_evaluate(config, workdir, folders.export_dir, folders.resume)
    except WorkerDoneError:
        print(f"Worker {peers.index} is done.")
        return
    except BaseException as error:
        sentence = str(error) if isinstance(error, (UserError, TrainingDivergedError)) else type(error).__name__
        peers.stop(sentence, commands.exit_code(error))
        error.add_note(_resume_command(name, options, workdir if folders.workdir is None else None))
        raise
    _report(recipe, metrics, workdir)


def _finished(training, peers, workdir, name, config, resume):
    """Return the metrics of the run in a folder if it is finished.

    Raises:
        UserError: If the folder does not fit this run.
        WorkerDoneError: In a worker that is not the chief, if the run is finished.
    """
    metrics = None
    if peers.is_chief:
        training.check_workdir(workdir, name, config, resume)
        metrics = training.finished(workdir)
    if peers.exchange(metrics is not None)[0]:
        print("This run is finished.")
        peers.close()
        if not peers.is_chief:
            raise WorkerDoneError
    return metrics


def _require_one_source(options):
    if _value_of("--data", options) is not None and _value_of("--dataset", options) is not None:
        raise UserError("--data takes the place of --dataset: leave one of them out.")


def _report(recipe, metrics, workdir):
    def headline(scores):
        return recipe.format_scores(scores).splitlines()[-1]

    if metrics["cross_validation"]:
        print(f"In cross-validation: {headline(metrics['cross_validation'])}")
    from keras_refs import export

    scored_on = export.read_model_card(metrics["export"]).get("scored_on", recipe.SCORED_ON)
    print(
        f"{scored_on.capitalize()}: {headline(metrics['test'])}, after "
        f"{len(metrics['history'])} epochs and {metrics['seconds']:.0f} s of training (best epoch "
        f"{metrics['best_epoch']}).\nMetrics and figures: {workdir}\nSavedModel: {metrics['export']}"
    )


def _parse(recipe, name, options, default=None):
    default = default or _default_config(recipe, options)

    def both(config: recipe.Config = default, folders: Folders = Folders()):  # type: ignore[name-defined]
        return config, folders

    program, flat = f"python -m keras_refs.train {name}", (tyro.conf.OmitArgPrefixes,)
    return tyro.cli(both, prog=program, description=recipe.__doc__, args=options, config=flat)


def _default_config(recipe, options):
    """Return the recipe's defaults, changed for data that are not its own and for a private training."""
    own, changes = recipe.Config(), {}
    if hasattr(recipe, "OTHER_DATA"):
        is_own = _value_of("--data", options) is None and _value_of("--dataset", options) in (None, own.data.dataset)
        changes |= {} if is_own else recipe.OTHER_DATA
    if "--private" in options:
        changes |= getattr(recipe, "PRIVATE", {})
    return settings.override(own, **changes)


def _value_of(name, options):
    """Return the value of an option on the command line, `None` if it is not there."""
    for number, option in enumerate(options):
        given, equals, value = option.partition("=")
        if given.replace("_", "-") == name:
            return value if equals else "".join(options[number + 1 : number + 2])
    return None


def _config_for_data(recipe, name, options, config):
    """Return the settings with the defaults for the amount of data, and print those that are not the recipe's usual."""
    sized, _ = _parse(recipe, name, options, recipe.config_for(config.data))
    usual = settings.flatten(config).items()
    changed = dict(settings.flatten(sized).items() - usual)
    if changed:
        chosen = " ".join(f"--{setting.replace('_', '-')} {value}" for setting, value in sorted(changed.items()))
        print(f"By the amount of data: {chosen}", flush=True)
    return sized


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


if __name__ == "__main__":
    sys.exit(main())
