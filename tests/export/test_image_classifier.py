import io
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_refs import conv_classifier, export
from keras_refs.errors import UserError
from tests import checks

CLASS_NAMES = ("cat", "dog", "naïve hen")
SHAPE = (6, 7, 1)
BLACK = np.zeros(SHAPE, np.uint8)


@pytest.fixture(scope="module")
def model():
    return conv_classifier(SHAPE, num_classes=3, filters=(4,), hidden_units=5)


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    export.write_image_classifier(model, CLASS_NAMES, folder, BLACK)
    return folder


@pytest.fixture(scope="module")
def signatures(folder):
    return tf.saved_model.load(str(folder)).signatures


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (5, *SHAPE), np.uint8)


def expected(model, images):
    probabilities = model(images).numpy()
    labels = probabilities.argmax(axis=1)
    names = np.array([CLASS_NAMES[label].encode() for label in labels])
    return {"label": labels, "class_name": names, "probabilities": probabilities}


@pytest.mark.parametrize("half_precision", [False, True])
def test_features_are_what_the_last_layer_reads(half_precision, images, tmp_path):
    model = conv_classifier(SHAPE, num_classes=3, filters=(4,), hidden_units=5)
    hidden = keras.Model(model.input, model.get_layer("hidden").output)
    options = {"half_precision": half_precision, "features": hidden}
    export.write_image_classifier(model, CLASS_NAMES, tmp_path, BLACK, **options)
    found = export.SavedFunction(tmp_path, "features")
    for batch in (images, images[:0]):
        features = found.predict(images=batch)["features"]
        assert features.shape == (len(batch), 5)
        np.testing.assert_allclose(features, hidden(batch) if len(batch) else features, atol=2e-3)
    tolerance = 1e-3 if half_precision else 1e-6
    np.testing.assert_allclose(
        export.SavedFunction(tmp_path).predict(images=images)["probabilities"], model(images), atol=tolerance
    )


def test_without_features_there_is_no_such_signature(folder):
    with pytest.raises(UserError, match="does not hold an exported model: 'features'"):
        export.SavedFunction(folder, "features")


def png(image, mode="L"):
    buffer = io.BytesIO()
    Image.fromarray(image.squeeze(), mode).save(buffer, "PNG")
    return buffer.getvalue()


def test_answers_in_a_clean_process(model, folder, images, tmp_path):
    checks.check_answers_in_a_clean_process(
        folder, "serving_default", {"images": images}, expected(model, images), tmp_path
    )


def test_encoded_images_answer_like_their_pixels(model, folder, images, tmp_path):
    encoded = np.array([png(image) for image in images], dtype=object)
    checks.check_answers_in_a_clean_process(
        folder, "encoded_images", {"encoded_images": encoded}, expected(model, images), tmp_path
    )


def test_encoded_images_of_any_size_and_colour(signatures):
    large = np.full((60, 70, 3), 200, np.uint8)
    jpeg = io.BytesIO()
    Image.fromarray(large).save(jpeg, "JPEG")
    from_files = signatures["encoded_images"](encoded_images=tf.constant([png(large, "RGB"), jpeg.getvalue()]))
    from_pixels = signatures["serving_default"](images=tf.fill([2, *SHAPE], tf.constant(200, tf.uint8)))
    np.testing.assert_allclose(from_files["probabilities"], from_pixels["probabilities"], atol=0.02)


def test_bytes_that_are_no_image(signatures):
    with pytest.raises(tf.errors.InvalidArgumentError, match="Unknown image file format. One of JPEG"):
        signatures["encoded_images"](encoded_images=tf.constant([b"hello"]))


@pytest.mark.parametrize("signature", ["serving_default", "encoded_images"])
def test_empty_batch(signatures, signature):
    inputs = {
        "serving_default": {"images": tf.zeros([0, *SHAPE], tf.uint8)},
        "encoded_images": {"encoded_images": tf.zeros([0], tf.string)},
    }[signature]
    assert signatures[signature](**inputs)["probabilities"].shape == (0, 3)


@pytest.mark.parametrize("shape", [(2, 6, 7), (2, 7, 6, 1), (2, 6, 7, 3), (6,)])
def test_wrong_shape_is_refused_with_the_shape(signatures, shape):
    """Unchecked, an image of another rank aborts the process that serves it."""
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"not compatible with expected shape \[\?,6,7,1\]"):
        signatures["serving_default"](images=tf.zeros(shape, tf.uint8))


def test_wrong_type_is_refused_with_the_type(signatures):
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected to be a uint8 tensor but is a float tensor"):
        signatures["serving_default"](images=tf.zeros([2, *SHAPE]))


def test_averages_over_mirror_images_if_asked_to(model, images, tmp_path):
    export.write_image_classifier(model, CLASS_NAMES, tmp_path, BLACK, average_mirrored=True)
    predicted = export.SavedFunction(tmp_path).predict(images=images)["probabilities"]
    np.testing.assert_allclose(predicted, (model(images).numpy() + model(images[:, :, ::-1]).numpy()) / 2, atol=1e-6)
    assert np.abs(predicted - model(images)).max() > 1e-4


@pytest.mark.parametrize(
    "images", [np.zeros((2, 6, 7, 1)), np.zeros((2, 7, 6, 1), np.uint8), np.zeros((2, 6, 7), np.uint8)]
)
def test_predict_refuses_other_images(folder, images):
    with pytest.raises(UserError, match="`images` must h.* Received: "):
        export.SavedFunction(folder).predict(images=images)


def test_saved_model_cli_shows_and_runs(folder, images, tmp_path):
    def cli(*arguments):
        program = [sys.executable, "-m", "tensorflow.python.tools.saved_model_cli", *map(str, arguments)]
        return subprocess.run(program, capture_output=True, text=True, check=True).stdout

    signature = ["--dir", folder, "--tag_set", "serve", "--signature_def", "serving_default"]
    assert "shape: (-1, 6, 7, 1)" in cli("show", *signature)
    np.save(tmp_path / "images.npy", images)
    inputs = f"images={tmp_path / 'images.npy'}"
    assert "Result for output key class_name" in cli("run", *signature, "--inputs", inputs)
