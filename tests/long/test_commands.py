"""Whole trainings by the command line."""

import json
import re
import signal
import subprocess
import sys
import time

import numpy as np
import tensorflow as tf

from keras_refs import evaluate, train
from tests.conftest import USERS_ENVIRONMENT, command_line
from tests.test_train import on_digits


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
    assert "Classify Fashion-MNIST's images of clothes with a small convolutional network.\n" in card
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
    printed = capsys.readouterr().out
    assert "This run is finished." in printed
    assert "SavedModel: out/conv_classifier/2" in printed
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
