"""Bodies, headers, keys and log lines, by requests over real connections where their time counts."""

import base64
import contextlib
import json
import logging
import logging.handlers
import queue
import re
import socket
import time
import urllib.parse

import httpx2
import pytest
from starlette.testclient import TestClient

from keras_refs.errors import UserError
from keras_refs.serving import Repository, ServerOptions, application, logs
from tests.serving import models
from tests.serving.servers import listening, wait_until

PATH = "/v1/models/doubling:predict"
BODY = {"instances": [[1, 2]]}
OPTIONS = {"body_seconds": 0.5, "body_megabytes": 0.5, "bodies_megabytes": 1.0}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    models.write(root / "doubling" / "1")
    return root


@pytest.fixture(scope="module")
def repository(root):
    repository = Repository(root, ServerOptions(**OPTIONS))
    repository.update()
    return repository


@pytest.fixture(scope="module")
def address(repository):
    with listening(lambda _: application(repository), idle_seconds=1) as address:
        yield urllib.parse.urlsplit(address)


@pytest.fixture
def connect(address):
    """Open a connection and send what is given."""
    with contextlib.ExitStack() as stack:

        def send(data):
            connection = stack.enter_context(socket.create_connection((address.hostname, address.port), 30))
            connection.sendall(data)
            return connection

        yield send


def begin(length):
    return f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()


def read(connection):
    """Return what comes until the server closes the connection."""
    with contextlib.suppress(ConnectionError):
        return b"".join(iter(lambda: connection.recv(2**16), b""))
    return b""


def predict(address):
    return httpx2.post(f"{address.geturl()}{PATH}", json=BODY, timeout=60)


@pytest.mark.parametrize("data", [b"", b"G", b"POST / HTTP/1.1\r\nX: "], ids=["nothing", "a byte", "half a head"])
def test_a_connection_without_a_request_is_closed(connect, data):
    assert read(connect(data)) == b""


def test_endless_headers_are_refused(connect):
    assert b"The headers are too long" in read(connect(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000))


def test_a_body_that_does_not_come_is_not_waited_for(connect, address):
    """Others are answered meanwhile, more of them than can be computed at the same time."""
    slow = [connect(begin(1000) + b"{") for _ in range(100)]
    assert predict(address).status_code == 200
    for connection in slow:
        response = read(connection)
        assert response.startswith(b"HTTP/1.1 408")
        assert b"The body took too long to arrive" in response


def test_all_bodies_together_have_a_limit(connect, address):
    """Three times 0.4 MB, of which the last byte is missing."""
    large = [connect(begin(400_001) + b" " * 400_000) for _ in range(3)]
    statuses = sorted(connection.recv(12) for connection in large)
    assert statuses == [b"HTTP/1.1 408", b"HTTP/1.1 408", b"HTTP/1.1 429"]
    assert predict(address).status_code == 200


def test_a_body_is_refused_by_its_announced_length(connect):
    assert connect(begin(10**9)).recv(12) == b"HTTP/1.1 413"


def test_a_client_that_leaves_is_no_internal_error(connect, address):
    connect(begin(1000) + b"{").close()

    def counted():
        metrics = httpx2.get(f"{address.geturl()}/monitoring/prometheus/metrics").text
        assert 'status="500"' not in metrics
        return 'keras_refs_requests_total{model="doubling",status="499"}' in metrics

    wait_until(counted)


def log_of(caplog):
    return [record for record in caplog.records if record.name == "keras_refs.serving.gate"]


def test_every_request_has_a_line_in_the_log_and_an_identifier(repository, caplog):
    caplog.set_level(logging.INFO, "keras_refs")
    with TestClient(application(repository)) as client:
        named = client.post(PATH, json=BODY, headers={"X-Request-ID": "mine-1"})
        other = client.post(PATH, content=b"secret", headers={"X-Request-ID": "not {valid}"})
    assert named.headers["x-request-id"] == "mine-1"
    assert re.fullmatch("[0-9a-f]{32}", other.headers["x-request-id"])
    first, second = log_of(caplog)
    assert (first.method, first.path, first.status) == ("POST", PATH, 200)
    assert first.seconds > 0
    assert second.status == 400
    assert not any("secret" in str(vars(record)) for record in caplog.records)


def test_the_log_is_lines_of_json(repository, capfd):
    try:
        logs.configure("info")
        with TestClient(application(repository)) as client:
            client.get("/v1/models", headers={"X-Request-ID": "mine-2"})
        written = []
        wait_until(lambda: written.append(capfd.readouterr().err) or "mine-2" in "".join(written))
    finally:
        for name in ("keras_refs", "uvicorn"):
            logging.getLogger(name).handlers.clear()
            logging.getLogger(name).propagate = True
    (line,) = (json.loads(line) for line in "".join(written).splitlines() if "mine-2" in line)
    assert (line["path"], line["status"], line["levelname"]) == ("/v1/models", 200, "INFO")
    assert line["message"] == "GET /v1/models 200"


def test_no_request_waits_for_the_reader_of_the_log():
    """A queue that is full."""
    lines = logs._Lines(queue.Queue(1))
    for number in range(3):
        lines.emit(logging.makeLogRecord({"msg": str(number)}))
    assert lines.queue.get_nowait().getMessage() == "0"
    assert lines.queue.empty()


def test_the_last_lines_of_the_log_are_waited_for():
    class Slow(logging.Handler):
        def emit(self, record):
            time.sleep(0.1)
            written.append(record.getMessage())

    written, lines = [], logs._Lines(queue.Queue())
    listener = logging.handlers.QueueListener(lines.queue, Slow())
    listener.start()
    lines.emit(logging.makeLogRecord({"msg": "first"}))
    lines.emit(logging.makeLogRecord({"msg": "last"}))
    lines.flush()
    assert written == ["first", "last"]
    listener.stop()


@pytest.fixture
def with_keys(root, tmp_path):
    (tmp_path / "keys").write_text("# of the team\nfirst\n\nsecond\n")
    options = ServerOptions(api_key="third", api_key_file=str(tmp_path / "keys"))
    assert "third" not in repr(options)
    repository = Repository(root, options)
    repository.update()
    with TestClient(application(repository)) as client:
        wait_until(lambda: client.get("/health").status_code == 200)
        yield client


def basic(password):
    return "Basic " + base64.b64encode(f"any:{password}".encode()).decode()


@pytest.mark.parametrize("value", ["Bearer first", "Bearer second", "bearer third", basic("first")])
def test_a_request_with_a_key_is_served(with_keys, value):
    assert with_keys.post(PATH, json=BODY, headers={"Authorization": value}).status_code == 200


@pytest.mark.parametrize(
    "value",
    ["", "first", "Bearer", "Bearer ", "Bearer firs", "Bearer # of the team", "Basic ?", basic("x"), "Bearer é"],
)
def test_a_request_without_a_key_is_refused(with_keys, value):
    for path in (PATH, "/docs", "/monitoring/prometheus/metrics"):
        response = with_keys.post(path, json=BODY, headers={"Authorization": value.encode()})
        assert (response.status_code, list(response.json())) == (401, ["error"])
        assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("options", [{"api_key": " "}, {"api_key_file": "/nowhere"}, {"api_key_file": "/dev/null"}])
def test_a_server_whose_keys_are_missing_does_not_start(root, options):
    with pytest.raises(UserError, match="API key"):
        application(Repository(root, ServerOptions(**options)))
