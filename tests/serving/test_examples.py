"""The requests that the README and the guides show are answered, by the committed models."""

import subprocess
import urllib.parse

import pytest
from starlette.testclient import TestClient

from keras_refs.serving import Repository, application
from tests import pages
from tests.conftest import REPOSITORY

FIGURE = REPOSITORY / "saved_models" / "conv_classifier" / "1" / "figures" / "confusion_matrix.png"
REQUESTS = sorted({line for page in pages.PAGES for line in pages.shell_lines(page, "curl ")})


def arguments_of(line, folder):
    """Return the arguments of a line, as the shell expands them in a folder."""
    show = ["bash", "-c", line.replace("curl", r"printf '%s\0'", 1)]
    shown = subprocess.run(show, cwd=folder, capture_output=True, text=True, check=True)
    return shown.stdout.split("\0")[:-1]


@pytest.fixture(scope="module")
def client():
    repository = Repository(REPOSITORY / "saved_models", ["conv_classifier", "g2p", "lstm_regressor"])
    repository.update()
    with TestClient(application(repository)) as client:
        yield client


@pytest.mark.parametrize("line", REQUESTS)
def test_request_is_answered(line, client, tmp_path):
    (tmp_path / "picture.png").write_bytes(FIGURE.read_bytes())
    url, *data = arguments_of(line, tmp_path)
    path = urllib.parse.urlsplit(url).path
    answer = client.post(path, content=data[1]) if data else client.get(path)
    assert answer.status_code == 200, answer.text
    assert data[:1] in ([], ["-d"])
    assert ("predictions" in answer.json()) == bool(data)
