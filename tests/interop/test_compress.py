"""Compressed files answer by themselves, are scored as the export is, and are not kept where they lose too much."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from keras_refs import export, recipes
from keras_refs.compress import main
from keras_refs.evaluate import main as evaluate
from tests.conftest import REPOSITORY

NAMES = [name for name in recipes.NAMES if name != "bert_classifier"]
LITERT_ALONE = """
import sys
for name in ("tensorflow", "keras", "keras_refs"):
    sys.modules[name] = None
import numpy as np
from ai_edge_litert.interpreter import Interpreter
path, inputs, outputs = sys.argv[1:]
interpreter = Interpreter(model_path=path)
(name,) = interpreter.get_signature_list()
np.savez(outputs, **interpreter.get_signature_runner(name)(**np.load(inputs)))
"""


def numeric(name):
    """Return a committed export, the signature of it that takes numbers, and one example."""
    folder = REPOSITORY / "saved_models" / name / "1"
    requests = dict(export.read_warm_up(folder))
    signature = "numeric" if "numeric" in requests else "serving_default"
    return folder, signature, {key: array[:1] for key, array in requests[signature].items()}


@pytest.mark.parametrize("name", NAMES)
def test_a_process_with_litert_alone_answers_as_the_export(name, tmp_path):
    folder, signature, inputs = numeric(name)
    paths = [tmp_path / file for file in ("model.tflite", "inputs.npz", "outputs.npz")]
    paths[0].write_bytes(export.to_litert(folder, signature, half_precision=True))
    np.savez(paths[1], **inputs)
    command = [sys.executable, "-c", LITERT_ALONE, *map(str, paths)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr[-2000:]
    answered, expected = np.load(paths[2]), export.SavedFunction(folder, signature).predict(**inputs)
    assert set(answered.files) == set(expected)
    for key, values in expected.items():
        if values.dtype == object:
            continue
        # Most of these exports have weights of float16 already; a pixel between two levels is rounded to either.
        tolerance = {"atol": 1} if values.dtype == np.uint8 else {"rtol": 5e-3, "atol": 5e-3}
        np.testing.assert_allclose(answered[key].astype(float), values.astype(float), err_msg=key, **tolerance)


@pytest.fixture(scope="module")
def compressed(tmp_path_factory):
    """A copy of a committed model that the command has compressed, without tolerance."""
    folder = tmp_path_factory.mktemp("models") / "linear_regression" / "1"
    shutil.copytree(REPOSITORY / "saved_models" / "linear_regression" / "1", folder)
    assert main([str(folder), "--tolerance", "0.005"]) == 0
    return folder


def test_scores_every_file_and_keeps_what_loses_no_more_than_the_tolerance(compressed):
    report = json.loads((compressed / "compressed" / "1" / "compression.json").read_text())
    original, *files = report["files"]
    card = export.read_model_card(compressed)
    assert report["score"] == "rmse"
    assert original["score"] == pytest.approx(card["test"]["rmse"], rel=1e-5)
    assert {row["file"] for row in files} == {"float16.tflite", "int8.tflite", "int8.onnx"}
    for row in files:
        path = compressed / "compressed" / "1" / row["file"]
        assert row["points_lost"] == pytest.approx(100 * (row["score"] / original["score"] - 1), abs=1e-3)
        assert row["kept"] == (row["points_lost"] <= 0.005) == path.exists()
        assert not row["kept"] or path.stat().st_size == row["bytes"] < original["bytes"]
        assert row["milliseconds"] > 0
        assert row["examples_per_second"] > 0
    assert [row["file"] for row in files if not row["kept"]] == ["int8.onnx"]
    assert "and --tolerance allows 0.005" in report["notes"][0]


def test_a_kept_file_is_evaluated_like_a_folder(compressed, capsys, monkeypatch):
    monkeypatch.chdir(compressed / "compressed" / "1")
    assert evaluate(["float16.tflite"]) == 0
    assert "RMSE 53.47" in capsys.readouterr().out


def test_a_second_time_overwrites_nothing_and_a_file_is_not_compressed_again(compressed, capsys):
    before = (compressed / "compressed" / "1" / "int8.tflite").read_bytes()
    assert main([str(compressed)]) == 0
    assert (compressed / "compressed" / "2" / "int8.onnx").exists()
    assert (compressed / "compressed" / "1" / "int8.tflite").read_bytes() == before
    assert main([str(compressed / "compressed" / "1" / "int8.tflite")]) == 2
    assert "is a compressed file already" in capsys.readouterr().err


def test_strings_are_encoded_for_a_file_that_takes_numbers(tmp_path):
    folder, signature, _ = numeric("date_normalisation")
    copy = tmp_path / "1"
    shutil.copytree(folder, copy)
    path = copy / "compressed" / "1" / "int8.tflite"
    path.parent.mkdir(parents=True)
    path.write_bytes(export.to_litert(folder, signature))
    dates = ["3 March 2026", "03.03.26", ""]
    expected = export.SavedTranscriber(folder).transcribe(dates)
    assert export.CompressedTranscriber(path).transcribe(dates, batch_size=2) == expected


def test_full_integer_quantization_computes_in_fixed_ranges(tmp_path):
    folder, signature, _ = numeric("conv_classifier")
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28, 1), "uint8")
    examples = [{"images": images[row : row + 1]} for row in range(20)]
    expected = export.SavedFunction(folder).predict(images=images)["probabilities"]
    answers = {}
    for name, ranges in {"dynamic": None, "full": examples}.items():
        path = tmp_path / f"{name}.tflite"
        path.write_bytes(export.to_litert(folder, signature, examples=ranges))
        answers[name] = export.CompressedFunction(path).predict(images=images)["probabilities"]
        np.testing.assert_allclose(answers[name], expected, atol=0.15)
    assert not np.array_equal(answers["dynamic"], answers["full"])


def test_a_file_that_is_none_is_refused(tmp_path):
    for name, message in {"model.tflite": "cannot be loaded", "model.h5": "must end in .tflite or .onnx"}.items():
        (tmp_path / name).write_bytes(b"no model")
        with pytest.raises(export.saved_model.UserError, match=message):
            export.load_function(tmp_path / name)
