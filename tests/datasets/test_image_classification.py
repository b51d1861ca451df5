import numpy as np
import pytest
import tensorflow_datasets as tfds

from keras_refs import datasets
from keras_refs.errors import UserError
from tests.conftest import prepare

LABEL = tfds.features.ClassLabel(names=["dark", "bright"])


def pictures(sizes):
    return [
        {"picture": np.full((*size, 3), 255 * (i % 2), np.uint8), "kind": i % 2, "id": i}
        for i, size in enumerate(sizes)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Data sets that differ from Fashion-MNIST in each way that matters."""
    folder = tmp_path_factory.mktemp("tfds")
    image = tfds.features.Image(shape=(None, None, 3))
    same, mixed = pictures([(4, 6)] * 20), pictures([(4, 6), (7, 5)] * 10)
    fixed = tfds.features.Image(shape=(4, 6, 3))
    prepare(folder, "same_size", {"picture": fixed, "kind": LABEL, "id": np.int64}, same, same[:4])
    prepare(folder, "mixed_size", {"picture": image, "kind": LABEL, "id": np.int64}, mixed, mixed[:4])
    unlabelled = [{"picture": row["picture"], "id": row["id"]} for row in same]
    prepare(folder, "no_label", {"picture": fixed, "id": np.int64}, unlabelled, unlabelled)
    imageless = [{"kind": row["kind"], "id": row["id"]} for row in same]
    prepare(folder, "no_image", {"kind": LABEL, "id": np.int64}, imageless, imageless)
    return folder


def test_fashion_mnist_is_whole():
    data = datasets.load_image_classification("fashion_mnist")
    assert (len(data.train), len(data.validation), len(data.test)) == (57_000, 3_000, 10_000)
    assert data.image_shape == (28, 28, 1)
    assert data.class_names[:2] == ("T-shirt/top", "Trouser")
    assert "1708.07747" in data.citation
    np.testing.assert_array_equal(np.bincount(data.test.labels), [1000] * 10)
    counts = np.bincount(data.train.labels) + np.bincount(data.validation.labels)
    np.testing.assert_array_equal(counts, [6000] * 10)
    # Mean and deviation of the training pixels, as published for the data set: 0.2860 and 0.3530.
    pixels = np.concatenate([data.train.images, data.validation.images]) / np.float32(255)
    np.testing.assert_allclose([pixels.mean(), pixels.std()], [0.2860, 0.3530], atol=5e-5)


def test_shape_and_classes_come_from_the_metadata(folder):
    data = datasets.load_image_classification("same_size", folder, validation_fraction=0.25)
    assert data.image_shape == (4, 6, 3)
    assert data.class_names == ("dark", "bright")
    assert (len(data.train), len(data.validation), len(data.test)) == (15, 5, 4)
    for split in (data.train, data.validation, data.test):
        np.testing.assert_array_equal(split.images[:, 0, 0, 0] == 255, split.labels == 1)


def test_validation_examples_do_not_depend_on_chance(folder):
    first, second = (datasets.load_image_classification("same_size", folder, validation_fraction=0.3) for _ in "12")
    np.testing.assert_array_equal(first.validation.labels, second.validation.labels)


def test_resizes_when_told_to(folder):
    data = datasets.load_image_classification("mixed_size", folder, validation_fraction=0.25, image_size=5)
    assert data.image_shape == (5, 5, 3)
    assert set(np.unique(data.train.images)) == {0, 255}


def test_slices_stand_for_missing_splits(folder):
    data = datasets.load_image_classification("same_size", folder, "train[:80%]", "train[80%:]", 0.25)
    assert (len(data.train) + len(data.validation), len(data.test)) == (16, 4)


@pytest.mark.parametrize(
    ("name", "arguments", "match"),
    [
        ("no_label", {}, "has no label.*It has: id .Tensor., picture .Image."),
        ("no_image", {}, "has no image.*It has: id .Tensor., kind .ClassLabel."),
        ("mixed_size", {}, "differ in size: say with --image-size"),
        ("same_size", {"test_split": "holdout"}, "no examples in 'holdout'; its splits are: "),
        ("same_size", {"test_split": "test[:0]"}, r"no examples in 'test\[:0\]'"),
        ("same_size", {"train_split": "train[:3]"}, "too few to cut off 5% for validation"),
    ],
)
def test_bad_data_get_a_sentence(folder, name, arguments, match):
    with pytest.raises(UserError, match=match):
        datasets.load_image_classification(name, folder, **arguments)


def test_data_that_cannot_be_downloaded_get_a_sentence(tmp_path, monkeypatch):
    def no_network(*_args, **_kwargs):
        raise ConnectionError("no network\nand much more")

    monkeypatch.setattr(tfds.core.download.DownloadManager, "download_and_extract", no_network)
    with pytest.raises(UserError, match="'mnist' is not prepared in .* could not prepare it: no network$"):
        datasets.load_image_classification("mnist", tmp_path)
