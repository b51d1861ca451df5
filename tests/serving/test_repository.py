import shutil

import pytest

from keras_refs.serving import Repository, RequestError, ServerOptions
from tests.serving import models


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
