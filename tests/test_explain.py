import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_refs import evaluation
from keras_refs.errors import UserError
from keras_refs.explain import main
from keras_refs.recipes import gan
from tests.conftest import REPOSITORY

COMMITTED = REPOSITORY / "saved_models"
FIGURES = {
    "adding_problem": "marked_values",
    "conv_classifier": "attributions",
    "date_normalisation": "attention",
    "linear_regression": "coefficients",
    "rnn_text_classifier": "characters",
    "simple_rnn_regressor": "influence",
}


@pytest.mark.parametrize("name", FIGURES)
def test_draws_what_a_committed_model_looks_at(name, tmp_path, capsys):
    assert main([str(COMMITTED / name), "--output", str(tmp_path)]) == 0
    path = tmp_path / name / "1" / f"{FIGURES[name]}.png"
    assert capsys.readouterr().out == f"{path}\n"
    # Colours are of what is drawn: an empty page with axes and labels is grey.
    red, green, blue = np.moveaxis(np.asarray(Image.open(path).convert("RGB")).astype(int), 2, 0)
    assert np.mean((abs(red - green) > 40) | (abs(green - blue) > 40)) > 0.005


def test_a_second_time_draws_beside_the_first(tmp_path, capsys):
    for _ in range(2):
        assert main([str(COMMITTED / "linear_regression"), "--output", str(tmp_path)]) == 0
    assert len(set(capsys.readouterr().out.split())) == 2


def test_words_are_explained_as_they_are_read(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(evaluation, "save_attention", lambda *arguments, **_: drawn.append(arguments))
    assert (
        main([str(COMMITTED / "date_normalisation"), "--words", "3 MARCH 2026\N{SNOWMAN}", "--output", str(tmp_path)])
        == 0
    )
    ((sources, answers, attention, *_),) = drawn
    assert sources == ["3 march 2026"]
    assert "".join(answers[0]) == "2026-03-03"
    # Every symbol, and the end, has attention to give, all of it to what is read.
    np.testing.assert_allclose(attention[0, : len(answers[0]) + 1, :12].sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "There is no model or folder 'nowhere'. The nearest names are: "),
        (["no_card"], "no_card has no model card, which says what its model is for"),
        ([COMMITTED / "linear_regression", "--words", "a"], "linear_regression takes no texts; --words is not for it."),
        (
            [COMMITTED / "date_normalisation", "--words", "\N{SNOWMAN}"],
            "Every text must have at least one of the characters",
        ),
        ([COMMITTED / "rnn_text_classifier", "--words", ""], "Every text must hold a character."),
        (
            [COMMITTED / "linear_regression", "--output", "file"],
            "--output file must be a folder that can be written to",
        ),
        ([COMMITTED / "adding_problem", "--data-dir", "."], "adding_problem makes its own data"),
        (["no_model"], "no_model cannot be read back as a Keras model: it has no assets.extra/model.json"),
    ],
)
def test_mistakes_get_a_sentence_and_exit_code_2(arguments, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    for name, file in (("no_card", "model_card.json"), ("no_model", "assets.extra/model.json")):
        shutil.copytree(COMMITTED / "adding_problem" / "1", name)
        Path(name, file).unlink()
    assert main([str(argument) for argument in arguments]) == 2
    printed = capsys.readouterr().err
    assert sentence in printed
    assert printed.count("\n") == 1
    assert not list(Path().glob("explanations/*/*"))


def test_a_generator_has_nothing_to_explain(tmp_path):
    with pytest.raises(UserError, match="There is nothing to explain for a generator"):
        gan.explain(tmp_path, gan.Config(), tmp_path)
