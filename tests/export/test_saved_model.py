import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_refs import export
from keras_refs.errors import UserError


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    model = keras.Sequential([keras.Input((None, 2)), keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(1)])
    signature = export.checked(lambda series: {"forecast": model(series * 2.0)}, {"series": (tf.float32, (None, 2))})
    export.write_saved_model(folder, model, {"serving_default": signature}, {})
    return model, export.SavedFunction(folder), tf.saved_model.load(str(folder)).signatures["serving_default"]


def test_answers_as_the_function_does(saved):
    model, exported, _ = saved
    series = np.random.default_rng(0).normal(size=(3, 5, 2))
    np.testing.assert_allclose(exported.predict(series=series)["forecast"], model(2 * series), atol=1e-6)


def test_an_empty_batch_gets_an_empty_answer(saved):
    assert saved[1].predict(series=np.zeros((0, 5, 2)))["forecast"].shape == (0, 1)


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        (
            np.zeros((3, 2)),
            r"must have the shape \(None, None, 2\), None being any length of at least 1. Received: \(3, 2\)",
        ),
        (np.zeros((3, 5, 1)), r"Received: \(3, 5, 1\)"),
        (np.zeros((3, 0, 2)), r"Received: \(3, 0, 2\)"),
        (np.array([[[0, 0], [0, np.nan]]]), r"must hold finite numbers. Received: nan at \(0, 1, 1\), .* and 0 more"),
    ],
)
def test_mistakes_get_a_sentence(saved, numbers, sentence):
    with pytest.raises(UserError, match=sentence):
        saved[1].predict(series=numbers)


def test_the_signature_itself_says_where_a_number_is_missing(saved):
    series = np.zeros((2, 4, 2), "float32")
    series[1, 3, 0] = np.inf
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"must hold finite numbers.*\[1 3 0\]"):
        saved[2](series=tf.constant(series))


def test_the_signature_itself_refuses_sequences_of_length_0(saved):
    with pytest.raises(tf.errors.InvalidArgumentError, match="`series` must have at least one step"):
        saved[2](series=tf.zeros([2, 0, 2]))


def test_what_is_no_such_export_is_refused(tmp_path):
    with pytest.raises(UserError, match="does not hold an exported model"):
        export.SavedFunction(tmp_path)


def test_inputs_are_told_apart(saved):
    with pytest.raises(UserError, match="The model's inputs are series. Received: numbers"):
        saved[1].predict(numbers=np.zeros((3, 5, 2)))


def test_batches_join(saved):
    series = np.random.default_rng(0).normal(size=(7, 5, 2))
    np.testing.assert_allclose(
        saved[1].predict(batch_size=3, series=series)["forecast"],
        saved[1].predict(series=series)["forecast"],
        atol=1e-6,
    )


def test_several_signatures_share_the_weights(tmp_path):
    model = keras.Sequential([keras.Input((300,)), keras.layers.Dense(200)])
    inputs = {"numbers": (tf.float32, (300,))}
    signatures = {
        "serving_default": export.checked(lambda x: {"y": model(x)}, inputs),
        "doubled": export.checked(lambda x: {"y": 2 * model(x)}, inputs),
    }
    export.write_saved_model(tmp_path, model, signatures, {})
    numbers = np.random.default_rng(0).normal(size=(3, 300))
    plain, doubled = (export.SavedFunction(tmp_path, name).predict(numbers=numbers) for name in signatures)
    np.testing.assert_allclose(doubled["y"], 2 * plain["y"], rtol=1e-6)
    assert weight_bytes(tmp_path) < 1.05 * 4 * model.count_params()


def test_half_precision_halves_the_file_and_predicts_as_the_rounded_model(tmp_path):
    model = keras.Sequential([keras.Input((5, 30)), keras.layers.LSTM(100, use_cudnn=False), keras.layers.Dense(2)])
    signature = export.checked(lambda series: {"y": model(series)}, {"series": (tf.float32, (5, 30))})
    export.write_saved_model(tmp_path, model, {"serving_default": signature}, {}, half_precision=True)
    series = np.random.default_rng(0).normal(size=(3, 5, 30)).astype("float32")
    exported = export.SavedFunction(tmp_path).predict(series=series)["y"]
    model.set_weights([weight.astype("float16").astype("float32") for weight in model.get_weights()])
    np.testing.assert_allclose(exported, model(series), atol=1e-6)
    assert weight_bytes(tmp_path) < 1.05 * 2 * model.count_params()


@pytest.mark.parametrize(
    ("images", "received"),
    [
        (np.full((2, 3), 0.5), "Received: float64 from 0.5 to 0.5"),
        (np.full((2, 3), 1.0), "Received: float64 from 1.0 to 1.0"),
        (np.full((2, 3), 300), "Received: int64 from 300 to 300"),
        (np.full((2, 3), -1), "Received: int64 from -1 to -1"),
        (np.full((2, 3), "a"), "Received: <U1"),
    ],
)
def test_numbers_are_not_changed_to_fit_the_signature(images, received, tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    signature = export.checked(lambda x: {"y": model(tf.cast(x, tf.float32))}, {"images": (tf.uint8, (3,))})
    export.write_saved_model(tmp_path, model, {"serving_default": signature}, {})
    exported = export.SavedFunction(tmp_path)
    assert exported.predict(images=np.full((2, 3), 255))["y"].shape == (2, 1)
    with pytest.raises(UserError, match="`images` must hold integers from 0 to 255. " + received):
        exported.predict(images=images)


def weight_bytes(folder):
    return sum(path.stat().st_size for path in (folder / "variables").iterdir())
