import json
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from keras_refs import evaluate, train
from tests.conftest import USERS_ENVIRONMENT, command_line

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


def test_short_real_training_beats_a_stated_accuracy(command, tmp_path, monkeypatch, capsys):
    """Three epochs on a fifth of Fashion-MNIST."""
    options = [
        "--epochs",
        "3",
        "--batch-size",
        "32",
        "--train-split",
        "train[:20%]",
        "--workdir",
        "run",
        "--export-dir",
        "models",
    ]
    trained = command("train", "conv_classifier", *options)
    assert trained.returncode == 0, trained.stderr
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["test"]["accuracy"] > 0.80
    assert f"On the test split: accuracy {metrics['test']['accuracy']:.4f}" in trained.stdout
    assert "Precision " in trained.stdout
    assert sum(map(sum, metrics["test"]["confusion_matrix"])) == 10_000
    figures = {"learning_curves.png", "confusion_matrix.png", "confident_mistakes.png"}
    version = tmp_path / "models" / "conv_classifier" / "1"
    assert {path.name for path in (version / "figures").iterdir()} == figures
    assert {path.name for path in (tmp_path / "run" / "figures").iterdir()} == figures
    assert any((tmp_path / "run" / "logs").rglob("events.out.tfevents.*"))
    card = (version / "model_card.md").read_text()
    assert f"| scores on the test split | accuracy {metrics['test']['accuracy']:.4f}, " in card
    assert "Name the clothes in Fashion-MNIST's pictures with a small convolutional network.\n" in card
    assert "| scored on | 10,000 examples |" in card
    assert "| seed | 0 |" in card

    evaluated = command("evaluate", "models/conv_classifier", "--output", "scores.json")
    assert evaluated.returncode == 0, evaluated.stderr
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores == metrics["test"]
    assert f"Its model card claims accuracy {scores['accuracy']:.4f}, " in evaluated.stdout

    monkeypatch.chdir(tmp_path)
    assert evaluate.main(["models/conv_classifier", "--output", "scores.json"]) == 2
    assert "--output scores.json exists" in capsys.readouterr().err


def final_checkpoint(workdir):
    newest = max((workdir / "checkpoints").glob("*.index")).with_suffix("")
    reader = tf.train.load_checkpoint(str(newest))
    return {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if name.startswith(("model/", "optimizer/"))
    }


def wait_for(condition, process):
    while not condition():
        assert process.poll() is None, "the run ended before it could be stopped"
        time.sleep(0.01)


def test_killed_and_resumed_equals_unbroken(tmp_path, digits_data_dir, monkeypatch, capsys):
    """Stopped by SIGTERM in the first epochs, by SIGKILL later, and resumed: the same bits in the end."""
    options = on_digits(digits_data_dir, "--deterministic", "--dropout", "0.5", "--epochs", "12", "--export-dir", "out")
    subprocess.run(command_line("train", *options, "--workdir", "unbroken"), cwd=tmp_path, check=True)

    checkpoints = tmp_path / "broken" / "checkpoints"
    for signum, step in ((signal.SIGTERM, 1), (signal.SIGKILL, 200)):
        arguments = command_line("train", *options, "--workdir", "broken", "--resume")
        process = subprocess.Popen(arguments, cwd=tmp_path, env=USERS_ENVIRONMENT, stderr=subprocess.PIPE, text=True)
        wait_for(
            lambda step=step: any(int(path.stem[5:]) >= step for path in checkpoints.glob("step-*.index")),
            process,
        )
        process.send_signal(signum)
        message = process.communicate()[1]
        assert process.returncode == (143 if signum == signal.SIGTERM else -signum)
        if signum == signal.SIGTERM:
            assert re.search(r"Stopped by SIGTERM. To go on: python -m keras_refs.train .*--workdir broken", message)
            assert message.count("\n") == 1
        assert not (tmp_path / "broken" / "metrics.json").exists()
    subprocess.run(arguments, cwd=tmp_path, check=True)

    unbroken, broken = final_checkpoint(tmp_path / "unbroken"), final_checkpoint(tmp_path / "broken")
    assert unbroken.keys() == broken.keys()
    assert len(unbroken) > 20
    for name, value in unbroken.items():
        np.testing.assert_array_equal(value, broken[name], err_msg=name)

    monkeypatch.chdir(tmp_path)
    assert train.main(arguments[3:]) == 0
    assert "This run is finished; its model is out/conv_classifier/2" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "out" / "conv_classifier").iterdir()) == ["1", "2"]


def test_mirrored_over_two_devices(tmp_path, digits_data_dir):
    """Two logical CPUs stand for two GPUs."""
    options = on_digits(digits_data_dir, "--distribute", "mirrored", "--epochs", "8", "--workdir", "run")
    program = (
        "import sys, tensorflow as tf\n"
        "cpu = tf.config.list_physical_devices('CPU')[0]\n"
        "tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)\n"
        "from keras_refs.train import main\n"
        f"code = main({options!r})\n"
        "assert tf.config.list_logical_devices('CPU')[1:], 'one device only'\n"
        "sys.exit(code)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["test"]["accuracy"] > 0.7


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
            "--learning-rate must be greater than 0. Received: nan",
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
            "nothing is left of the image after block 2 of 3",
        ),
        (
            ["linear_regression", "--dataset", "digits"],
            "'digits' is no table of one vector of numbers and a number to predict",
        ),
        (["lstm_regressor", "--dataset", "diabetes"], "'diabetes' is no series of one text, the time, and one number"),
        (["lstm_regressor", "--target", "price"], "--target must be one of load. Received: price"),
        (["lstm_regressor", "--window", "24000"], "part of the data set 'hourly_electricity' has 17887 steps"),
        (["simple_rnn_regressor", "--holidays", "PX"], "must be the code of a country or of a financial market"),
        (["lstm_regressor", "--test-split", "train[:9%]"], "gaps or steps back in time; the first is from 2014-05-26"),
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
    from keras_refs import training
    from keras_refs.recipes import conv_classifier

    monkeypatch.chdir(tmp_path)
    training.Run("run", "conv_classifier", conv_classifier.Config()).record("a device")
    before = (tmp_path / "run" / "config.json").read_bytes()
    assert train.main(["conv_classifier", "--workdir", "run"]) == 2
    assert "already holds a run with these settings. Add --resume" in capsys.readouterr().err
    assert (tmp_path / "run" / "config.json").read_bytes() == before


def test_help_and_list(command):
    assert "conv_classifier" in command("train", "--list").stdout
    help_text = command("train", "conv_classifier", "--help").stdout
    options = re.findall(r"^│ (--[a-z0-9-]+)[^│]*│\n│\s+(\S+)|^│ (--[a-z0-9-]+) .*?  (\S+)", help_text, re.M)
    assert len(options) >= 25
    assert command("train").returncode == 2
    assert command("train", "--help").returncode == 0
