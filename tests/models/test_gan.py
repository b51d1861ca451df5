import functools
import itertools

import keras
import numpy as np
import pytest

from keras_refs import gan_discriminator, gan_generator
from keras_refs.models.gan import latent_classes
from tests import checks

TINY = {
    "generator": functools.partial(
        gan_generator, 6, (8, 8, 2), hidden_units=(5,), base_filters=4, filters=(3,), kernel_size=3
    ),
    "discriminator": functools.partial(gan_discriminator, (8, 8, 2), filters=(3, 4), kernel_size=3),
}
TINY |= {
    f"conditional_{name}": functools.partial(build, num_classes=3, name=f"conditional_{name}")
    for name, build in TINY.items()
}
each_network = pytest.mark.parametrize("name", TINY)


def inputs_of(name, examples=4):
    rng = np.random.default_rng(0)
    if "generator" in name:
        return rng.normal(size=(examples, 6)).astype("float32")
    images = rng.uniform(-1, 1, (examples, 8, 8, 2)).astype("float32")
    if name == "discriminator":
        return images
    return {"images": images, "classes": np.arange(examples, dtype="int32") % 3}


def generator_parameters(small, channels):
    dense = [100, 256, 512, 1024, small**2 * 256]
    convolutions = [256, 128, 64]
    # Normalisation has a scale, a shift, and two moving statistics.
    return (
        sum(before * after + 4 * after for before, after in itertools.pairwise(dense[:-1]))
        + dense[-2] * dense[-1]
        + 4 * dense[-1]
        + sum(25 * before * after + 4 * after for before, after in itertools.pairwise(convolutions))
        + (25 * 64 + 1) * channels
    )


@pytest.mark.parametrize(("size", "channels"), [(28, 1), (32, 3), (64, 3)])
def test_shapes_and_parameters(size, channels):
    """Listing C4 at 28 pixels, with any number of channels."""
    shape = (size, size, channels)
    checks.check_shapes(
        gan_generator(image_shape=shape), np.zeros((3, 100)), (3, *shape), generator_parameters(size // 4, channels)
    )
    last = -(-size // 8)
    parameters = sum(25 * a * b + b for a, b in ((channels, 64), (64, 128), (128, 256))) + last**2 * 256 + 1
    checks.check_shapes(gan_discriminator(image_shape=shape), np.zeros((3, *shape)), (3, 1), parameters)


@pytest.mark.parametrize(
    ("argument", "value", "match"),
    [
        ("latent_dim", 0, "at least 1"),
        ("image_shape", (28, 28), "3 integers"),
        ("image_shape", (30, 28, 1), "divisible by 4"),
        ("hidden_units", (0,), "at least 1"),
        ("hidden_units", "256", "a tuple of one or more integers, or 0 or ()"),
        ("base_filters", 0, "at least 1"),
        ("filters", (), "one or more integers"),
        ("kernel_size", 0, "at least 1"),
        ("negative_slope", 1, r"\[0, 1\)"),
    ],
)
def test_bad_arguments(argument, value, match):
    checks.check_refuses(gan_generator, argument, value, match)
    if argument in ("kernel_size", "negative_slope", "filters"):
        checks.check_refuses(gan_discriminator, argument, value, match)


def test_bad_classes():
    checks.check_refuses(gan_generator, "num_classes", 0, "at least 1")
    checks.check_refuses(gan_generator, "num_classes", 101, "at most `latent_dim`, 100")
    checks.check_refuses(gan_discriminator, "num_classes", 0, "at least 1")


def test_classes_of_latents_are_equally_frequent():
    latents = np.random.default_rng(0).normal(size=(6000, 6)).astype("float32")
    np.testing.assert_array_equal(latent_classes(latents[:3], 6), latents[:3].argmax(axis=1))
    np.testing.assert_allclose(np.bincount(latent_classes(latents, 3)) / 6000, 1 / 3, atol=0.02)


def test_a_class_adds_its_own_weights():
    """With the shared features x the logit is (w + w_class) x + b."""
    discriminator, inputs = TINY["conditional_discriminator"](), inputs_of("conditional_discriminator")
    features = keras.Model(discriminator.input["images"], discriminator.get_layer("flatten").output)(inputs["images"])
    weights, bias = discriminator.get_layer("logit").get_weights()
    class_weights = discriminator.get_layer("class_weights").get_weights()[0][inputs["classes"]]
    expected = (features * (weights.T + class_weights)).numpy().sum(axis=1) + bias
    np.testing.assert_allclose(discriminator(inputs)[:, 0], expected, rtol=1e-4, atol=1e-6)


def test_bad_dropout():
    checks.check_refuses(gan_discriminator, "dropout", 1.0, r"\[0, 1\)")


@each_network
def test_shared_checks(name, tmp_path):
    keras.utils.set_random_seed(0)
    model, inputs = TINY[name](), inputs_of(name)
    checks.check_config_round_trip(model, inputs)
    checks.check_save_and_reload(model, inputs, tmp_path)
    checks.check_dtype_policies(TINY[name], inputs)
    targets = np.random.default_rng(1).normal(size=model(inputs).shape)
    checks.check_every_weight_gets_a_gradient(model, inputs, targets, keras.losses.MeanSquaredError())


def test_every_layer_has_one_activation_and_normalisation_before_it():
    """Listing C4: a ReLU before the leaky one, a tanh on the widest dense layer, a normalisation after both."""
    kinds = [type(layer).__name__ for layer in gan_generator().layers]
    assert kinds == [
        "InputLayer",
        *["Dense", "BatchNormalization", "LeakyReLU"] * 4,
        "Reshape",
        *["Conv2DTranspose", "BatchNormalization", "LeakyReLU"] * 2,
        "Conv2DTranspose",
    ]
    activations = [layer.activation for layer in gan_generator().layers if hasattr(layer, "activation")]
    assert activations[:-1] == [keras.activations.linear] * 6
    assert activations[-1] is keras.activations.tanh
    assert gan_discriminator().layers[-1].activation is keras.activations.linear, "a logit"


def test_a_logit_does_not_depend_on_the_other_images_of_the_batch():
    discriminator, images = TINY["discriminator"](), inputs_of("discriminator")
    np.testing.assert_allclose(discriminator(images, training=True)[:1], discriminator(images[:1]), atol=1e-6)


def test_pixels_stay_between_black_and_white():
    generator = TINY["generator"]()
    generator.set_weights([5 * weight for weight in generator.get_weights()])
    images = generator(inputs_of("generator", 50))
    assert np.abs(images).max() <= 1
    assert np.abs(images).max() > 0.9
