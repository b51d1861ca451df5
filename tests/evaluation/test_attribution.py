import keras
import numpy as np
import pytest

from keras_refs import evaluation, models


def convolutional(kernel):
    """A model whose one convolution copies the image into two maps, times 1 and times 2, for one layer to sum."""
    images = keras.Input((2, 2, 1))
    maps = keras.layers.Conv2D(2, 1, use_bias=False, name="maps")(images)
    outputs = keras.layers.Dense(2, "softmax", name="classifier")(keras.layers.Flatten()(maps))
    model = keras.Model(images, outputs)
    model.get_layer("maps").set_weights([np.array([[[[1.0, 2.0]]]])])
    model.get_layer("classifier").set_weights([kernel, np.zeros(2)])
    return model


def test_logits_are_the_inputs_of_the_softmax():
    network = models.mlp(num_features=3, hidden_units=(4,), num_classes=5)
    inputs = keras.Input((3,))
    model = keras.Model(inputs, network(inputs))
    examples = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
    probabilities = keras.ops.convert_to_numpy(model(examples))
    evaluation.remove_final_activation(model)
    logits = model(examples)
    np.testing.assert_allclose(keras.ops.softmax(logits), probabilities, rtol=1e-5)
    assert not np.allclose(logits, probabilities)


def test_saliency_of_a_linear_model_is_its_weights():
    """Whatever the image, and of each pixel the channel that counts most, with either sign."""
    images = keras.Input((2, 3, 2))
    model = keras.Model(images, keras.layers.Dense(4, "softmax")(keras.layers.Flatten()(images)))
    evaluation.remove_final_activation(model)
    kernel = np.random.default_rng(0).normal(size=(12, 4)).astype("float32")
    model.layers[-1].set_weights([kernel, np.zeros(4)])
    pixels = np.random.default_rng(1).integers(0, 256, (2, 2, 3, 2), np.uint8)
    gradients = evaluation.saliency(model, pixels, [3, 0])
    expected = abs(kernel.T[[3, 0]].reshape(2, 2, 3, 2)).max(axis=-1)
    np.testing.assert_allclose(gradients, expected, rtol=1e-6)


def test_gradients_are_of_the_chosen_output():
    """Of y = (x1^2, x1 x2) they are (2 x1, 0) and (x2, x1)."""

    def function(x):
        return keras.ops.stack([x[:, 0] ** 2, x[:, 0] * x[:, 1]], axis=1)

    inputs = np.array([[3.0, 5.0], [3.0, 5.0]])
    np.testing.assert_allclose(evaluation.input_gradients(function, inputs, [0, 1]), [[6, 0], [5, 3]])


@pytest.mark.parametrize(
    ("weights", "expected"),
    # The maps are x and 2 x; with the mean weights a and b of their positions what is left is max(0, (a + 2 b) x).
    [((1, 1), 3), ((1, -1), 0), ((-1, 2), 3)],
)
def test_grad_cam_of_two_maps(weights, expected):
    kernel = np.zeros((4, 2, 2))
    # Not the same at every position, but on the average.
    kernel[:, :, 1] = np.array(weights) * np.array([[0.0], [2.0], [0.5], [1.5]])
    model = convolutional(kernel.reshape(8, 2))
    evaluation.remove_final_activation(model)
    image = np.array([[[[1.0], [2.0]], [[0.0], [4.0]]]])
    evidence = evaluation.grad_cam(model, image, [1], "maps")
    np.testing.assert_allclose(evidence, expected * image[..., 0], rtol=1e-6)
    np.testing.assert_allclose(evaluation.grad_cam(model, image, [0], "maps"), np.zeros((1, 2, 2)))
    # A map below zero, of which a ReLU leaves nothing, is no evidence, whatever the sign of its weight.
    np.testing.assert_allclose(evaluation.grad_cam(model, -image, [1], "maps"), np.zeros((1, 2, 2)))


def test_gradient_norms_of_a_known_dependence():
    """An output of 3 times the first step's first feature and 4 times its second depends on that step alone, by 5."""
    sequence = keras.Input((6, 2))
    weights = np.zeros((6, 2), "float32")
    weights[0] = 3, 4
    weighted = keras.layers.Lambda(lambda x: keras.ops.sum(x * weights, axis=(1, 2))[:, None])(sequence)
    model = keras.Model(sequence, {"sum": weighted, "twice": 2 * weighted})
    norms = evaluation.gradient_norms(model, np.ones((4, 6, 2), "float32"))
    np.testing.assert_allclose(norms["sum"], [5, 0, 0, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(norms["twice"], [10, 0, 0, 0, 0, 0], atol=1e-6)
