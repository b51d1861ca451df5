"""What every request passes before the application: its key, limits on its body, its identifier and its log line."""

import asyncio
import base64
import contextvars
import hmac
import logging
import re
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

import prometheus_client
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from keras_refs.errors import UserError
from keras_refs.serving.options import ServerOptions
from keras_refs.serving.rest import RequestError, to_json

log = logging.getLogger(__name__)
REQUEST_ID = contextvars.ContextVar("request_id", default="-")
"""Identifier of the request that is being served, which its client may choose, in the header X-Request-ID."""
MEGABYTE = 2**20
DISCONNECTED = 499
"""Status, in log and metrics, of a request whose client left before it was complete; nginx's."""


class Gate:
    """ASGI middleware that refuses requests without a key and bodies that are too large, too slow or too many.

    Args:
        app: The application.
        options: `ServerOptions`.
        keys: One of them must come with a request, unless there are none.
        metrics: The registry for the counter of responses.
    """

    def __init__(
        self,
        app: ASGIApp,
        options: ServerOptions,
        keys: list[bytes],
        metrics: prometheus_client.CollectorRegistry,
    ):
        self._app = app
        self._options = options
        self._keys = keys
        self._held = 0
        self._responses = prometheus_client.Counter(
            "keras_refs_responses", "Responses to requests of any kind", ("status",), registry=metrics
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] == "websocket":
            # Nothing here uses them.
            await send({"type": "websocket.close"})
        elif scope["type"] != "http":
            await self._app(scope, receive, send)
        else:
            await self._serve(_Exchange(self._options, self._hold, scope, receive, send), scope)

    async def _serve(self, exchange, scope):
        REQUEST_ID.set(exchange.request_id)
        start = time.perf_counter()
        try:
            if self._keys and scope["path"] != "/health" and not self._has_key(exchange.headers):
                await exchange.refuse(RequestError("This server needs an API key.", 401))
            else:
                await self._app(scope, exchange.receive, exchange.send)
        except RequestError:
            # The client has it already.
            pass
        except ClientDisconnect:
            exchange.status = DISCONNECTED
        except Exception:
            exchange.status = exchange.status or 500
            log.exception("Internal error")
            raise
        finally:
            self._held -= exchange.held
            self._responses.labels(exchange.status).inc()
            fields = {"method": scope["method"], "path": scope["path"][:200], "status": exchange.status}
            fields |= {"seconds": round(time.perf_counter() - start, 4), "client": (scope.get("client") or "-")[0]}
            log.info("%(method)s %(path)s %(status)d", fields, extra=fields)

    def _hold(self, size):
        """Count bytes of a body that has arrived, or refuse it if all bodies together have too many."""
        self._held += size
        if self._held > self._options.bodies_megabytes * MEGABYTE:
            raise RequestError("The bodies of all requests together are too large; try again.", 429)

    def _has_key(self, headers):
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            try:
                # Browsers ask for a name and a password: the key is the password.
                given = base64.b64decode(given).decode().partition(":")[2]
            except ValueError:
                return False
        # Compared with all, so that the time says nothing about any.
        return sum(hmac.compare_digest(key, given.strip().encode()) for key in self._keys) > 0


class _Exchange:
    """One request and its response, on their way."""

    def __init__(self, options, hold, scope, receive, send):
        self.headers = Headers(scope=scope)
        wanted = self.headers.get("x-request-id", "")
        self.request_id = wanted if re.fullmatch(r"[\w.-]{1,64}", wanted, re.A) else uuid.uuid4().hex
        self.status = self.held = 0
        self._hold, self._scope, self._receive, self._send = hold, scope, receive, send
        self._most = round(options.body_megabytes * MEGABYTE)
        self._end = asyncio.get_running_loop().time() + options.body_seconds
        self._is_whole = self._is_refused = False

    async def receive(self):
        if self._is_whole:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._end):
                return await self._part()
        except TimeoutError:
            error = RequestError("The body took too long to arrive.", 408)
        except RequestError as refused:
            error = refused
        await self.refuse(error)
        raise error

    async def _part(self):
        length = self.headers.get("content-length", "")
        if self.held <= self._most and not (length.isdecimal() and int(length) > self._most):
            message = await self._receive()
            size = len(message.get("body", b""))
            self.held += size
            self._hold(size)
            self._is_whole = not message.get("more_body", False)
            if self.held <= self._most:
                return message
        raise RequestError(f"The body must have at most {self._most} bytes.", 413)

    async def send(self, message):
        if self._is_refused:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            identifier = (b"x-request-id", self.request_id.encode())
            message = {**message, "headers": [*message.get("headers", ()), identifier]}
        await self._send(message)

    async def refuse(self, error):
        """Send the response to a request that is not let through; what the application sends is dropped."""
        if not self.status:
            await error_response(error)(self._scope, self._receive, self.send)
        self._is_refused = True


def error_response(error: RequestError, headers: Mapping[str, str] | None = None) -> Response:
    """Return the response that says what is wrong with a request, with further headers."""
    usual = {
        401: {"www-authenticate": 'Bearer, Basic realm="keras_refs"'},
        408: {"connection": "close"},
        429: {"retry-after": "1"},
        503: {"retry-after": "1"},
    }
    body, headers = to_json({"error": str(error)}), {**usual.get(error.status, {}), **(headers or {})}
    return Response(body, error.status, headers, media_type="application/json")


def read_keys(options: ServerOptions) -> list[bytes]:
    """Return the keys that the options have and name.

    Raises:
        UserError: If the file of keys cannot be read, or there are none in it.
    """
    lines = [] if options.api_key is None else [options.api_key]
    if options.api_key_file is not None:
        try:
            lines += Path(options.api_key_file).read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise UserError(f"The file of API keys cannot be read: {error}") from error
    keys = [line.strip().encode() for line in lines if line.strip() and not line.startswith("#")]
    if not keys and (options.api_key, options.api_key_file) != (None, None):
        raise UserError("An API key must not be empty, nor a file of keys.")
    return keys
