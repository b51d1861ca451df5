"""Measure how well g2p learns from few words, beside Phonetisaurus on the same words.

    python benchmarks/little_data.py --words 1000 4000 8000 --seeds 0 1 2

trains `g2p` by its command, without options but for the data, on the first so many training words of CMUdict (TFDS has
shuffled them), chooses the epoch on a tenth as many of the validation split, scores on the whole test split, and writes
`results/little_data.json`. What was measured before stays. Phonetisaurus 0.3.0 learns the same words with its own
defaults, where `--phonetisaurus` names its program: `pip install phonetisaurus==0.3.0` in an environment of its own.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from earlier import earlier

from keras_refs import datasets, evaluation, storage
from keras_refs.recipes import g2p

RESULTS = Path(__file__).parents[1] / "results" / "little_data.json"
WORDS = (1_000, 4_000, 8_000, 33_000)
CHOSEN = (
    "attention",
    "units",
    "embedding_dim",
    "encoder_layers",
    "dropout",
    "epochs",
    "batch_size",
    "learning_rate",
    "spliced",
)
"""Settings that `g2p` chooses by the amount of data."""


def train(words, seed, folder):
    """Train once by the command; return what was measured."""
    workdir, began = folder / f"{words}-{seed}", time.monotonic()
    options = ["--train-split", f"train[:{words}]", "--validation-split", f"validation[:{words // 10}]"]
    # With --keep, one that was stopped goes on.
    options += ["--seed", seed, "--workdir", workdir, "--export-dir", folder / "models", "--resume"]
    subprocess.run([sys.executable, "-m", "keras_refs.train", "g2p", *map(str, options)], check=True)
    seconds = time.monotonic() - began
    metrics, config = (json.loads((workdir / f"{name}.json").read_text()) for name in ("metrics", "config"))
    return {
        "method": "g2p",
        "words": words,
        "seed": seed,
        **{name: metrics["test"][name] for name in ("word_error_rate", "symbol_error_rate")},
        "settings": {name: config["settings"][name] for name in CHOSEN},
        "parameters": metrics["parameters"],
        "best_epoch": metrics["best_epoch"],
        "wall_seconds": round(max(seconds, metrics["seconds"]), 1),
        "cores": len(os.sched_getaffinity(0)),
        "ran_on": config["ran_on"],
    }


def train_phonetisaurus(words, program, folder):
    """Train it once, which has no seed, and pronounce the test split; return what was measured."""
    splits = {"train_split": f"train[:{words}]", "validation_split": "validation[:1%]"}
    data = datasets.load_transcriptions("cmudict", **splits, separator=" ", simplify=g2p.without_stress)
    lexicon, model, began = folder / "lexicon.txt", folder / "model.fst", time.monotonic()
    lexicon.write_text("".join(f"{word} {phonemes}\n" for word, phonemes in zip(*data.train.pairs(), strict=True)))
    subprocess.run([program, "train", "--model", model, lexicon], check=True)
    seconds = round(time.monotonic() - began, 1)
    command, words_to_read = [program, "predict", "--model", model], "\n".join(data.test.sources)
    answer = subprocess.run(command, check=True, text=True, input=words_to_read, stdout=subprocess.PIPE).stdout
    # A line for each word: the word and its phonemes. One that it finds nothing for has none.
    predictions = {word: phonemes for word, *phonemes in map(str.split, answer.splitlines())}
    references = [[target.split() for target in targets] for targets in data.test.targets]
    scores = evaluation.transcription_metrics(references, [predictions.get(word, []) for word in data.test.sources])
    rates = {name: scores[name] for name in ("word_error_rate", "symbol_error_rate")}
    return {"method": "phonetisaurus", "words": words, "seed": None, **rates, "wall_seconds": seconds}


def main():
    """Measure what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--words", nargs="+", type=int, default=WORDS)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--phonetisaurus", type=Path, help="its program; by default it is left out")
    parser.add_argument("--keep", type=Path, help="folder to keep runs and models in; by default they are removed")
    arguments = parser.parse_args()
    wanted = [("phonetisaurus", words, None) for words in arguments.words if arguments.phonetisaurus]
    wanted += [("g2p", words, seed) for words in arguments.words for seed in arguments.seeds]
    for method, words, seed in wanted:
        if any((run["method"], run["words"], run["seed"]) == (method, words, seed) for run in earlier(RESULTS)):
            continue
        with tempfile.TemporaryDirectory() as temporary:
            folder = arguments.keep or Path(temporary)
            if method == "g2p":
                run = train(words, seed, folder)
            else:
                run = train_phonetisaurus(words, arguments.phonetisaurus, Path(temporary))
        storage.write_json(RESULTS, {"runs": [*earlier(RESULTS), run]})


if __name__ == "__main__":
    main()
