"""The web application: TensorFlow Serving's REST API over a repository of models, within resource limits."""

import asyncio
import concurrent.futures
import contextlib
import gc
import threading
import time
from typing import Annotated

import prometheus_client
import tensorflow as tf
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from starlette.exceptions import HTTPException

from keras_refs.serving import rest

STATUS_OF_ERROR = {
    tf.errors.InvalidArgumentError: 400,
    tf.errors.OutOfRangeError: 400,
    tf.errors.FailedPreconditionError: 400,
    tf.errors.NotFoundError: 404,
    tf.errors.ResourceExhaustedError: 429,
    tf.errors.UnavailableError: 429,
    tf.errors.DeadlineExceededError: 504,
}


def application(repository):
    """Return the ASGI application that serves a repository's models, within the limits of its `ServerOptions`.

    Args:
        repository: A `Repository`, which the application updates as long as it runs.

    Its `state.predict` is a function of a request body, the name of a model and a version or `None`, which returns the
    response body or raises `RequestError`; `state.ready` is a `threading.Event`, set when the models are loaded.
    """
    server = _Server(repository)
    app = FastAPI(
        title="keras_refs",
        description="Exported models, by TensorFlow Serving's REST API.",
        lifespan=lambda _: server.running(),
        exception_handlers={
            rest.RequestError: lambda _, error: _error(str(error), error.status),
            HTTPException: lambda _, error: _error(error.detail, error.status_code, error.headers),
            Exception: lambda *_: _error("Internal error", 500),
        },
    )
    app.state.predict, app.state.ready = server.predict, server.ready

    @app.get("/health", tags=["server"])
    def health():
        """Return the names of the models; status 503 until they are loaded."""
        if not server.ready.is_set():
            raise rest.RequestError("The models are being loaded.", 503)
        return {"models": repository.names}

    # The path is TensorFlow Serving's.
    @app.get("/monitoring/prometheus/metrics", tags=["server"], response_class=PlainTextResponse)
    def metrics():
        """Return Prometheus metrics."""
        return PlainTextResponse(prometheus_client.generate_latest(server.metrics))

    @app.get("/v1/models", tags=["models"])
    def models():
        """List the models."""
        return {"models": repository.names}

    _add_model_routes(app, server, "/v1/models/{name}", _newest, "")
    _add_model_routes(app, server, "/v1/models/{name}/versions/{number}", _version, "_of_version")
    return app


def _add_model_routes(app, server, path, version, suffix):
    number_in_path = Annotated[int | None, Depends(version)]
    described = {"responses": _ERRORS, "tags": ["models"]}

    @app.get(f"{path}/metadata", operation_id=f"metadata{suffix}", **described)
    def metadata(name: str, number: number_in_path):
        """Return the signatures of a version."""
        number, servable = server.repository.find(name, number)
        return {
            "model_spec": {"name": name, "signature_name": "", "version": str(number)},
            "metadata": {"signature_def": {"signature_def": servable.metadata}},
        }

    @app.post(f"{path}:predict", operation_id=f"predict{suffix}", openapi_extra=_PREDICT, **described)
    async def predict(request: Request, name: str, number: number_in_path):
        """Return the outputs of a signature: `predictions` for `instances`, `outputs` for `inputs`."""
        return await server.respond(request, name, number)

    @app.get(path, operation_id=f"status{suffix}", **described)
    def status(name: str, number: number_in_path):
        """Return the state of every version."""
        return {"model_version_status": server.repository.status(name, number)}


_ERRORS = {
    code: {"description": text, "content": {"application/json": {"schema": {"type": "object"}}}}
    for code, text in (
        (400, "A request that does not fit the signature"),
        (404, "No such model, version or signature"),
        (413, "Too large a body"),
        (429, "Too many requests at the same time"),
        (503, "The version is being loaded"),
        (504, "The request took too long"),
    )
}
_BODY = {
    "type": "object",
    "properties": {"signature_name": {"type": "string"}, "instances": {"type": "array", "items": {}}, "inputs": {}},
    "oneOf": [{"required": ["instances"]}, {"required": ["inputs"]}],
}
_PREDICT = {"requestBody": {"required": True, "content": {"application/json": {"schema": _BODY}}}}


# Not in threads, as FastAPI calls what is not asynchronous.
async def _newest():
    return None


async def _version(number: str):
    if not (number.isascii() and number.isdecimal() and len(number) < 19):
        raise rest.RequestError(f"A version is a whole number. Received: {number!r}")
    return int(number)


def _error(message, status, headers=None):
    return Response(rest.to_json({"error": message}), status, headers, media_type="application/json")


class _Server:
    """What the routes share: threads that compute, counters, and the thread that loads new models."""

    def __init__(self, repository):
        self.repository = repository
        self.ready = threading.Event()
        self.metrics = prometheus_client.CollectorRegistry()
        self._options = repository.options
        self._free = threading.Semaphore(self._options.concurrency)
        self._requests = prometheus_client.Counter(
            "keras_refs_requests", "Requests for predictions", ("model", "status"), registry=self.metrics
        )
        self._seconds = prometheus_client.Histogram(
            "keras_refs_request_seconds", "Time of a successful request", ("model",), registry=self.metrics
        )

    @contextlib.asynccontextmanager
    async def running(self):
        """Load models and compute predictions, until the server stops."""
        stop = threading.Event()

        def poll():
            while not stop.is_set():
                if self.repository.update():
                    # Frees removed models, and exempts the hundreds of thousands of objects of loaded ones from the
                    # garbage collection, whose scans would delay requests.
                    gc.unfreeze()
                    gc.collect()
                    gc.freeze()
                self.ready.set()
                stop.wait(self._options.poll_seconds)

        threading.Thread(target=poll, name="repository", daemon=True).start()
        with concurrent.futures.ThreadPoolExecutor(self._options.concurrency, "predict") as self._threads:
            yield
        stop.set()
        gc.unfreeze()

    async def respond(self, request, name, number):
        """Return the response to a prediction request."""
        start = time.perf_counter()
        # Names of no model share one label: clients may send any number of them.
        label = name if name in self.repository.names else "unknown"
        try:
            body = await self._compute(await self._body(request), name, number)
        except rest.RequestError as error:
            self._requests.labels(label, error.status).inc()
            raise
        self._requests.labels(label, 200).inc()
        self._seconds.labels(label).observe(time.perf_counter() - start)
        return Response(body, media_type="application/json")

    async def _body(self, request):
        limit = round(self._options.body_megabytes * 2**20)
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > limit:
                raise rest.RequestError(f"The body must have at most {limit} bytes.", 413)
        return body

    async def _compute(self, body, name, number):
        if not self._free.acquire(blocking=False):
            raise rest.RequestError(f"{self._options.concurrency} requests are being computed; try again.", 429)
        computing = self._threads.submit(self.predict, body, name, number)
        # A computation counts until it is done, also after its request has timed out.
        computing.add_done_callback(lambda _: self._free.release())
        seconds = self._options.request_seconds
        try:
            return await asyncio.wait_for(asyncio.wrap_future(computing), seconds)
        except TimeoutError as error:
            raise rest.RequestError(f"The request took longer than {seconds:g} s.", 504) from error

    def predict(self, body, name, number=None):
        """Return the response body for a request body."""
        _, servable = self.repository.find(name, number)
        request = rest.read_body(body)
        signature = servable.signature(request.get("signature_name") or "serving_default")
        inputs = rest.read_inputs(request, signature.inputs)
        try:
            return rest.write_response(signature(inputs), by_rows="instances" in request)
        except tf.errors.OpError as error:
            raise rest.RequestError(_reason(error), STATUS_OF_ERROR.get(type(error), 500)) from error


def _reason(error):
    """Return the message of an error without TensorFlow's description of where it was raised."""
    frame = ("Graph execution error", "Detected at node", "<stack traces", "\t [[")
    lines = [line for line in error.message.splitlines() if line and not line.startswith(frame)]
    return " ".join(lines).removeprefix("assertion failed: ") or type(error).__name__
