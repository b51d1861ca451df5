import importlib.util

import pytest

from keras_refs import compress
from tests.conftest import REPOSITORY

MODEL = str(REPOSITORY / "saved_models" / "linear_regression" / "1")


@pytest.mark.parametrize(
    ("name", "original", "score", "lost"),
    [
        ("accuracy", 0.93, 0.925, 0.5),
        ("word_error_rate", 0.26, 0.265, 0.5),
        ("rmse", 200.0, 201.0, 0.5),
        ("frechet_distance", 5.0, 4.975, -0.5),
    ],
)
def test_half_a_point_is_half_a_hundredth_of_a_rate_and_half_a_percent_of_an_error(name, original, score, lost):
    assert compress._points_lost(name, original, score) == lost


def test_of_transcribers_greedy_search_counts_which_a_file_knows():
    assert compress._headline({"word_error_rate": 0.26, "greedy": {"word_error_rate": 0.27}}) == (
        "word_error_rate",
        0.27,
    )
    assert compress._headline({"accuracy": 0.9}) == ("accuracy", 0.9)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"points_lost": 0.5, "bytes": 99}, ""),
        ({"points_lost": 0.51, "bytes": 99}, "it loses 0.51 points, and --tolerance allows 0.5"),
        ({"points_lost": 0.0, "bytes": 1000}, "its 1,000 bytes are no fewer than the original's"),
    ],
)
def test_says_why_a_file_is_not_kept(row, reason):
    assert compress._reason_not_to_keep(row, {"bytes": 100}, tolerance=0.5) == reason


def test_missing_packages_are_named_before_anything_is_done(monkeypatch, capsys):
    found = importlib.util.find_spec
    missing = ("ai_edge_litert", "tf2onnx")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in missing else found(name) or True)
    assert compress.main([MODEL]) == 2
    assert capsys.readouterr().err == (
        "keras_refs: To compress needs ai_edge_litert, tf2onnx: pip install 'keras_refs[compress]'\n"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "There is no model or folder 'nowhere'."),
        ([MODEL, "--tolerance", "-1"], "--tolerance must be at least 0. Received: -1"),
        ([MODEL, "--tolerance", "nan"], "--tolerance must be at least 0. Received: nan"),
    ],
)
def test_mistakes_get_a_sentence(arguments, sentence, capsys):
    assert compress.main(arguments) == 2
    assert sentence in capsys.readouterr().err
