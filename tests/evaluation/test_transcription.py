import keras
import numpy as np
import pytest

from keras_refs import evaluation

REFERENCES = [[["K", "AE", "T"]], [["R", "EH", "D"], ["R", "IY", "D"]], [["AH"], ["AH", "B"]]]
PREDICTIONS = [["K", "AA", "T", "S"], ["R", "IY", "D"], ["B"]]


def test_error_rates_are_against_the_nearest_reference():
    scores = evaluation.transcription_metrics(REFERENCES, PREDICTIONS)
    # Two edits to K AE T; none to R IY D; one to each of AH and AH B, of which the shorter counts.
    assert scores == {"word_error_rate": 2 / 3, "symbol_error_rate": 3 / (3 + 3 + 1), "examples": 3}


def test_no_examples_have_no_errors():
    assert evaluation.transcription_metrics([], []) == {
        "word_error_rate": 0.0,
        "symbol_error_rate": 0.0,
        "examples": 0,
    }


def test_confusions_of_substitution_insertion_and_deletion():
    counts = evaluation.confusions([*REFERENCES, [["T", "S"]]], [*PREDICTIONS, ["T"]])
    assert counts == {("AE", "AA"): 1, ("", "S"): 1, ("AH", "B"): 1, ("S", ""): 1}


def test_sequence_accuracy_needs_every_symbol_and_ignores_padding():
    targets = np.array([[[0, 1, 0], [0, 0, 1]], [[0, 1, 0], [0, 0, 0]], [[0, 0, 1], [0, 0, 0]]], "float32")
    predictions = np.array([[1, 2], [1, 0], [1, 2]])
    metric = evaluation.SequenceAccuracy(name="sequence_accuracy")
    metric.update_state(targets, keras.ops.one_hot(predictions, 3) * 0.9)
    assert float(metric.result()) == pytest.approx(2 / 3)
    metric.update_state(targets[:1], keras.ops.one_hot([[1, 1]], 3))
    assert float(metric.result()) == pytest.approx(2 / 4)


def test_attention_has_a_panel_per_source_without_the_padding(figures, texts, tmp_path):
    attention = np.zeros((2, 5, 4))
    attention[0, 0, 1] = 1
    evaluation.save_attention(["abcd", "ab"], [("X", "Y"), ("Z",)], attention, tmp_path / "attention.png", columns=3)
    first, second, empty, _bar = figures[0].axes
    np.testing.assert_array_equal(first.images[0].get_array(), [[0, 1, 0, 0], [0, 0, 0, 0]])
    assert second.images[0].get_array().shape == (1, 2)
    assert (texts(first.get_xticklabels()), texts(first.get_yticklabels())) == (list("abcd"), ["X", "Y"])
    assert not empty.axison


@pytest.mark.filterwarnings("error")
def test_attention_of_an_empty_prediction_is_that_of_its_end(figures, texts, tmp_path):
    evaluation.save_attention(["ab"], [()], np.full((1, 3, 2), 0.5), tmp_path / "attention.png", columns=1)
    panel, _bar = figures[0].axes
    assert panel.images[0].get_array().shape == (1, 2)
    assert texts(panel.get_yticklabels()) == ["(none)"]


def test_error_by_length_leaves_out_rare_lengths(figures, tmp_path):
    lengths, wrong = [3] * 40 + [5] * 30 + [9], [True] * 10 + [False] * 30 + [True] * 30 + [False]
    evaluation.save_error_by_length(lengths, wrong, "words", tmp_path / "length.png")
    histogram, errors = figures[0].axes
    assert [bar.get_height() for bar in histogram.patches] == [40, 30, 1]
    np.testing.assert_allclose(errors.lines[0].get_xydata(), [[3, 0.25], [5, 1]])


def test_confusions_show_the_most_frequent_first(figures, texts, tmp_path):
    evaluation.save_confusions({("A", ""): 2, ("", "B"): 7, ("A", "C"): 1}, tmp_path / "confusions.png", count=2)
    evaluation.save_confusions({}, tmp_path / "none.png")
    (axes,), (empty,) = (figure.axes for figure in figures)
    arrow = "\N{RIGHTWARDS ARROW}"
    assert texts(axes.get_yticklabels()) == [f"(none) {arrow} B", f"A {arrow} (none)"]
    assert [bar.get_width() for bar in axes.patches] == [7, 2]
    assert empty.texts[0].get_text() == "no errors in the test split"
