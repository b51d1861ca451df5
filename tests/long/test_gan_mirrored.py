"""A GAN on two devices."""

import json
import subprocess
import sys

import keras
import numpy as np

from keras_refs import conv_classifier, export

MIRRORED = """
import sys
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from keras_refs.train import main

code = main(sys.argv[1:])
assert len(tf.config.list_logical_devices("CPU")) == 2
sys.exit(code)
"""


def test_gan_over_two_devices(tmp_path, digits_data_dir):
    """Two logical CPUs stand for two GPUs."""
    network = conv_classifier((8, 8, 1), num_classes=10, filters=(4,), hidden_units=8)
    features = keras.Model(network.input, network.get_layer("classifier").input)
    (tmp_path / "classifier").mkdir()
    names, black = [str(digit) for digit in range(10)], np.zeros((8, 8, 1), np.uint8)
    export.write_image_classifier(network, names, tmp_path / "classifier", black, features=features)
    options = "gan --distribute mirrored --epochs 2 --batch-size 64 --samples 100 --classifier classifier --workdir run"
    options += " --base-filters 8 --generator-filters 8 --discriminator-filters 8 --dataset digits --data-dir"
    subprocess.run([sys.executable, "-c", MIRRORED, *options.split(), digits_data_dir], cwd=tmp_path, check=True)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert [epoch["epoch"] for epoch in metrics["history"]] == [1, 2]
    assert metrics["history"][0]["val_classifier_fid"] != metrics["history"][1]["val_classifier_fid"]
    assert (tmp_path / "saved_models" / "gan" / "1" / "saved_model.pb").exists()
