"""What a program without strings does by itself, as the model cards say it, gives the answers to the strings."""

import json
import re

import numpy as np
import pytest

from keras_refs import export
from tests.conftest import REPOSITORY


def version(name):
    return REPOSITORY / "saved_models" / name / "1"


def answers(name, strings, numbers):
    folder = version(name)
    return export.SavedFunction(folder).predict(**strings), export.SavedFunction(folder, "numeric").predict(**numbers)


def check_equal(answered, numeric, names):
    for name in names:
        np.testing.assert_array_equal(answered[name], numeric[name], err_msg=name)


@pytest.mark.parametrize("name", ["lstm_regressor", "simple_rnn_regressor"])
def test_numbers_stand_for_the_time(name):
    times = ["1985-01-02", "2014-12-25T18:00", "2012-02-29T00:00", "1969-12-31T23:00"]
    series = np.repeat(dict(export.read_warm_up(version(name)))["numeric"]["series"], len(times), axis=0)
    inputs = export.SavedFunction(version(name), "numeric").inputs
    # Earlier exports count hours.
    unit, code = ("minutes", "m") if "minutes" in inputs else ("hours", "h")
    numbers = {unit: np.array(times, f"datetime64[{code}]").astype("int64")}
    check_equal(*answers(name, {"series": series, "time": times}, {"series": series, **numbers}), ["forecast"])


def test_ngrams_stand_for_the_text():
    texts, length = ["All human beings", "Alle Menschen sind frei", "\N{SNOWMAN}\N{SNOWMAN}", "", "word " * 30], 40
    ngrams = json.loads((version("rnn_text_classifier") / "assets.extra/ngrams.json").read_text(encoding="utf-8"))
    places = {ngram: place for place, ngram in enumerate(ngrams, start=2)}
    tokens = np.zeros((len(texts), length), "int32")
    for row, text in zip(tokens, texts, strict=True):
        padded = "  " + text[:length]
        row[: len(padded) - 2] = [places.get(padded[start : start + 3], 1) for start in range(len(padded) - 2)]
    assert 1 in tokens
    answered = answers("rnn_text_classifier", {"texts": texts}, {"tokens": tokens})
    check_equal(*answered, ["label", "probabilities"])


@pytest.mark.parametrize(
    ("name", "source", "target", "strings"),
    [
        ("g2p", "words", "phonemes", ["rough", "xylophone", "psychology", "a"]),
        ("date_normalisation", "dates", "iso", ["3 march 2026", "03.03.26", "dienstag, 3. märz 2026", "3/31/99"]),
    ],
)
def test_tokens_stand_for_characters_and_symbols_for_the_answer(name, source, target, strings):
    _, _, characters, *_, symbols = re.findall("`([^`]+)`", export.read_model_card(version(name))["signatures"])
    separator = " " if " " in symbols else ""
    symbols = symbols.split(separator) if separator else symbols
    tokens = np.zeros((len(strings), max(map(len, strings))), "int32")
    for row, string in zip(tokens, strings, strict=True):
        row[: len(string)] = [2 + characters.index(character) for character in string]
    answered, numeric = answers(name, {source: strings}, {"tokens": tokens})
    check_equal(answered, numeric, ["score", "attention"])
    told = [separator.join(symbols[place - 2] for place in row if place) for row in numeric["symbols"]]
    assert told == [answer.decode() for answer in answered[target]]
