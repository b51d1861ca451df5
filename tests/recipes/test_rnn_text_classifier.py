import numpy as np
import pytest

from keras_refs import export
from keras_refs.recipes import rnn_text_classifier
from tests import checks


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    config = rnn_text_classifier.Config(
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
    recipe = rnn_text_classifier.Recipe(config)
    return recipe, recipe.train_and_evaluate(folder / "run", folder / "models"), folder


def test_tells_languages_and_is_compared_with_a_linear_model(trained):
    _, metrics, folder = trained
    assert metrics["test"]["accuracy"] > 0.3
    linear = metrics["test"]["references"]["character n-grams, linear"]["accuracy"]
    assert 0.7 < linear < 0.95
    assert (
        f"character n-grams, linear: accuracy {linear:.4f}"
        in (folder / "models/rnn_text_classifier/1/model_card.md").read_text()
    )
    assert {path.name for path in (folder / "run/figures").iterdir()} == {"learning_curves.png", "confusion_matrix.png"}


def test_export_takes_any_text_in_a_clean_process(trained, tmp_path):
    """Empty ones, unknown characters and long ones included."""
    _, metrics, _ = trained
    texts = ["All human beings are born free", "", "\N{GRINNING FACE}\N{CJK UNIFIED IDEOGRAPH-4E2D}", "word " * 100]
    outputs = export.SavedFunction(metrics["export"]).predict(texts=texts)
    assert outputs["probabilities"].shape == (4, 40)
    np.testing.assert_allclose(outputs["probabilities"].sum(axis=1), 1, atol=1e-5)
    encoded = np.array([text.encode() for text in texts])
    checks.check_answers_in_a_clean_process(
        metrics["export"], "serving_default", {"texts": encoded}, outputs, tmp_path, rtol=1e-5
    )
    assert export.SavedFunction(metrics["export"]).predict(texts=[])["label"].shape == (0,)


def test_only_the_first_characters_are_read(trained):
    _, metrics, _ = trained
    saved = export.SavedFunction(metrics["export"])
    answers = saved.predict(texts=["exactly sixteen!", "exactly sixteen! and more", "exactly sixteen"])["probabilities"]
    np.testing.assert_array_equal(answers[0], answers[1])
    assert not np.array_equal(answers[0], answers[2])


def test_training_reads_from_every_word_on_and_forgets_tokens(trained):
    recipe, _, _ = trained
    batches = [list(recipe.training_batches(first, first + 2)) for first in (0, 0, 1)]
    np.testing.assert_array_equal(batches[0][1][0], batches[1][1][0])
    np.testing.assert_array_equal(batches[0][1][0], batches[2][0][0])
    tokens = np.concatenate([batch[0] for batch in batches[0]])
    lengths = (tokens > 0).sum(axis=1)
    assert lengths.min() >= 1
    assert lengths.max() == 16
    assert 0.2 < np.mean(tokens[tokens > 0] == 1) < 0.4
