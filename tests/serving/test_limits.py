"""What is too large is refused before it is computed; what is late ends; what fails is called what it is."""

import base64
import io
import threading

import numpy as np
import psutil
import pytest
import tensorflow as tf
from PIL import Image
from starlette.testclient import TestClient

from keras_refs.serving import Repository, RequestError, ServerOptions, application, servable
from tests.serving import models
from tests.serving.servers import wait_until

OPTIONS = {"instances": 50, "elements": 2000, "length": 100, "steps": 1000, "pixels": 10_000}
FAILURES = {
    "invalid": tf.errors.InvalidArgumentError(None, None, "as it says"),
    "memory": tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"),
    "python": MemoryError(),
    "precondition": tf.errors.FailedPreconditionError(None, None, "no such variable"),
    "lacking": tf.errors.NotFoundError(None, None, "no such table"),
    "unknown": RuntimeError("secret"),
}


@pytest.fixture(scope="module")
def calls():
    return []


@pytest.fixture(scope="module")
def root(tmp_path_factory, calls):
    root = tmp_path_factory.mktemp("models")
    models.write(root / "doubling" / "1")

    def total(series):
        return {"sum": tf.reduce_sum(series, axis=1)}

    def size(encoded_images):
        def height(encoded):
            return tf.shape(tf.io.decode_image(encoded, channels=1, expand_animations=False))[0]

        return {"height": tf.map_fn(height, encoded_images, fn_output_signature=tf.int32)}

    models.save(root / "series" / "1", {"series": (tf.float32, (None,))}, serving_default=total)
    models.save(root / "images" / "1", {"encoded_images": (tf.string, ())}, serving_default=size)
    models.save(root / "texts" / "1", {"texts": (tf.string, ())}, serving_default=lambda texts: {"texts": texts})
    tiles = {"serving_default": lambda row: {"tiles": tf.tile(row[:, tf.newaxis], [1, 1000])}}
    models.save(root / "tiles" / "1", {"row": (tf.float32, ())}, **tiles)
    return root


@pytest.fixture(scope="module")
def repository(root):
    repository = Repository(root, ServerOptions(**OPTIONS, batch_size=4))
    repository.update()
    return repository


@pytest.fixture
def client(repository):
    with TestClient(application(repository), raise_server_exceptions=False) as client:
        wait_until(lambda: client.get("/health").status_code == 200)
        yield client


def png(width, height):
    """Return the file of a black image, compressed a thousand times."""
    file = io.BytesIO()
    Image.new("L", (width, height)).save(file, "PNG")
    return file.getvalue()


def encoded(file):
    return {"b64": base64.b64encode(file).decode()}


def jpeg():
    file = io.BytesIO()
    Image.new("L", (30, 20)).save(file, "JPEG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "instances", "status", "message"),
    [
        ("doubling", [[1, 2]] * 50, 200, ""),
        ("doubling", [[1, 2]] * 51, 413, "The request has 51 instances; at most 50 are allowed."),
        ("series", [[1] * 100] * 10, 200, ""),
        ("series", [[1] * 101], 413, "101 steps in a sequence; at most 100"),
        ("series", [[1] * 50] * 21, 413, "1,050 instances times steps; at most 1,000"),
        ("texts", ["x" * 1000] * 2, 200, ""),
        ("texts", ["é" * 1000, "x"], 413, "2,001 numbers, or bytes of strings, in an input; at most 2,000"),
        ("tiles", [1], 200, ""),
        ("tiles", [1, 2, 3], 413, "An output has 3,000 numbers; at most 2,000"),
        ("images", [encoded(png(100, 90)), encoded(jpeg())], 200, ""),
        ("images", [encoded(png(100, 90)), encoded(png(50, 50))], 413, "11,500 pixels in encoded images"),
        ("images", [encoded(png(16_000, 16_000))], 413, "too large"),
        ("images", ["hello"], 400, "must be PNG or JPEG files"),
        ("images", [encoded(png(10, 10)[:20])], 400, "must be PNG or JPEG files"),
    ],
)
def test_limits_that_are_known_before_computing(client, name, instances, status, message):
    response = client.post(f"/v1/models/{name}:predict", json={"instances": instances})
    assert response.status_code == status, response.text
    assert message in response.json().get("error", "")


def test_a_request_within_the_limits_by_default_is_not_refused(root):
    with TestClient(application(Repository(root))) as client:
        wait_until(lambda: client.get("/health").status_code == 200)
        image = {"instances": [encoded(png(4000, 3000))]}
        assert client.post("/v1/models/images:predict", json=image).json() == {"predictions": [3000]}


@pytest.mark.parametrize(
    ("failure", "status", "message"),
    [
        ("invalid", 400, "as it says"),
        ("memory", 503, "The server has no memory left"),
        ("python", 503, "The server has no memory left"),
        ("precondition", 500, "no such variable"),
        ("lacking", 500, "The model lacks something: no such table"),
        ("unknown", 500, "Internal error"),
    ],
)
def test_errors_are_called_what_they_are_and_counted(client, monkeypatch, failure, status, message):
    def fail(*_):
        raise FAILURES[failure]

    monkeypatch.setattr(servable._Signature, "__call__", fail)
    response = client.post("/v1/models/doubling:predict", json={"instances": [[1, 2]]})
    assert response.status_code == status
    assert message in response.json()["error"]
    metrics = client.get("/monitoring/prometheus/metrics").text
    assert f'keras_refs_requests_total{{model="doubling",status="{status}"}}' in metrics
    assert f'keras_refs_responses_total{{status="{status}"}}' in metrics


def test_no_request_is_computed_without_memory(root):
    megabytes = psutil.Process().memory_info().rss / 2**20
    with TestClient(application(Repository(root, ServerOptions(max_memory=megabytes / 2)))) as client:
        wait_until(lambda: client.get("/health").status_code == 200)
        response = client.post("/v1/models/doubling:predict", json={"instances": [[1, 2]]})
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert "no memory left" in response.json()["error"]


def test_what_times_out_stops_computing(root, monkeypatch):
    """A thousand pieces, of which each waits until the one before is counted."""
    calls = []

    def slow(signature, arrays):
        calls.append(arrays)
        threading.Event().wait(0.05)
        return {"products": arrays["numbers"], "sum": arrays["numbers"][:, 0]}

    monkeypatch.setattr(servable._Signature, "_call", slow)
    options = ServerOptions(batch_size=1, request_seconds=0.3, instances=10**6)
    repository = Repository(root, options)
    repository.update()
    app = application(repository)
    with TestClient(app) as client:
        body = {"instances": np.zeros((32_000, 2)).tolist()}
        assert client.post("/v1/models/doubling:predict", json=body).status_code == 504
    # The server ended, and so did its threads.
    assert 1 <= len(calls) < 100


def test_the_page_has_the_same_limits_and_metrics(client, repository):
    """It calls `state.predict`."""
    predict = client.app.state.predict
    assert predict(b'{"instances": [[1, 2]]}', "series") == b'{"predictions":[3.0]}'
    with pytest.raises(RequestError, match="at most 50") as raised:
        predict(str({"instances": [[1, 2]] * 51}).replace("'", '"').encode(), "series")
    assert raised.value.status == 413
    metrics = client.get("/monitoring/prometheus/metrics").text
    for status in (200, 413):
        assert f'keras_refs_requests_total{{model="series",status="{status}"}} 1.0' in metrics
