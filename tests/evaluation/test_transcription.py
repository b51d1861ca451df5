import keras
import numpy as np
import pytest

from keras_refs import evaluation

REFERENCES = [[["K", "AE", "T"]], [["R", "EH", "D"], ["R", "IY", "D"]], [["AH"], ["AH", "B"]]]
ANSWERS = [["K", "AA", "T", "S"], ["R", "IY", "D"], ["B"]]


def test_error_rates_are_against_the_nearest_reference():
    scores = evaluation.transcription_metrics(REFERENCES, ANSWERS)
    # Two edits to K AE T; none to R IY D; one to each of AH and AH B, of which the shorter counts.
    assert scores == {"word_error_rate": 2 / 3, "symbol_error_rate": 3 / (3 + 3 + 1), "examples": 3}


def test_nothing_to_score_is_no_error():
    assert evaluation.transcription_metrics([], []) == {
        "word_error_rate": 0.0,
        "symbol_error_rate": 0.0,
        "examples": 0,
    }


def test_confusions_name_what_stood_for_what():
    assert evaluation.confusions(REFERENCES, ANSWERS) == {("AE", "AA"): 1, ("", "S"): 1, ("AH", "B"): 1}


def test_sequence_accuracy_wants_every_symbol_and_overlooks_padding():
    targets = np.array([[[0, 1, 0], [0, 0, 1]], [[0, 1, 0], [0, 0, 0]], [[0, 0, 1], [0, 0, 0]]], "float32")
    predictions = np.array([[1, 2], [1, 0], [1, 2]])
    metric = evaluation.SequenceAccuracy(name="sequence_accuracy")
    metric.update_state(targets, keras.ops.one_hot(predictions, 3) * 0.9)
    assert float(metric.result()) == pytest.approx(2 / 3)
    metric.update_state(targets[:1], keras.ops.one_hot([[1, 1]], 3))
    assert float(metric.result()) == pytest.approx(2 / 4)
