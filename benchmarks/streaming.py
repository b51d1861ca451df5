"""Measure images that stay on disk: training beside the same images in memory, and reading more than fit into memory.

    python benchmarks/streaming.py --folder /tmp/streaming

generates 300,000 images of 96x96x3 there, once. It trains `conv_classifier` for an epoch on the first 30,000 with
`--stream off` and `--stream on`, and reads an epoch of shuffled batches of the first 30,000, 100,000 and 300,000 from
disk, without a network. `results/streaming.json` has images a second, seconds, peak memory, and a hash of the trained
weights, which says whether both ways end with the same bits. `benchmarks/streaming_tables.py` says what it has of texts
and series.
"""

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import streaming_tables
import tensorflow_datasets as tfds
from earlier import earlier
from hardware import hardware

from keras_refs import storage

RESULTS = Path(__file__).parents[1] / "results" / "streaming.json"
NAME = "shapes_in_colours"
SIZE, TRAIN, TEST = 96, 300_000, 1_000
TRAINED = 30_000
READ = (30_000, 100_000, 300_000)
VALIDATED = 1000
OPTIONS = {"filters": (8, 16), "hidden_units": 16, "batch_size": 128, "epochs": 1, "shift": 0, "precision": "float32"}


class Builder(tfds.core.GeneratorBasedBuilder):
    """Discs, squares, rings and stripes in colours, with noise; generated, so nobody's."""

    name = NAME
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(SIZE, SIZE, 3), encoding_format="jpeg"),
            "label": tfds.features.ClassLabel(names=["disc", "square", "ring", "stripes"]),
        }
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features), disable_shuffling=True
        )

    def _split_generators(self, dl_manager):  # noqa: ARG002
        return {"train": self._generate_examples(0, TRAIN), "test": self._generate_examples(1, TEST)}

    def _generate_examples(self, seed, count):
        rng = np.random.default_rng(seed)
        rows, columns = (axis.astype("float32") for axis in np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j])
        noise = rng.integers(0, 40, (64, SIZE, SIZE, 3), dtype="uint8")
        for number in range(count):
            label, radius, (y, x) = int(rng.integers(4)), rng.uniform(0.3, 0.8), rng.uniform(-0.3, 0.3, 2)
            inside = _inside(label, rows - y, columns - x, radius)
            colour, background = rng.integers(60, 210, 3), rng.integers(0, 60, 3)
            image = np.where(inside[..., np.newaxis], colour, background).astype("uint8") + noise[number % 64]
            yield number, {"image": image, "label": label}


def _inside(label, rows, columns, radius):
    distance = np.hypot(rows, columns)
    if label == 1:
        return np.maximum(abs(rows), abs(columns)) < radius
    if label == 2:
        return (distance < radius) & (distance > radius / 2)
    return (distance < radius) & ((label == 0) | (np.sin(rows * 30) > 0))


def measure(folder, what, count, stream):
    """Measure in a process of its own, whose peak memory is that of nothing else."""
    measured = in_a_process(folder, "images", what, count, stream)
    images = (count - VALIDATED) // OPTIONS["batch_size"] * OPTIONS["batch_size"]
    rate = round(images / measured["seconds"])
    return {"what": what, "images": count, "stream": stream, "images_per_second": rate, **measured}


def in_a_process(folder, *run):
    """Return what a process of its own measures."""
    command = [sys.executable, __file__, "--folder", folder, "--only", *map(str, run)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])


def measure_tables(folder, run):
    """Return what is measured of a run of `streaming_tables.runs`."""
    names = dict(zip(("kind", "what", "count", "stream"), run, strict=True))
    return {**names, **in_a_process(folder, *run), **hardware()}


def keep(measured):
    """Write down what was measured beside what was measured before."""
    before = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {"tables": []}
    storage.write_json(RESULTS, {**before, **measured})


def measure_here(folder, what, count, stream):
    """Measure in this process."""
    from keras_refs import settings
    from keras_refs.recipes import conv_classifier

    splits = {"train_split": f"train[:{count}]", "validation_fraction": VALIDATED / count}
    options = {"dataset": NAME, "data_dir": folder, "stream": stream, **splits, **OPTIONS}
    config = settings.override(conv_classifier.Config(), **options)
    measured = train(config) if what == "train" else read(config)
    return {**measured, "peak_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)}


def train(config):
    """Train for an epoch by the recipe."""
    from keras_refs import export
    from keras_refs.recipes import conv_classifier

    with tempfile.TemporaryDirectory() as temporary:
        metrics = conv_classifier.train_and_evaluate(config, Path(temporary) / "run", Path(temporary) / "models")
        weights = export.load_model(metrics["export"]).get_weights()
    digest = hashlib.sha256(b"".join(array.tobytes() for array in weights)).hexdigest()
    return {"seconds": metrics["seconds"], "weights": digest}


def read(config):
    """Read an epoch of the batches that are trained on."""
    from keras_refs import datasets

    data = datasets.load_image_classification(**vars(config.data))
    steps = len(data.train) // OPTIONS["batch_size"]
    began = time.monotonic()
    classes = len(data.class_names)
    for _ in datasets.training_batches(data.train, classes, OPTIONS["batch_size"], 0, 0, steps):
        pass
    return {"seconds": round(time.monotonic() - began, 1)}


def main():
    """Generate the images if they are not there, measure, and write what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", required=True, help="folder for what is generated: images take about 2 GB")
    parser.add_argument("--kinds", nargs="+", choices=["images", "texts", "series"], default=["images"])
    parser.add_argument(
        "--only", nargs=4, metavar=("KIND", "WHAT", "COUNT", "STREAM"), help="measure once, without a file"
    )
    arguments = parser.parse_args()
    if arguments.only:
        kind, what, count, stream = arguments.only
        of_tables = [kind] if kind != "images" else []
        function = streaming_tables.measure if of_tables else measure_here
        print(json.dumps(function(arguments.folder, *of_tables, what, int(count), stream)))
        return
    if "images" in arguments.kinds:
        Builder(data_dir=arguments.folder).download_and_prepare()
        trained = [measure(arguments.folder, "train", TRAINED, stream) for stream in ("off", "on")]
        runs = trained + [measure(arguments.folder, "read", count, "on") for count in READ]
        keep({"options": OPTIONS, **hardware(), "runs": runs})
    for run in streaming_tables.runs():
        if run[0] in arguments.kinds:
            new = measure_tables(arguments.folder, run)
            others = [old for old in earlier(RESULTS, "tables") if tuple(old.values())[: len(run)] != run]
            keep({"tables": [*others, new]})


if __name__ == "__main__":
    main()
