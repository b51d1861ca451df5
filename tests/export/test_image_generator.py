import numpy as np
import pytest
import tensorflow as tf

from keras_refs import export, gan_generator
from keras_refs.errors import UserError
from tests import checks

LATENT_DIM = 5


def generator():
    return gan_generator(LATENT_DIM, (8, 8, 1), hidden_units=(), base_filters=4, filters=(3,), kernel_size=3)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The folder of an export, and the generator."""
    folder, model = tmp_path_factory.mktemp("generator"), generator()
    export.write_image_generator(model, folder)
    return folder, model


def latents(count=6):
    return np.random.default_rng(0).normal(size=(count, LATENT_DIM)).astype("float32")


def sample(folder, seed, count):
    signature = tf.saved_model.load(str(folder)).signatures["sample"]
    outputs = signature(seed=tf.constant(seed, tf.int64), count=tf.constant(count))
    return {name: tensor.numpy() for name, tensor in outputs.items()}


def test_images_equal_the_models(exported):
    folder, model = exported
    images = export.SavedFunction(folder).predict(latents=latents())["images"]
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, np.round((model(latents()).numpy() + 1) * 127.5))


def test_values_become_pixels():
    values = tf.constant([-1.0, 0.0, 1.0, 1.1, -7.0])
    np.testing.assert_array_equal(export.to_pixels(values), [0, 128, 255, 255, 0])


def test_in_half_of_the_space_images_are_those_of_the_rounded_model(tmp_path):
    model = generator()
    before = model.get_weights()
    export.write_image_generator(model, tmp_path, half_precision=True)
    for weight, earlier in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, earlier)
    model.set_weights([weight.astype("float16") for weight in before])
    images = export.SavedFunction(tmp_path).predict(latents=latents())["images"]
    np.testing.assert_array_equal(images, export.to_pixels(model(latents())))
    stored = tf.train.load_checkpoint(str(tmp_path / "variables" / "variables"))
    types = {stored.get_tensor(name).dtype for name in stored.get_variable_to_shape_map() if "GRAPH" not in name}
    assert types == {np.dtype("float16")}


def test_the_generator_comes_back_as_a_keras_model(exported):
    folder, model = exported
    np.testing.assert_array_equal(export.load_model(folder)(latents()), model(latents()))


def test_warm_up_requests_fit_the_signatures(exported):
    requests = dict(export.read_warm_up(exported[0]))
    assert set(requests) == {"serving_default", "sample"}
    signatures = tf.saved_model.load(str(exported[0])).signatures
    for name, inputs in requests.items():
        outputs = signatures[name](**{key: tf.constant(value) for key, value in inputs.items()})
        assert outputs["images"].shape == (1, 8, 8, 1)


def test_signatures_are_described_with_the_classes_if_there_are_any(tmp_path):
    names = ("cat", "dog", "hen")
    conditional = gan_generator(LATENT_DIM, (8, 8, 1), (), 4, (3,), 3, num_classes=3)
    described = export.write_image_generator(conditional, tmp_path, names)
    assert "float32 `[batch, 5]`" in described
    assert "uint8 `[batch, 8, 8, 1]`" in described
    assert "The largest of the first 3 latents determines the class" in described
    assert "cat, dog, hen" in described


def test_the_same_seed_gives_the_same_images(exported):
    folder, model = exported
    first, again, other = sample(folder, 3, 4), sample(folder, 3, 4), sample(folder, 4, 4)
    np.testing.assert_array_equal(first["images"], again["images"])
    np.testing.assert_array_equal(first["images"], export.to_pixels(model(first["latents"])))
    assert (first["latents"] != other["latents"]).all()
    assert len(np.unique(first["latents"])) == 4 * LATENT_DIM


def test_an_image_does_not_depend_on_how_many_are_drawn(exported):
    few, many = sample(exported[0], 9, 2), sample(exported[0], 9, 50)
    np.testing.assert_array_equal(few["latents"], many["latents"][:2])
    assert abs(many["latents"].mean()) < 0.3
    assert many["latents"].std() == pytest.approx(1, abs=0.2)


def test_a_batch_may_be_empty(exported):
    assert export.SavedFunction(exported[0]).predict(latents=latents(0))["images"].shape == (0, 8, 8, 1)
    assert sample(exported[0], 0, 0)["images"].shape == (0, 8, 8, 1)


def test_bad_input_is_refused(exported):
    function = export.SavedFunction(exported[0])
    bad = latents()
    bad[2, 1] = np.nan
    with pytest.raises(UserError, match=r"`latents` must hold finite numbers. Received: nan at \(2, 1\)"):
        function.predict(latents=bad)
    with pytest.raises(UserError, match=r"shape \(None, 5\)"):
        function.predict(latents=np.zeros((2, 6)))
    served = tf.saved_model.load(str(exported[0])).signatures
    with pytest.raises(tf.errors.InvalidArgumentError, match="must hold finite numbers"):
        served["serving_default"](latents=tf.constant(bad))
    for count in (-1, 10_001):
        with pytest.raises(tf.errors.InvalidArgumentError, match="`count` must be from 0 to 10000"):
            sample(exported[0], 0, count)


def test_predicts_in_a_clean_process(exported, tmp_path):
    folder, model = exported
    outputs = {"images": export.to_pixels(model(latents())).numpy()}
    checks.check_answers_in_a_clean_process(folder, "serving_default", {"latents": latents()}, outputs, tmp_path)
