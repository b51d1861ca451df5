"""Variables are read as TensorFlow reads them."""

import shutil

import numpy as np
import pytest
import tensorflow as tf

from keras_refs.export.tensor_bundle import read_bundle
from tests.conftest import REPOSITORY

GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
"""A text; texts are left out."""


def expected(prefix):
    reader = tf.train.load_checkpoint(str(prefix))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map() if name != GRAPH}


def check(prefix):
    arrays, tensors = read_bundle(prefix), expected(prefix)
    assert arrays.keys() == tensors.keys()
    for name, array in arrays.items():
        assert array.dtype == tensors[name].dtype
        np.testing.assert_array_equal(array, tensors[name], strict=isinstance(tensors[name], np.ndarray))


@pytest.mark.parametrize("name", ["conv_classifier", "g2p", "mlp"])
def test_committed_models(name):
    check(REPOSITORY / "saved_models" / name / "1" / "variables" / "variables")


def test_types_shapes_and_many_names(tmp_path):
    """So many names that the index has several blocks, with and without common beginnings."""
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 100, (3, 0, 2)[: index % 4]) for index in range(300)]
    types = ["float32", "float64", "int8", "uint8", "int16", "int32", "int64", "bool", "float16"]
    module = tf.Module()
    module.weights = {
        f"{'layer' * (index % 3)}{index}": tf.Variable(array.astype(types[index % len(types)]))
        for index, array in enumerate(arrays)
    }
    prefix = tf.train.Checkpoint(module=module).write(str(tmp_path / "variables"))
    assert len(expected(prefix)) >= len(arrays)
    check(prefix)


@pytest.mark.parametrize("kept", [0, 10, 100, -1, -60])
@pytest.mark.parametrize("suffix", ["index", "data-00000-of-00001"])
def test_files_that_are_cut_off(suffix, kept, tmp_path):
    shutil.copytree(REPOSITORY / "saved_models" / "linear_regression" / "1" / "variables", tmp_path / "variables")
    file = tmp_path / "variables" / f"variables.{suffix}"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(ValueError, match="cut off"):
        read_bundle(tmp_path / "variables" / "variables")
