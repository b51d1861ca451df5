"""Measure what the README's table claims: train each row with three seeds and keep the numbers.

    python benchmarks/results.py conv_classifier --seeds 0 1 2

writes `results/conv_classifier.json`. Rows, their commands and the figures they are to beat stand below;
`benchmarks/readme.py` turns the files into the table.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from keras_refs import storage

RESULTS = Path(__file__).parents[1] / "results"
FASHION_MNIST_TABLE = "https://github.com/zalandoresearch/fashion-mnist#benchmark"

ROWS = {
    "conv_classifier": {
        "recipe": "conv_classifier",
        "options": [],
        "to_beat": {
            "accuracy": 0.925,
            "what": "2 conv, under 100K parameters",
            "source": FASHION_MNIST_TABLE,
        },
    },
    "conv_classifier_long": {
        "recipe": "conv_classifier",
        "options": [
            *["--epochs", "60", "--patience", "60", "--batch-size", "128", "--learning-rate", "0.002"],
            *["--dropout", "0.2"],
        ],
        "to_beat": {"accuracy": 0.925, "what": "2 conv, under 100K parameters", "source": FASHION_MNIST_TABLE},
    },
    "conv_classifier_batch_normalization": {
        "recipe": "conv_classifier",
        "options": [
            *["--epochs", "30", "--patience", "30", "--batch-size", "128", "--learning-rate", "0.002"],
            *["--filters", "32", "64", "128", "--padding", "same", "--hidden-units", "128"],
            *["--batch-normalization", "--block-dropout", "0.1", "--dropout", "0.3"],
        ],
        "to_beat": {"accuracy": 0.939, "what": "2 conv + 2 FC, flips", "source": FASHION_MNIST_TABLE},
    },
}


def train(row, seed, folder):
    """Train one row with one seed by its command; return what the table needs to know."""
    workdir = folder / f"seed{seed}"
    options = [*row["options"], "--seed", str(seed), "--workdir", workdir, "--export-dir", folder / "models"]
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "keras_refs.train", row["recipe"], *map(str, options)], check=True)
    wall_seconds = time.monotonic() - began
    metrics = json.loads((workdir / "metrics.json").read_text())
    config = json.loads((workdir / "config.json").read_text())
    return {
        "seed": seed,
        "accuracy": metrics["test"]["accuracy"],
        "validation_accuracy": max(epoch["val_accuracy"] for epoch in metrics["history"]),
        "best_epoch": metrics["best_epoch"],
        "wall_seconds": round(wall_seconds, 1),
        "training_seconds": metrics["seconds"],
        "parameters": metrics["parameters"],
        "dataset": config["settings"]["dataset"],
        "ran_on": config["ran_on"],
    }


def main():
    """Train the rows named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", default=list(ROWS), help=f"of {', '.join(ROWS)}; all by default")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--keep", type=Path, help="folder to keep runs and models in; by default they are removed")
    arguments = parser.parse_args()
    unknown = set(arguments.rows) - set(ROWS)
    if unknown:
        parser.error(f"no row is called {sorted(unknown)}; rows are {', '.join(ROWS)}")
    for name in arguments.rows:
        with tempfile.TemporaryDirectory() as temporary:
            folder = (arguments.keep or Path(temporary)) / name
            runs = [train(ROWS[name], seed, folder) for seed in arguments.seeds]
        storage.write_json(
            RESULTS / f"{name}.json", {**ROWS[name], "cores": len(os.sched_getaffinity(0)), "runs": runs}
        )


if __name__ == "__main__":
    main()
