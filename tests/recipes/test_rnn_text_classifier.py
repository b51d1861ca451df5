import numpy as np
import pytest

from keras_refs import evaluation, export, settings
from keras_refs.errors import UserError
from keras_refs.recipes import rnn_text_classifier
from tests import checks
from tests.conftest import prepare

CONFIG = settings.override(
    rnn_text_classifier.Config(),
    epochs=4,
    length=16,
    units=(32,),
    embedding_dim=24,
    dropout=0.0,
    learning_rate=0.02,
    vocabulary_size=5000,
    train_split="train[:40%]",
    test_split="test[:40%]",
)
WORDS = ["All human beings are born free", "", "\N{GRINNING FACE}\N{CJK UNIFIED IDEOGRAPH-4E2D}", "word " * 100]


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    return tmp_path_factory.mktemp("texts") / "run"


@pytest.fixture(scope="module")
def metrics(workdir):
    return rnn_text_classifier.train_and_evaluate(CONFIG, workdir, workdir.parent / "models")


@pytest.fixture(scope="module")
def saved(metrics):
    return export.SavedFunction(metrics["export"])


def test_identifies_languages_and_is_compared_with_a_linear_model(metrics, workdir):
    assert metrics["test"]["accuracy"] > 0.3
    linear = metrics["test"]["references"]["character n-grams, linear"]["accuracy"]
    assert 0.7 < linear < 0.95
    card = (workdir.parent / "models/rnn_text_classifier/1/model_card.md").read_text()
    assert f"character n-grams, linear: accuracy {linear:.4f}" in card
    assert {path.name for path in (workdir / "figures").iterdir()} == {"learning_curves.png", "confusion_matrix.png"}
    assert rnn_text_classifier.evaluate(metrics["export"], CONFIG) == metrics["test"]


def test_export_takes_any_text_in_a_clean_process(metrics, saved, tmp_path):
    """Empty ones, unknown characters and long ones included."""
    outputs = saved.predict(texts=WORDS)
    assert outputs["probabilities"].shape == (4, 40)
    np.testing.assert_allclose(outputs["probabilities"].sum(axis=1), 1, atol=1e-5)
    encoded = np.array([text.encode() for text in WORDS])
    checks.check_answers_in_a_clean_process(
        metrics["export"], "serving_default", {"texts": encoded}, outputs, tmp_path, rtol=1e-5
    )
    assert saved.predict(texts=[])["label"].shape == (0,)


def test_only_the_first_characters_are_read(saved):
    texts = ["exactly sixteen!", "exactly sixteen! and more", "exactly sixteen"]
    probabilities = saved.predict(texts=texts)["probabilities"]
    np.testing.assert_array_equal(probabilities[0], probabilities[1])
    assert not np.array_equal(probabilities[0], probabilities[2])


def test_the_export_is_read_back_with_its_tokens(metrics, saved):
    tokens = rnn_text_classifier.read_tokens(metrics["export"]).encode(WORDS, 16)
    outputs = saved.predict(texts=WORDS)
    numeric = export.SavedFunction(metrics["export"], "numeric").predict(tokens=tokens)
    for name in ("label", "probabilities"):
        np.testing.assert_array_equal(numeric[name], outputs[name])
    network = export.load_model(metrics["export"])
    np.testing.assert_allclose(network(tokens), outputs["probabilities"], atol=1e-6)


def test_explains_texts_of_the_users_own_without_a_data_set(metrics, saved, tmp_path, monkeypatch):
    drawn = []
    draw = evaluation.save_characters

    def save_characters(*arguments):
        drawn.append(arguments)
        draw(*arguments)

    monkeypatch.setattr(evaluation, "save_characters", save_characters)
    config = settings.override(CONFIG, dataset="nothing")
    rnn_text_classifier.explain(metrics["export"], config, tmp_path, texts=("A text that is cut", "Zwei"))
    assert [path.name for path in tmp_path.iterdir()] == ["characters.png"]
    ((texts, titles, strengths, *_),) = drawn
    assert texts == ["A text that is c", "Zwei"]
    outputs = saved.predict(texts=texts)
    for title, name in zip(titles, outputs["class_name"], strict=True):
        assert title.startswith(name.decode())
    assert [norms.shape for norms in strengths] == [(16,), (4,)]
    # The last character of a text counts, and so does the first: the network reads all of it.
    assert all((norms > 0).all() for norms in strengths)


def test_explains_a_test_text_of_eight_languages_by_default(metrics, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(evaluation, "save_characters", lambda *arguments: drawn.append(arguments))
    rnn_text_classifier.explain(metrics["export"], CONFIG, tmp_path)
    assert len(set(drawn[0][0])) == 8
    with pytest.raises(UserError, match="Every text must hold a character"):
        rnn_text_classifier.explain(metrics["export"], CONFIG, tmp_path, texts=("a", ""))


def test_scores_on_data_of_its_classes_alone(metrics, tmp_path):
    import tensorflow_datasets as tfds

    features = {"text": tfds.features.Text(), "label": tfds.features.ClassLabel(names=["greeting", "farewell"])}
    examples = [{"text": text, "label": label} for label, text in enumerate(["good morning", "see you again"])]
    data_dir = str(prepare(tmp_path, "phrases", features, examples, examples))
    splits = {"train_split": "train", "validation_split": "test", "test_split": "test"}
    config = settings.override(CONFIG, dataset="phrases", data_dir=data_dir, **splits)
    with pytest.raises(UserError, match="The model has 40 classes and the data set 'phrases' has 2"):
        rnn_text_classifier.evaluate(metrics["export"], config)
