"""Whatever a client sends, the response is correct or says what is wrong; it is never an internal error."""

import json
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from keras_refs.serving import Repository, ServerOptions, application
from tests.serving import models
from tests.serving.servers import listening, wait_until

# The same examples in every run.
QUIETLY = {
    "derandomize": True,
    "deadline": None,
    "database": None,
    "suppress_health_check": list(HealthCheck),
}
PATHS = [f"/v1/models/{name}:predict" for name in ("numbers", "texts", "numbers/versions/1", "nothing")]


def app(folder):
    models.write(folder / "numbers" / "1")
    models.write_texts(folder / "texts" / "1")
    return application(Repository(folder, ServerOptions(body_megabytes=0.1)))


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    # The test client raises the server's exceptions.
    with TestClient(app(tmp_path_factory.mktemp("models"))) as client:
        wait_until(lambda: client.get("/health").status_code == 200)
        yield client


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.text()
    | st.sampled_from([[1.0, 2.0], [[1.0, 2.0]], {"b64": "aGVsbG8="}, {"b64": "?"}, {"b64": 1}]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["numbers", "words", "loud", "times", "b64", "x"]), inner, max_size=3)
    ),
    max_leaves=12,
)
requests = st.dictionaries(
    st.sampled_from(["instances", "inputs", "signature_name", "other"]), json_values, max_size=3
) | st.builds(lambda values: {"instances": values}, json_values)


def check(response):
    assert response.status_code in (200, 400, 404, 413)
    result = response.json()
    if response.status_code != 200:
        assert isinstance(result["error"], str)
        assert result["error"]


@settings(max_examples=300, **QUIETLY)
@given(path=st.sampled_from(PATHS), request=requests)
def test_any_json(client, path, request):
    check(client.post(path, content=json.dumps(request)))


@settings(max_examples=200, **QUIETLY)
@given(
    path=st.sampled_from(PATHS),
    request=requests,
    end=st.floats(0, 1),
    encoding=st.sampled_from(["utf-8", "utf-16", "utf-32", "utf-7"]),
    noise=st.binary(max_size=3),
)
def test_broken_bodies(client, path, request, end, encoding, noise):
    """Truncated, in another encoding, with bytes that are not text."""
    body = json.dumps(request).encode(encoding)
    check(client.post(path, content=body[: round(end * len(body))] + noise))


@pytest.mark.parametrize(
    "body",
    [
        b'{"instances": ' + b"[" * 50_000,
        b'{"instances": [' + b"9" * 5000 + b"]}",
        b'{"instances": [[1e999, -1e999]]}',
        b'{"instances": [[NaN, 1]]}',
        b'{"inputs": {"numbers": {}}}',
        b'{"instances": [[1, 2], [1]]}',
        b"\x00" * 1000,
        b'{"instances": ["\\ud800"]}',
    ],
    ids=["deep", "long number", "infinite", "not a number", "object", "ragged", "zeros", "surrogate"],
)
def test_bodies_that_broke_other_servers(client, body):
    for path in PATHS[:3]:
        response = client.post(path, content=body)
        check(response)
        # The texts accept the surrogate.
        assert response.status_code == 400 or (b"ud800" in body and "texts" in path)


def test_a_body_of_100_megabytes_is_refused(client):
    response = client.post(PATHS[0], content=(b" " * 2**20 for _ in range(100)))
    assert response.status_code == 413
    check(response)


def test_conforms_to_its_own_description(tmp_path):
    """By schemathesis: every response has a status, a schema and headers that the description and HTTP allow."""
    with listening(lambda _: app(tmp_path / "models")) as address:
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{address}/openapi.json", "--max-examples", "20"]
        # The description cannot say that the numbers fit a signature.
        options = ["--generation-deterministic", "--exclude-checks", "positive_data_acceptance", "--no-color"]
        result = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert "9/9" in result.stdout
