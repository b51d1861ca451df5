"""The requests in the README and the guides succeed with the committed models."""

import re
import subprocess
import urllib.parse

import pytest
from starlette.testclient import TestClient

from keras_refs.serving import Repository, ServerOptions, application
from tests import pages
from tests.conftest import REPOSITORY

MODELS = ("conv_classifier", "g2p", "lstm_regressor")
FIGURE = REPOSITORY / "saved_models" / "conv_classifier" / "1" / "figures" / "confusion_matrix.png"
REQUESTS = sorted({line for page in pages.PAGES for line in pages.shell_lines(page, "curl ")})


def arguments_of(line, folder):
    """Return the arguments of a command line, as the shell expands them in a folder."""
    show = ["bash", "-c", line.replace("curl", r"printf '%s\0'", 1)]
    shown = subprocess.run(show, cwd=folder, capture_output=True, text=True, check=True)
    return shown.stdout.split("\0")[:-1]


@pytest.fixture(scope="module")
def client():
    repository = Repository(REPOSITORY / "saved_models", ServerOptions(models=MODELS))
    repository.update()
    with TestClient(application(repository)) as client:
        yield client


@pytest.mark.parametrize("line", REQUESTS)
def test_request_succeeds(line, client, tmp_path):
    for name in re.findall(r"< (\S+\.png)", line):
        (tmp_path / name).write_bytes(FIGURE.read_bytes())
    url, *data = arguments_of(line, tmp_path)
    path = urllib.parse.urlsplit(url).path
    response = client.post(path, content=data[1]) if data else client.get(path)
    assert response.status_code == 200, response.text
    assert data[:1] in ([], ["-d"])
    assert ("predictions" in response.json()) == bool(data)
