import numpy as np
import pytest
import tensorflow_datasets as tfds

from keras_refs.datasets import catalogue
from keras_refs.errors import UserError


def test_bundled_data_come_from_the_package():
    assert catalogue.bundled_names() == [
        "breast_cancer",
        "cmudict",
        "diabetes",
        "fashion_mnist",
        "hourly_electricity",
        "nyse",
        "spam_assassin",
        "udhr_languages",
    ]
    assert catalogue.data_dir_of("fashion_mnist") == str(catalogue.BUNDLED_DATA_DIR)


def test_fashion_mnist_carries_licence_and_citation():
    """`test_bundled.py` looks at the others."""
    folder = catalogue.BUNDLED_DATA_DIR / "fashion_mnist"
    assert "Permission is hereby granted" in (folder / "LICENSE").read_text()
    assert (folder / "CITATION.bib").read_text().startswith("@")


@pytest.mark.parametrize("name", ["mnist", "cifar10", "emnist/letters", "kmnist:3.0.1", "eurosat", "chexpert"])
def test_knows_what_tfds_can_download(name):
    assert catalogue.data_dir_of(name) is None


def test_finds_prepared_data(tmp_path):
    (tmp_path / "my_pictures").mkdir()
    assert catalogue.data_dir_of("my_pictures", tmp_path) == str(tmp_path)


@pytest.mark.parametrize(("name", "nearest"), [("fashion_mnits", "fashion_mnist"), ("cifar_10", "cifar10")])
def test_offers_the_nearest_names(name, nearest):
    with pytest.raises(UserError, match=f"No data set is called '{name}'.*{nearest}"):
        catalogue.data_dir_of(name)


def test_refuses_a_missing_data_dir(tmp_path):
    with pytest.raises(UserError, match="--data-dir must be an existing folder"):
        catalogue.data_dir_of("mnist", tmp_path / "nowhere")


@pytest.fixture(scope="module")
def builder():
    builder, keys = catalogue.open_builder("fashion_mnist", None, find_keys=lambda builder: ["image"])
    assert keys == ["image"]
    return builder


@pytest.mark.parametrize(
    "split", ["test[:40]", "test[99%:]", "test[3:7]+test[-5:]", tfds.core.ReadInstruction("test", to=9)]
)
def test_reads_parquet_as_tfds_does(builder, split):
    assert builder.info.file_format is tfds.core.FileFormat.PARQUET
    ours, theirs = catalogue.open_split(builder, split), builder.as_dataset(split=split)
    assert ours.element_spec == theirs.element_spec
    assert ours.cardinality() == theirs.cardinality()
    for example, expected in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(example["image"], expected["image"])
        assert example["label"] == expected["label"]


@pytest.mark.parametrize("split", ["validation", "train[", "test[20000:]"])
def test_says_which_splits_there_are(builder, split):
    with pytest.raises(UserError, match=r"no examples in .* its splits are: t"):
        catalogue.open_split(builder, split)
