import json
import shutil
from pathlib import Path

import pytest

from keras_refs.evaluate import main
from tests.conftest import REPOSITORY

COMMITTED = REPOSITORY / "saved_models" / "conv_classifier"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "There is no model or folder 'nowhere'. The nearest names are: "),
        ([COMMITTED, "--dataset", "fashion_mnits"], "The nearest names are: fashion_mnist."),
        (
            [COMMITTED, "--dataset", "digits", "--data-dir", "DIGITS"],
            "`images` must have the shape (None, 28, 28, 1), None being any length of at least 1.",
        ),
        (
            ["old_card"],
            "The model card names settings that conv_classifier does not have: momentum. Use the model with",
        ),
        (
            [COMMITTED, "--output", "a.txt/x.json"],
            "The folder of --output a.txt must be a folder that can be written to",
        ),
        (["no_card"], "no_card has no model card, which says what its model is for"),
    ],
)
def test_mistakes_get_a_sentence_and_exit_code_2(arguments, sentence, tmp_path, monkeypatch, capsys, digits_data_dir):
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text("")
    shutil.copytree(COMMITTED / "1", "no_card", ignore=shutil.ignore_patterns("model_card*"))
    shutil.copytree(COMMITTED / "1", "old_card")
    card = json.loads(Path("old_card/model_card.json").read_text())
    card["settings"]["momentum"] = 0.9
    Path("old_card/model_card.json").write_text(json.dumps(card))
    assert main([str(argument).replace("DIGITS", str(digits_data_dir)) for argument in arguments]) == 2
    printed = capsys.readouterr().err
    assert sentence in printed
    assert printed.count("\n") == 1


def test_other_classes_are_refused(tmp_path, capsys):
    import numpy as np
    import tensorflow_datasets as tfds

    from tests.conftest import prepare

    features = {
        "image": tfds.features.Image(shape=(28, 28, 1)),
        "label": tfds.features.ClassLabel(num_classes=2),
    }
    examples = [{"image": np.zeros((28, 28, 1), np.uint8), "label": 0}]
    prepare(tmp_path, "two_classes", features, examples, examples)
    assert main([str(COMMITTED), "--dataset", "two_classes", "--data-dir", str(tmp_path)]) == 2
    assert "The model has 10 classes and the data set 'two_classes' has 2" in capsys.readouterr().err


def test_scores_are_written_into_a_new_folder(tmp_path):
    output = tmp_path / "scores" / "linear.json"
    assert main(["linear_regression", "--output", str(output)]) == 0
    assert json.loads(output.read_text())["rmse"] > 0
