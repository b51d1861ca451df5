import json
import re
import shutil
import threading
import time

import pytest
from starlette.testclient import TestClient

from keras_refs.serving import Repository, Servable, ServerOptions, application
from keras_refs.serving import repository as repository_module
from tests.serving import models
from tests.serving.servers import wait_until


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    models.write(root / "doubling" / "1")
    models.write(root / "doubling" / "2", factor=3.0)
    models.write_texts(root / "texts" / "1")
    return root


@pytest.fixture(scope="module")
def client(root):
    repository = Repository(root, ServerOptions(body_megabytes=0.01))
    with TestClient(application(repository), raise_server_exceptions=False) as client:
        wait_until(lambda: client.get("/health").status_code == 200)
        yield client


def test_status(client):
    (newest, oldest) = client.get("/v1/models/doubling").json()["model_version_status"]
    assert newest == {"version": "2", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    assert client.get("/v1/models/doubling/versions/1").json() == {"model_version_status": [oldest]}
    assert client.get("/v1/models").json() == {"models": ["doubling", "texts"]}


def test_metadata(client):
    metadata = client.get("/v1/models/doubling/versions/1/metadata").json()
    assert metadata["model_spec"] == {"name": "doubling", "signature_name": "", "version": "1"}
    signatures = metadata["metadata"]["signature_def"]["signature_def"]
    assert signatures["serving_default"]["inputs"]["numbers"]["dtype"] == "DT_FLOAT"
    assert client.get("/v1/models/doubling/metadata").json()["model_spec"]["version"] == "2"


def test_predict_in_both_formats(client):
    rows = client.post("/v1/models/doubling:predict", json={"instances": [[1, 2], [3, 4]]}).json()
    assert rows == {"predictions": [{"products": [3, 6], "sum": 3}, {"products": [9, 12], "sum": 7}]}
    columns = client.post("/v1/models/doubling:predict", json={"inputs": {"numbers": [[1, 2]]}}).json()
    assert columns == {"outputs": {"products": [[3, 6]], "sum": [3]}}


def test_predict_with_version_and_signature(client):
    body = {"signature_name": "one_output", "instances": [{"numbers": [1, 2]}]}
    assert client.post("/v1/models/doubling/versions/1:predict", json=body).json() == {"predictions": [[2, 4]]}


def test_strings_and_bytes(client):
    body = {
        "instances": [{"words": "é", "loud": True, "times": 3}, {"words": {"b64": "YQ=="}, "loud": False, "times": 4}]
    }
    assert client.post("/v1/models/texts:predict", json=body).json() == {
        "predictions": [
            {"repeated": "éé", "raw_bytes": {"b64": "w6k="}, "times": 3},
            {"repeated": "aa", "raw_bytes": {"b64": "YQ=="}, "times": 4},
        ]
    }


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("nope:predict", {"instances": [1]}, 404, "There is no model 'nope'"),
        ("doubling/versions/9:predict", {"instances": [1]}, 404, "There is no version 9"),
        ("doubling/versions/x:predict", {"instances": [1]}, 400, "A version is a whole number"),
        ("doubling/versions/-1:predict", {"instances": [1]}, 400, "A version is a whole number"),
        ("doubling:predict", {"signature_name": "no", "instances": [1]}, 400, "There is no signature 'no'"),
        ("doubling:predict", {"instances": [[1]]}, 400, "must have the shape"),
        ("doubling:predict", {"instances": [[1, 2], [float("nan"), 3]]}, 400, "must hold finite numbers"),
        ("doubling:predict", {"instances": [[1e39, 2]]}, 400, "must hold finite numbers"),
        ("doubling:predict", {"instances": [[0, 2]] * 5000}, 413, "at most 10486 bytes"),
        ("doubling:classify", {"instances": [[1, 2]]}, 405, "Method Not Allowed"),
    ],
)
def test_errors_are_reported_in_json(client, path, body, status, message):
    response = client.post(f"/v1/models/{path}", content=json.dumps(body))
    assert (response.status_code, list(response.json())) == (status, ["error"])
    assert message in response.json()["error"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b'{"instances": [[1, 2]', b"null", b"[" * 5000, b'{"inputs": {}}']
)
def test_invalid_bodies(client, body):
    response = client.post("/v1/models/doubling:predict", content=body)
    assert (response.status_code, list(response.json())) == (400, ["error"])


def test_unknown_paths(client):
    assert client.get("/v2/models").json() == {"error": "Not Found"}
    assert client.get("/v1/models/..%2Fdoubling").status_code == 404


def test_metrics_count_requests(client):
    client.post("/v1/models/doubling:predict", json={"instances": [[1, 2]]})
    client.post("/v1/models/made-up:predict", json={"instances": [[1, 2]]})
    text = client.get("/monitoring/prometheus/metrics").text
    assert 'keras_refs_requests_total{model="doubling",status="200"}' in text
    assert 'keras_refs_requests_total{model="unknown",status="404"}' in text
    assert "made-up" not in text


def test_openapi_names_every_route(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/v1/models/{name}:predict", "/v1/models/{name}/versions/{number}/metadata", "/health"} <= set(paths)
    assert "429" in paths["/v1/models/{name}:predict"]["post"]["responses"]


class Slow(Repository):
    """A repository that finds its models only after an event."""

    def __init__(self, root):
        super().__init__(root, ServerOptions(request_seconds=0.3, concurrency=4))
        self.go = threading.Event()

    def find(self, name, number=None):
        self.go.wait()
        return super().find(name, number)


def test_too_many_requests_and_too_long_ones(root):
    repository = Slow(root)
    with TestClient(application(repository)) as client:

        def predict(name="doubling"):
            return client.post(f"/v1/models/{name}:predict", json={"instances": [[1, 2]]})

        responses = [predict() for _ in range(3)]
        others = [predict("texts"), predict("texts"), predict("texts")]
        repository.go.set()
        # The first two are still being computed after their timeout, and leave room for other models.
        assert [response.status_code for response in responses] == [504, 504, 429]
        assert [response.status_code for response in others] == [504, 504, 429]
        assert "took too long" in responses[0].json()["error"]
        assert "4 requests are being computed" in others[2].json()["error"]
        assert others[2].headers["retry-after"] == "1"
        wait_until(lambda: client.get("/health").status_code == 200)
        wait_until(lambda: predict().status_code == 200)


def test_before_the_models_are_loaded(root):
    class Waiting(Repository):
        def update(self, seconds=None):
            go.wait()
            return super().update(seconds)

    go = threading.Event()
    with TestClient(application(Waiting(root))) as client:
        response = client.get("/health")
        assert (response.status_code, response.json()) == (503, {"error": "The models are being loaded."})
        go.set()


def test_the_server_is_ready_when_every_model_answers_however_long_one_loads(root, tmp_path, monkeypatch):
    """A model with a version to serve waits for no other, and none for what cannot be loaded."""

    def slow(folder, options):
        if folder in waited_for:
            waited_for[folder].wait(60)
        return Servable(folder, options)

    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    (tmp_path / "broken" / "1").mkdir(parents=True)
    waited_for = {tmp_path / "doubling" / "2": threading.Event(), tmp_path / "texts" / "1": threading.Event()}
    monkeypatch.setattr(repository_module, "Servable", slow)
    repository = Repository(tmp_path, ServerOptions(load_seconds=0.1, poll_seconds=0.01))
    with TestClient(application(repository)) as client:
        wait_until(lambda: client.get("/v1/models/doubling/versions/1/metadata").status_code == 200)
        wait_until(lambda: repository.status("broken")[0]["state"] == "END")
        # Many times load_seconds.
        time.sleep(1)
        assert client.get("/health").status_code == 503
        waited_for[tmp_path / "texts" / "1"].set()
        wait_until(lambda: client.get("/health").status_code == 200)
        assert client.get("/v1/models/texts/metadata").status_code == 200
        assert client.get("/v1/models/doubling/versions/2/metadata").status_code == 503
        waited_for[tmp_path / "doubling" / "2"].set()


def test_a_scan_that_fails_ends_nothing(root, caplog):
    class Failing(Repository):
        def update(self, seconds=None):
            failures.append("the folder is gone")
            if len(failures) in (1, 3):
                raise OSError(failures[-1])
            return super().update(seconds)

    failures = []
    with TestClient(application(Failing(root, ServerOptions(poll_seconds=0.01)))) as client:
        wait_until(lambda: client.get("/health").status_code == 200)
        wait_until(lambda: len(failures) > 4)
        assert client.post("/v1/models/doubling:predict", json={"instances": [[1, 2]]}).status_code == 200
    assert sum("cannot be scanned" in record.message for record in caplog.records) == 2


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_the_description_needs_no_network(client, page):
    html = client.get(page).text
    urls = re.findall(r'(?:src|href|url)\s*[=:]\s*["\']([^"\']+)', html)
    assert len(urls) > 1
    for url in urls:
        assert url.startswith("/"), url
        assert client.get(url).status_code == 200


def test_a_folder_without_models_is_named_in_the_log(tmp_path, caplog):
    """Such as the folder of one model, which has versions where names are expected."""
    models.write(tmp_path / "doubling" / "1")
    with TestClient(application(Repository(tmp_path / "doubling"))) as client:
        wait_until(lambda: client.get("/health").status_code == 200)
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    folder = tmp_path / "doubling"
    assert said == [f"{folder} has no models yet: it must be a folder of models, each with versions, as NAME/NUMBER."]
