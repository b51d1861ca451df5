"""Write smaller files of a trained model for LiteRT and ONNX Runtime: `python -m keras_refs.compress conv_classifier`.

They go into `compressed/NUMBER`, the next free one, in the folder of the version, each scored on the test split through
its own runtime.
"""

import importlib.util
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tyro

from keras_refs import commands
from keras_refs.errors import UserError, first_line

FOLDER, REPORT, ORIGINAL = "compressed", "compression.json", "saved_model"
POINT = {"accuracy": 0.01, "word_error_rate": -0.01, "rmse": None, "frechet_distance": None}
"""The scores that count; how much better a model is that gains a point, or `None` where that is 1 % less."""
BATCH, CALLS = 256, 50
"""Examples of the batch that is timed, and calls with one example, of whose times the median counts."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, check and compress; return the exit code."""
    command = tyro.cli(_prepare, prog="python -m keras_refs.compress", description=__doc__, args=arguments)
    return commands.run(_compress, command)


def _prepare(
    model: tyro.conf.Positional[Path],
    tolerance: float = 0.5,
    data_dir: str | None = None,
    data: str | None = None,
):
    """Parse the command-line arguments.

    Args:
        model: Name of a trained model, or folder of a SavedModel, or of its versions, of which the newest is taken.
        tolerance: Keep no file that loses more points than this. A point is 0.01 of an accuracy or word error rate, and
            1 % of an RMSE or classifier-FID.
        data_dir: TFDS data folder; by default the package's own for the data sets that come with it.
        data: File or folder to score on in place of a TFDS data set.
    """
    return model, tolerance, data_dir, data


def _compress(model, tolerance, data_dir, data):
    from keras_refs import export, storage

    commands.require_training_packages()
    if not tolerance >= 0:
        raise UserError(f"--tolerance must be at least 0. Received: {tolerance:g}")
    folder, card = commands.read_export(model)
    if folder.is_file():
        raise UserError(f"{folder} is a compressed file already.")
    recipe, config = commands.recipe_of(card, data_dir=data_dir, data=data)
    require_packages()
    storage.require_writable(folder / FOLDER, "The folder")
    if note := commands.note_on_file(card, data):
        print(note)
    commands.import_tensorflow_quietly()
    with export.unfinished_version(folder / FOLDER) as unfinished:
        report = compress(folder, recipe, config, unfinished, tolerance)
        print(format_report(report))
        if any(row["kept"] for row in report["files"][1:]):
            published = export.publish(unfinished)
            print(f"Written to {published}")
            return
    if not any((folder / FOLDER).iterdir()):
        (folder / FOLDER).rmdir()
    print("Nothing was written.")


def require_packages() -> None:
    """Check that what converts and runs the files is installed.

    Raises:
        UserError: If a package is missing.
    """
    names = ("ai_edge_litert", "onnx", "onnxruntime", "tf2onnx")
    if missing := [name for name in names if importlib.util.find_spec(name) is None]:
        raise UserError(f"To compress needs {', '.join(missing)}: pip install 'keras_refs[compress]'")


def compress(folder: Path, recipe: Any, config: Any, target: Path, tolerance: float) -> dict[str, Any]:
    """Write the files of an export into a folder, score them, and delete those that are not worth keeping.

    Args:
        folder: The version folder.
        recipe: The module of its recipe.
        config: The recipe's `Config` with the data to score on.
        target: An existing folder, two levels below that of the version.
        tolerance: Points of the score that a file may lose.

    Returns:
        A dictionary, which is also written into the target: `signature`, `score` (its name), `files` (for the original
        and each file that was written `file`, `bytes`, `score`, `points_lost`, `milliseconds` of one example,
        `examples_per_second` of a batch of 256, and whether it was `kept`), and `notes`, sentences on what was not.

    Raises:
        UserError: If the export has no signature that takes numbers.
    """
    from keras_refs import export, storage

    signature, example = _numeric_signature(folder)
    name, score = _headline(recipe.evaluate(folder, config))
    size = sum(file.stat().st_size for file in (folder / "saved_model.pb", *(folder / "variables").iterdir()))
    measured = {"bytes": size, "score": score, "points_lost": 0.0}
    rows = [{"file": ORIGINAL, **measured, **_speed(export.SavedFunction(folder, signature), example), "kept": True}]
    notes = []
    for file, write in _writers(folder, recipe, config, signature).items():
        path = target / file
        try:
            with commands.quiet():
                write(path)
                _, score = _headline(recipe.evaluate(path, config))
                speed = _speed(export.load_function(path), example)
        except (RuntimeError, UserError) as error:
            notes.append(f"There is no {file}: {first_line(error)}")
            path.unlink(missing_ok=True)
            continue
        row = {"file": file, "bytes": path.stat().st_size, "score": score}
        row["points_lost"] = _points_lost(name, rows[0]["score"], score)
        reason = _reason_not_to_keep(row, rows[0], tolerance)
        if reason:
            notes.append(f"{file} is not kept: {reason}.")
            path.unlink()
        rows.append({**row, **speed, "kept": not reason})
    report = {"signature": signature, "score": name, "files": rows, "notes": notes}
    storage.write_json(target / REPORT, report)
    return report


def _numeric_signature(folder):
    """Return the name of the signature that takes numbers, and its warm-up request."""
    from keras_refs import export

    requests = dict(export.read_warm_up(folder))
    name = "numeric" if "numeric" in requests else "serving_default"
    if any(array.dtype == object for array in requests[name].values()):
        raise UserError(f"{folder} takes strings, which LiteRT and ONNX do not know, and has no signature `numeric`.")
    return name, requests[name]


def _writers(folder, recipe, config, signature):
    """Return by the name of a file the function that writes it to a path."""
    from keras_refs import export

    def write_onnx(path):
        from onnxruntime import quantization

        quantization.quantize_dynamic(export.to_onnx(folder, signature), path, weight_type=quantization.QuantType.QInt8)

    writers = {
        "float16.tflite": lambda path: path.write_bytes(export.to_litert(folder, signature, half_precision=True)),
        "int8.tflite": lambda path: path.write_bytes(export.to_litert(folder, signature)),
        "int8.onnx": write_onnx,
    }
    if hasattr(recipe, "calibration_examples"):

        def write_full_integer(path):
            examples = recipe.calibration_examples(folder, config)
            path.write_bytes(export.to_litert(folder, signature, examples=examples))

        writers["full_int8.tflite"] = write_full_integer
    return writers


def _headline(scores):
    """Return name and value of the score that counts; of transcribers it is that of greedy search."""
    scores = scores.get("greedy", scores)
    name = next(name for name in POINT if name in scores)
    return name, scores[name]


def _points_lost(name, original, score):
    lost = (original - score) / POINT[name] if POINT[name] else 100 * (score / original - 1)
    return round(lost, 3)


def _reason_not_to_keep(row, original, tolerance):
    """Return why a file is not worth keeping; empty if it is."""
    if row["points_lost"] > tolerance:
        return f"it loses {row['points_lost']:g} points, and --tolerance allows {tolerance:g}"
    if row["bytes"] >= original["bytes"]:
        return f"its {row['bytes']:,} bytes are no fewer than the original's"
    return ""


def _speed(function, example):
    """Return the median milliseconds of a call with one example, and the examples a second of a batch of them."""
    import numpy as np

    def seconds(size, calls):
        batch = {name: np.repeat(array[:1], size, axis=0) for name, array in example.items()}
        times = []
        for _ in range(calls + 1):
            began = time.perf_counter()
            function.predict(size, **batch)
            times.append(time.perf_counter() - began)
        # The first one prepares.
        return statistics.median(times[1:])

    return {
        "milliseconds": round(1e3 * seconds(1, CALLS), 3),
        "examples_per_second": round(BATCH / seconds(BATCH, 3)),
    }


def format_report(report: dict[str, Any]) -> str:
    """Return what `compress` returns as a table and sentences to print."""
    header = ("file", "bytes", report["score"], "points lost", "ms of one", f"examples/s of {BATCH}")
    lines = ["{:<17}{:>12}{:>18}{:>13}{:>11}{:>19}".format(*header)]
    lines += [
        f"{row['file']:<17}{row['bytes']:>12,}{row['score']:>18.4f}{row['points_lost']:>13.2f}"
        f"{row['milliseconds']:>11.2f}{row['examples_per_second']:>19,}"
        for row in report["files"]
    ]
    return "\n".join([*lines, *report["notes"]])


if __name__ == "__main__":
    sys.exit(main())
