"""The committed models behind the server, by schemathesis: every response is one that the description allows."""

import json

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import CHECKS

from keras_refs import export
from keras_refs.serving import Repository, application, rest
from tests.conftest import REPOSITORY
from tests.serving.servers import listening

FOLDERS = {path.parent.name: path for path in sorted((REPOSITORY / "saved_models").glob("*/1"))}
QUIETLY = {"derandomize": True, "deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


@pytest.fixture(scope="module")
def description():
    repository = Repository(REPOSITORY / "saved_models")
    repository.update(300)
    with listening(lambda _: application(repository)) as address:
        yield schemathesis.openapi.from_url(f"{address}/openapi.json")


def operation(description, path, method):
    return description[path][method]


def requests(folder):
    """Yield the body of each warm-up request of a version, in columns."""
    for signature, inputs in export.read_warm_up(folder):
        content = {name: rest.as_json(name, array) for name, array in inputs.items()}
        yield {"signature_name": signature, "inputs": content}


@pytest.mark.parametrize("name", FOLDERS)
def test_every_signature_responds_as_described(description, name):
    described = operation(description, "/v1/models/{name}:predict", "POST")
    bodies = list(requests(FOLDERS[name]))
    assert bodies
    for body in bodies:
        case = described.Case(path_parameters={"name": name}, body=body, media_type="application/json")
        response = case.call_and_validate()
        assert response.status_code == 200, response.text
        assert "outputs" in json.loads(response.content)


OPERATIONS = [
    ("/v1/models/{name}:predict", "POST"),
    ("/v1/models/{name}/versions/{number}:predict", "POST"),
    ("/v1/models/{name}/metadata", "GET"),
    ("/v1/models/{name}/versions/{number}/metadata", "GET"),
    ("/v1/models/{name}", "GET"),
    ("/v1/models/{name}/versions/{number}", "GET"),
    ("/v1/models", "GET"),
    ("/health", "GET"),
    ("/monitoring/prometheus/metrics", "GET"),
]


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_whatever_is_sent_the_response_is_as_described(description, path, method):
    described = operation(description, path, method)

    @settings(max_examples=60, **QUIETLY)
    @given(data=st.data(), name=st.sampled_from([*FOLDERS, "nothing"]), number=st.sampled_from(["1", "2", "x"]))
    def check(data, name, number):
        case = data.draw(described.as_strategy())
        for key, value in {"name": name, "number": number}.items():
            if f"{{{key}}}" in path:
                case.path_parameters[key] = value
        # The description cannot say that the numbers fit a signature.
        response = case.call_and_validate(excluded_checks=CHECKS.get_by_names(["positive_data_acceptance"]))
        assert response.status_code < 500

    check()


def test_all_operations_are_tried(description):
    assert sorted(OPERATIONS) == sorted(
        (each.ok().path, each.ok().method.upper()) for each in description.get_all_operations()
    )
