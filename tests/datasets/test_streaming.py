"""Images on disk are the same as in memory, whichever way they are asked for."""

import keras
import numpy as np
import pytest
import tensorflow_datasets as tfds

from keras_refs import datasets, export, settings
from keras_refs.errors import UserError
from keras_refs.recipes import conv_classifier
from tests.conftest import prepare

FEATURES = {"image": tfds.features.Image(shape=(6, 5, 3)), "label": tfds.features.ClassLabel(num_classes=3)}


def load(folder, stream, name="noise", **arguments):
    return datasets.load_image_classification(name, folder, validation_fraction=0.25, stream=stream, **arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A set in TFRecord files, whose images differ in every pixel."""
    rng = np.random.default_rng(0)
    examples = [{"image": rng.integers(0, 256, (6, 5, 3), "uint8"), "label": i % 3} for i in range(60)]
    return prepare(tmp_path_factory.mktemp("tfds"), "noise", FEATURES, examples[:40], examples[40:])


@pytest.mark.parametrize("image_size", [0, 4])
@pytest.mark.parametrize("train_split", ["train", "train[10:30]"])
def test_indexing_reads_the_same_images(train_split, image_size, folder):
    arguments = {"train_split": train_split, "image_size": image_size}
    memory, disk = (load(folder, stream, **arguments) for stream in ("off", "on"))
    for split in ("train", "validation", "test"):
        expected, actual = getattr(memory, split), getattr(disk, split)
        assert isinstance(actual.images, datasets.StreamedImages)
        assert (actual.images.shape, len(actual)) == (expected.images.shape, len(expected))
        np.testing.assert_array_equal(actual.labels, expected.labels)
        for index in (slice(None), slice(2, 4), [3, 1, 1], -1):
            np.testing.assert_array_equal(actual.images[index], expected.images[index])


def test_batches_are_the_same(folder):
    def batches(stream):
        data = load(folder, stream)
        training = datasets.training_batches(data.train, 3, 8, 0, 1, 9, horizontal_flip=True, shift=1)
        return [*training, *datasets.evaluation_batches(data.validation, 3, 4)]

    memory, disk = batches("off"), batches("on")
    assert len(memory) == len(disk) == 8 + 3
    for expected, actual in zip(memory, disk, strict=True):
        np.testing.assert_array_equal(actual[0], expected[0])
        np.testing.assert_array_equal(actual[1], expected[1])


def test_bundled_sets_in_parquet_files_are_read_as_well():
    splits = [
        datasets.load_image_split("fashion_mnist", split="test[500:520]", stream=stream)[0] for stream in ("off", "on")
    ]
    np.testing.assert_array_equal(splits[1].images[:], splits[0].images)


def test_images_that_need_too_much_memory_stay_on_disk(folder, monkeypatch):
    assert isinstance(load(folder, "auto").train.images, np.ndarray)
    monkeypatch.setattr("keras_refs.datasets.streaming.MEMORY_FRACTION", 1e-12)
    assert isinstance(load(folder, "auto").train.images, datasets.StreamedImages)


def test_a_file_that_is_cut_off_gets_a_sentence(folder, tmp_path):
    rng = np.random.default_rng(0)
    examples = [{"image": rng.integers(0, 256, (6, 5, 3), "uint8"), "label": i % 3} for i in range(20)]
    prepare(tmp_path, "noise", FEATURES, examples, examples)
    (file,) = (tmp_path / "noise" / "1.0.0").glob("*train.tfrecord*")
    file.write_bytes(file.read_bytes()[:-7])
    with pytest.raises(UserError, match=r"train.tfrecord.* is cut off: the record at byte \d+ has no end"):
        load(tmp_path, "on")


def test_a_run_resumed_from_disk_ends_as_an_unbroken_one_in_memory(digits_data_dir, tmp_path):
    small = {"filters": (4,), "hidden_units": 8, "epochs": 2, "batch_size": 100, "deterministic": True}

    def train(stream, resume=False, callbacks=()):
        data = {"dataset": "digits", "data_dir": str(digits_data_dir), "stream": stream}
        config = settings.override(conv_classifier.Config(), **data, **small)
        folders = tmp_path / stream / "run", tmp_path / stream / "models"
        metrics = conv_classifier.train_and_evaluate(config, *folders, resume, callbacks=callbacks)
        return export.load_model(metrics["export"]).get_weights()

    def stop(epoch, logs):
        # In the second epoch, after the first one's checkpoint.
        if epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train("on", callbacks=[keras.callbacks.LambdaCallback(on_epoch_begin=stop)])
    for expected, actual in zip(train("off"), train("on", resume=True), strict=True):
        np.testing.assert_array_equal(actual, expected)
