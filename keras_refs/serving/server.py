"""What answers requests for predictions, within limits, and looks for new models meanwhile."""

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import gc
import threading
import time

import prometheus_client
import tensorflow as tf
from fastapi import Response

from keras_refs.serving import rest
from keras_refs.serving.rest import RequestError

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


class Server:
    """What the routes share: threads to compute in, counters, and the thread that looks for new models.

    Args:
        repository: The `Repository` of the models.
        limits: `Limits`.
    """

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
            return json_response(await asyncio.wait_for(asyncio.shield(computing), self._limits.seconds))
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


def json_response(body, status=200, headers=None):
    """Return the response that has a body of JSON."""
    return Response(body, status, headers, media_type="application/json")
