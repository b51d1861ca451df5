"""The web application: TensorFlow Serving's REST API over a repository of models."""

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import gc
import threading
import time
from typing import Annotated

import prometheus_client
import tensorflow as tf
from fastapi import Depends, FastAPI, Response
from fastapi.responses import PlainTextResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from keras_refs.serving import rest
from keras_refs.serving.repository import Repository
from keras_refs.serving.rest import RequestError
from keras_refs.serving.servable import Batching

METRICS_PATH = "/monitoring/prometheus/metrics"
"""TensorFlow Serving's."""
STATUS_OF_ERROR = {
    tf.errors.InvalidArgumentError: 400,
    tf.errors.OutOfRangeError: 400,
    tf.errors.FailedPreconditionError: 400,
    tf.errors.NotFoundError: 404,
    tf.errors.ResourceExhaustedError: 429,
    tf.errors.UnavailableError: 429,
    tf.errors.DeadlineExceededError: 504,
}


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a server takes on.

    Attributes:
        body_bytes: Largest body of a request; more gets 413.
        seconds: How long a request may take; longer gets 504.
        concurrency: Requests that are computed or wait for a batch at the same time; more get 429.
        poll_seconds: How often the folder of models is looked at.
    """

    body_bytes: int = 16 * 2**20
    seconds: float = 60.0
    concurrency: int = 64
    poll_seconds: float = 1.0


def application(repository, limits=None):
    """Return the ASGI application that serves a repository's models.

    Args:
        repository: A `Repository`; the application has it look for new models as long as it runs.
        limits: `Limits`.

    Its `state.answer` is a function of a body, the name of a model and a version or `None`, that returns the body of
    the answer or raises `RequestError`.
    """
    limits = limits or Limits()
    server = _Server(repository, limits)
    app = FastAPI(
        title="keras_refs",
        description="Exported models, by TensorFlow Serving's REST API.",
        lifespan=lambda _: server.running(),
    )
    app.add_exception_handler(RequestError, lambda _, error: _answer(rest.write_error(str(error)), error.status))
    app.add_exception_handler(
        HTTPException, lambda _, error: _answer(rest.write_error(error.detail), error.status_code, error.headers)
    )
    app.add_exception_handler(Exception, lambda *_: _answer(rest.write_error("Internal error"), 500))

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


class _Server:
    """What the routes share: threads to compute in, counters, and the thread that looks for new models."""

    def __init__(self, repository, limits):
        self.repository = repository
        self.ready = threading.Event()
        self.metrics = prometheus_client.CollectorRegistry()
        self._limits = limits
        self._computing = 0
        labels = ("model", "status")
        self._requests = prometheus_client.Counter(
            "keras_refs_requests", "Requests for predictions", labels, registry=self.metrics
        )
        self._seconds = prometheus_client.Histogram(
            "keras_refs_request_seconds", "Time of an answered request", ("model",), registry=self.metrics
        )

    @contextlib.asynccontextmanager
    async def running(self):
        """Look for models and compute, until the server stops."""
        stop = threading.Event()

        def look():
            while not stop.is_set():
                if self.repository.update():
                    _collect_garbage()
                self.ready.set()
                stop.wait(self._limits.poll_seconds)

        looking = threading.Thread(target=look, name="repository", daemon=True)
        looking.start()
        with concurrent.futures.ThreadPoolExecutor(self._limits.concurrency, "predict") as self._threads:
            yield
        stop.set()
        gc.unfreeze()

    async def predict(self, request, name, number):
        """Return the response to a request for predictions."""
        began = time.perf_counter()
        # Names that no model has are not counted each for itself: anybody can make up any number of them.
        label = name if name in self.repository.names else "unknown"
        try:
            response = await self._predict(request, name, number)
        except RequestError as error:
            self._requests.labels(label, error.status).inc()
            raise
        self._requests.labels(label, 200).inc()
        self._seconds.labels(label).observe(time.perf_counter() - began)
        return response

    async def _predict(self, request, name, number):
        body = await self._body(request)
        if self._computing >= self._limits.concurrency:
            raise RequestError(f"{self._computing} requests are being computed; try again.", 429)
        self._computing += 1
        computing = asyncio.get_running_loop().run_in_executor(self._threads, self.answer, body, name, number)
        # Whoever waits for it or not, a computation takes its place until it is done.
        computing.add_done_callback(self._one_less)
        try:
            return _answer(await asyncio.wait_for(asyncio.shield(computing), self._limits.seconds))
        except TimeoutError as error:
            raise RequestError(f"The answer took longer than {self._limits.seconds:g} s.", 504) from error

    def _one_less(self, computing):
        self._computing -= 1
        # Nobody may be left to look at it.
        computing.cancelled() or computing.exception()

    async def _body(self, request):
        parts, size = [], 0
        async for part in request.stream():
            size += len(part)
            if size > self._limits.body_bytes:
                raise RequestError(f"The body must have at most {self._limits.body_bytes} bytes.", 413)
            parts.append(part)
        return b"".join(parts)

    def answer(self, body, name, number=None):
        """Return the body of the answer to a body."""
        _, servable = self.repository.find(name, number)
        request = rest.read_body(body)
        signature = servable.signature(request.get("signature_name") or "serving_default")
        inputs = rest.read_inputs(request, signature.inputs)
        try:
            return rest.write_answer(signature(inputs), by_rows="instances" in request)
        except tf.errors.OpError as error:
            raise RequestError(_reason(error), STATUS_OF_ERROR.get(type(error), 500)) from error


def _collect_garbage():
    """Free what old models leave behind, and have Python's collector pass over the hundreds of thousands of objects of
    the new ones, which it would else look through every few hundred requests, with all of these waiting.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _reason(error):
    """Return what a signature refused, without TensorFlow's account of where."""
    frame = ("Graph execution error", "Detected at node", "<stack traces", "\t [[")
    told = [line for line in error.message.splitlines() if line and not line.startswith(frame)]
    return " ".join(told).removeprefix("assertion failed: ") or type(error).__name__


def _newest():
    return None


def _version(number: str):
    if not (number.isascii() and number.isdecimal() and len(number) < 19):
        raise RequestError(f"A version is a whole number. Received: {number!r}")
    return int(number)


def _answer(body, status=200, headers=None):
    return Response(body, status, headers, media_type="application/json")
