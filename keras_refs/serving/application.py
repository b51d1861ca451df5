"""The web application: TensorFlow Serving's REST API over a repository of models, within resource limits."""

import asyncio
import collections
import concurrent.futures
import contextlib
import gc
import logging
import threading
import time
from typing import Annotated

import prometheus_client
import tensorflow as tf
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from keras_refs.serving import limits, rest
from keras_refs.serving.batches import too_late
from keras_refs.serving.gate import DISCONNECTED, Gate, error_response, read_keys
from keras_refs.serving.repository import Repository

log = logging.getLogger(__name__)
LARGE = 2**20
"""Bytes of a body above which requests are read one after the other."""
OUT_OF_MEMORY = "The server has no memory left for this request; try again, or with less."
STATUS_OF_ERROR = {
    tf.errors.InvalidArgumentError: (400, "{}"),
    tf.errors.OutOfRangeError: (400, "{}"),
    tf.errors.NotFoundError: (500, "The model lacks something: {}"),
    tf.errors.ResourceExhaustedError: (503, OUT_OF_MEMORY),
    tf.errors.DeadlineExceededError: (504, "{}"),
}


def application(repository: Repository) -> FastAPI:
    """Return the ASGI application that serves a repository's models, within the limits of its `ServerOptions`.

    Args:
        repository: A `Repository`, which the application updates as long as it runs.

    Raises:
        UserError: If the options name a file of keys that cannot be read.

    Its `state.predict` is a function of a request body, the name of a model and a version or `None`, which returns the
    response body or raises `RequestError`; `state.ready` is a `threading.Event`, set when the repository is ready.
    """
    options, server = repository.options, _Server(repository)
    app = FastAPIOffline(
        title="keras_refs",
        description="Exported models, by TensorFlow Serving's REST API.",
        lifespan=lambda _: server.running(),
        exception_handlers={
            rest.RequestError: lambda _, error: error_response(error),
            HTTPException: lambda _, error: error_response(
                rest.RequestError(error.detail, error.status_code), error.headers
            ),
            Exception: lambda *_: error_response(rest.RequestError("Internal error", 500)),
        },
    )
    app.add_middleware(Gate, options=options, keys=read_keys(options), metrics=server.metrics)
    app.state.predict, app.state.ready = server.predict, server.ready

    @app.get("/health", tags=["server"])
    def health():
        """Return the names of the models; status 503 until each has a version that is served, or cannot be loaded."""
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


_ERROR = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
_OUTPUTS = {"type": "object", "oneOf": [{"required": ["predictions"]}, {"required": ["outputs"]}]}
_ERRORS = {
    code: {"description": text, "content": {"application/json": {"schema": _ERROR}}}
    for code, text in (
        (400, "A request that does not fit the signature"),
        (401, "No API key, where the server needs one"),
        (404, "No such model, version or signature"),
        (408, "The body took too long to arrive"),
        (413, "Too large a request"),
        (429, "Too many requests at the same time"),
        (500, "The model or the server failed"),
        (503, "The version is being loaded, or no memory is left"),
        (504, "The request took too long"),
    )
}
_BODY = {
    "type": "object",
    "properties": {"signature_name": {"type": "string"}, "instances": {"type": "array", "items": {}}, "inputs": {}},
    "oneOf": [{"required": ["instances"]}, {"required": ["inputs"]}],
}
_PREDICT = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": _BODY}}},
    "responses": {"200": {"content": {"application/json": {"schema": _OUTPUTS}}}},
}


# Not in threads, as FastAPI calls what is not asynchronous.
async def _newest():
    return None


async def _version(number: str):
    if not (number.isascii() and number.isdecimal() and len(number) < 19):
        raise rest.RequestError(f"A version is a whole number. Received: {number!r}")
    return int(number)


class _Server:
    """What the routes share: threads that compute, counters, and the thread that loads new models."""

    def __init__(self, repository):
        self.repository = repository
        self.ready = threading.Event()
        self.metrics = prometheus_client.CollectorRegistry()
        self._options = repository.options
        self._threads = concurrent.futures.ThreadPoolExecutor(self._options.concurrency, "predict")
        # Requests that are computed or wait, by model.
        self._running = collections.Counter()
        self._counting, self._reading = threading.Lock(), threading.Lock()
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
        threading.Thread(target=self._poll, args=(stop,), name="repository", daemon=True).start()
        with self._threads:
            yield
        stop.set()
        gc.unfreeze()

    def _poll(self, stop):
        seconds = None
        while not stop.is_set():
            try:
                changed = self.repository.update(seconds)
                # The first time it waits for the models, then only for what comes at once.
                seconds = self._options.poll_seconds
                if changed or limits.memory_left(self._options) < 0:
                    limits.free_memory()
                if not self.ready.is_set() and self.repository.is_ready:
                    self._warn_of_no_models()
                    self.ready.set()
            except Exception:
                log.exception("The folder of models cannot be scanned; what is loaded is served.")
            stop.wait(self._options.poll_seconds)

    def _warn_of_no_models(self):
        if not self.repository.names:
            log.warning(
                "%s has no models yet: it must be a folder of models, each with versions, as NAME/NUMBER.",
                self.repository.root,
            )

    async def respond(self, request, name, number):
        """Return the response to a prediction request."""
        with self._counted(name):
            computing = asyncio.wrap_future(self._submit(await request.body(), name, number))
            try:
                body = await asyncio.wait_for(computing, self._options.request_seconds)
            except TimeoutError as error:
                raise too_late() from error
        return Response(body, media_type="application/json")

    def predict(self, body: bytes, name: str, number: int | None = None) -> bytes:
        """Return the response body for a request body, within the same limits as over HTTP."""
        with self._counted(name):
            return self._submit(body, name, number).result()

    @contextlib.contextmanager
    def _counted(self, name):
        start = time.perf_counter()
        # Names of no model share one label: clients may send any number of them.
        label = name if name in self.repository.names else "unknown"
        try:
            yield
        except Exception as error:
            status = DISCONNECTED if isinstance(error, ClientDisconnect) else getattr(error, "status", 500)
            self._requests.labels(label, status).inc()
            raise
        self._requests.labels(label, 200).inc()
        self._seconds.labels(label).observe(time.perf_counter() - start)

    def _submit(self, body, name, number):
        """Have a request computed by a thread, or refuse it."""
        if limits.memory_left(self._options) < 0:
            raise rest.RequestError(OUT_OF_MEMORY, 503)
        most = self._options.concurrency
        with self._counting:
            # One model must leave room for others.
            is_shared = len(self.repository.names) > 1
            if self._running.total() >= most or (is_shared and self._running[name] >= -(-most // 2)):
                raise rest.RequestError(f"{self._running.total()} requests are being computed; try again.", 429)
            self._running[name] += 1
        deadline = time.monotonic() + self._options.request_seconds
        computing = self._threads.submit(self._compute, body, name, number, deadline)
        # It counts until it is done, also after its request has timed out.
        computing.add_done_callback(lambda _: self._done(name))
        return computing

    def _done(self, name):
        with self._counting:
            self._running[name] -= 1
            if not self._running[name]:
                del self._running[name]

    def _compute(self, body, name, number, deadline):
        _, servable = self.repository.find(name, number)
        # Parsed, a large body takes many times its size.
        with self._reading if len(body) > LARGE else contextlib.nullcontext():
            request = rest.read_body(body)
            signature = servable.signature(request.get("signature_name") or "serving_default")
            inputs = rest.read_inputs(request, signature.inputs)
        limits.check_size(inputs, signature, self._options)
        try:
            outputs = signature(inputs, deadline)
        except tf.errors.OpError as error:
            status, message = STATUS_OF_ERROR.get(type(error), (500, "{}"))
            raise rest.RequestError(message.format(_reason(error)), status) from error
        except MemoryError as error:
            raise rest.RequestError(OUT_OF_MEMORY, 503) from error
        if (size := max(array.size for array in outputs.values())) > self._options.elements:
            raise rest.RequestError(
                f"An output has {size:,} numbers; at most {self._options.elements:,} are allowed.", 413
            )
        return rest.write_response(outputs, by_rows="instances" in request)


def _reason(error):
    """Return the message of an error without TensorFlow's description of where it was raised."""
    frame = ("Graph execution error", "Detected at node", "<stack traces", "\t [[")
    lines = [line for line in error.message.splitlines() if line and not line.startswith(frame)]
    return " ".join(lines).removeprefix("assertion failed: ") or type(error).__name__
