import gc
import os
import shutil
import threading
import weakref
from pathlib import Path

import pytest

from keras_refs.errors import UserError
from keras_refs.serving import Repository, RequestError, Servable, ServerOptions
from keras_refs.serving import repository as repository_module
from tests.serving import models
from tests.serving.servers import wait_until


def predict(repository, number=None, name="doubling"):
    return repository.find(name, number)[1].signature()({"numbers": models.NUMBERS})["products"][0, 0]


@pytest.fixture
def root(tmp_path):
    models.write(tmp_path / "models" / "doubling" / "1")
    (tmp_path / "models" / "notes").mkdir()
    (tmp_path / "models" / "README.md").write_text("not a model")
    return tmp_path / "models"


def test_versions_come_and_go(root):
    repository = Repository(root)
    assert repository.update()
    assert repository.names == ["doubling"]
    assert predict(repository) == 2
    assert not repository.update()
    models.write(root / "doubling" / "10", factor=10.0)
    assert predict(repository) == 2
    repository.update()
    assert (predict(repository), predict(repository, 1)) == (10, 2)
    assert [version["version"] for version in repository.status("doubling")] == ["10", "1"]
    shutil.rmtree(root / "doubling" / "10")
    assert repository.update()
    assert predict(repository) == 2
    shutil.rmtree(root / "doubling")
    assert repository.update()
    assert repository.names == []


def test_a_broken_version_is_reported_and_the_old_one_is_served(root):
    repository = Repository(root)
    (root / "doubling" / "2").mkdir()
    (root / "doubling" / "2" / "saved_model.pb").write_bytes(b"half of it")
    repository.update()
    assert predict(repository) == 2
    broken, good = repository.status("doubling")
    assert (broken["version"], broken["state"], broken["status"]["error_code"]) == ("2", "END", "UNKNOWN")
    assert broken["status"]["error_message"]
    assert good["state"] == "AVAILABLE"
    with pytest.raises(RequestError, match="Version 2 of model 'doubling' cannot be served") as raised:
        repository.find("doubling", 2)
    assert raised.value.status == 404


def test_a_version_that_is_copied_slowly_is_loaded_when_it_is_complete(root):
    repository, source, target = Repository(root), root / "doubling" / "1", root / "doubling" / "2"
    target.mkdir()
    shutil.copy(source / "saved_model.pb", target)
    repository.update()
    assert repository.find("doubling")[0] == 1
    shutil.copytree(source, target, dirs_exist_ok=True)
    repository.update()
    assert repository.find("doubling")[0] == 2


def test_links_to_paths_outside_the_folder_are_not_followed(root, tmp_path):
    models.write(tmp_path / "elsewhere" / "1")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    shutil.copytree(root / "doubling" / "1", root / "inside" / "1")
    (root / "inside" / "1" / "assets" / "secret").symlink_to("/etc/passwd")
    repository = Repository(root)
    repository.update()
    for name in ("linked", "inside"):
        (status,) = repository.status(name)
        assert status["state"] == "END"
        assert "a link to a path outside" in status["status"]["error_message"]


def test_only_the_models_named_are_served(root):
    models.write(root / "other" / "1")
    repository = Repository(root, ServerOptions(models=("other",)))
    repository.update()
    assert repository.names == ["other"]


@pytest.mark.parametrize(("name", "number"), [("nope", None), ("doubling", 3), ("..", 1)])
def test_unknown_models_and_versions(root, name, number):
    repository = Repository(root)
    repository.update()
    for method in (repository.find, repository.status):
        with pytest.raises(RequestError, match="Models are: doubling") as raised:
            method(name, number)
        assert raised.value.status == 404


def available(repository):
    """Return the version of each model that is served."""
    return {name: repository.find(name)[0] for name in repository.names}


def test_a_folder_that_cannot_be_read_keeps_no_other_from_being_served(root, monkeypatch, caplog):
    """As `lost+found`, on every ext4 volume."""
    (root / "lost+found").mkdir()
    list_folder = Path.iterdir

    def refuse(path):
        if path.name == "lost+found":
            raise PermissionError(13, "Permission denied", str(path))
        return list_folder(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    repository = Repository(root)
    repository.update()
    models.write(root / "doubling" / "2")
    repository.update()
    assert available(repository) == {"doubling": 2}
    (record,) = (record for record in caplog.records if "lost+found" in record.message)
    assert "Permission denied" in record.message


def test_what_is_loaded_is_served_while_its_folder_cannot_be_read(root, monkeypatch):
    repository = Repository(root)
    repository.update()
    list_folder = Path.iterdir

    def fail(path):
        if path.name == "doubling":
            raise OSError(5, "Input/output error")
        return list_folder(path)

    monkeypatch.setattr(Path, "iterdir", fail)
    assert not repository.update()
    assert predict(repository) == 2


def test_a_disk_that_hangs_keeps_no_other_version_from_being_served(root):
    """Opening a pipe that nobody writes into takes for ever."""
    shutil.copytree(root / "doubling" / "1", root / "hanging" / "1")
    (root / "hanging" / "1" / "saved_model.pb").unlink()
    os.mkfifo(root / "hanging" / "1" / "saved_model.pb")
    shutil.copytree(root / "hanging" / "1" / "variables", root / "doubling" / "3" / "variables")
    os.mkfifo(root / "doubling" / "3" / "saved_model.pb")
    repository = Repository(root, ServerOptions(load_seconds=2.0))
    try:
        repository.update()
        assert repository.status("hanging")[0]["state"] == "LOADING"
        assert repository.find("doubling")[0] == 1
        models.write(root / "doubling" / "2", factor=5.0)
        models.write(root / "another" / "1")
        repository.update()
        assert repository.find("doubling")[0] == 2
        assert repository.find("another")[0] == 1
    finally:
        # Ends the threads.
        for pipe in root.glob("*/*/saved_model.pb"):
            if pipe.is_fifo():
                pipe.open("wb").close()


def test_a_version_that_loads_for_long_keeps_no_other_from_being_served(root, monkeypatch):
    models.write(root / "doubling" / "2", factor=7.0)
    models.write(root / "another" / "1")
    go = threading.Event()

    def slow(folder, options):
        if folder.name == "2":
            go.wait(60)
        return Servable(folder, options)

    monkeypatch.setattr(repository_module, "Servable", slow)
    repository = Repository(root, ServerOptions(load_seconds=2.0))
    repository.update()
    assert available(repository) == {"another": 1, "doubling": 1}
    go.set()
    wait_until(lambda: repository.find("doubling")[0] == 2)
    # The change is reported, although it came after the scan.
    assert repository.update()
    assert not repository.update()


def test_a_version_that_vanishes_while_it_is_read_keeps_no_other_from_being_served(root, monkeypatch):
    models.write(root / "doubling" / "2")
    models.write(root / "another" / "1")

    def remove(folder, options):
        if folder.name == "2":
            shutil.rmtree(folder)
        return Servable(folder, options)

    monkeypatch.setattr(repository_module, "Servable", remove)
    repository = Repository(root)
    repository.update()
    assert available(repository) == {"another": 1, "doubling": 1}
    repository.update()
    assert [version["version"] for version in repository.status("doubling")] == ["1"]


def test_a_version_that_needs_more_memory_than_is_left_is_not_loaded(root):
    """Of no size on the disk."""
    models.write(root / "doubling" / "2")
    with (root / "doubling" / "2" / "variables" / "more").open("wb") as file:
        file.truncate(2**43)
    repository = Repository(root)
    repository.update()
    assert available(repository) == {"doubling": 1}
    assert "of memory, of which" in repository.status("doubling", 2)[0]["status"]["error_message"]


def test_a_model_that_is_named_but_not_there_is_an_error(root):
    with pytest.raises(UserError, match="has no model doublign. It has: README.md, doubling, notes"):
        Repository(root, ServerOptions(models=("doubling", "doublign")))


def test_nothing_is_left_of_a_version_that_is_dropped(root):
    repository = Repository(root)
    repository.update()
    old = weakref.ref(repository.find("doubling")[1])
    assert predict(repository) == 2
    shutil.rmtree(root / "doubling" / "1")
    models.write(root / "doubling" / "2")
    repository.update()
    assert predict(repository) == 2
    gc.collect()
    assert old() is None
