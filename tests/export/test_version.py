import pytest

from keras_refs import export
from keras_refs.errors import UserError


def write_version(model_dir, content="model"):
    with export.new_version(model_dir) as version:
        (version.path / "saved_model.pb").write_text(content)
    return version.path


def test_versions_count_up_and_keep_the_earlier_ones(tmp_path):
    assert write_version(tmp_path / "m", "first") == tmp_path / "m" / "1"
    assert write_version(tmp_path / "m", "second") == tmp_path / "m" / "2"
    (tmp_path / "m" / "2").rename(tmp_path / "m" / "10")
    assert write_version(tmp_path / "m") == tmp_path / "m" / "11"
    assert (tmp_path / "m" / "1" / "saved_model.pb").read_text() == "first"


def test_a_server_never_sees_half_a_version(tmp_path):
    with export.new_version(tmp_path) as version:
        assert [path for path in tmp_path.iterdir() if path.name.isdecimal()] == []
        assert version.path.parent == tmp_path


def test_a_failed_export_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), export.new_version(tmp_path):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_version_taken_in_the_meantime_is_left_alone(tmp_path):
    with export.new_version(tmp_path) as version:
        other = write_version(tmp_path, "other")
    assert (other, version.path) == (tmp_path / "1", tmp_path / "2")
    assert (other / "saved_model.pb").read_text() == "other"


def test_newest_version(tmp_path):
    for number in (2, 10, 9):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "saved_model.pb").touch()
    (tmp_path / "11").mkdir()
    assert export.newest_version(tmp_path) == tmp_path / "10"
    assert export.newest_version(tmp_path / "2") == tmp_path / "2"


@pytest.mark.parametrize("path", ["nowhere", "."])
def test_no_saved_model(tmp_path, path):
    with pytest.raises(UserError, match="is no SavedModel: expected saved_model.pb in it, or in a version folder"):
        export.newest_version(tmp_path / path)
