"""Compress the trained models and write down what it gives: size, score and speed of every file.

    python benchmarks/compressed_files.py conv_classifier g2p

compresses copies of these, by default of all models in `saved_models`; the folder of a version of one's own stands for
itself. `results/compress.json` keeps what it has of the others. Files that lose too much are measured, too.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

from hardware import cores, hardware

from keras_refs import commands, recipes, storage
from keras_refs.compress import ORIGINAL, compress, format_report

REPOSITORY = Path(__file__).parents[1]
RESULTS = REPOSITORY / "results" / "compress.json"
NAMES = [name for name in recipes.NAMES if name != "bert_classifier"]


def measure(name):
    """Return what to call a model, by its name in `saved_models` or its folder, and the report on it."""
    source = REPOSITORY / "saved_models" / name / "1" if name in NAMES else Path(name)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model" / "1"
        shutil.copytree(source, folder)
        (folder / "compressed" / "1").mkdir(parents=True)
        _, card = commands.read_export(folder)
        label = name if name in NAMES else f"{card['name']}, {card['parameters']:,} parameters"
        return label, compress(folder, *commands.recipe_of(card), folder / "compressed" / "1", tolerance=0.5)


def table(models):
    """Return reports by the name of the model as Markdown."""
    lines = [
        "| model | file | bytes | score | points lost | one example | examples/s | kept |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, report in models.items():
        for row in report["files"]:
            recipe, comma, size = name.partition(",")
            model, score = (f"`{recipe}`{comma}{size}", report["score"]) if row["file"] == ORIGINAL else ("", "")
            cells = f"{row['file']} | {row['bytes']:,} | {score} {row['score']:.4f} | {row['points_lost']:.2f}"
            speed = f"{row['milliseconds']:.2f} ms | {row['examples_per_second']:,}"
            lines.append(f"| {model} | {cells} | {speed} | {'yes' if row['kept'] else 'no'} |")
    notes = [f"`{name}`: {note}" for name, report in models.items() for note in report["notes"] if "There is" in note]
    machines = {f"{cores([report['cores']])} of {report['device']}" for report in models.values()}
    where = f"Measured on {' and '.join(sorted(machines))}, which other work shared: the times are upper bounds."
    return "\n".join([*lines, "", *(line for note in notes for line in (note, "")), where])


def main():
    """Measure the models named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=NAMES)
    for name in parser.parse_args().names:
        label, report = measure(name)
        print(f"{label}\n{format_report(report)}", flush=True)
        measured = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {"models": {}}
        models = {**measured["models"], label: {**report, **hardware()}}
        storage.write_json(RESULTS, {"models": dict(sorted(models.items()))})


if __name__ == "__main__":
    main()
