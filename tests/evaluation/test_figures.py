import numpy as np
import pytest
from matplotlib.figure import Figure

from keras_refs.evaluation import figures

NAMES = ("cat", "dog")


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Save figures for real and keep them to look at."""
    kept = []
    save = Figure.savefig

    def savefig(self, path, **arguments):
        save(self, path, **arguments)
        kept.append((self, path.read_bytes()))

    monkeypatch.setattr(Figure, "savefig", savefig)
    return kept


def test_learning_curves_mark_the_best_epoch(drawn, tmp_path):
    row = {"loss": 1.0, "accuracy": 0.5, "val_loss": 1.1}
    history = [{"epoch": epoch, "val_accuracy": value, **row} for epoch, value in [(1, 0.4), (2, 0.6), (3, 0.5)]]
    figures.save_learning_curves(history, tmp_path / "curves.png")
    figure, content = drawn[0]
    assert content.startswith(b"\x89PNG")
    loss, accuracy = figure.axes
    assert loss.get_ylabel() == "cross-entropy"
    np.testing.assert_array_equal(accuracy.lines[1].get_ydata(), [0.4, 0.6, 0.5])
    assert "best epoch (2)" in [text.get_text() for text in accuracy.get_legend().get_texts()]


def test_confusion_matrix_shows_counts(drawn, tmp_path):
    figures.save_confusion_matrix([[8, 2], [0, 5]], NAMES, tmp_path / "confusion.png")
    (axes,) = drawn[0][0].axes
    assert {(int(text.get_position()[0]), int(text.get_position()[1])): text.get_text() for text in axes.texts} == {
        (0, 0): "8",
        (1, 0): "2",
        (1, 1): "5",
    }


def test_mistakes_come_most_confident_first(drawn, tmp_path):
    images = np.zeros((4, 5, 5, 1), np.uint8)
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
    figures.save_confident_mistakes(images, np.array([1, 0, 0, 0]), probabilities, NAMES, tmp_path / "mistakes.png")
    titles = [axes.get_title() for axes in drawn[0][0].axes if axes.get_title()]
    assert titles == ["cat 90%\nis dog", "dog 80%\nis cat", "dog 70%\nis cat"]


def test_no_mistakes_at_all(drawn, tmp_path):
    figures.save_confident_mistakes(
        np.zeros((1, 5, 5, 3), np.uint8), np.array([0]), np.eye(2)[:1], NAMES, tmp_path / "x.png"
    )
    assert "0 mistakes on 1" in drawn[0][0].get_suptitle()
