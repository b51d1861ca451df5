"""What goes around a trained network, in NumPy, beside the signatures of its export."""

import json
import subprocess
import sys

import numpy as np
import pytest

import keras_refs
from keras_refs import datasets, export, preprocessing
from keras_refs.errors import UserError
from tests.conftest import REPOSITORY

SAVED_MODELS = REPOSITORY / "saved_models"
TEXTS = ["Alle Menschen sind frei und gleich an Würde und Rechten geboren", "", "щ \U0001d4b3", "el derecho"]
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (5, 28, 28, 1), "uint8")


def signature(name, which="serving_default", **inputs):
    return export.SavedFunction(SAVED_MODELS / name / "1", which).predict(**inputs)


def preprocessed(name, *inputs):
    """Return the object, and the network's outputs for what it makes of the inputs."""
    folder = SAVED_MODELS / name / "1"
    preprocess = keras_refs.load_preprocessor(folder)
    return preprocess, keras_refs.load_model(folder)(preprocess(*inputs))


@pytest.mark.parametrize("name", ["conv_classifier", "lstm_classifier", "mlp"])
def test_images(name):
    preprocess, outputs = preprocessed(name, IMAGES)
    mirrored = keras_refs.load_model(SAVED_MODELS / name / "1")(preprocess(IMAGES[:, :, ::-1]))
    # The signature averages over an image and its flip.
    expected = signature(name, images=IMAGES)["probabilities"]
    np.testing.assert_allclose((outputs + mirrored) / 2, expected, atol=1e-5)


def test_latents():
    latents = RNG.normal(size=(3, 100)).astype("float32")
    _, outputs = preprocessed("gan", latents)
    np.testing.assert_allclose(outputs, signature("gan", latents=latents)["images"] / 127.5 - 1, atol=0.005)


def test_sequences():
    sequence = RNG.uniform(size=(3, 20, 2)).astype("float32")
    _, outputs = preprocessed("adding_problem", sequence)
    for name, expected in signature("adding_problem", sequence=sequence).items():
        np.testing.assert_allclose(outputs[name], expected, atol=1e-5)


@pytest.mark.parametrize("name", ["rnn_text_classifier", "self_attention_classifier"])
def test_texts(name):
    preprocess, outputs = preprocessed(name, TEXTS)
    np.testing.assert_allclose(outputs, signature(name, texts=TEXTS)["probabilities"], atol=1e-5)
    numeric = signature(name, "numeric", tokens=preprocess(TEXTS))
    np.testing.assert_allclose(outputs, numeric["probabilities"], atol=1e-5)
    predicted = keras_refs.labels(name)[np.argmax(outputs[0])]
    assert predicted == signature(name, texts=TEXTS)["class_name"][0].decode() == "German"


@pytest.mark.parametrize("kind", [datasets.NgramTokens, datasets.NgramChannels])
def test_tokens_are_those_of_the_graph(kind):
    tokens = kind.of(TEXTS[:3], 3, 40)
    channels = kind is datasets.NgramChannels
    preprocess = preprocessing.Ngrams(3, tokens.vocabulary, 12, channels)
    np.testing.assert_array_equal(preprocess(TEXTS), tokens.encode(TEXTS, 12))


def test_tables():
    features = datasets.load_table("diabetes").rows.features[:9]
    preprocess, outputs = preprocessed("linear_regression", features)
    expected = signature("linear_regression", features=features)["prediction"]
    np.testing.assert_allclose(preprocess.restore(outputs), expected, rtol=1e-5)
    features = datasets.load_table("breast_cancer", with_classes=True).rows.features[:9]
    _, outputs = preprocessed("logistic_regression", features)
    expected = signature("logistic_regression", features=features)["probabilities"][:, 1:]
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    assert len(keras_refs.labels("logistic_regression")) == 2


@pytest.mark.parametrize("name", ["lstm_regressor", "simple_rnn_regressor"])
def test_series(name):
    model = export.SavedFunction(SAVED_MODELS / name / "1")
    requests = dict(export.read_warm_up(SAVED_MODELS / name / "1"))
    series = np.repeat(requests["serving_default"]["series"], 4, axis=0)
    series += RNG.normal(scale=0.1 * series.std(), size=series.shape).astype("float32")
    time = ["2014-12-25T18:00", "2012-02-29T00:00", "1999-07-04", "2014-01-01T23:00"]
    preprocess, outputs = preprocessed(name, series, time)
    expected = model.predict(series=series, time=time)
    for output, values in preprocess.restore(outputs, series, time).items():
        np.testing.assert_allclose(values, expected[output], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("unit", ["minute", "hour", "day", "month"])
def test_the_calendar_is_that_of_the_graph(unit):
    calendar = datasets.load_calendar("PT", unit)
    minutes = np.array([-1, 0, 59, 23_665_319, 12_345_678])
    windows = preprocessing.Windows(*[None] * 4, unit, calendar.holidays, *[None] * 4)
    np.testing.assert_allclose(windows.calendar(minutes.astype("datetime64[m]")), calendar.features(minutes), atol=1e-6)


@pytest.mark.parametrize("centred", [False, True])
def test_a_series_without_a_linear_forecast(centred):
    rng = np.random.default_rng(0)
    calendar = datasets.load_calendar("", "day")
    scaler = datasets.fit_scaler(rng.normal(3, 2, (50, 2)))
    encoder = datasets.SeriesEncoder(calendar, 3, 2, scaler, 1, 6 - 3 + np.arange(4) % 3, np.float32(2), None, centred)
    windows = encoder.plain(np.zeros((2, 4)))
    values, times = rng.normal(size=(5, 6, 2)).astype("float32"), np.arange(5) * 1440
    minutes = times.astype("datetime64[m]")
    np.testing.assert_allclose(windows(values, minutes), encoder.inputs(values, times), atol=1e-6)
    forecast = windows.restore(np.ones((5, 4), "float32"), values, minutes)["forecast"]
    np.testing.assert_allclose(forecast, encoder.naive(values) + 2, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "strings", "output"),
    [
        ("g2p", ["keras", "Zürich", "it's", "", "x" * 70], "phonemes"),
        ("date_normalisation", ["3 March 2026", "Dienstag, 3. März 2026", "03.03.26"], "iso"),
    ],
)
def test_strings(name, strings, output):
    """Greedy search with the network alone, step by step: the same tokens as the export's."""
    preprocess, model = keras_refs.load_preprocessor(name), keras_refs.load_model(name)
    source = preprocess(strings)
    expected = signature(name, "numeric", tokens=source)
    symbols = expected["symbols"]
    target = np.concatenate([np.ones((len(strings), 1), "int32"), symbols], axis=1)
    probabilities = np.asarray(model({"source": source, "target": target}))
    score = np.zeros(len(strings))
    for row, of_row in enumerate(symbols):
        length = np.count_nonzero(of_row)
        # After the last symbol comes the boundary, if the search ended there.
        np.testing.assert_array_equal(probabilities[row, :length].argmax(axis=1), of_row[:length])
        ends = length < symbols.shape[1] and probabilities[row, length].argmax() == 1
        steps = [*of_row[:length], 1] if ends else of_row[:length]
        score[row] = np.log(probabilities[row, np.arange(len(steps)), steps]).sum()
    read = source.any(axis=1)
    np.testing.assert_allclose(score[read], expected["score"][read], atol=1e-4)
    from_strings = signature(name, **{name_of_input(name): strings})[output]
    written = np.array(preprocess.restore(symbols))
    np.testing.assert_array_equal(written[read], [string.decode() for string in from_strings[read]])


def name_of_input(name):
    (only,) = export.SavedFunction(SAVED_MODELS / name / "1").inputs
    return only


def test_cards_and_labels():
    assert keras_refs.model_card("g2p")["dataset"]["name"] == "cmudict"
    assert keras_refs.labels("mlp") == keras_refs.labels("conv_classifier")
    assert len(keras_refs.labels("rnn_text_classifier")) == 40
    assert keras_refs.labels("linear_regression") == ()


@pytest.mark.parametrize("content", [b"", b"no zip", "kind", "fields"])
def test_damaged_files(content, tmp_path):
    path = tmp_path / preprocessing.PREPROCESSING
    path.parent.mkdir()
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.savez(path, kind="Nothing" if content == "kind" else "Table", other=1)
    with pytest.raises(UserError, match="preprocessing.npz cannot be read: ") as raised:
        preprocessing.read(tmp_path)
    assert "\n" not in str(raised.value)


def test_folders_without_it(tmp_path):
    (tmp_path / "saved_model.pb").touch()
    for ask, missing in (
        (keras_refs.model_card, "model_card.json"),
        (keras_refs.load_preprocessor, "preprocessing.npz"),
    ):
        with pytest.raises(UserError, match=missing):
            ask(tmp_path)
    (tmp_path / "model_card.json").write_text("{")
    with pytest.raises(UserError, match="model_card.json is damaged"):
        keras_refs.labels(tmp_path)


def test_needs_no_tensorflow():
    program = """
import json, sys
sys.modules["tensorflow"] = sys.modules["keras"] = None
import keras_refs
names = [model.name for model in keras_refs.list_models(trained=True)]
print(json.dumps({name: type(keras_refs.load_preprocessor(name)).__name__ for name in names}))
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    kinds = json.loads(answer.stdout.splitlines()[-1])
    assert kinds["g2p"] == "Symbols" and kinds["mlp"] == "Unchanged"
    assert sorted(kinds) == sorted(folder.name for folder in SAVED_MODELS.iterdir())
