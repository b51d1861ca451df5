import numpy as np
import pytest
from matplotlib.figure import Figure

from keras_refs import training
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


@pytest.mark.parametrize("name", ["accuracy", "sequence_accuracy"])
def test_learning_curves_mark_the_best_epoch(drawn, tmp_path, name):
    row = {"loss": 1.0, name: 0.5, "val_loss": 1.1}
    history = training.History(f"val_{name}")
    history.epochs = [{"epoch": epoch, f"val_{name}": value, **row} for epoch, value in [(1, 0.4), (2, 0.6), (3, 0.5)]]
    figures.save_learning_curves(history, tmp_path / "curves.png", {"loss": "cross-entropy", name: "accuracy"})
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


def test_attention_has_a_panel_a_source_without_the_padding(drawn, tmp_path):
    attention = np.zeros((2, 5, 4))
    attention[0, 0, 1] = 1
    figures.save_attention(["abcd", "ab"], [("X", "Y"), ("Z",)], attention, tmp_path / "attention.png", columns=3)
    *panels, _bar = drawn[0][0].axes
    first, second = panels[:2]
    np.testing.assert_array_equal(first.images[0].get_array(), [[0, 1, 0, 0], [0, 0, 0, 0]])
    assert second.images[0].get_array().shape == (1, 2)
    assert [label.get_text() for label in first.get_yticklabels()] == ["X", "Y"]
    assert not panels[2].axison


def test_error_by_length_leaves_out_rare_lengths(drawn, tmp_path):
    lengths, wrong = [3] * 40 + [5] * 30 + [9], [True] * 10 + [False] * 30 + [True] * 30 + [False]
    figures.save_error_by_length(lengths, wrong, "words", tmp_path / "length.png")
    number, share = drawn[0][0].axes
    assert [bar.get_height() for bar in number.patches] == [40, 30, 1]
    np.testing.assert_allclose(share.lines[0].get_xydata(), [[3, 0.25], [5, 1]])


def test_confusions_name_the_most_frequent_first(drawn, tmp_path):
    figures.save_confusions({("A", ""): 2, ("", "B"): 7, ("A", "C"): 1}, tmp_path / "confusions.png", most=2)
    figures.save_confusions({}, tmp_path / "none.png")
    (axes,), (nothing,) = (figure.axes for figure, _ in drawn)
    arrow = "\N{RIGHTWARDS ARROW}"
    assert [label.get_text() for label in axes.get_yticklabels()] == [f"nothing {arrow} B", f"A {arrow} nothing"]
    assert [bar.get_width() for bar in axes.patches] == [7, 2]
    assert nothing.texts[0].get_text() == "no mistake in the test split"
