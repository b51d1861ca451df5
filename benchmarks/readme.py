"""Write the measured figures into the README, its translation and the page on measurements, between their markers.

python benchmarks/readme.py          writes the pages
python benchmarks/readme.py --check  exits with 1 if one of them says anything else than results/ does
"""

import json
import re
import statistics
import sys
from pathlib import Path

import compressed_files
import g2p_distillation
import gpu
import growth
import learning_curve
import peers
import prediction
import privacy
import serving_tables
import streaming_tables
import workers
from hardware import cores, where

import results

REPOSITORY = Path(__file__).parents[1]
PAGES = {
    REPOSITORY / "docs" / "guides" / "fine_tuning.md": ("fine_tuning",),
    REPOSITORY / "docs" / "guides" / "private.md": ("privacy",),
    REPOSITORY / "README.md": ("models", "chaos"),
    REPOSITORY / "README.zh-CN.md": ("models", "chaos"),
    REPOSITORY / "docs" / "guides" / "measurements.md": (
        *("commands", "lengths", "learning_curve", "forecasts", "little_data", "g2p_distillation"),
        *("streaming", "workers", "throughput", "peers", "gpu", "growth"),
        *("prediction", "decoding", "compress", "serving", "slow_clients"),
    ),
}
"""The marked parts of each page."""

ALONE = (
    *("conv_classifier", "conv_classifier_long", "g2p_quick"),
    *("linear_regression", "logistic_regression"),
)
"""Rows whose runs had their cores to themselves; the times of the others are upper bounds."""


ALL_WORDS = 99_700
"""Training words of CMUdict."""


def _measured(name):
    """Return what a file of `results/` holds, or `None` where there is none."""
    path = results.RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def models_table():
    """Return a row for each file of `benchmarks/results.py`."""
    lines = [
        "| model | parameters | data | score: mean ± standard deviation (seeds) | to beat | time | cores | processor |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *(_model_row(name, row) for name in results.ROWS if (row := _measured(name)))])


def _model_row(name, row):
    runs, goal = row["runs"], row["to_beat"]
    scores = [run["score"] for run in runs]
    mean = statistics.mean(scores)
    rival = statistics.mean(run.get("to_beat", goal["score"]) for run in runs)
    reached = mean <= rival if row.get("lower_is_better") else mean >= rival
    verdict = "" if reached else " (**not reached**)"
    what = f"[{goal['what']}]({goal['source']})" if goal["source"] else goal["what"]
    cores = " or ".join(map(str, sorted({run["cores"] for run in runs})))
    coverages = [run["coverage"] for run in runs if "coverage" in run]
    interval = f"; {statistics.mean(coverages):.1%} within its 80 % intervals" if coverages else ""
    return (
        f"| `{name}` | {runs[0]['parameters']:,} | {runs[0]['dataset']} "
        f"| {row['score'][0]} {_score_of(scores)}{interval} "
        f"| {rival:.4g}, {what}{verdict} "
        f"| {statistics.mean(run['wall_seconds'] for run in runs):.0f} s "
        f"| {cores}{'' if name in ALONE else ', shared'} | {runs[0]['ran_on']['device']} |"
    )


def commands_list():
    """Return the command of every row."""
    commands = []
    for name, row in results.ROWS.items():
        commands += [f"# {name}", " ".join(["python -m keras_refs.train", row["recipe"], *row["options"]])]
    return "\n".join(["```sh", *commands, "```"])


def lengths_table():
    """Return the figures of `benchmarks/lengths.py`."""
    measured = _measured("lengths")
    lines = [
        "| characters, at most | " + " | ".join(map(str, measured["lengths"])) + " |",
        "|---|" + "---|" * len(measured["lengths"]),
        "| pieces of the test split | " + " | ".join(f"{count:,}" for count in measured["pieces"]) + " |",
    ]
    for name, scores in measured["accuracy"].items():
        cells = " | ".join(f"{score:.4f}" for score in scores)
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


def learning_curve_table():
    """Return the figures of `benchmarks/learning_curve.py`."""
    runs = _measured("learning_curve")["runs"]
    counts = sorted({run["count"] for run in runs}, key=lambda count: count or float("inf"))
    header = " | ".join(f"{count or 'all'} per class" for count in counts)
    lines = [f"| trained | {header} | time |", "|---|" + "---|" * (len(counts) + 1)]
    for method, label in learning_curve.LABELS.items():
        cells = " | ".join(_score_of(learning_curve.scores_of(runs, count, method)) for count in counts)
        chosen = [run for run in runs if run["method"] == method]
        times = [[run["wall_seconds"] for run in chosen if run["count"] == count] for count in counts]
        time = ", ".join(f"{statistics.mean(each):.0f} s" for each in times if each)
        lines.append(" ".join(f"| {label} | {cells} | {time} |".split()))
    where = f"Measured on {cores([runs[0]['cores']])} of {runs[0]['ran_on']['device']}"
    return "\n".join([*lines, "", f"{where}, which other work shared, so that the times are upper bounds."])


def fine_tuning_table():
    """Return the figures of `benchmarks/fine_tuning.py`."""
    measured = _measured("fine_tuning")
    runs = measured["runs"]
    tasks = list(dict.fromkeys(run["task"] for run in runs))
    lines = [f"| test accuracy | {' | '.join(tasks)} | time of a training |", "|---|" + "---|" * (len(tasks) + 1)]
    for method in dict.fromkeys(run["method"] for run in runs):
        chosen = [run for run in runs if run["method"] == method]
        cells = [_score_of([run["accuracy"] for run in chosen if run["task"] == task]) for task in tasks]
        times = [[run["wall_seconds"] for run in chosen if run["task"] == task] for task in tasks if method != "linear"]
        time = ", ".join(f"{statistics.mean(each):.0f} s" for each in times)
        lines.append(" ".join(f"| {method} | {' | '.join(cells)} | {time} |".split()))
    where = f"Measured on {cores([measured['cores']])} of {measured['ran_on']['device']}"
    return "\n".join([*lines, "", f"{where}, which other work shared, so that the times are upper bounds."])


def _score_of(scores):
    if not scores:
        return ""
    spread = f" ± {statistics.stdev(scores):.4f}" if len(scores) > 1 else ""
    return f"{statistics.mean(scores):.4f}{spread} ({len(scores)})"


def forecasts_table():
    """Return the figures of `benchmarks/forecasts.py`."""
    runs = _measured("forecasts")["runs"]
    lines = [
        "| series | steps ahead | RMSE | best reference | its RMSE | difference | weight of the network "
        "| within the 80 % interval |",
        "|---|---|---|---|---|---|---|---|",
    ]
    differences = []
    for run in runs:
        name, rival = min(run["references"].items(), key=lambda item: item[1])
        differences.append(run["rmse"] / rival - 1)
        lines.append(
            f"| {run['series']} | {run['horizon']} | {run['rmse']:.4g} | {name} | {rival:.4g} | {differences[-1]:+.1%} "
            f"| {run['network_weight']:.2f} | {run['coverage']:.1%} |"
        )
    better, worse = (sum(map(is_so, differences)) for is_so in (lambda one: one < 0, lambda one: one > 0.02))
    summary = f"Better than the best reference in {better} of {len(runs)} runs, more than 2 % worse in {worse}."
    return "\n".join([*lines, "", f"{summary} {where({**runs[0], **runs[0]['ran_on']})}."])


def little_data_table():
    """Return the figures of `benchmarks/little_data.py`, and those of `benchmarks/results.py` for all words."""
    runs = _measured("little_data")["runs"]
    of_all = [
        {"method": "g2p", "words": ALL_WORDS, "word_error_rate": run["score"]} for run in _measured("g2p")["runs"]
    ]
    sizes = sorted({run["words"] for run in [*runs, *of_all]})

    def scores_of(method, words, rate):
        chosen = [run for run in [*runs, *of_all] if (run["method"], run["words"]) == (method, words)]
        return _score_of([run[rate] for run in chosen if rate in run])

    header = " | ".join(f"{words:,}" for words in sizes)
    lines = [f"| training words | {header} |", "|---|" + "---|" * len(sizes)]
    for method, label in {"g2p": "`g2p`", "phonetisaurus": "Phonetisaurus 0.3.0"}.items():
        for rate, what in {"word_error_rate": "words", "symbol_error_rate": "phonemes"}.items():
            cells = " | ".join(scores_of(method, words, rate) for words in sizes)
            lines.append(" ".join(f"| {label}, wrong {what} | {cells} |".split()))
    ours = [run for run in runs if run["method"] == "g2p"]
    times = {
        words: statistics.mean(run["wall_seconds"] for run in ours if run["words"] == words)
        for words in sorted({run["words"] for run in ours})
    }
    told = ", ".join(f"{seconds:.0f} s with {words:,} words" for words, seconds in times.items())
    devices = " and of ".join(sorted({run["ran_on"]["device"] for run in ours}))
    where = f"on {cores([ours[0]['cores']])} of {devices}"
    return "\n".join([*lines, "", f"`g2p` took {told}, {where}, which other work shared."])


def streaming_table():
    """Return the figures of `benchmarks/streaming.py`."""
    measured = _measured("streaming")
    lines = ["| an epoch | images | from | images/s | seconds | peak memory |", "|---|---|---|---|---|---|"]
    steps, places = {"train": "trained", "read": "batches alone"}, {"off": "memory", "on": "disk"}
    for run in measured["runs"]:
        lines.append(
            f"| {steps[run['what']]} | {run['images']:,} | {places[run['stream']]} | {run['images_per_second']:,} "
            f"| {run['seconds']:.0f} | {run['peak_megabytes']:,} MB |"
        )
    memory, disk = (run for run in measured["runs"] if run["what"] == "train")
    same = "the same bits" if memory["weights"] == disk["weights"] else "other bits"
    ratio = disk["images_per_second"] / memory["images_per_second"]
    told = f"From disk it takes {1 / ratio:.2f} times as long as from memory, and ends with {same}."
    lines += ["", f"{told} {where(measured)}, which other work shared."]
    return "\n".join([*lines, streaming_tables.tables(measured.get("tables", []))])


def throughput_table():
    """Return the figures of `benchmarks/throughput.py`."""
    measured = _measured("throughput")
    lines = [
        "| batch | precision | plain Keras, float32 | keras_refs | ratio (lowest and highest round) |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['batch_size']} | {row['precision']} | {row['plain']:,} images/s | {row['ours']:,} images/s "
        f"| **{row['ratio']}** ({row['lowest_ratio']} to {row['highest_ratio']}) |"
        for row in measured["rows"]
    ]
    return "\n".join([*lines, "", where(measured) + "."])


def decoding_table():
    """Return the figures of `benchmarks/decoding.py`."""
    measured = _measured("decoding")
    lines = [
        f"| `g2p`, words/s in batches of {measured['batch_size']} | as they come | sorted by length | one word alone |",
        "|---|---|---|---|",
    ]
    for name, alone in measured["milliseconds_alone"].items():
        rates = measured["answers_per_second"].get(name, {})
        told = [f"{rates[order]:,}" if rates else "" for order in ("as_they_come", "by_length")]
        lines.append(f"| {name} | {told[0]} | {told[1]} | {alone} ms |")
    return "\n".join([*lines, "", where(measured) + "."])


TABLES = {
    "models": models_table,
    "commands": commands_list,
    "lengths": lengths_table,
    "learning_curve": learning_curve_table,
    "fine_tuning": fine_tuning_table,
    "forecasts": forecasts_table,
    "little_data": little_data_table,
    "g2p_distillation": lambda: g2p_distillation.table(_measured("g2p_distillation")),
    "streaming": streaming_table,
    "workers": lambda: workers.tables(_measured("workers")),
    "throughput": throughput_table,
    "peers": lambda: peers.tables(_measured("peers")),
    "gpu": lambda: gpu.table(_measured("gpu")),
    "growth": lambda: growth.table(_measured("growth")["families"]),
    "prediction": lambda: prediction.table(_measured("prediction")["models"]),
    "decoding": decoding_table,
    "compress": lambda: compressed_files.table(_measured("compress")["models"]),
    "privacy": lambda: privacy.tables(_measured("privacy")),
    "serving": lambda: serving_tables.load(_measured("serving"), _measured("endurance")),
    "chaos": lambda: serving_tables.chaos(_measured("chaos")),
    "slow_clients": lambda: serving_tables.slow_clients(_measured("slow_clients")),
}


def filled(path):
    """Return a page's text with every measured part replaced by what `results/` says."""
    text = path.read_text(encoding="utf-8")
    for name in PAGES[path]:
        marked = re.compile(rf"(<!-- {name}: [^>]*-->\n).*?(<!-- end of {name} -->)", re.S)
        text, count = marked.subn(lambda match, name=name: f"{match[1]}{TABLES[name]()}\n{match[2]}", text)
        if count != 1:
            raise SystemExit(f"{path} must have one part marked {name!r}; it has {count}")
    return text


def main():
    """Write or check."""
    texts = {path: filled(path) for path in PAGES}
    if sys.argv[1:] == ["--check"]:
        return int(any(path.read_text(encoding="utf-8") != text for path, text in texts.items()))
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
