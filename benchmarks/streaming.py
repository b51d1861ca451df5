"""Measure training on images that stay on disk, beside the same images in memory.

    python benchmarks/streaming.py --folder /tmp/streaming

generates 300,000 images of 96x96x3 there, once, and trains `conv_classifier` for an epoch on the first 30,000, 100,000
and 300,000 of them with `--stream on`, beside `--stream off` for the first number. It writes `results/streaming.json`:
images a second, seconds an epoch, peak memory, and whether both ways end with the same weights, bit for bit.
"""

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from hardware import hardware

from keras_refs import storage

RESULTS = Path(__file__).parents[1] / "results" / "streaming.json"
NAME = "shapes_in_colours"
SIZE, TRAIN, TEST = 96, 300_000, 1_000
COUNTS = (30_000, 100_000, 300_000)
IN_MEMORY = 30_000
"""As many are read into memory, too: 300,000 take 8 GB, and as much again while batches are gathered from them."""
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


def train(folder, count, stream):
    """Train for an epoch in a process of its own; return what was measured."""
    command = [sys.executable, __file__, "--folder", folder, "--train", str(count), stream]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return {"images": count, "stream": stream, **json.loads(output.splitlines()[-1])}


def train_here(folder, count, stream):
    """Train for an epoch in this process, and print what was measured as JSON."""
    from keras_refs import export, settings
    from keras_refs.recipes import conv_classifier

    splits = {"train_split": f"train[:{count}]", "validation_fraction": 1000 / count}
    options = {"dataset": NAME, "data_dir": folder, "stream": stream, **splits, **OPTIONS}
    config = settings.override(conv_classifier.Config(), **options)
    with tempfile.TemporaryDirectory() as temporary:
        metrics = conv_classifier.train_and_evaluate(config, Path(temporary) / "run", Path(temporary) / "models")
        weights = export.load_model(metrics["export"]).get_weights()
    digest = hashlib.sha256(b"".join(array.tobytes() for array in weights)).hexdigest()
    images = (count - 1000) // OPTIONS["batch_size"] * OPTIONS["batch_size"]
    measured = {
        "seconds": metrics["seconds"],
        "images_per_second": round(images / metrics["seconds"]),
        "peak_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6),
        "weights": digest,
    }
    print(json.dumps(measured))


def main():
    """Generate the images if they are not there, train, and write what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", required=True, help="TFDS data folder for the images, about 2 GB")
    parser.add_argument("--train", nargs=2, metavar=("COUNT", "STREAM"), help="train once, here, and write no file")
    arguments = parser.parse_args()
    if arguments.train:
        train_here(arguments.folder, int(arguments.train[0]), arguments.train[1])
        return
    Builder(data_dir=arguments.folder).download_and_prepare()
    runs = []
    # Side by side, the smaller first; each is kept, as the largest takes long.
    for count in COUNTS:
        for stream in ("off", "on") if count == IN_MEMORY else ("on",):
            runs.append(train(arguments.folder, count, stream))
            storage.write_json(RESULTS, {"options": OPTIONS, **hardware(), "runs": runs})


if __name__ == "__main__":
    main()
