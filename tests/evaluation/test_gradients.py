import keras
import numpy as np

from keras_refs import evaluation


def test_gradients_of_known_dependence():
    """An answer of 3 times the first step's first number and 4 times its second depends on that step alone, by 5."""
    sequence = keras.Input((6, 2))
    weights = np.zeros((6, 2), "float32")
    weights[0] = 3, 4
    weighted = keras.layers.Lambda(lambda x: keras.ops.sum(x * weights, axis=(1, 2))[:, None])(sequence)
    norms = evaluation.gradient_norms(keras.Model(sequence, {"sum": weighted}), np.ones((4, 6, 2), "float32"))
    np.testing.assert_allclose(norms["sum"], [5, 0, 0, 0, 0, 0], atol=1e-6)
