"""Measure how time and memory of training grow with batch, width, length and number of examples, for each family.

    python benchmarks/growth.py conv_classifier mlp

measures these, by default all; `results/growth.json` keeps what it has of the others, and `docs/growth.png` draws all.
One size grows, eightfold in all, while the others stay; each measurement has a process of its own. The time is that of
all processors together, which other work on them changes less, for a step, or, as the number of examples grows, for
an epoch; the memory is the peak beyond that of the imports. A slope of 1 is linear growth: twice the size takes twice
as much. Inputs are random, the optimizer is that of the recipes.
"""

import argparse
import concurrent.futures
import importlib
import itertools
import json
import multiprocessing
import resource
import time
from pathlib import Path

import numpy as np
from hardware import hardware, where
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from keras_refs import datasets, models, settings, storage, training

REPOSITORY = Path(__file__).parents[1]
RESULTS = REPOSITORY / "results" / "growth.json"
FIGURE = REPOSITORY / "docs" / "growth.png"
SIZES = {
    # The smallest batch, width, length and number of examples. The length of an image is that of its side.
    "conv_classifier": {"batch": 32, "width": 32, "length": 14, "examples": 2048},
    "lstm_classifier": {"batch": 32, "width": 32, "length": 16, "examples": 2048},
    "mlp": {"batch": 32, "width": 128, "examples": 16_384},
    "attention_seq2seq": {"batch": 32, "width": 64, "length": 8, "examples": 2048},
    "self_attention_classifier": {"batch": 32, "width": 32, "length": 16, "examples": 2048},
}
FACTORS = (1, 2, 4, 8)
STEPS, EPOCHS = 8, 2


def build(family, width, length):
    """Return a network of a family and a function from a number to so many random inputs, a tuple of arrays."""
    random = np.random.default_rng(0)
    if family == "conv_classifier":
        shape = (length, length, 1)
        network = models.conv_classifier(shape, filters=(width // 2, width), hidden_units=width)
        return network, lambda count: (random.integers(0, 256, (count, *shape), np.uint8),)
    if family == "mlp":
        network = models.mlp(784, 10, (width, width // 2), activation="relu")
        return network, lambda count: (random.random((count, 784), np.float32),)
    if family == "attention_seq2seq":
        network = models.attention_seq2seq(embedding_dim=width // 4, units=(width, width))
        return network, lambda count: tuple(random.integers(1, 28, (count, length), np.int32) for _ in range(2))
    if family == "lstm_classifier":
        network = models.lstm_classifier(28, 10, units=(width, width), steps=length)
    else:
        sizes = {"hidden_dim": width, "num_heads": 4, "feed_forward_dim": 2 * width}
        network = models.self_attention_classifier(28, 10, **sizes)
    return network, lambda count: (random.standard_normal((count, length, 28), np.float32),)


def measure(family, grown, batch, width, examples, length=None):
    """Return the CPU seconds of a step, or of an epoch if the examples are what grows, and the megabytes at most."""
    import keras

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    steps = examples // batch if grown == "examples" else STEPS
    network, inputs_of = build(family, width, length)
    inputs = inputs_of(steps * batch)
    targets = inputs[1] if len(inputs) > 1 else np.zeros(steps * batch, np.int32)
    names = list(network.input) if isinstance(network.input, dict) else None

    def prepare(_, *arrays):
        return dict(zip(names, arrays[:-1], strict=True)) if names else arrays[0], arrays[-1]

    options = settings.Training(epochs=100, batch_size=batch, learning_rate=1e-3, clip_norm=1.0)
    network.compile(training.adam(options, steps), "sparse_categorical_crossentropy")
    batches = datasets.shuffled_batches((*inputs, targets), batch, 0, 0, (EPOCHS + 1) * steps, prepare)
    ends = []
    note_end = keras.callbacks.LambdaCallback(on_epoch_end=lambda _epoch, _logs: ends.append(time.process_time()))
    fit = {"epochs": EPOCHS + 1, "steps_per_epoch": steps, "callbacks": [note_end]}
    network.fit(batches, **fit, shuffle=False, verbose=0)
    # The first epoch compiles.
    seconds = min(np.diff(ends)) / (1 if grown == "examples" else steps)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": round(float(seconds), 5), "megabytes": round((peak - before) / 1024, 1)}


def measure_family(family):
    """Return for each size that grows its values, and what `measure` returns at each, in a process of its own."""
    found = {}
    for grown, smallest in SIZES[family].items():
        found[grown] = []
        for factor in FACTORS:
            sizes = {**SIZES[family], grown: smallest * factor}
            with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as process:
                point = process.submit(measure, family, grown, **sizes).result()
            found[grown].append({"size": sizes[grown], **point})
        print(family, grown, found[grown], flush=True)
    return found


def slope(points, what):
    """Return the exponent of growth: the slope of the line through the logarithms."""
    return float(np.polyfit(np.log([each["size"] for each in points]), np.log([each[what] for each in points]), 1)[0])


def draw(families):
    """Draw seconds and megabytes by each size, on logarithmic axes."""
    figure = Figure(figsize=(11, 5.5), layout="constrained")
    grid = figure.subplots(2, 4, sharex="col", sharey="row")
    sizes = {"batch": "examples in a batch", "width": "units", "length": "length", "examples": "examples"}
    units = {"seconds": "CPU seconds of a step or epoch", "megabytes": "megabytes"}
    for (row, what), (column, grown) in itertools.product(enumerate(units), enumerate(sizes)):
        axes = grid[row, column]
        for place, (family, found) in enumerate(families.items()):
            if points := found["growth"].get(grown):
                values = [each[what] for each in points]
                axes.loglog([each["size"] for each in points], values, f"C{place}o-", label=family)
        axes.grid(alpha=0.3)
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set(xlabel=sizes[grown] if row else "", ylabel="" if column else units[what])
    grid[0, 0].legend(fontsize=7)
    figure.savefig(FIGURE, dpi=80)


def table(families):
    """Return the slopes by the name of the family as Markdown."""
    sizes = list(SIZES["conv_classifier"])
    lines = [
        f"| slope: time, memory | {' | '.join(sizes)} |",
        "|---|" + "---|" * len(sizes),
    ]
    for family, found in families.items():
        cells = [
            f"{slope(points, 'seconds'):.2f}, {slope(points, 'megabytes'):.2f}" if points else ""
            for points in (found["growth"].get(size) for size in sizes)
        ]
        lines.append(f"| `{family}` | {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"{where(next(iter(families.values())))}, which other work shared."])


def main():
    """Measure the families named, and draw all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(SIZES))
    arguments = parser.parse_args()
    # The processes that measure are copies of this one, which therefore imports what they need.
    importlib.import_module("keras_refs.training.loop")
    for name in arguments.names:
        found = {"growth": measure_family(name), **hardware()}
        before = json.loads(RESULTS.read_text(encoding="utf-8"))["families"] if RESULTS.exists() else {}
        families = {**before, name: found}
        storage.write_json(RESULTS, {"families": {each: families[each] for each in SIZES if each in families}})
    draw(json.loads(RESULTS.read_text(encoding="utf-8"))["families"])


if __name__ == "__main__":
    main()
