import numpy as np
import pytest
import tensorflow_datasets as tfds

from keras_refs.datasets import opening
from keras_refs.errors import UserError


@pytest.fixture(scope="module")
def builder():
    return opening.open_builder("fashion_mnist", None, require=lambda builder: None)


@pytest.mark.parametrize(
    "split", ["test[:40]", "test[99%:]", "test[3:7]+test[-5:]", tfds.core.ReadInstruction("test", to=9)]
)
def test_reads_parquet_as_tfds_does(builder, split):
    assert builder.info.file_format is tfds.core.FileFormat.PARQUET
    ours, theirs = opening.open_split(builder, split), builder.as_dataset(split=split)
    assert ours.element_spec == theirs.element_spec
    assert ours.cardinality() == theirs.cardinality()
    for example, expected in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(example["image"], expected["image"])
        assert example["label"] == expected["label"]


@pytest.mark.parametrize("split", ["validation", "train[", "test[20000:]"])
def test_says_which_splits_there_are(builder, split):
    with pytest.raises(UserError, match=r"no examples in .* its splits are: t"):
        opening.open_split(builder, split)
