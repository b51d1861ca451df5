import os
import subprocess
import sys
from pathlib import Path

# Set before anything imports TensorFlow.
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import numpy as np
import pytest

REPOSITORY = Path(__file__).parents[1]
USERS_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}


@pytest.fixture(scope="session")
def digits_data_dir(tmp_path_factory):
    """A TFDS folder with real images that are not the bundled ones: scikit-learn's digits, 8x8 pixels, 0..255."""
    import tensorflow_datasets as tfds
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.round(digits.images[..., np.newaxis] * (255 / 16)).astype(np.uint8)
    examples = [{"image": image, "label": label} for image, label in zip(images, digits.target, strict=True)]
    features = {
        "image": tfds.features.Image(shape=(8, 8, 1)),
        "label": tfds.features.ClassLabel(num_classes=10),
    }
    return prepare(tmp_path_factory.mktemp("digits"), "digits", features, examples[:1400], examples[1400:])


def prepare(data_dir, name, features, train, test):
    """Prepare a TFDS data set of these examples and return its `data_dir`."""
    import tensorflow_datasets as tfds

    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version="1.0.0",
        features=tfds.features.FeaturesDict(features),
        split_datasets={"train": list(enumerate(train)), "test": list(enumerate(test))},
        data_dir=data_dir,
        disable_shuffling=True,
    )
    return data_dir


@pytest.fixture
def command(tmp_path):
    """Run `python -m keras_refs.MODULE ARGUMENTS` in an empty folder and return the finished process."""

    def run(module, *arguments, **options):
        return subprocess.run(
            command_line(module, *arguments),
            cwd=tmp_path,
            env=USERS_ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
            **options,
        )

    return run


def command_line(module, *arguments):
    return [sys.executable, "-m", f"keras_refs.{module}", *map(str, arguments)]
