import importlib.metadata
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_refs import export
from keras_refs.errors import UserError


def write_version(model_dir, content="model"):
    with export.unfinished_version(model_dir) as folder:
        (folder / "saved_model.pb").write_text(content)
        return export.publish(folder)


def test_versions_count_up_and_keep_the_earlier_ones(tmp_path):
    assert write_version(tmp_path / "m", "first") == tmp_path / "m" / "1"
    assert write_version(tmp_path / "m", "second") == tmp_path / "m" / "2"
    (tmp_path / "m" / "2").rename(tmp_path / "m" / "10")
    assert write_version(tmp_path / "m") == tmp_path / "m" / "11"
    assert (tmp_path / "m" / "1" / "saved_model.pb").read_text() == "first"


def test_a_server_never_sees_half_a_version(tmp_path):
    with export.unfinished_version(tmp_path) as folder:
        assert [path for path in tmp_path.iterdir() if path.name.isdecimal()] == []
        assert folder.parent == tmp_path


def test_a_failed_export_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), export.unfinished_version(tmp_path):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_version_taken_in_the_meantime_is_left_alone(tmp_path):
    with export.unfinished_version(tmp_path) as folder:
        other = write_version(tmp_path, "other")
        published = export.publish(folder)
    assert (other, published) == (tmp_path / "1", tmp_path / "2")
    assert (other / "saved_model.pb").read_text() == "other"


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    program = (
        "import os, signal\n"
        "from keras_refs.export import unfinished_version\n"
        "with unfinished_version('.') as folder:\n"
        "    (folder / 'half').touch()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False)
    (abandoned,) = tmp_path.iterdir()
    assert (abandoned / "half").exists()
    for name in (".unfinished-another-machine-1-x", ".unfinished", "notes"):
        (tmp_path / name).mkdir()
    with export.unfinished_version(tmp_path) as mine, export.unfinished_version(tmp_path):
        assert mine.exists()
        assert not abandoned.exists()
    assert {path.name for path in tmp_path.iterdir()} == {".unfinished-another-machine-1-x", ".unfinished", "notes"}


def test_newest_version(tmp_path):
    for name in ("2", "010", "9"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "saved_model.pb").touch()
    (tmp_path / "11").mkdir()
    assert export.newest_version(tmp_path) == tmp_path / "010"
    assert export.newest_version(tmp_path / "2") == tmp_path / "2"


@pytest.mark.parametrize("path", ["nowhere", "."])
def test_no_saved_model(tmp_path, path):
    with pytest.raises(UserError, match="is no SavedModel: expected saved_model.pb in it, or in a version folder"):
        export.newest_version(tmp_path / path)


CARD = {
    "name": "a_model",
    "summary": "Does something.",
    "date": "2030-01-01",
    "parameters": 3,
    "settings": {"seed": 0},
    "ran_on": {"device": "a processor", "versions": {"keras_refs": "1.0.0"}},
    "seconds": 2.0,
    "epochs": 2,
    "best_epoch": 1,
    "dataset": {"name": "data", "homepage": "", "citation": "", "examples": {"train": 1, "validation": 1, "test": 1}},
    "signatures": "",
    "limits": "",
}


def test_a_card_says_its_format_and_the_version_that_wrote_it(tmp_path):
    export.write_model_card(tmp_path, CARD, {"Scores": "accuracy 1"})
    installed = importlib.metadata.version("keras_refs")
    assert export.read_model_card(tmp_path) == {"card_format": 1, "written_by": installed, **CARD}


@pytest.mark.parametrize(
    ("best", "told"),
    [(1, "the best of 2 epochs, 1, was chosen by the validation on 1"), (None, "the last of 2 epochs")],
)
def test_a_card_says_which_epoch_was_exported(tmp_path, best, told):
    export.write_model_card(tmp_path, {**CARD, "best_epoch": best}, {"Scores": "accuracy 1"})
    assert f"| trained on | 1 examples; {told} |" in (tmp_path / "model_card.md").read_text()


def test_a_compressed_file_has_the_card_of_its_version_also_in_the_working_directory(tmp_path, monkeypatch):
    export.version.write_card_json(tmp_path, {"name": "mlp"})
    (tmp_path / "compressed" / "1").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "compressed" / "1")
    Path("int8.tflite").touch()
    assert export.read_model_card("int8.tflite")["name"] == "mlp"
    assert export.version_folder(tmp_path) == tmp_path


def test_a_card_of_before_formats_had_numbers_is_read(tmp_path):
    (tmp_path / "model_card.json").write_text('{"name": "old"}')
    assert export.read_model_card(tmp_path) == {"name": "old"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"card_format": 2, "written_by": "3.1.0"}', r"has the format 2, .* up to 1: pip install 'keras_refs>=3.1.0'"),
        ('{"name": ', "model_card.json is damaged: "),
        ("[]", "model_card.json is damaged: "),
    ],
)
def test_cards_that_cannot_be_read(tmp_path, text, message):
    (tmp_path / "model_card.json").write_text(text)
    with pytest.raises(UserError, match=message):
        export.read_model_card(tmp_path)


def test_a_card_that_is_no_file(tmp_path):
    (tmp_path / "model_card.json").mkdir()
    with pytest.raises(UserError, match="model_card.json cannot be read: "):
        export.read_model_card(tmp_path)


def test_requests_come_back_as_they_were_written(tmp_path):
    examples = {
        "serving_default": {"numbers": np.array([[1.5, 2]], "float32"), "words": ["a", "é"]},
        "sample": {"seed": np.int64(2**40), "count": np.int32(3)},
    }
    export.write_warm_up(tmp_path, "a_model", examples)
    assert (tmp_path / "assets.extra" / "tf_serving_warmup_requests").exists()
    found = dict(export.read_warm_up(tmp_path))
    assert list(found) == ["serving_default", "sample"]
    np.testing.assert_array_equal(found["serving_default"]["numbers"], [[1.5, 2]])
    assert found["serving_default"]["words"].tolist() == [b"a", "é".encode()]
    assert {name: (array.shape, array.dtype.name) for name, array in found["sample"].items()} == {
        "seed": ((), "int64"),
        "count": ((), "int32"),
    }


def test_a_model_may_bring_none(tmp_path):
    assert export.read_warm_up(tmp_path) == []
