"""The same global batches on one process and on several workers end with the same weights."""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_refs import conv_classifier, export
from tests.conftest import command_line
from tests.test_train import on_digits
from tests.workers import jobs

pytestmark = pytest.mark.timeout(1800)
TOLERANCE = 1e-5
DATES = "date_normalisation --examples 1700 --epochs 4 --batch-size 32 --units 16 --embedding-dim 8 --dropout 0"
DATES += " --clip-norm 0.1"


def train(folder, count, *options):
    """Train a recipe with so many workers; one is a process without any."""
    folder.mkdir()
    distribute = "workers" if count > 1 else "none"
    options = [*options, "--deterministic", "--distribute", distribute, "--workdir", "run"]
    finished = jobs.run(command_line("train", *options), folder, count)
    return jobs.final_weights(folder / "run"), finished


def test_image_classifier(tmp_path, digits_data_dir):
    """Of 1, 2 and 4 workers, 205 steps with augmentation and an average of the weights."""
    options = on_digits(digits_data_dir, "--epochs", "5", "--shift", "1")
    alone, _ = train(tmp_path / "1", 1, *options)
    history = json.loads((tmp_path / "1" / "run" / "metrics.json").read_text())["history"]
    for count in (2, 4):
        folder = tmp_path / str(count)
        weights, finished = train(folder, count, *options)
        assert jobs.largest_difference(weights, alone) < TOLERANCE
        metrics = json.loads((folder / "run" / "metrics.json").read_text())
        for ours, theirs in zip(metrics["history"], history, strict=True):
            for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
                assert ours[name] == pytest.approx(theirs[name], abs=1e-4), name
        # The chief alone writes, and speaks of epochs.
        assert [path.name for path in (folder / "saved_models" / "conv_classifier").iterdir()] == ["1"]
        assert ["Epoch 5/5" in output for _, output, _ in finished] == [True] + [False] * (count - 1)
        assert f"Worker {count - 1} is done." in finished[-1][1]


def test_sequences_of_several_lengths_and_clipped_gradients(tmp_path):
    alone, _ = train(tmp_path / "1", 1, *DATES.split())
    weights, _ = train(tmp_path / "2", 2, *DATES.split())
    assert jobs.largest_difference(weights, alone) < TOLERANCE


def test_gan_with_its_two_optimizers(tmp_path, digits_data_dir):
    network = conv_classifier((8, 8, 1), num_classes=10, filters=(4,), hidden_units=8)
    features = keras.Model(network.input, network.get_layer("classifier").input)
    classifier = tmp_path / "classifier"
    classifier.mkdir()
    names, black = [str(digit) for digit in range(10)], np.zeros((8, 8, 1), np.uint8)
    export.write_image_classifier(network, names, classifier, black, features=features)
    program = Path(__file__).with_name("gan_without_normalization.py")
    weights = []
    for count, distribute in ((1, "none"), (2, "workers")):
        folder = tmp_path / str(count)
        folder.mkdir()
        jobs.run([sys.executable, str(program), distribute, str(digits_data_dir), str(classifier)], folder, count)
        weights.append(jobs.final_weights(folder / "run"))
    assert jobs.largest_difference(*weights) < TOLERANCE
