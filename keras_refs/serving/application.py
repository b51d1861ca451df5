"""The web application: TensorFlow Serving's REST API over a repository of models."""

from typing import Annotated

import prometheus_client
from fastapi import Depends, FastAPI
from fastapi.responses import PlainTextResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from keras_refs.serving import rest
from keras_refs.serving.repository import Repository
from keras_refs.serving.rest import RequestError
from keras_refs.serving.servable import Batching
from keras_refs.serving.server import Limits, Server, json_response

METRICS_PATH = "/monitoring/prometheus/metrics"
"""TensorFlow Serving's."""


def application(repository, limits=None):
    """Return the ASGI application that serves a repository's models.

    Args:
        repository: A `Repository`; the application has it look for new models as long as it runs.
        limits: `Limits`.

    Its `state.answer` is a function of a body, the name of a model and a version or `None`, that returns the body of
    the answer or raises `RequestError`.
    """
    limits = limits or Limits()
    server = Server(repository, limits)
    app = FastAPI(
        title="keras_refs",
        description="Exported models, by TensorFlow Serving's REST API.",
        lifespan=lambda _: server.running(),
    )
    app.add_exception_handler(RequestError, lambda _, error: json_response(rest.write_error(str(error)), error.status))
    app.add_exception_handler(
        HTTPException, lambda _, error: json_response(rest.write_error(error.detail), error.status_code, error.headers)
    )
    app.add_exception_handler(Exception, lambda *_: json_response(rest.write_error("Internal error"), 500))

    @app.get("/health", tags=["server"])
    def health():
        """Tell whether every model was looked at; 503 before."""
        if not server.ready.is_set():
            raise RequestError("The models are being loaded.", 503)
        return {"models": repository.names}

    @app.get(METRICS_PATH, tags=["server"], response_class=PlainTextResponse)
    def metrics():
        """Return Prometheus metrics."""
        return PlainTextResponse(prometheus_client.generate_latest(server.metrics))

    @app.get("/v1/models", tags=["models"])
    def models():
        """List the models."""
        return {"models": repository.names}

    _add_model_routes(app, server, "/v1/models/{name}", _newest)
    _add_model_routes(app, server, "/v1/models/{name}/versions/{number}", _version)
    app.state.answer = server.answer
    return app


def from_options(
    root, models, batch_size, batch_milliseconds, body_megabytes, request_seconds, concurrency, poll_seconds
):
    """Return the repository of a folder and the application that serves it.

    The arguments are the options of `python -m keras_refs.serve`, which says what they mean. `models` is a list of
    names, or `None` for all.
    """
    batching = Batching(batch_size, batch_milliseconds / 1000) if batch_size > 1 else None
    repository = Repository(root, models, batching)
    limits = Limits(round(body_megabytes * 2**20), request_seconds, concurrency, poll_seconds)
    return repository, application(repository, limits)


def _add_model_routes(app, server, path, version):
    number_in_path = Annotated[int | None, Depends(version)]

    def described(name):
        suffix = "_of_version" if path.endswith("{number}") else ""
        return {"responses": _ERRORS, "tags": ["models"], "operation_id": name + suffix}

    @app.get(f"{path}/metadata", **described("metadata"))
    def metadata(name: str, number: number_in_path):
        """Return the signatures of a version."""
        found, servable = server.repository.find(name, number)
        return {
            "model_spec": {"name": name, "signature_name": "", "version": str(found)},
            "metadata": {"signature_def": {"signature_def": servable.metadata}},
        }

    body = {"required": True, "content": {"application/json": {"schema": _PREDICT}}}

    async def answer(request):
        name, *rest = request.path_params.values()
        return await server.predict(request, name, version(*rest))

    def predict(name: str, number: number_in_path):
        """Answer with a signature's outputs: `predictions` for `instances`, `outputs` for `inputs`."""

    app.router.add_api_route(
        f"{path}:predict",
        predict,
        methods=["POST"],
        openapi_extra={"requestBody": body},
        route_class_override=_answered_by(answer),
        **described("predict"),
    )

    @app.get(path, **described("status"))
    def status(name: str, number: number_in_path):
        """Return the state of every version."""
        return {"model_version_status": server.repository.status(name, number)}


def _answered_by(handler):
    """Return a class of routes that FastAPI describes, and whose requests it hands to a function as they are."""

    class Route(APIRoute):
        def get_route_handler(self):
            return handler

    return Route


_ERRORS = {
    code: {"description": text, "content": {"application/json": {"schema": {"type": "object"}}}}
    for code, text in (
        (400, "A request that does not fit the signature"),
        (404, "No such model, version or signature"),
        (413, "Too large a body"),
        (429, "Too many requests at the same time"),
        (503, "The version is being loaded"),
        (504, "It took too long"),
    )
}
_PREDICT = {
    "type": "object",
    "properties": {
        "signature_name": {"type": "string"},
        "instances": {"type": "array", "items": {}},
        "inputs": {},
    },
    "oneOf": [{"required": ["instances"]}, {"required": ["inputs"]}],
}


def _newest():
    return None


def _version(number: str):
    if not (number.isascii() and number.isdecimal() and len(number) < 19):
        raise RequestError(f"A version is a whole number. Received: {number!r}")
    return int(number)
