import numpy as np
import pytest

from keras_refs import evaluation, export, settings
from keras_refs.errors import UserError
from keras_refs.recipes import self_attention_classifier
from tests import checks

CONFIG = settings.override(
    self_attention_classifier.Config(),
    epochs=3,
    length=16,
    ngram=3,
    vocabulary_size=5000,
    embedding_dim=8,
    hidden_dim=24,
    num_heads=2,
    feed_forward_dim=24,
    dropout=0.0,
    learning_rate=0.02,
    train_split="train[:40%]",
    test_split="test[:40%]",
)
WORDS = ["All human beings are born free", "", "\N{GRINNING FACE}\N{CJK UNIFIED IDEOGRAPH-4E2D}", "word " * 100]


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    return tmp_path_factory.mktemp("texts") / "run"


@pytest.fixture(scope="module")
def metrics(workdir):
    return self_attention_classifier.train_and_evaluate(CONFIG, workdir, workdir.parent / "models")


@pytest.fixture(scope="module")
def saved(metrics):
    return export.SavedFunction(metrics["export"])


def test_identifies_languages_and_is_compared_with_a_linear_model(metrics, workdir):
    assert metrics["test"]["accuracy"] > 0.6
    assert 0.7 < metrics["test"]["references"]["character n-grams, linear"]["accuracy"] < 0.95
    assert {path.name for path in (workdir / "figures").iterdir()} == {"learning_curves.png", "confusion_matrix.png"}
    assert self_attention_classifier.evaluate(metrics["export"], CONFIG) == metrics["test"]


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


def test_the_export_says_what_it_attends_to(metrics):
    weights = export.SavedFunction(metrics["export"], "attention").predict(texts=WORDS)["attention"]
    assert weights.shape == (4, 16)
    # All of the attention on what is there, but for a text without characters.
    np.testing.assert_allclose(weights.sum(axis=1)[[0, 2, 3]], 1, rtol=1e-5)
    assert (weights[2, :2] > 0).all()
    assert not weights[2, 2:].any()


def test_the_export_takes_tokens_and_is_read_back(metrics, saved):
    tokens = np.random.default_rng(0).integers(0, 100, (5, 16, 3)).astype("int32")
    numeric = export.SavedFunction(metrics["export"], "numeric").predict(tokens=tokens)
    network = export.load_model(metrics["export"])
    np.testing.assert_allclose(network(tokens), numeric["probabilities"], atol=1e-6)
    assert numeric.keys() == {"label", "probabilities"}


def test_explains_by_the_attention(metrics, tmp_path, monkeypatch):
    drawn = []
    draw = evaluation.save_characters

    def save_characters(*arguments):
        drawn.append(arguments)
        draw(*arguments)

    monkeypatch.setattr(evaluation, "save_characters", save_characters)
    config = settings.override(CONFIG, dataset="nothing")
    self_attention_classifier.explain(metrics["export"], config, tmp_path, texts=("A text that is cut", "Zwei"))
    assert [path.name for path in tmp_path.iterdir()] == ["characters.png"]
    ((texts, _, strengths, *_),) = drawn
    assert texts == ["A text that is c", "Zwei"]
    assert [weights.shape for weights in strengths] == [(16,), (4,)]
    np.testing.assert_allclose([weights.sum() for weights in strengths], 1, rtol=1e-5)


def test_without_a_block_there_is_no_attention(tmp_path):
    config = settings.override(CONFIG, blocks=0, epochs=1)
    metrics = self_attention_classifier.train_and_evaluate(config, tmp_path / "run", tmp_path / "models")
    with pytest.raises(UserError, match="no signature 'attention'|attention"):
        export.SavedFunction(metrics["export"], "attention")
    with pytest.raises(UserError, match="no attention to explain"):
        self_attention_classifier.explain(metrics["export"], config, tmp_path)
