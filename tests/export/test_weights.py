import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_refs import export
from keras_refs.errors import UserError

INPUTS = {"numbers": np.array([[1.0, -2.0, 0.5]], "float32")}


def network(activation="tanh"):
    """Two layers of one shape and one name: only what they do tells them apart."""
    numbers = keras.Input((3,))
    parts = [keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, activation, name="dense")]) for _ in range(2)]
    x = keras.layers.Dropout(0.5)(parts[1](numbers))
    return keras.Model(numbers, parts[0](x))


def write_full(model, folder):
    export.write_function(lambda x: {"y": model(x, training=False)}, {"numbers": (tf.float32, (3,))}, folder)


def write_half(model, folder):
    (answer,) = export.in_half_precision(model, lambda x: {"y": model(x, training=False)})
    export.write_function(answer, {"numbers": (tf.float32, (3,))}, folder)


@pytest.mark.parametrize("write", [write_full, write_half])
def test_weights_come_back_to_where_they_were(write, tmp_path):
    model = network()
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    write(model, tmp_path)
    rebuilt = network()
    export.read_weights(tmp_path, rebuilt, write, INPUTS)
    for variable, expected in zip(rebuilt.trainable_variables, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(variable, expected)


def test_another_network_of_the_same_shapes_is_refused(tmp_path):
    write_full(network(), tmp_path)
    with pytest.raises(UserError, match="with the same weights it has another answer, `y`"):
        export.read_weights(tmp_path, network("relu"), write_full, INPUTS)
