"""Measure what the README's table claims: train each row with three seeds and keep the numbers.

    python benchmarks/results.py conv_classifier --seeds 0 1 2

writes `results/conv_classifier.json`; seeds measured before, with the same options, stay in it. Rows, their commands
and the figures they are to beat stand below; `benchmarks/readme.py` turns the files into the table.
"""

import argparse
import functools
import json
import operator
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from keras_refs import storage

RESULTS = Path(__file__).parents[1] / "results"
FASHION_MNIST_TABLE = "https://github.com/zalandoresearch/fashion-mnist#benchmark"
TEST_ACCURACY = ["test accuracy", "test", "accuracy"]
"""A score: its name in the table, and the path to it in `metrics.json`. One to beat is a number or such a path.

The highest score is the best one, but for rows that are marked `lower_is_better`.
"""

COVERAGE = ["test", "interval", "coverage"]
"""Where `metrics.json` has the fraction of true values within the prediction intervals."""

NGRAMS = {
    "score": ["test", "references", "character n-grams, linear", "accuracy"],
    "what": "character n-grams and a linear model, same run",
    "source": None,
}

ROWS = {
    "conv_classifier": {
        "recipe": "conv_classifier",
        "options": [],
        "score": TEST_ACCURACY,
        "to_beat": {"score": 0.925, "what": "2 conv, under 100K parameters", "source": FASHION_MNIST_TABLE},
    },
    "conv_classifier_long": {
        "recipe": "conv_classifier",
        "options": [
            *["--epochs", "60", "--patience", "60", "--batch-size", "128", "--learning-rate", "0.002"],
            *["--dropout", "0.2"],
        ],
        "score": TEST_ACCURACY,
        "to_beat": {"score": 0.925, "what": "2 conv, under 100K parameters", "source": FASHION_MNIST_TABLE},
    },
    "conv_classifier_batch_normalization": {
        "recipe": "conv_classifier",
        "options": [
            *["--epochs", "40", "--patience", "40", "--batch-size", "128", "--learning-rate", "0.002"],
            *["--filters", "24", "48", "96", "--convolutions-per-block", "2", "--padding", "same"],
            *["--hidden-units", "128"],
            *["--batch-normalization", "--block-dropout", "0.1", "--dropout", "0.3"],
        ],
        "score": TEST_ACCURACY,
        "to_beat": {"score": 0.939, "what": "2 conv + 2 FC, flips", "source": FASHION_MNIST_TABLE},
    },
    "conv_classifier_private": {
        "recipe": "conv_classifier",
        "options": ["--private", "--epsilon", "3"],
        "score": TEST_ACCURACY,
        "to_beat": {
            "score": 0.865,
            "what": "our own bar; tempered sigmoids have 0.861 at epsilon 2.7",
            "source": "https://arxiv.org/abs/2007.14191",
        },
    },
    "mlp": {
        "recipe": "mlp",
        "options": [],
        "score": TEST_ACCURACY,
        "to_beat": {"score": 0.8833, "what": "MLP 256-128-100", "source": FASHION_MNIST_TABLE},
    },
    "lstm_classifier": {
        "recipe": "lstm_classifier",
        "options": [],
        "score": TEST_ACCURACY,
        "to_beat": {"score": 0.897, "what": "GRU and SVM", "source": FASHION_MNIST_TABLE},
    },
    "simple_rnn_regressor": {
        "recipe": "simple_rnn_regressor",
        "options": [],
        "score": ["test R2", "test", "r2"],
        "coverage": COVERAGE,
        "to_beat": {"score": 0.4596, "what": "AR(5) and weekday, same data", "source": None},
    },
    "lstm_regressor": {
        "recipe": "lstm_regressor",
        "options": [],
        "score": ["skill against ridge", "test", "references", "ridge", "skill"],
        "coverage": COVERAGE,
        "to_beat": {"score": 0.10, "what": "our own bar; ridge of the same run is 0", "source": None},
    },
    "rnn_text_classifier": {
        "recipe": "rnn_text_classifier",
        "options": [],
        "score": TEST_ACCURACY,
        "to_beat": NGRAMS,
    },
    "self_attention_classifier": {
        "recipe": "self_attention_classifier",
        "options": [],
        "score": TEST_ACCURACY,
        "to_beat": NGRAMS,
    },
    "self_attention_classifier_without_blocks": {
        "recipe": "self_attention_classifier",
        "options": ["--blocks", "0"],
        "score": TEST_ACCURACY,
        "to_beat": NGRAMS,
    },
    "adding_problem": {
        "recipe": "adding_problem",
        "options": [],
        "score": ["self-attention's R2 (1 - 6 MSE)", "test", "r2"],
        "to_beat": {"score": ["test", "references", "lstm", "r2"], "what": "LSTM of the same run", "source": None},
    },
    "adding_problem_400": {
        "recipe": "adding_problem",
        "options": ["--length", "400"],
        "score": ["self-attention's R2 (1 - 6 MSE)", "test", "r2"],
        "to_beat": {"score": ["test", "references", "lstm", "r2"], "what": "LSTM of the same run", "source": None},
    },
    "g2p": {
        "recipe": "g2p",
        "options": [],
        "score": ["word error rate", "test", "word_error_rate"],
        "lower_is_better": True,
        "to_beat": {
            "score": 0.2721,
            "what": "g2p-en 2.1.0, measured on the same words; Phonetisaurus 0.3.0 has 0.2837",
            "source": None,
        },
    },
    "g2p_quick": {
        "recipe": "g2p",
        "options": [
            *["--units", "384", "--embedding-dim", "96", "--epochs", "4", "--dropout", "0.1"],
            *["--learning-rate", "0.003", "--average-epochs", "0.3"],
        ],
        "score": ["word error rate", "test", "word_error_rate"],
        "lower_is_better": True,
        "to_beat": {"score": 0.33, "what": "our own bar for ten minutes", "source": None},
    },
    "date_normalisation": {
        "recipe": "date_normalisation",
        "options": [],
        "score": ["share of wrong dates", "test", "word_error_rate"],
        "lower_is_better": True,
        "to_beat": {"score": 0.005, "what": "our own bar", "source": None},
    },
    "gan": {
        "recipe": "gan",
        "options": [],
        "score": ["classifier-FID", "test", "frechet_distance"],
        "lower_is_better": True,
        "to_beat": {"score": 23.3, "what": "a tenth of noise's, our own bar", "source": None},
    },
    "linear_regression": {
        "recipe": "linear_regression",
        "options": [],
        "score": ["R2 in sample", "test", "r2"],
        "to_beat": {"score": 0.5177, "what": "least squares, the optimum", "source": None},
    },
    "logistic_regression": {
        "recipe": "logistic_regression",
        "options": [],
        "score": ["5-fold accuracy", "cross_validation", "accuracy"],
        "to_beat": {"score": 0.98, "what": "our own bar", "source": None},
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
    rival = row["to_beat"]["score"]
    coverage = {"coverage": functools.reduce(operator.getitem, row["coverage"], metrics)} if "coverage" in row else {}
    return {
        "seed": seed,
        "score": functools.reduce(operator.getitem, row["score"][1:], metrics),
        **coverage,
        "to_beat": functools.reduce(operator.getitem, rival, metrics) if isinstance(rival, list) else rival,
        "best_epoch": metrics["best_epoch"],
        "wall_seconds": round(wall_seconds, 1),
        "training_seconds": metrics["seconds"],
        "parameters": metrics["parameters"],
        "cores": len(os.sched_getaffinity(0)),
        "dataset": config["settings"].get("dataset", "generated"),
        "ran_on": config["ran_on"],
    }


def record(name, run):
    """Write a run of a row into its file, beside those of other seeds with the same options."""
    path, row = RESULTS / f"{name}.json", ROWS[name]
    before = json.loads(path.read_text()) if path.exists() else {}
    comparable = {**before, "runs": None} == {**row, "runs": None}
    by_seed = {earlier["seed"]: earlier for earlier in before["runs"]} if comparable else {}
    by_seed[run["seed"]] = run
    storage.write_json(path, {**row, "runs": [by_seed[seed] for seed in sorted(by_seed)]})


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
            for seed in arguments.seeds:
                record(name, train(ROWS[name], seed, folder))


if __name__ == "__main__":
    main()
