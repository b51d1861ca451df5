"""Measure how well a fine-tuned BERT classifies mails by the number of labelled ones, beside n-grams on the same texts.

    python benchmarks/learning_curve.py --counts 16 64 --seeds 0 1 2

trains `bert_classifier` by its command for every number of labelled mails per class (0 is all of them), every way to
fine-tune and every seed, and writes `results/learning_curve.json` and its figure, `docs/learning_curve.png`. What was
measured before stays. `--weights` is the folder of the weights that `python -m keras_refs.fetch` fetches.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from earlier import earlier
from matplotlib.figure import Figure

from keras_refs import pretrained, storage

REPOSITORY = Path(__file__).parents[1]
RESULTS = REPOSITORY / "results" / "learning_curve.json"
FIGURE = REPOSITORY / "docs" / "learning_curve.png"
METHODS = {"head": 1e-2, "last_two": 3e-4, "all": 1e-4, "adapters": 2e-3}
"""Ways to fine-tune, `--trained`, and their learning rates, chosen on the validation split, as the epochs were."""
EPOCHS = {16: 12, 64: 5, 256: 3, 0: 2}
EPOCHS_OF_HEAD = {16: 100, 64: 60, 256: 40, 0: 20}
LABELS = {
    "head": "frozen, new head",
    "last_two": "last two blocks",
    "all": "all blocks",
    "adapters": "LoRA adapters",
    "ngrams": "character n-grams, linear",
}


def train(count, method, seed, weights, folder):
    """Train once by the command; return what was measured."""
    workdir = folder / f"{count}-{method}-{seed}"
    epochs = (EPOCHS_OF_HEAD if method == "head" else EPOCHS)[count]
    options = ["--examples-per-class", count, "--trained", method, "--seed", seed, "--epochs", epochs]
    options += ["--learning-rate", METHODS[method], "--average-epochs", 0, "--patience", epochs, "--weights", weights]
    options += ["--workdir", workdir, "--export-dir", folder / "models"]
    began = time.monotonic()
    command = [sys.executable, "-m", "keras_refs.train", "bert_classifier", *map(str, options)]
    subprocess.run(command, check=True)
    test = json.loads((workdir / "metrics.json").read_text())["test"]
    config = json.loads((workdir / "config.json").read_text())
    return {
        "count": count,
        "method": method,
        "seed": seed,
        "accuracy": test["accuracy"],
        "ngrams": test["references"]["character n-grams, linear"]["accuracy"],
        "wall_seconds": round(time.monotonic() - began, 1),
        "cores": len(os.sched_getaffinity(0)),
        "ran_on": config["ran_on"],
    }


def scores_of(runs, count, name):
    """Return the accuracy of every seed with a number of mails: of a way to fine-tune, or of `"ngrams"`."""
    chosen = [run for run in runs if run["count"] == count]
    if name == "ngrams":
        return list({run["seed"]: run["ngrams"] for run in chosen}.values())
    return [run["accuracy"] for run in chosen if run["method"] == name]


def draw(runs):
    """Draw the mean accuracy over the seeds by the number of mails per class, and its range."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    counts = [count for count in EPOCHS if any(run["count"] == count for run in runs)]
    for name, label in LABELS.items():
        by_place = [(place, scores_of(runs, count, name)) for place, count in enumerate(counts)]
        points = [(place, np.mean(scores), min(scores), max(scores)) for place, scores in by_place if scores]
        places, means, lows, highs = np.transpose(points)
        spread = [means - lows, highs - means]
        style = "--" if name == "ngrams" else "-"
        axes.errorbar(places, means, spread, label=label, capsize=3, marker="o", linestyle=style)
    axes.set_xticks(range(len(counts)), [str(count) if count else "all" for count in counts])
    axes.set(xlabel="labelled mails per class", ylabel="test accuracy: mean, least and greatest of the seeds")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(FIGURE, dpi=110)


def main():
    """Measure what is missing, and draw all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", nargs="*", type=int, default=list(EPOCHS), choices=EPOCHS)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--weights", type=Path, default=pretrained.FOLDER)
    parser.add_argument("--keep", type=Path, help="folder to keep runs and models in; by default they are removed")
    arguments = parser.parse_args()
    for count in arguments.counts:
        for seed in arguments.seeds:
            for method in arguments.methods:
                runs = earlier(RESULTS)
                if any((run["count"], run["method"], run["seed"]) == (count, method, seed) for run in runs):
                    continue
                with tempfile.TemporaryDirectory() as temporary:
                    folder = arguments.keep or Path(temporary)
                    run = train(count, method, seed, arguments.weights, folder)
                storage.write_json(RESULTS, {"runs": [*runs, run]})
    draw(earlier(RESULTS))


if __name__ == "__main__":
    main()
