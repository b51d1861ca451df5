"""What is uploaded to the page has the limits of the server."""

import pytest
from starlette.testclient import TestClient

from keras_refs.serving import Repository, ServerOptions, application, playground
from tests.serving import models


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    models.write(root / "doubling" / "1")
    repository = Repository(root, ServerOptions(body_megabytes=0.1, api_key="key"))
    headers = {"Authorization": "Bearer key"}
    app = playground.mount(application(repository), repository, "http://127.0.0.1:8501")
    with TestClient(app, headers=headers, raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize(("size", "status"), [(1000, 200), (200_000, 413)])
def test_uploads_have_the_limit_of_bodies(client, size, status):
    response = client.post("/gradio_api/upload", files={"files": ("image.png", b"x" * size)})
    assert response.status_code == status


def test_uploads_whose_length_is_not_announced_have_it_too(client):
    boundary = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
    parts = (boundary + b"x" * 50_000 if number == 0 else b"x" * 50_000 for number in range(5))
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert client.post("/gradio_api/upload", content=parts, headers=headers).status_code == 413


def test_the_page_needs_a_key(client):
    assert client.get("/").status_code == 200
    assert client.get("/", headers={"Authorization": ""}).status_code == 401
