import json
import re

import pytest

from keras_refs import settings, train
from keras_refs.recipes import conv_classifier, g2p

SMALL = [
    "conv_classifier",
    "--filters",
    "8",
    "--hidden-units",
    "16",
    "--batch-size",
    "32",
    "--learning-rate",
    "0.01",
]
SMALL += ["--no-horizontal-flip", "--shift", "0"]
"""A network that learns scikit-learn's digits in seconds; mirrored, they would be no digits."""


def on_digits(data_dir, *options):
    return [*SMALL, "--dataset", "digits", "--data-dir", str(data_dir), *options]


def test_loss_that_becomes_nan_exits_with_1(command, tmp_path, digits_data_dir):
    options = on_digits(digits_data_dir, "--epochs", "3", "--workdir", "run", "--learning-rate", "1e38")
    diverged = command("train", *options)
    assert diverged.returncode == 1
    assert re.fullmatch(r"keras_refs: Training stopped: loss became (nan|inf) at .*\n", diverged.stderr)
    assert not (tmp_path / "saved_models" / "conv_classifier").exists()


def settings_of_another_run(folder):
    folder.mkdir()
    settings = {"settings": {"recipe": "conv_classifier", "epochs": 99}}
    (folder / "config.json").write_text(json.dumps(settings))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["conv_clasifier"], "No recipe is called 'conv_clasifier'. The nearest names are: conv_classifier"),
        (["linear_regresion"], "The nearest names are: linear_regression"),
        (["lstm_classifier", "--units", "0"], "--units must be at least 1. Received: 0"),
        (["linear_regression", "--dataset", "diabets"], "The nearest names are: diabetes"),
        (["conv_classifier", "--dataset", "fashion_mnits"], "The nearest names are: fashion_mnist."),
        (["conv_classifier", "--epochs", "0"], "--epochs must be at least 1. Received: 0"),
        (["conv_classifier", "--epochs", "many"], "invalid"),
        (["conv_classifier", "--epoch", "3"], "--epochs"),
        (["conv_classifier", "--precision", "int8"], "mixed_bfloat16"),
        (
            ["conv_classifier", "--learning-rate", "nan"],
            "--learning-rate must be finite and greater than 0. Received: nan",
        ),
        (
            ["conv_classifier", "--dropout", "1"],
            "--dropout must be at least 0 and less than 1. Received: 1.0",
        ),
        (
            ["lstm_regressor", "--window", "100"],
            "--window must be a multiple of --steps-per-reading, 24. Received: 100",
        ),
        (["simple_rnn_regressor", "--season", "6"], "--season must be at most --window, 5. Received: 6"),
        (["adding_problem", "--length", "1"], "--length must be at least 2. Received: 1"),
        (["conv_classifier", "--filters", "8", "0"], "--filters must be at least 1. Received: 0"),
        (["conv_classifier", "--data-dir", "nowhere"], "--data-dir must be an existing folder"),
        (["conv_classifier", "--workdir", "/proc/nowhere"], "must be a folder that can be written to"),
        (["conv_classifier", "--workdir", "other", "--resume"], "holds a run with other settings: "),
        (["conv_classifier", "--resume"], "found no run in runs/conv_classifier"),
    ],
)
def test_mistakes_get_a_sentence_and_exit_code_2(arguments, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    settings_of_another_run(tmp_path / "other")
    try:
        code = train.main(arguments)
    except SystemExit as ended:
        code = ended.code
    printed = capsys.readouterr()
    assert code == 2
    assert sentence in " ".join(printed.err.replace("│", " ").split())
    assert "Traceback" not in printed.err
    assert {path.name for path in tmp_path.rglob("*")} == {"other", "config.json"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            [*SMALL, "--dataset", "digits", "--batch-size", "2000"],
            "--batch-size must be at most 1330, the number of training examples. Received: 2000",
        ),
        (
            [*SMALL, "--dataset", "digits", "--filters", "4", "4", "4"],
            "no pixel is left after block 2 of 3",
        ),
        (
            ["linear_regression", "--dataset", "digits"],
            "'digits' is no table of numbers, one vector or several features, and a number to predict",
        ),
        (["lstm_regressor", "--dataset", "diabetes"], "'diabetes' is no series of one text, the time, and a vector"),
        (["lstm_regressor", "--target", "price"], "--target must be one of load. Received: price"),
        (["lstm_regressor", "--window", "24000"], "part of the data set 'hourly_electricity' has 17887 steps"),
        (["simple_rnn_regressor", "--holidays", "PX"], "must be the code of a country or of a financial market"),
        (
            ["lstm_regressor", "--test-split", "train[:9%]"],
            "The splits of the data set 'hourly_electricity' overlap in",
        ),
        (["rnn_text_classifier", "--dataset", "diabetes"], "'diabetes' has not one text and one class label. It has: "),
        (["mlp", "--dataset", "diabetes"], "has no image: image classification needs an Image and a ClassLabel"),
    ],
)
def test_settings_that_do_not_fit_the_data(arguments, sentence, digits_data_dir, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    where = ["--data-dir", str(digits_data_dir)] if "digits" in arguments else []
    assert train.main([*arguments, *where]) == 2
    printed = capsys.readouterr().err
    assert sentence in printed
    assert printed.count("\n") == 1


def test_a_full_disk_is_found_before_the_work(monkeypatch, tmp_path, capsys):
    import shutil

    monkeypatch.chdir(tmp_path)
    usage = shutil.disk_usage(tmp_path)._replace(free=5_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert train.main(["conv_classifier"]) == 2
    assert "needs 100 MB of free disk space; 5 MB are left there" in capsys.readouterr().err


def test_a_run_is_never_written_over(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    content = {"settings": {"recipe": "conv_classifier", **settings.flatten(conv_classifier.Config())}}
    (tmp_path / "run" / "config.json").write_text(json.dumps(content))
    assert train.main(["conv_classifier", "--workdir", "run"]) == 2
    assert "already holds a run with these settings. Add --resume" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["config.json"]
    assert json.loads((tmp_path / "run" / "config.json").read_text()) == json.loads(json.dumps(content))


@pytest.mark.parametrize("name", ["checkpoints/model.keras", "notes.txt"])
def test_a_folder_of_somebody_else_is_left_alone(name, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine" / "checkpoints").mkdir(parents=True)
    (tmp_path / "mine" / name).write_text("somebody's")
    assert train.main(["conv_classifier", "--workdir", "mine", "--resume"]) == 2
    assert "--workdir mine is not empty and holds no run." in capsys.readouterr().err
    assert (tmp_path / "mine" / name).read_text() == "somebody's"


def test_help_and_list(command):
    assert "conv_classifier" in command("train", "--list").stdout
    help_text = command("train", "conv_classifier", "--help").stdout
    for name in settings.flatten(conv_classifier.Config()):
        assert f"--{name.replace('_', '-')}" in help_text
    assert "Peak learning rate: linear warm-up over the first epoch, then cosine decay to zero." in " ".join(
        help_text.replace("│", " ").split()
    )
    assert command("train").returncode == 2
    assert command("train", "--help").returncode == 0


def test_a_private_training_has_defaults_of_its_own_and_options_go_before_them():
    options = ["--private", "--epsilon", "3", "--batch-size", "512"]
    private, _ = train._parse(conv_classifier, "conv_classifier", options)
    assert private == settings.override(
        conv_classifier.Config(), **{**conv_classifier.PRIVATE, "private": True, "epsilon": 3.0, "batch_size": 512}
    )
    assert train._parse(conv_classifier, "conv_classifier", ["--epochs", "14"])[0] == conv_classifier.Config()


def test_defaults_follow_from_the_amount_of_data_and_options_go_before_them(capsys):
    options = ["--train-split", "train[:1000]", "--units", "48"]
    config, _ = train._parse(g2p, "g2p", options)
    assert config.network.attention == "dot"
    sized = train._config_for_data(g2p, "g2p", options, config)
    assert (sized.network.attention, sized.network.units) == ("hard", 48)
    assert sized.data == config.data
    printed = capsys.readouterr().out
    assert printed.startswith("By the amount of data: --attention hard --batch-size ")
    assert "--units" not in printed
    assert train._config_for_data(g2p, "g2p", [], g2p.Config()) == g2p.Config(), "of all words they are the usual ones"
