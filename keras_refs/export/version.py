"""Version folders for TensorFlow Serving, `<model>/<integer>/`, and in them model card and warm-up requests."""

import contextlib
import importlib.metadata
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from keras_refs import storage
from keras_refs.errors import UserError, first_line

CARD = "model_card.json"
CARD_FORMAT = 1
"""Number of the card's format, which grows when an older version of the package would misread a card."""
WARM_UP = Path("assets.extra") / "tf_serving_warmup_requests"
PADDED = Path("assets.extra") / "padded_outputs.json"


@contextlib.contextmanager
def unfinished_version(model_dir: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary folder for a model's next version, which is removed at the end unless it was published.

    It lies in `model_dir`, created if missing, beside the versions, under a name that servers pass over. Those that
    killed processes of this machine left there are removed first.
    """
    model_dir = Path(model_dir)
    model_dir.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(model_dir)
    folder = Path(tempfile.mkdtemp(dir=model_dir, prefix=f".unfinished-{platform.node()}-{os.getpid()}-"))
    try:
        # Readable for the server's user, too: `mkdtemp` makes the folder private.
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(folder: Path) -> Path:
    """Make the folder of `unfinished_version` the model's next version, in one step, and return its path.

    A server that watches the model never sees half a version, and an existing version is never touched.
    """
    model_dir = folder.parent
    while True:
        target = model_dir / str(max(_version_numbers(model_dir), default=0) + 1)
        try:
            return folder.rename(target)
        except OSError:
            # Another export may have taken the number in the meantime; anything else is an error.
            if not target.exists():
                raise


def newest_version(path: str | os.PathLike) -> Path:
    """Return the folder of a SavedModel.

    Args:
        path: A version folder, or a model's folder, of which the version with the highest number is taken.

    Raises:
        UserError: If there is no SavedModel.
    """
    path = Path(path)
    names = [each.name for each in path.iterdir()] if path.is_dir() else []
    return path / newest_name(path, names, lambda name: (path / name / "saved_model.pb").exists())


def newest_name(path: str | os.PathLike, names: Collection[str], is_model: Callable[[str], bool]) -> str:
    """Return the name of the newest version among those in a folder, empty if the folder is a version itself.

    `is_model` says whether a version folder of a name has a SavedModel. The error, if none has, names `path`.
    """
    if "saved_model.pb" in names:
        return ""
    versions = [name for name in names if name.isdecimal() and is_model(name)]
    if not versions:
        raise UserError(
            f"{path} is no SavedModel: expected saved_model.pb in it, or in a version folder such as {path}/1."
        )
    return max(versions, key=int)


def _version_numbers(model_dir):
    if not model_dir.is_dir():
        return []
    return [int(folder.name) for folder in model_dir.iterdir() if folder.name.isdecimal()]


def _remove_abandoned(model_dir):
    for folder in model_dir.glob(f".unfinished-{platform.node()}-*-*"):
        process = folder.name.removeprefix(f".unfinished-{platform.node()}-").split("-")[0]
        if process.isdecimal() and not _is_running(int(process)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_running(process):
    try:
        os.kill(process, 0)
    # Another error says that it is somebody else's.
    except OSError as error:
        return not isinstance(error, ProcessLookupError)
    return True


def write_warm_up(folder: str | os.PathLike, name: str, examples: Mapping[str, Mapping[str, Any]]) -> None:
    """Write a warm-up request for each signature, replayed before a version is reported available.

    `folder` is the version's, `name` the model's, `examples` has inputs by name for each signature by name.
    """
    import tensorflow as tf
    from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

    path = Path(folder) / WARM_UP
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in examples.items():
            request = predict_pb2.PredictRequest(
                model_spec=model_pb2.ModelSpec(name=name, signature_name=signature),
                inputs={key: tf.make_tensor_proto(value) for key, value in inputs.items()},
            )
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
            writer.write(log.SerializeToString())


def read_warm_up(folder: str | os.PathLike) -> list[tuple[str, dict[str, Any]]]:
    """Return the name of the signature and the inputs, arrays by name, of each warm-up request in a version folder."""
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    path = Path(folder) / WARM_UP
    if not path.exists():
        return []
    records = [prediction_log_pb2.PredictionLog.FromString(record.numpy()) for record in tf.data.TFRecordDataset(path)]
    requests = [record.predict_log.request for record in records]
    return [
        (request.model_spec.signature_name, {key: tf.make_ndarray(value) for key, value in request.inputs.items()})
        for request in requests
    ]


def write_padded_outputs(folder: str | os.PathLike, names: Iterable[str]) -> None:
    """Write which outputs are padded at the end, with 0 or empty strings, to the length of the longest in a batch.

    A server computes requests together and returns to each its own length; it does so with no other output whose length
    a signature leaves open.
    """
    path = Path(folder) / PADDED
    path.parent.mkdir(exist_ok=True)
    storage.write_json(path, sorted(names))


def read_padded_outputs(folder: str | os.PathLike) -> list[str]:
    """Return the names of the outputs in a version folder that are padded at the end."""
    path = Path(folder) / PADDED
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def write_model_card(folder: str | os.PathLike, card: Mapping[str, Any], scores: Mapping[str, str]) -> None:
    """Write the model card as JSON and Markdown, after Mitchell et al. 2019, "Model cards for model reporting".

    Args:
        folder: The version folder. PNG files in its `figures/` are shown in the card.
        card: A dictionary of plain values: `name`, `summary`, `date`, `parameters`, `settings` (the recipe's
            configuration), `ran_on`, `seconds` (of training), `epochs`, `best_epoch` (`None` for the last), `dataset`
            (`name`, `homepage`, `citation` and `examples` by split; of a user's file or folder also `sha256`, `bytes`
            and `files`), `test` (the scores as numbers), `signatures` and `limits` (Markdown).
        scores: The scores as text by heading; the last line of each is the one that counts.
    """
    folder = Path(folder)
    write_card_json(folder, card)
    figures = sorted(path.name for path in (folder / "figures").glob("*.png"))
    (folder / "model_card.md").write_text(_markdown(card, scores, figures), encoding="utf-8")


def write_card_json(folder: str | os.PathLike, card: Mapping[str, Any]) -> None:
    """Write the card as JSON alone, with `card_format` and, as `written_by`, the version of the package."""
    facts = {"card_format": CARD_FORMAT, "written_by": importlib.metadata.version("keras_refs")}
    storage.write_json(Path(folder) / CARD, {**facts, **card})


def version_folder(path: str | os.PathLike) -> Path:
    """Return the version folder of a compressed file, which lies in its `compressed/NUMBER`; of a folder itself."""
    path = Path(path)
    # Absolute, as a file in the working directory has no parents by name.
    return path.absolute().parent.parent.parent if path.is_file() else path


def read_model_card(path: str | os.PathLike) -> dict[str, Any]:
    """Return the card of a version folder, or of that of a compressed file, as a dictionary, empty if it has none.

    Raises:
        UserError: If it cannot be read, is no JSON object, or has a newer format than this version of the package
            knows.
    """
    path = version_folder(path) / CARD
    if not path.exists():
        return {}
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        # Those of before version 1.0.0 have no number.
        card_format = card.get("card_format", 1)
        is_newer = card_format > CARD_FORMAT
    except OSError as error:
        raise UserError(f"{path} cannot be read: {first_line(error)}") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise UserError(f"{path} is damaged: {first_line(error)}") from error
    if is_newer:
        raise UserError(
            f"{path} has the format {card_format}, this version of keras_refs knows those up to {CARD_FORMAT}: "
            f"pip install 'keras_refs>={card['written_by']}'"
        )
    return card


def _markdown(card, scores, figures):
    tables = "\n\n".join(f"## {heading}\n\n```\n{text}\n```" for heading, text in scores.items())
    shown = "\n".join(f"![{Path(name).stem.replace('_', ' ')}](figures/{name})\n" for name in figures)
    rows = [f"| {name} | {value} |" for name, value in _facts(card, scores).items()]
    facts = "\n".join(["| | |", "|---|---|", *rows])
    settings = json.dumps(card["settings"], indent=2)
    parts = [
        f"# {card['name']}\n\n{card['summary']}\n\n{facts}",
        f"## Signatures\n\n{card['signatures']}\n\n{tables}\n\n{shown}",
        f"## Use and limits\n\n{card['limits']}\n\n## Settings\n\n```json\n{settings}\n```",
        f"## Data\n\n{_source(card['dataset'])}\n",
    ]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _source(dataset):
    """Return where a data set comes from: the publication to cite, or which file or folder it was."""
    if "sha256" not in dataset:
        return f"```bibtex\n{dataset['citation'].strip()}\n```"
    files = f"{dataset['files']:,} files, " if dataset["files"] > 1 else ""
    return f"`{dataset['name']}`: {files}{dataset['bytes']:,} bytes, SHA-256\n`{dataset['sha256']}`"


def _chosen(card):
    """Return which epoch an export has the weights of."""
    epochs, best, validated_on = card["epochs"], card["best_epoch"], card["dataset"]["examples"]["validation"]
    if best is None:
        return f"the last of {epochs} epochs"
    return f"the best of {epochs} epochs, {best}, was chosen by the validation on {validated_on:,}"


def _facts(card, scores):
    dataset, examples = card["dataset"], card["dataset"]["examples"]
    return {
        **{heading.lower(): text.splitlines()[-1] for heading, text in scores.items()},
        "data": f"`{dataset['name']}`" if "sha256" in dataset else f"[{dataset['name']}]({dataset['homepage']})",
        "trained on": f"{examples['train']:,} examples; {_chosen(card)}",
        "scored on": f"{examples['test']:,} examples",
        "parameters": f"{card['parameters']:,}",
        "seed": card["settings"]["seed"],
        "training time": f"{card['seconds']:.0f} s on {card['ran_on']['device']}",
        "date": card["date"],
        "versions": ", ".join(f"{package} {version}" for package, version in card["ran_on"]["versions"].items()),
    }
