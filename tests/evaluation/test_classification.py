import json

import numpy as np
import pytest

from keras_refs import evaluation

NAMES = ("a", "b", "c", "never seen")


def test_scores_of_a_small_example():
    """Three examples of a, two of b, one of c; b is predicted for one a, and c never."""
    labels, predicted = [0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 0]
    probabilities = 0.1 + 0.6 * np.eye(4, dtype="float32")[predicted]
    scores = evaluation.classification_metrics(labels, probabilities, NAMES)
    assert scores["confusion_matrix"] == [[2, 1, 0, 0], [0, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert scores["accuracy"] == pytest.approx(4 / 6)
    assert scores["loss"] == pytest.approx(-(4 * np.log(0.7) + 2 * np.log(0.1)) / 6)
    assert scores["per_class"]["a"] == pytest.approx({"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "examples": 3})
    assert scores["per_class"]["b"] == pytest.approx({"precision": 2 / 3, "recall": 1, "f1": 0.8, "examples": 2})
    # Predicted never, and a class that does not occur either: 0 / 0 counts as 0.
    assert scores["per_class"]["c"] == {"precision": 0, "recall": 0, "f1": 0, "examples": 1}
    assert scores["per_class"]["never seen"] == {"precision": 0, "recall": 0, "f1": 0, "examples": 0}
    assert json.loads(json.dumps(scores)) == scores


@pytest.mark.filterwarnings("error")
def test_loss_is_finite_and_bears_rounding_of_float32():
    impossible = np.eye(4, dtype="float32")[[0, 1]]
    assert 10 < evaluation.classification_metrics([1, 1], impossible, NAMES)["loss"] < 100
    above_one = np.nextafter(impossible, np.float32(2))
    assert evaluation.classification_metrics([0, 1], above_one, NAMES)["loss"] == pytest.approx(0, abs=1e-12)
    odd_sums = np.full((2, 4), 0.25 + 1e-7, "float32")
    assert evaluation.classification_metrics([0, 1], odd_sums, NAMES)["loss"] == pytest.approx(np.log(4), rel=1e-6)


def test_probabilities_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="NaN"):
        evaluation.classification_metrics([0, 1], np.full((2, 4), np.nan), NAMES)


def test_table_names_every_class():
    scores = evaluation.classification_metrics([0, 1, 2], np.eye(4)[[0, 1, 1]], NAMES)
    table = evaluation.format_classification_metrics(scores)
    assert [line.split("  ")[0] for line in table.splitlines()[1:5]] == list(NAMES)
    assert table.endswith(f"accuracy 0.6667, loss {scores['loss']:.4f}")


def test_confusion_matrix_shows_counts_but_zeros(figures, texts, tmp_path):
    evaluation.save_confusion_matrix([[8, 2], [0, 5]], ("cat", "dog"), tmp_path / "confusion.png")
    (axes,) = figures[0].axes
    assert {text.get_position(): text.get_text() for text in axes.texts} == {(0, 0): "8", (1, 0): "2", (1, 1): "5"}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")
    # Coloured by the square root of the fraction of the true class.
    np.testing.assert_allclose(np.square(axes.images[0].get_array()), [[0.8, 0.2], [0, 1]])


def test_roc_curve_names_its_area(figures, texts, tmp_path):
    """Of four pairs of a positive and a negative example one is in the wrong order."""
    evaluation.save_roc_curve([0, 1, 0, 1], [0.1, 0.3, 0.4, 0.9], tmp_path / "roc.png")
    (axes,) = figures[0].axes
    np.testing.assert_allclose(axes.lines[0].get_xydata()[[0, -1]], [[0, 0], [1, 1]])
    assert texts(axes.get_legend().get_texts())[0] == "classifier (AUC 0.7500)"


def test_mistakes_come_most_confident_first(figures, tmp_path):
    images = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((4, 5, 5, 1), np.uint8)
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
    arguments = images, np.array([1, 0, 0, 0]), probabilities, ("cat", "dog"), tmp_path / "mistakes.png"
    evaluation.save_confident_mistakes(*arguments)
    evaluation.save_confident_mistakes(*arguments, count=2)
    shown = [axes for axes in figures[0].axes if axes.images]
    assert [axes.get_title() for axes in shown] == ["cat 90%\ntrue: dog", "dog 80%\ntrue: cat", "dog 70%\ntrue: cat"]
    assert [axes.images[0].get_array()[0, 0] for axes in shown] == [0, 1, 3]
    assert figures[0].get_suptitle().startswith("3 of 4 test images")
    assert sum(bool(axes.images) for axes in figures[1].axes) == 2


def test_no_mistakes_at_all(figures, tmp_path):
    images, path = np.zeros((1, 5, 5, 3), np.uint8), tmp_path / "mistakes.png"
    evaluation.save_confident_mistakes(images, np.array([0]), np.eye(2)[:1], ("cat", "dog"), path)
    assert figures[0].get_suptitle().startswith("0 of 1 test images")


def test_a_model_that_is_never_right_is_scored():
    scores = evaluation.classification_metrics([0, 0, 1], [[0, 0, 1]] * 3, ["a", "b", "c"])
    assert [row["examples"] for row in scores["per_class"].values()] == [2, 1, 0]
    assert "accuracy 0.0000" in evaluation.format_classification_metrics(scores)
